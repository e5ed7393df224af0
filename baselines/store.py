"""A folder of results: a manifest, and one row a line, kept whatever happens to the run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from multiparty_envs.files import write_text

FORMAT = 1
"""Version of the folder's layout, stored in the manifest."""

NUMBERS = ("seed", "labels", "steps", "rounds")
"""Fields of a cell that are counts."""

Knobs = tuple[tuple[str, Any], ...]
"""Keyword arguments of an environment as sorted pairs, so that a cell can be hashed."""


@final
@dataclass(frozen=True)
class Cell:
    """One thing to run: a method on an environment with a seed.

    Attributes:
        env: environment id without its namespace.
        knobs: keyword arguments of the environment that differ from the task's own.
        method: name of the method.
        optimiser: "ppo", "sb3" or "exact"; "none" for the random policy.
        seed: which draw of answers (or split of the recorded ones), and of the agent.
        labels: answers to learn from; 0: as many as the task gives.
        steps: environment steps of PPO; 0 where it is not used.
        level: where the welfare function sits: "policy", "episode" or "step".
        ppo: settings of PPO that differ from its own, as sorted pairs.
        rounds: times that people are asked while the policy is trained; 0: once, before that.
    """

    env: str
    method: str
    optimiser: str
    seed: int
    knobs: Knobs = ()
    labels: int = 0
    steps: int = 0
    level: str = "policy"
    ppo: Knobs = ()
    rounds: int = 0

    @property
    def key(self) -> str:
        """A name that no other cell has."""
        numbers = (f"{name}={getattr(self, name)}" for name in NUMBERS)
        named = (self.env, _joined(self.knobs), self.method, self.optimiser, *numbers)
        return "|".join((*named, self.level, _joined(self.ppo)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cell:
        """Return the cell whose fields were read from JSON, which knows lists only."""
        pairs = {name: _tuples(data.get(name, ())) for name in ("knobs", "ppo")}
        return cls(**{**data, **pairs})


@final
@dataclass(frozen=True)
class Row:
    """What one cell gave. Returns are on the range scale: 0 reference policy, 1 party's own best.

    Attributes:
        cell: what was run.
        labels: answers that the learner was given; 0 for random and oracle.
        utilitarian: mean normalised return over the parties.
        nash: geometric mean, each return raised to at least 1e-8.
        nash_floors: parties that needed raising.
        worst: lowest normalised return.
        regret: exact optimum of the method's own welfare minus what was reached (0 for random).
        regrets: the same for each welfare function, by name.
        accuracy_majority: held-out answers predicted right, majority (recorded: everybody).
        accuracy_minority: the same for the minority (recorded: the worst-served tenth).
        returns: [M] normalised returns.
        accuracy: [M] held-out accuracy by party; NaN where a party has no held-out answer.
        minority: [M] who counts as minority.
        seconds: wall-clock time of the cell.
    """

    cell: Cell
    labels: int
    utilitarian: float
    nash: float
    nash_floors: int
    worst: float
    regret: float
    regrets: Mapping[str, float]
    accuracy_majority: float
    accuracy_minority: float
    returns: tuple[float, ...]
    accuracy: tuple[float, ...]
    minority: tuple[bool, ...]
    seconds: float

    def to_json(self) -> str:
        """Return the row as one line of JSON (NaN becomes null)."""
        return json.dumps(_without_nan(dataclasses.asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Return the row that `to_json` wrote.

        Raises:
            ValueError: when the line is not such a row.
        """
        data = json.loads(line)
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise ValueError("it does not have the fields of a row")
        cell = Cell.from_json(data.pop("cell"))
        lists = {name: tuple(data.pop(name)) for name in ("returns", "accuracy", "minority")}
        lists = {name: tuple(map(_number, values)) for name, values in lists.items()}
        regrets = {name: _number(value) for name, value in data.pop("regrets").items()}
        plain = {name: _number(value) for name, value in data.items()}
        return cls(cell=cell, regrets=regrets, **lists, **plain)


def _joined(pairs: Knobs) -> str:
    return ",".join(f"{name}={value}" for name, value in pairs)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, which can be hashed."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return value


@final
class RunFolder:
    """Rows on disk, each appended as one whole line and flushed.

    So a run that is interrupted keeps all it had; a line that a crash cut off is dropped when the
    folder is opened again.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
        self.path = Path(path)
        self.manifest = manifest
        self._rows: dict[str, Row] = {row.cell.key: row for row in _read(self.path / "rows.jsonl")}

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
    def rows(self) -> list[Row]:
        """All rows, in the order they came."""
        return list(self._rows.values())

    def __contains__(self, cell: Cell) -> bool:
        return cell.key in self._rows

    def append(self, row: Row) -> None:
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


def _read(path: Path) -> Iterator[Row]:
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line end is unfinished
    for number, line in enumerate(lines, start=1):
        try:
            yield Row.from_json(line.decode())
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
