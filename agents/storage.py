"""Folders of arrays and settings in open formats: what is read is one save, whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from multiparty_envs import files

PathLike = str | os.PathLike[str]


class Form(NamedTuple):
    """What kind of thing a folder holds."""

    format: str  # its name in the index
    version: int
    file: str  # name of the index
    what: str  # in words


POLICY = Form("multiparty-policy", 1, "policy.json", "policy")
CHECKPOINT = Form("multiparty-checkpoint", 1, "checkpoint.json", "checkpoint")


class Stored(NamedTuple):
    """What a folder holds."""

    kind: str  # names the class that can read it
    arrays: dict[str, np.ndarray]
    settings: dict[str, Any]  # JSON values


def write(folder: PathLike, stored: Stored, form: Form = POLICY) -> None:
    """Write `stored` to `folder`, which is made if it is not there.

    The weights' file is named by its content and the index is replaced last, in one step: an
    interruption leaves an older save as it was.

    Raises:
        OSError: when the folder cannot be made or written to.
    """
    from safetensors.numpy import save

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    content = save({name: np.asarray(a, order="C") for name, a in stored.arrays.items()})
    digest = hashlib.sha256(content).hexdigest()
    weights = f"weights-{digest[:16]}.safetensors"
    with files.replacing(place / weights) as partial:
        partial.write_bytes(content)
    index = {
        "format": form.format,
        "version": form.version,
        "kind": stored.kind,
        "weights": weights,
        "sha256": digest,
        "settings": stored.settings,
    }
    files.write_text(place / form.file, json.dumps(index, indent=2, sort_keys=True) + "\n")
    for old in place.glob("weights-*.safetensors"):
        if old.name != weights:
            old.unlink()


def read(folder: PathLike, form: Form = POLICY) -> Stored:
    """Read what `write` wrote. No code that a folder may hold is run.

    Raises:
        FileNotFoundError: when the folder or one of its files is missing.
        ValueError: when the index is damaged or foreign, or the weights are not those it names.
    """
    from safetensors.numpy import load

    place = Path(folder)
    if not (place / form.file).is_file():
        raise FileNotFoundError(f"{place} holds no saved {form.what}: {form.file} is missing")
    index = _index(place / form.file, form)
    weights = place / index["weights"]
    if not weights.is_file():
        raise FileNotFoundError(f"{place} is incomplete: {weights.name} is missing")
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != index["sha256"]:
        raise ValueError(f"{weights} is damaged: its checksum is not the one in {form.file}")
    return Stored(index["kind"], load(content), index["settings"])


def _index(path: Path, form: Form) -> Mapping[str, Any]:
    """Return the index if it is one of ours, of a version that we read."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    if not isinstance(index, dict) or index.get("format") != form.format:
        raise ValueError(f"{path} is not a {form.format} file")
    if index.get("version") != form.version:
        raise ValueError(f"{path} has version {index.get('version')!r}; this reads {form.version}")
    wanted = {"kind": str, "weights": str, "sha256": str, "settings": dict}
    missing = [name for name, type_ in wanted.items() if not isinstance(index.get(name), type_)]
    if missing or Path(index["weights"]).name != index["weights"]:
        raise ValueError(f"{path} is damaged: {', '.join(missing) or 'weights'} cannot be read")
    return index
