"""What more labels buy: the worst-off party's return against the number of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.cells import run_cell
from baselines.compare import CURVE_METHODS
from baselines.rows import Cell, Row
from baselines.studies import pivot
from baselines.summary import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How many answers does each way of learning need until the worst-off party of Delivery, a "
    "minority of a fifth at full conflict, gets what exact knowledge would give it?"
)
GRID = (25, 50, 100, 200, 400, 800, 1600)
"""Answers, all parties together."""

score = pivot.score
run = run_cell


def cells(seeds: int) -> list[Cell]:
    """Return the grid: the max-min methods at every number of labels, planned exactly."""
    return [
        Cell("Delivery-v0", method, "exact", seed, labels=count)
        for count in GRID
        for method in (*CURVE_METHODS, "oracle+max-min")
        for seed in range(seeds)
    ]


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return the worst-off party's normalised return by method and number of labels."""
    runs = len({row.cell.seed for row in rows})
    found = pivot.along(rows, _labels, lambda row: row.worst)
    title = f"Worst-off party's normalised return · Delivery-v0 · {runs} seeds, exact planning"
    return [pivot.knob_table(title, "labels", found)]


def figure(rows: Sequence[Row]) -> Figure:
    """Draw the worst-off party's return against labels."""
    found = pivot.along(rows, _labels, lambda row: row.worst)
    shown = ("oracle+max-min", *CURVE_METHODS)
    return pivot.knob_figure(
        found, shown, x="labels (log scale)", y="worst-off party's normalised return", log=True
    )


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in a sentence: the labels each method needs for nine tenths."""
    found = pivot.along(rows, _labels, score)
    needs = []
    for method in CURVE_METHODS:
        enough = [count for count, reached in found[method].items() if reached.value >= 0.9]
        needs.append(f"{method} {min(enough):g}" if enough else f"{method} never")
    return f"Labels for nine tenths of the max-min optimum (up to {GRID[-1]}): {', '.join(needs)}."


def _labels(row: Row) -> float:
    return float(row.cell.labels)
