"""The whole loop, from asking to policy, where a fifth of the parties wants the opposite."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from baselines import asking
from baselines.methods import SINGLE
from baselines.plots import COLOURS, INK, figure_of, styled
from baselines.rows import Cell, Row
from baselines.statistics import Estimate, interval, two_places
from baselines.studies import pivot
from baselines.summary import Table, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "People are asked while a policy learns from what they said: what does the worst-off party of "
    "Delivery get of its exact optimum, by one reward for all and by listening to each?"
)
LABELS, ROUNDS, STEPS = 2_000, 4, 100_000
"""Answers in all, rounds of asking, and environment steps of PPO, the same for every method."""

GOAL = 0.85
"""Share of the exact max-min optimum that the loop should reach."""

SIZE = "size"
"""Name among a row's numbers for the rank or the clusters of the last fit."""


class Way(NamedTuple):
    """A way to learn, and what the policy should raise."""

    learner: str
    settings: dict[str, Any]
    welfare: str = "max-min"


METHODS = {
    SINGLE: Way("pooled", {}, "utilitarian"),
    "independent+max-min": Way("independent", {}),
    "low-rank+max-min": Way("low-rank", {}),
    "low-rank of rank 2+max-min": Way("low-rank", {"rank": 2}),
    "mixture+max-min": Way("mixture", {}),
    "mixture of 2+max-min": Way("mixture", {"clusters": 2}),
    "hierarchical+max-min": Way("hierarchical", {}),
}
"""Row of the table -> way. A size that is not given is chosen by held-out answers."""

score = pivot.score


def cells(seeds: int) -> list[Cell]:
    """Return every method with equal labels and steps."""
    knobs = (("conflict", 1.0), ("minority_share", 0.2))
    return [
        Cell("Delivery-v0", method, "ppo", seed, knobs, LABELS, STEPS, rounds=ROUNDS)
        for method in METHODS
        for seed in range(seeds)
    ]


def run(cell: Cell) -> Row:
    """Go through the loop, and evaluate its policy exactly under the truth."""
    from agents.evaluation import exact
    from baselines.tasks import make_task
    from multiparty_envs.rewards import make_learner

    begun = time.perf_counter()
    way = METHODS[cell.method]
    found = asking.learn(cell, make_learner(way.learner, **way.settings), way.welfare)
    returns = exact(make_task(cell.env, dict(cell.knobs)).mdp, found.policy)
    labels, seconds = len(found.answers), time.perf_counter() - begun
    row = pivot.row_of_returns(cell, way.welfare, returns, seconds, labels=labels)
    chosen = getattr(found.learner, "rank_", getattr(found.learner, "clusters_", float("nan")))
    return replace(row, regrets={**row.regrets, SIZE: float(chosen)})


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return the worst-off party's return, and the score, by method."""
    columns = ("method", "worst-off party", "share of the optimum", "rank or clusters")
    lines = [
        (
            method,
            short(_estimate(of, lambda row: row.worst)),
            short(_estimate(of, score)),
            _sizes(of),
        )
        for method, of in _methods(rows).items()
    ]
    runs = len({row.cell.seed for row in rows})
    title = f"Worst-off party's normalised return · {LABELS:,} answers, {runs} seeds, PPO"
    return [Table(title, columns, tuple(lines))]


def _sizes(rows: Sequence[Row]) -> str:
    """Say how often which size was chosen or given, as in "1 (2 times), 2 (8 times)"."""
    sizes = Counter(row.regrets[SIZE] for row in rows if not np.isnan(row.regrets[SIZE]))
    return ", ".join(f"{size:g} ({count} times)" for size, count in sorted(sizes.items())) or "–"


@styled
def figure(rows: Sequence[Row]) -> Figure:
    """Draw every run's share of the optimum, a line a method, with mean and interval."""
    methods = _methods(rows)
    figure, (axis,) = figure_of(1, width=6.4, height=0.35 * len(methods) + 1.0)
    for place, (method, of) in enumerate(methods.items()):
        found, colour = _estimate(of, score), COLOURS[METHODS[method].learner]
        # one run has no interval: its bar has no length
        error = np.nan_to_num([[found.value - found.low], [found.high - found.value]])
        dots = [score(row) for row in of]
        axis.plot(dots, [place] * len(dots), "o", color=colour, alpha=0.3, markersize=4)
        axis.errorbar(found.value, place, xerr=error, marker="|", color=colour, capsize=3)
    axis.axvline(GOAL, color=INK, linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(methods)), list(methods))
    axis.set_ylim(len(methods) - 0.5, -0.5)
    axis.set_xlabel("worst-off party's return, share of the exact max-min optimum")
    return figure


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in sentences: who reaches the goal, and the gain over single-reward."""
    methods = _methods(rows)
    shares = {method: _estimate(of, score) for method, of in methods.items()}
    good = [name for name, share in shares.items() if share.value >= GOAL]
    told = f"{GOAL} of the exact max-min optimum is reached by {', '.join(good) or 'none'}."
    learned = [name for name in shares if name != SINGLE]
    if SINGLE not in shares or not learned:
        return told
    best = max(learned, key=lambda name: shares[name].value)
    gain = _gain(methods[best], methods[SINGLE])
    return (
        f"{told} {best} gives the worst-off party {shares[best]} of it, "
        f"{two_places(gain.value)} [{two_places(gain.low)}, {two_places(gain.high)}] more "
        f"normalised return than {SINGLE}."
    )


def _gain(ours: Sequence[Row], single: Sequence[Row]) -> Estimate:
    """Return by how much more the worst-off party gets, seed by seed."""
    base = {row.cell.seed: row.worst for row in single}
    return interval([row.worst - base[row.cell.seed] for row in ours if row.cell.seed in base])


def _methods(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of every method that has been run, in the order of the table."""
    found = {name: [row for row in rows if row.cell.method == name] for name in METHODS}
    return {name: of for name, of in found.items() if of}


def _estimate(rows: Sequence[Row], value: Callable[[Row], float]) -> Estimate:
    return interval([value(row) for row in rows])
