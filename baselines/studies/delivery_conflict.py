"""Who is left behind as disagreement grows: Delivery along its conflict knob."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from baselines.cells import run_cell
from baselines.compare import CURVE_METHODS
from baselines.methods import DEFAULT_METHODS, SINGLE, parse_method
from baselines.rows import Cell, Row
from baselines.studies import pivot
from baselines.summary import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "A fifth of the parties wants something else. What does the worst-off party get, from nobody "
    "disagreeing (conflict 0) to each only wanting the own district served (conflict 1)?"
)
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places of the conflict knob."""

score = pivot.score
run = run_cell


def cells(seeds: int) -> list[Cell]:
    """Return the grid: every method at every conflict with equal labels, planned exactly."""
    return [
        Cell(
            "Delivery-v0",
            method,
            "none" if parse_method(method).kind == "random" else "exact",
            seed,
            knobs=(("conflict", conflict), ("minority_share", 0.2)),
        )
        for conflict in GRID
        for method in DEFAULT_METHODS
        for seed in range(seeds)
    ]


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return the worst-off party's normalised return, and the score, by method and conflict."""
    labels = max(row.labels for row in rows)
    runs = len({row.cell.seed for row in rows})
    settings = f"{labels} labels, {runs} seeds, exact planning"
    worst = pivot.along(rows, _conflict, lambda row: row.worst)
    scores = pivot.along(rows, _conflict, score)
    return [
        pivot.knob_table(f"Worst-off party's normalised return · {settings}", "conflict", worst),
        pivot.knob_table("Score: its share of the exact max-min optimum", "conflict", scores),
    ]


def figure(rows: Sequence[Row]) -> Figure:
    """Draw the worst-off party's return along the knob."""
    found = pivot.along(rows, _conflict, lambda row: row.worst)
    shown = ("oracle+max-min", *CURVE_METHODS)
    return pivot.knob_figure(
        found, shown, x="conflict", y="worst-off party's normalised return", log=False
    )


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in a sentence, from the rows at full conflict."""
    at_one = [row for row in rows if _conflict(row) == GRID[-1]]
    found = {
        method: curve[GRID[-1]]
        for method, curve in pivot.along(at_one, _conflict, lambda row: row.worst).items()
    }
    learned = [name for name in found if parse_method(name).kind == "learned" and name != SINGLE]
    best = max(learned, key=lambda name: found[name].value)
    share = pivot.along(at_one, _conflict, score)[best][GRID[-1]]
    return (
        f"At full conflict single-reward gives the worst-off party {found[SINGLE]}; {best} gives "
        f"it {found[best]}, {share} of the exact max-min optimum."
    )


def _conflict(row: Row) -> float:
    return float(dict(row.cell.knobs)["conflict"])
