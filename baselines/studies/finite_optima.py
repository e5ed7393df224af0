"""How near PPO comes to the exact optimum wherever that is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.methods import WELFARES, parse_method
from baselines.plots import INK, figure_of, styled
from baselines.rows import Cell, Row
from baselines.statistics import interval
from baselines.studies import pivot
from baselines.summary import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "Where tables give the exact optimum of the welfare of expected returns, how much of the way "
    "from the random policy to it does our PPO go, with the same settings everywhere?"
)
ENVS = ("LinearBandit-v0", "Condorcet-v0", "Delivery-v0", "Timetable-v0")
"""The finite environments."""

STEPS = 300_000
MEAN, WORST = 0.97, 0.93
"""What the mean over seeds, and the worst seed, should reach."""


def cells(seeds: int) -> list[Cell]:
    """Return every welfare function on every finite environment, the slow ones first."""
    return [
        Cell(env, f"oracle+{welfare}", "ppo", seed, steps=STEPS)
        for env in reversed(ENVS)
        for welfare in reversed(WELFARES)
        for seed in range(seeds)
    ]


def run(cell: Cell) -> Row:
    """Train on the true rewards, in units of the parties' own best, and evaluate exactly."""
    from agents import ppo
    from agents.evaluation import exact
    from agents.planning import party_scale
    from baselines.settings import config_of
    from baselines.tasks import make_task
    from multiparty_envs.streams import Streams
    from multiparty_envs.welfare import make_welfare

    begun = time.perf_counter()
    mdp, welfare = make_task(cell.env, dict(cell.knobs)).mdp, parse_method(cell.method).welfare
    policy = ppo.train(
        mdp,
        welfare=make_welfare(welfare),
        scale=party_scale(mdp, "range"),
        config=config_of(cell),
        seed=Streams(cell.seed).key("agent"),
    )
    seconds = time.perf_counter() - begun
    return pivot.row_of_returns(cell, welfare, exact(mdp, policy), seconds)


def score(row: Row) -> float:
    """Return the share of the way from the random policy to the optimum, in [0, 1].

    In the unit of returns for each welfare function: mean, geometric mean, or minimum.
    """
    welfare = parse_method(row.cell.method).welfare
    reached = {"utilitarian": row.utilitarian, "nash": row.nash, "max-min": row.worst}[welfare]
    # the random policy is the reference, whose normalised returns are all zero
    return float(np.clip(reached / (reached + row.regrets[welfare]), 0.0, 1.0))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return the mean share and the worst seed's, by environment and welfare function."""
    columns = ("environment", "welfare", "mean share", "worst seed", "seconds")
    lines = []
    for (env, welfare), of in _groups(rows).items():
        shares = [score(row) for row in of]
        numbers = (f"{np.mean(shares):.3f}", f"{min(shares):.3f}")
        lines.append((env, welfare, *numbers, f"{np.mean([row.seconds for row in of]):.1f}"))
    runs = len({row.cell.seed for row in rows})
    title = f"Share of the way from the random policy to the exact optimum · {runs} seeds"
    return [Table(title, columns, tuple(lines))]


@styled
def figure(rows: Sequence[Row]) -> Figure:
    """Draw every run's share, a line for each environment and welfare function."""
    groups = _groups(rows)
    figure, (axis,) = figure_of(1, width=6.4, height=0.25 * len(groups) + 1.0)
    for place, of in enumerate(groups.values()):
        shares = [score(row) for row in of]
        axis.plot(shares, [place] * len(shares), "o", color=INK, alpha=0.4, markersize=4)
        axis.plot(interval(shares).value, place, "|", color=INK, markersize=11)
    for bar in (MEAN, WORST):
        axis.axvline(bar, color=INK, linewidth=0.8, linestyle=":")
    axis.set_yticks(range(len(groups)), [f"{env} {welfare}" for env, welfare in groups])
    axis.set_ylim(len(groups) - 0.5, -0.5)
    axis.set_xlabel("share of the way from the random policy to the exact optimum")
    return figure


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in a sentence: the lowest mean and the lowest seed, and who falls short."""
    shares = {group: [score(row) for row in of] for group, of in _groups(rows).items()}
    short = [
        " ".join(group) for group, of in shares.items() if np.mean(of) < MEAN or min(of) < WORST
    ]
    least = min(float(np.mean(of)) for of in shares.values())
    told = (
        f"Lowest mean over seeds {least:.3f} (to reach: {MEAN}), "
        f"lowest seed {min(map(min, shares.values())):.3f} (to reach: {WORST})"
    )
    return f"{told}; short of it: {', '.join(short) or 'none'}."


def _groups(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return the rows of every environment and welfare function, in the order of the table."""
    found = {
        (env, welfare): [
            row for row in rows if (row.cell.env, row.cell.method) == (env, f"oracle+{welfare}")
        ]
        for env in ENVS
        for welfare in WELFARES
    }
    return {group: of for group, of in found.items() if of}
