"""What studies share: a row, the score, and for one knob a table of methods and a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.cells import measures
from baselines.methods import method_order
from baselines.plots import INK, figure_of, method_colour, styled
from baselines.rows import Cell, Row
from baselines.statistics import Estimate, interval
from baselines.summary import Table, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Knob = Callable[[Row], float]
"""Tells a row's place along the knob that a study turns."""


def row_of_returns(
    cell: Cell, welfare: str, returns: np.ndarray, seconds: float, *, labels: int = 0
) -> Row:
    """Return the row of a policy with these true returns [M], without how answers are predicted.

    Args:
        cell: what was run.
        welfare: name of the function that the policy was made for.
        returns: raw.
        seconds: that it took.
        labels: answers learned from.
    """
    unknown = dict.fromkeys(("accuracy_majority", "accuracy_minority"), float("nan"))
    known = measures(cell, welfare, returns)
    return Row(
        cell=cell, labels=labels, accuracy=(), minority=(), seconds=seconds, **unknown, **known
    )


def score(row: Row) -> float:
    """Return how near the worst-off party comes to what the best policy for it gives, in [0, 1].

    0: no more than under the reference policy; 1: the exact max-min optimum.
    """
    # regret to the max-min optimum is what is missing from it
    best = row.worst + row.regrets["max-min"]
    return float(np.clip(row.worst / best, 0.0, 1.0))


def along(rows: Sequence[Row], knob: Knob, value: Callable[[Row], float]) -> dict:
    """Return {method: {place on the knob: estimate over seeds}}, methods in table order."""
    groups: dict[str, dict[float, list[float]]] = {}
    for row in sorted(rows, key=lambda each: (method_order(each.cell.method), knob(each))):
        at = groups.setdefault(row.cell.method, {}).setdefault(knob(row), [])
        at.append(value(row))
    return {
        method: {place: interval(found) for place, found in places.items()}
        for method, places in groups.items()
    }


def knob_table(title: str, name: str, found: dict[str, dict[float, Estimate]]) -> Table:
    """Return methods in rows and places of the knob `name` in columns."""
    places = sorted({place for curve in found.values() for place in curve})
    columns = ("method", *(f"{name} {place:g}" for place in places))
    rows = tuple(
        (method, *(short(curve[place]) if place in curve else "" for place in places))
        for method, curve in found.items()
    )
    return Table(title, columns, rows)


@styled
def knob_figure(
    found: dict[str, dict[float, Estimate]], methods: Sequence[str], *, x: str, y: str, log: bool
) -> Figure:
    """Draw one curve a method with its intervals; the oracle's is the dashed line."""
    figure, (axis,) = figure_of(1, width=6.4, height=4.0)
    for method in (method for method in methods if method in found):
        curve = found[method]
        places = list(curve)
        middle = [curve[place].value for place in places]
        below = [curve[place].value - curve[place].low for place in places]
        above = [curve[place].high - curve[place].value for place in places]
        # what nothing was learned for has no answers to vary with, so no interval
        bound = method.startswith("oracle")
        axis.errorbar(
            places,
            middle,
            # one run has no interval: its bar has no length
            yerr=None if bound else np.nan_to_num([below, above]),
            marker="" if bound else "o",
            linestyle="--" if bound else "-",
            markersize=4,
            capsize=2,
            color=INK if bound else method_colour(method),
            label=method,
        )
    axis.set_xscale("log" if log else "linear")
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    figure.legend(loc="outside upper center", ncols=3)
    return figure
