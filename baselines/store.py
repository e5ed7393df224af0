"""A folder of results: a manifest, and one row a line, kept whatever happens to the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from baselines.rows import AnyRow, Cell, row_from_json
from multiparty_envs.files import write_text

FORMAT = 1
"""Version of the folder's layout, stored in the manifest."""


@final
class RunFolder:
    """Rows on disk, each appended as one whole line and flushed.

    So a run that is interrupted keeps all it had; a line that a crash cut off is dropped when the
    folder is opened again.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
        self.path = Path(path)
        self.manifest = manifest
        self._rows: dict[str, AnyRow] = {
            row.cell.key: row for row in _read(self.path / "rows.jsonl")
        }

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], config: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> RunFolder:
        """Create the folder, or go on with the one that the same configuration left.

        Args:
            path: the folder; parents are made.
            config: everything that decides the rows; JSON values.
            facts: what should be on record beside it (command, versions, commit).

        Raises:
            ValueError: when the folder holds results of another configuration.
            OSError: when it cannot be written to; nothing has been run by then.
        """
        folder = Path(path)
        settings = json.loads(json.dumps(config))  # as it reads back: tuples are lists
        if (folder / "manifest.json").exists():
            return cls._again(folder, settings)
        manifest = {"format": FORMAT, "hash": config_hash(settings), "config": settings, **facts}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
        except OSError as error:
            raise OSError(f"cannot write results to {folder}: {error}") from error
        return cls(folder, manifest)

    @classmethod
    def _again(cls, folder: Path, config: Mapping[str, Any]) -> RunFolder:
        found = cls.load(folder)
        if found.manifest["hash"] != config_hash(config):
            raise ValueError(_difference(folder, found.manifest["config"], config))
        if not os.access(folder, os.W_OK):
            raise OSError(f"cannot write results to {folder}: it is read-only")
        _drop_unfinished(folder / "rows.jsonl")
        return found

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Read a folder of results.

        Raises:
            FileNotFoundError: when it is not one.
            ValueError: when the manifest or a row is damaged, naming the file and the line.
        """
        place = Path(path) / "manifest.json"
        if not place.is_file():
            raise FileNotFoundError(f"{path} is not a folder of results: it has no manifest.json")
        try:
            manifest = json.loads(place.read_text(encoding="utf-8"))
            version = manifest["format"]
            known = {"hash", "config"} <= set(manifest)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{place} is damaged: {error}") from error
        if version != FORMAT or not known:
            raise ValueError(f"{place} has format {version}, this version reads format {FORMAT}")
        return cls(path, manifest)

    @property
    def rows(self) -> list[Any]:
        """All rows, in the order they came: of a comparison `Row`, of a study what it makes."""
        return list(self._rows.values())

    def __contains__(self, cell: Cell) -> bool:
        return cell.key in self._rows

    def append(self, row: AnyRow) -> None:
        """Store one row: whole line, flushed to the disk."""
        line = (row.to_json() + "\n").encode()
        with (self.path / "rows.jsonl").open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())  # a training takes seconds, this a millisecond
        self._rows[row.cell.key] = row


def config_hash(config: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that change with any value of `config`."""
    # sorted and without blanks: the text, and so the hash, depends on the values alone
    text = json.dumps(config, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _read(path: Path) -> Iterator[AnyRow]:
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is unfinished
    for number, line in enumerate(lines, start=1):
        try:
            yield row_from_json(line.decode())
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}, line {number}, is damaged: {error}") from error


def _drop_unfinished(path: Path) -> None:
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        os.truncate(path, whole)


def _difference(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    parts = ", ".join(f"{key} {old.get(key)!r} there, {new.get(key)!r} here" for key in changed)
    return f"{folder} holds results of another configuration ({parts}); choose another --out"
