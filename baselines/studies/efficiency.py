"""How efficient learned policies are: tau against the number of answers, and against the theory.

In a contextual bandit with known features each party gives n offline answers, and its weights are
fitted by themselves. A policy takes in each context the action that is best for a welfare function
of the parties' utilities, above their least there: of the fitted ones (plug-in), or of lower
confidence bounds (pessimistic), theta.x - Gamma |x|_(Sigma^-1) for the difference x to the action
that makes it largest, with ties broken by the plug-in welfare. Gamma is the oracle radius: the
(1 - DELTA) quantile over simulated worlds and answers of max_m |theta_hat - theta|_Sigma. The
worlds are linear bandits with evenly spread answers, and two kinds of `HardBandit-v0`: the lower
bound's with a margin of one half, and the four-action block of [Zhu2023], in which one answer of
the n is about the pair that decides.

What is measured, under the true rewards: tau of Pareto efficiency as tau / (1 + tau), the share
that a party lacks of what it could have at nobody's cost; the share of contexts with a dominated
action (of which ex-post tau is the largest chance); the Nash product that a Pigou-Dalton transfer
to a mixture would add, as a share of the largest product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies import grid
from baselines.studies.learned_policies import DELTA, KINDS, ORACLE, RULES, measure
from baselines.summary import Table
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How far from Pareto efficient, ex-post efficient and Pigou-Dalton are policies learned from n "
    "answers of each party, and how much of that does the theory's bound foresee?"
)
WORLDS = ("linear", "hard", "four-action")
GRID = {"parties": (2, 4), "n": (100, 300, 1_000, 3_000, 10_000)}
FULL_GRID = {"parties": (2, 4, 8), "n": (100, 300, 1_000, 3_000, 10_000, 30_000)}

MEASURES = {
    "pareto": "Pareto: share lacking, tau / (1 + tau)",
    "ex-post": "share of contexts with a dominated action",
    "pigou": "Pigou-Dalton: share of the best product",
}


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return all worlds at every number of answers, the last for the fewest parties alone."""
    axes = FULL_GRID if full else GRID
    few = {"parties": axes["parties"][:1], "n": axes["n"]}
    return [
        *(cell for world in WORLDS[:2] for cell in grid.grid(world, seeds, **axes)),
        *grid.grid(WORLDS[2], seeds, **few),
    ]


def run(cell: Cell) -> Finding:
    """Measure all policies on the same answers."""
    return grid.measured(
        cell, lambda seed, n, parties: measure(cell.env, Streams(seed).key(cell.env), parties, n)
    )


def score(row: Finding) -> float:
    """Return one less the share that parties lack at nobody's cost, a mean over all policies.

    The oracle, 1, is Pareto efficient; at the floor, 0, somebody has nothing who could have some.
    """
    lacking = [row.values[f"{kind} {rule} pareto"] for kind in KINDS for rule in RULES]
    return float(np.clip(1.0 - np.mean(lacking), 0.0, 1.0))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return every measure along n, then what the theory says."""
    runs = len({row.cell.seed for row in rows})
    found = [
        _of_measure(rows, world, measured, runs)
        for world in WORLDS
        for measured in MEASURES
        if _of_world(rows, world)
    ]
    return [*found, _of_theory(rows)]


def _of_world(rows: Sequence[Finding], world: str) -> list[Finding]:
    return [row for row in rows if row.cell.env == world]


def _counts(rows: Sequence[Finding]) -> list[int]:
    return sorted({grid.knob(row, "n") for row in rows})


def _of_measure(rows: Sequence[Finding], world: str, measured: str, runs: int) -> Table:
    of = _of_world(rows, world)
    columns = ("policy", *(f"n = {n}" for n in _counts(of)), "slope in n")
    lines = []
    for rule in RULES:
        for kind in (ORACLE, *KINDS):
            name = f"{kind} {rule} {measured}"
            along = grid.cells_of(grid.along(of, "n", name), 4)
            lines.append((f"{kind} {rule}", *along, grid.spread(slope(of, name), 2)))
    return Table(f"{MEASURES[measured]} · {world} world · {runs} seeds", columns, tuple(lines))


def slope(rows: Sequence[Finding], name: str) -> Estimate:
    """Return the slope in n of the mean over worlds, on logarithmic axes.

    Over those n at which anything is lacking. Its interval is a jackknife over seeds: a single
    world's curve has zeros, which have no logarithm.
    """
    seeds = sorted({row.cell.seed for row in rows})
    whole = _slope(rows, name)
    if len(seeds) < 3:
        return Estimate(whole, np.nan, np.nan, len(seeds))
    without = [_slope([r for r in rows if r.cell.seed != seed], name) for seed in seeds]
    values = [len(seeds) * whole - (len(seeds) - 1) * each for each in without]
    around = interval(values)
    low, high = around.low - around.value, around.high - around.value
    return Estimate(whole, whole + low, whole + high, len(seeds))


def _slope(rows: Sequence[Finding], name: str) -> float:
    curve = {n: each.value for n, each in grid.along(rows, "n", name).items() if each.value > 0.0}
    return grid.log_slope(list(curve), list(curve.values()))


def _of_theory(rows: Sequence[Finding]) -> Table:
    columns = (
        *("world", "parties", "n", "Gamma", "covered", "theorem 4", "corollary 1", "finite"),
        *("mean tau", "M Gamma C*", "slack", "tau within shape", "ties"),
    )
    lines = []
    for world in WORLDS:
        of = _of_world(rows, world)
        for parties in sorted({grid.knob(row, "parties") for row in of}):
            for n in _counts(of):
                here = grid.where(of, parties=parties, n=n)
                lines.append((world, str(parties), str(n), *_theory_line(here)))
    title = (
        "Pessimistic Nash policies and the theory · shares of worlds; finite: of the bounds of "
        "theorem 4 where tau > 0; slack: M Gamma C* over tau, tau counted as 10 at most"
    )
    return Table(title, columns, tuple(lines))


def _theory_line(rows: Sequence[Finding]) -> list[str]:
    mean = {name: _mean(rows, name) for name in rows[0].values}
    finite = "–" if np.isnan(mean["finite"]) else f"{mean['finite']:.2f}"
    slack = f"{mean['bound'] / mean['tau']:.0f}" if mean["tau"] > 0.0 else "–"
    return [
        f"{mean['radius']:.3f}",
        *(f"{mean[name]:.2f}" for name in ("covered", "theorem 4", "corollary 1")),
        finite,
        *(f"{mean['tau']:.4f}", f"{mean['bound']:.2f}", slack),
        *(f"{mean['shape holds']:.2f}", f"{mean['ties']:.2f}"),
    ]


def _mean(rows: Sequence[Finding], name: str) -> float:
    """Return the mean over the rows that have a value; NaN if none has."""
    return interval([row.values[name] for row in rows]).value


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw Pareto tau against n in each world, beside the bound's shape."""
    panels, theory = {}, {}
    for world in WORLDS:
        of = _of_world(rows, world)
        if not of:
            continue
        title = f"{world} world"
        panels[title] = {
            f"{kind} {rule}": grid.along(of, "n", f"{kind} {rule} pareto")
            for kind in KINDS
            for rule in RULES
        }
        bound = grid.along(of, "n", "bound")
        theory[title] = {n: each.value for n, each in bound.items()}
    return grid.curves_figure(
        panels,
        x="answers of each party",
        y="tau / (1 + tau); dashed: M Gamma C*",
        theory=theory,
    )


def verdict(rows: Sequence[Finding]) -> str:
    """Return how tau falls, who is better, and whether the inequalities hold."""
    return " ".join(
        [*(_of(rows, world) for world in WORLDS if _of_world(rows, world)), _held(rows)]
    )


def _of(rows: Sequence[Finding], world: str) -> str:
    of = _of_world(rows, world)
    counts = _counts(of)
    told = []
    for kind in KINDS:
        most = grid.along(of, "n", f"{kind} nash pareto")
        found = grid.spread(slope(of, f"{kind} nash pareto"), 2)
        told.append(
            f"{kind} Nash lacks {most[counts[0]].value:.3f} at n = {counts[0]} and "
            f"{most[counts[-1]].value:.4f} at n = {counts[-1]} (slope {found})"
        )
    slack = _mean(of, "bound") / max(_mean(of, "tau"), 1e-12)
    return (
        f"{world.capitalize()} world: {'; '.join(told)}; {_compared(of)}. The bound's shape "
        f"M Gamma C* has slope {_slope(of, 'bound'):.2f} and is {slack:.0f} times tau in the mean. "
        + _fairness(grid.where(of, n=counts[-1]), counts[-1])
    )


def _compared(rows: Sequence[Finding]) -> str:
    """Say what pessimism costs or saves on the same answers, an interval over seeds."""
    plain, careful = (f"{kind} nash pareto" for kind in KINDS)
    more = interval(
        [
            np.mean([row.values[careful] - row.values[plain] for row in rows if row.cell.seed == k])
            for k in sorted({row.cell.seed for row in rows})
        ]
    )
    if more.value == 0.0:
        return "both lack the same on the same answers"
    bounds = f"[{more.low:+.4f}, {more.high:+.4f}]"
    return f"on the same answers pessimism lacks {more.value:+.4f} {bounds}"


def _fairness(rows: Sequence[Finding], n: int) -> str:
    lost, known = (_mean(rows, f"{kind} nash pigou") for kind in (KINDS[0], ORACLE))
    worst = _mean(rows, f"{KINDS[0]} nash ex-post")
    return (
        f"At n = {n} plug-in Nash takes a dominated action in {worst:.2%} of the contexts, and a "
        f"transfer to a mixture would add {lost:.4f} of the best product (oracle: {known:.4f})."
    )


def _held(rows: Sequence[Finding]) -> str:
    count = len(rows)
    covered = [row for row in rows if row.values["covered"] == 1.0]
    broken = [row for row in covered if row.values["theorem 4"] + row.values["corollary 1"] < 2.0]
    held = {name: sum(r.values[name] for r in rows) for name in ("theorem 4", "corollary 1")}
    return (
        f"All weights are in their sets in {len(covered)} of {count} worlds (aimed at: "
        f"{1 - DELTA:.0%}). The inequalities with their constants hold in every context of "
        f"{held['theorem 4']:.0f} (theorem 4) and {held['corollary 1']:.0f} (corollary 1) of "
        f"{count} worlds, and fail in {len(broken)} of those where the weights are in their sets; "
        f"where tau is above zero the first is finite in {_mean(rows, 'finite'):.0%} of the cases, "
        "so much it excludes. With the constant one, tau(s) <= M Gamma C*(s) holds in every "
        f"context of {sum(row.values['shape holds'] for row in rows):.0f} of {count} worlds."
    )
