"""The report's figures: who gained and who lost, who is heard, what more labels buy."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import numpy as np

from baselines.extras import require
from baselines.methods import FURTHER, LEARNERS, NEURAL, SINGLE, method_order, parse_method
from baselines.rows import Row
from baselines.statistics import interval
from multiparty_envs.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAJORITY, MINORITY, INK = "#3b6fb6", "#e07b24", "#444444"
COLOURS = {
    "pooled": "#444444",
    "independent": "#b65fa8",
    "low-rank": "#2a9d8f",
    "low-rank-residual": "#8a6d3b",
    "mixture": "#e07b24",
    "hierarchical": "#3b6fb6",
    "neural-pooled": "#999999",
    "neural-independent": "#ddb4d8",
    "neural-shared": "#8fd0c8",
    "neural-mixture": "#f2bd8c",
}
"""One colour a learner in every figure; safe for the common colour blindnesses.

A network has a paler one of the learner that is most like it.
"""

MARGIN = 0.25
"""Room above and below the curves of welfare by labels."""

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "multiparty",
    "figure.constrained_layout.use": True,
}


P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let `draw` make its figure in our style, without a window, whatever the user's settings."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        plt = require("matplotlib.pyplot")
        plt.switch_backend("agg")
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


@styled
def party_returns(rows: Sequence[Row]) -> Figure:
    """Draw each party's normalised return under each method, one dot a party (mean over seeds).

    Args:
        rows: of one environment, any number of methods and optimisers.
    """
    methods = sorted(
        {(row.cell.method, row.cell.optimiser) for row in rows},
        key=lambda each: (method_order(each[0]), each),
    )
    figure, axes = figure_of(1, width=8.0, height=0.28 * len(methods) + 1.0)
    for place, method in enumerate(methods):
        of = [row for row in rows if (row.cell.method, row.cell.optimiser) == method]
        _strip(axes[0], place, of)
    names = [name if by in ("none", "exact") else f"{name} ({by})" for name, by in methods]
    axes[0].set_yticks(range(len(methods)), names)
    axes[0].set_ylim(len(methods) - 0.5, -0.5)
    for x in (0, 1):
        axes[0].axvline(x, color=INK, linewidth=0.8)
    axes[0].set_xlabel("normalised return: 0 reference policy, 1 the party's own best")
    for colour, label in ((MAJORITY, "majority"), (MINORITY, "minority or worst-served tenth")):
        axes[0].scatter([], [], s=20, color=colour, label=label)
    axes[0].plot([], [], "|", color=INK, markersize=9, label="mean")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _strip(axes: Axes, place: int, rows: Sequence[Row]) -> None:
    returns = np.mean([row.returns for row in rows], axis=0)
    # the worst-served tenth differs between splits; most of the splits decide
    minority = np.mean([row.minority for row in rows], axis=0) >= 0.5
    # a fixed spread instead of random jitter: the same rows always give the same picture
    spread = 0.0 if len(returns) < 20 else 0.6
    offset = spread * (np.arange(len(returns)) * 0.618034 % 1.0 - 0.5)
    dots = {"s": 14 if spread else 36, "alpha": 0.6, "linewidths": 0}
    for members, colour in ((~minority, MAJORITY), (minority, MINORITY)):
        axes.scatter(returns[members], place + offset[members], **dots, color=colour)
    axes.plot(returns.mean(), place, "|", color=INK, markersize=11, markeredgewidth=2)


@styled
def accuracy_by_person(rows: Sequence[Row]) -> Figure:
    """Draw held-out accuracy of every person, worst served first, one curve a learner."""
    figure, axes = figure_of(1, width=6.0, height=3.4)
    for learner in (*LEARNERS, *FURTHER, *NEURAL):
        # all welfare functions share a learner's fit: their rows repeat one accuracy
        of = [row for row in rows if parse_method(row.cell.method).learner == learner]
        if not of:
            continue
        accuracy = np.sort(_mean_known(np.array([row.accuracy for row in of])))
        share = (np.arange(len(accuracy)) + 0.5) / len(accuracy)
        # steps of a few people need their points, 235 make a line
        marker = "o" if len(accuracy) < 20 else ""
        label = SINGLE if learner == "pooled" else learner
        axes[0].plot(100 * share, accuracy, marker=marker, color=COLOURS[learner], label=label)
    axes[0].axhline(0.5, color=INK, linewidth=0.8, linestyle=":")
    axes[0].set_xlabel("people, worst served first (%)")
    axes[0].set_ylabel("held-out answers predicted")
    axes[0].legend()
    return figure


def _mean_known(values: np.ndarray) -> np.ndarray:
    """Mean over seeds [M] of [seeds, M], leaving NaN out; people never asked are dropped."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    return np.where(known, values, 0.0).sum(axis=0)[count > 0] / count[count > 0]


@styled
def welfare_by_labels(rows: Sequence[Row], optimum: dict[str, float]) -> Figure:
    """Draw welfare against the number of labels, exact planning on the learned rewards.

    Args:
        rows: of one environment.
        optimum: the exact optimum by the field of the row ("utilitarian", "worst").
    """
    fields = {"utilitarian": "mean normalised return", "worst": "worst party"}
    figure, axes = figure_of(len(fields), width=8.0, height=3.6)
    for axis, (field, label) in zip(axes, fields.items(), strict=True):
        methods = sorted({row.cell.method for row in rows}, key=method_order)
        for place, method in enumerate(methods):
            # side by side, or the bars of five methods would hide each other
            _curve(axis, [row for row in rows if row.cell.method == method], field, 1.04**place)
        if field in optimum:
            axis.axhline(optimum[field], color=INK, linewidth=0.8, linestyle="--")
        axis.set_xscale("log")
        counts = sorted({row.labels for row in rows})
        axis.set_xticks(counts, [f"{count:,}" for count in counts])
        axis.minorticks_off()
        axis.set_xlabel("labels, all parties together (log scale)")
        axis.set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _curve(axis: Axes, rows: Sequence[Row], field: str, shift: float) -> None:
    counts = sorted({row.labels for row in rows})
    found = [interval([getattr(r, field) for r in rows if r.labels == count]) for count in counts]
    middle = np.array([each.value for each in found])
    low, high = (np.array([getattr(each, side) for each in found]) for side in ("low", "high"))
    name = rows[0].cell.method
    axis.errorbar(
        shift * np.array(counts),
        middle,
        yerr=np.nan_to_num([middle - low, high - middle]),
        marker="o",
        markersize=3,
        elinewidth=0.7,
        color=method_colour(name),
        label=name,
    )
    # bars of three seeds are long; they may run out of the picture, the lines may not
    bottom, top = axis.get_ylim() if len(axis.lines) > 1 else (np.inf, -np.inf)
    axis.set_ylim(min(bottom, middle.min() - MARGIN), max(top, middle.max() + MARGIN))


def save(figure: Figure, path: Path) -> None:
    """Write the figure to an SVG file, whole or not at all, closing the figure."""
    with replacing(path) as partial:
        figure.savefig(partial, format="svg", metadata={"Date": None})
    require("matplotlib.pyplot").close(figure)


def svg(figure: Figure, title: str) -> str:
    """Return the figure as an SVG element for an HTML page, closing the figure.

    Name spaces and the metadata block are taken out: a page needs neither, and no address of
    another server then stands in the report.
    """
    plt = require("matplotlib.pyplot")
    text = io.StringIO()
    with plt.rc_context(STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    plt.close(figure)
    body = text.getvalue()
    # the XML head is for files; inside a page it would be text
    body = body[body.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", body).replace("xlink:href", "href")
    return body.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


def method_colour(name: str) -> str:
    """Return the colour of a method's learner."""
    return COLOURS.get(parse_method(name).learner, INK)


def figure_of(count: int, *, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` axes side by side; sizes in inches."""
    plt = require("matplotlib.pyplot")
    figure, axes = plt.subplots(1, count, figsize=(width, height), squeeze=False)
    return figure, list(axes[0])
