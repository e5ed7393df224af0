"""Answers on disk: one safetensors file, which holds arrays and text and can run nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from multiparty_envs import files

VERSION = 1
"""Raised whenever an older reader could misread the file."""

BANK = ("obs", "action", "features", "mask")
"""The arrays of a bank of segments."""


def save(
    path: str | os.PathLike[str],
    kind: str,
    arrays: Mapping[str, np.ndarray],
    num_parties: int,
    names: tuple[str, ...] | None,
) -> None:
    """Write arrays and parties to `path` in one step."""
    from safetensors.numpy import save_file

    metadata = {
        "format": kind,
        "version": str(VERSION),
        "num_parties": str(num_parties),
        "names": json.dumps(names),
    }
    # safetensors writes the memory as it lies, so strided views must be copied first
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with files.replacing(path) as partial:
        save_file(whole, partial, metadata)


def load(
    path: str | os.PathLike[str], kind: str, rows: Iterable[str]
) -> tuple[dict[str, np.ndarray], int, tuple[str, ...] | None]:
    """Read what `save` wrote: arrays by name, number of parties, names.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is truncated, of another format or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            num_parties, names = _parties(path, kind, file.metadata() or {})
            missing = {*BANK, *rows} - set(file.keys())
            if missing:
                raise ValueError(f"{path} lacks the arrays {', '.join(sorted(missing))}")
            arrays = {name: file.get_tensor(name) for name in (*BANK, *rows)}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    return arrays, num_parties, names


def _parties(
    path: str | os.PathLike[str], kind: str, metadata: Mapping[str, str]
) -> tuple[int, tuple[str, ...] | None]:
    """Check format and version; return the number of parties and their names."""
    found = metadata.get("format")
    if found != kind:
        raise ValueError(f"{path} should hold the format {kind!r}, holds {found!r}")
    try:
        version, num_parties = int(metadata["version"]), int(metadata["num_parties"])
        names = json.loads(metadata["names"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} has metadata that cannot be read: {error!r}") from error
    if not 1 <= version <= VERSION:
        raise ValueError(f"{path} has version {version} of {kind}; this reads 1 to {VERSION}")
    return num_parties, None if names is None else tuple(names)
