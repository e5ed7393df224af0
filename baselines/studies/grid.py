"""What studies of one quantity along several knobs share: cells, groups, slopes, tables, curves."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from baselines.plots import INK, MAJORITY, MINORITY, figure_of, styled
from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CYCLE = (INK, MAJORITY, MINORITY, "#2a9d8f", "#b65fa8", "#999999", "#8fd0c8", "#f2bd8c")
"""Colours of curves, in order; safe for the common colour blindnesses."""

Curves = Mapping[str, Mapping[float, Estimate]]
"""{name of a curve: {place: estimate over seeds}}."""


def grid(
    env: str, seeds: int, methods: Sequence[str] = ("all",), **axes: Iterable[Any]
) -> list[Cell]:
    """Return a cell for each method, each combination of the axes, and each seed.

    Args:
        env: what is measured, in a word; the id of an environment where there is one.
        seeds: repetitions.
        methods: what is compared; leave it out where one cell measures all methods on the same
            answers, which is paired and cheaper.
        axes: values of each knob.
    """
    names = sorted(axes)
    return [
        Cell(env, method, "none", seed, knobs=tuple(zip(names, values, strict=True)))
        for values in itertools.product(*(list(axes[name]) for name in names))
        for method in methods
        for seed in range(seeds)
    ]


def measured(cell: Cell, measure: Callable[..., Mapping[str, float]]) -> Finding:
    """Return what `measure(seed, **knobs)` gives for a cell, with the time that it took."""
    begun = time.perf_counter()
    values = measure(cell.seed, **dict(cell.knobs))
    plain = {name: float(value) for name, value in values.items()}
    return Finding(cell, plain, time.perf_counter() - begun)


def knob(row: Finding, name: str) -> Any:
    """Return a row's place on the axis `name`."""
    return dict(row.cell.knobs)[name]


def where(rows: Iterable[Finding], **places: Any) -> list[Finding]:
    """Return the rows at the given places of some axes."""
    return [row for row in rows if all(knob(row, name) == at for name, at in places.items())]


def along(rows: Iterable[Finding], axis: str, value: str) -> dict[float, Estimate]:
    """Return {place on the axis: estimate of a measured value over everything else}."""
    groups: dict[float, list[float]] = {}
    for row in rows:
        groups.setdefault(knob(row, axis), []).append(row.values[value])
    return {place: interval(groups[place]) for place in sorted(groups)}


def slope(rows: Iterable[Finding], axis: str, value: str) -> Estimate:
    """Return the least-squares slope of log value against log place, an interval over seeds.

    Each seed's curve is fitted by itself, so that what a seed's places have in common does not
    make the interval too short. A seed with a value that is not positive has no slope (NaN).
    """
    seeds: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        seeds.setdefault(row.cell.seed, []).append((knob(row, axis), row.values[value]))
    return interval([log_slope(*zip(*points, strict=True)) for points in seeds.values()])


def log_slope(x: ArrayLike, y: ArrayLike) -> float:
    """Return the least-squares slope of log y against log x; NaN where some y is not positive."""
    places, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not (values > 0.0).all() or len(values) < 2:
        return float("nan")
    return float(np.polyfit(np.log(places), np.log(values), 1)[0])


def cells_of(curve: Mapping[float, Estimate], digits: int = 3) -> tuple[str, ...]:
    """Return the entries of a table for one curve: value and half of the interval."""
    return tuple(map(lambda each: spread(each, digits), curve.values()))


def spread(estimate: Estimate, digits: int = 3) -> str:
    """Return "value ±half the interval", or a dash where there is nothing."""
    if np.isnan(estimate.value):
        return "–"
    text = f"{estimate.value:.{digits}f}"
    if np.isnan(estimate.low):
        return text
    return f"{text} ±{(estimate.high - estimate.low) / 2:.{digits}f}"


@styled
def curves_figure(
    panels: Mapping[str, Curves],
    *,
    x: str,
    y: str,
    log_x: bool = True,
    log_y: bool = True,
    theory: Mapping[str, Mapping[float, float]] | None = None,
) -> Figure:
    """Draw a panel of curves with intervals for each entry of `panels`.

    Args:
        panels: {title: curves}; the same curve has the same colour in all.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        log_x: whether the horizontal axis is logarithmic.
        log_y: whether the vertical axis is.
        theory: {title of a panel: {place: value}}, a dashed line.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    figure, axes = figure_of(len(panels), width=1.2 + 3.2 * len(panels), height=3.4)
    for axis, (title, curves) in zip(axes, panels.items(), strict=True):
        for name, curve in curves.items():
            draw(axis, name, curve, CYCLE[names.index(name) % len(CYCLE)])
        line = (theory or {}).get(title)
        if line:
            axis.plot(list(line), list(line.values()), "--", color=INK, linewidth=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_xscale("log" if log_x else "linear")
        axis.set_yscale("log" if log_y else "linear")
        if log_x:
            mark(axis, [place for curve in curves.values() for place in curve])
        axis.set_xlabel(x)
    axes[0].set_ylabel(y)
    shown: dict[str, Any] = {}
    for axis in axes:
        shown |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(shown.values(), shown, loc="outside upper center", ncols=min(len(shown), 4))
    return figure


def mark(axis: Axes, places: Iterable[float]) -> None:
    """Mark some of the places of a logarithmic axis by their numbers, six at most."""
    from matplotlib.ticker import NullLocator

    marks = sorted(set(places))
    marks = marks[:: -(-len(marks) // 6)]
    axis.set_xticks(marks, [f"{place:g}" for place in marks])
    axis.xaxis.set_minor_locator(NullLocator())


def draw(axis: Axes, name: str, curve: Mapping[float, Estimate], colour: str) -> None:
    """Draw one curve with the intervals of its estimates."""
    middle = [each.value for each in curve.values()]
    below = [each.value - each.low for each in curve.values()]
    above = [each.high - each.value for each in curve.values()]
    axis.errorbar(
        list(curve),
        middle,
        yerr=np.nan_to_num([below, above]),
        marker="o",
        markersize=3,
        elinewidth=0.7,
        capsize=2,
        color=colour,
        label=name,
    )
