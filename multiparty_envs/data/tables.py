"""Plain tables: comma-separated text, gzipped or not, as columns of text."""

from __future__ import annotations

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from multiparty_envs import files


def read_columns(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read a table with a header line; `.gz` is unpacked. Every column is an array of text.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is truncated, not text, or a line has too few or too many cells.
    """
    # packed and unpacked at once: tables of people's choices are small
    raw = Path(path).read_bytes()
    try:
        text = (gzip.decompress(raw) if Path(path).suffix == ".gz" else raw).decode("utf-8")
    except (EOFError, OSError, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a whole text table: {error}") from error
    rows = list(csv.reader(io.StringIO(text)))
    if not rows:
        raise ValueError(f"{path} should begin with a line of column names, is empty")
    header = rows[0]
    for line, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"{path} should have {len(header)} cells in line {line}: {row}")
    return {name: np.array([row[i] for row in rows[1:]]) for i, name in enumerate(header)}


def write_columns(path: str | os.PathLike[str], columns: Mapping[str, Iterable[object]]) -> None:
    """Write columns of equal length as gzipped text; the same columns give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    # neither a time nor a file name goes into the header, nor anything that varies
    packed = gzip.compress(text.getvalue().encode("utf-8"), compresslevel=9, mtime=0)
    with files.replacing(path) as partial:
        partial.write_bytes(packed)
