"""How efficient learned policies are: tau against the number of answers, and against the theory.

In a contextual bandit with known features each party gives n offline answers, and its weights are
fitted by themselves. A policy takes in each context the action that is best for a welfare function
of the parties' utilities, above their least there: of the fitted ones (plug-in), or of lower
confidence bounds (pessimistic), theta.x - Gamma |x|_(Sigma^-1) for the difference x to the action
that makes it largest, with ties broken by the plug-in welfare. Gamma is the oracle radius: the
(1 - DELTA) quantile over simulated worlds and answers of max_m |theta_hat - theta|_Sigma. The
worlds are linear bandits with evenly spread answers, and hard ones (`HardBandit-v0`).

What is measured, under the true rewards: tau of Pareto efficiency as tau / (1 + tau), the share
that a party lacks of what it could have at nobody's cost; the share of contexts with a dominated
action (of which ex-post tau is the largest chance); the Nash product that a Pigou-Dalton transfer
to a mixture would add, as a share of the largest product.

Theorem 4 and corollary 1 of [Zhong2024] bound tau(s) by M e C*(s) times a constant. With e = Gamma
and no constant that is the bound's shape. For pessimistic Nash policies the inequalities that
hold whenever all weights are in their sets are, with c_m(a) the norm of the difference between an
action's features and those of party m's least liked one, and x_m = 2 Gamma c_m(a) / u_m(a):

* theorem 4: tau(s) <= max over dominating actions a of 1 / prod_m (1 - x_m)_+ - 1, which is at most
  4 M Gamma max_m c_m / min_m u_m where sum_m x_m <= 1/2;
* corollary 1: any move to a adds at most 2 Gamma sum_m c_m(a) prod_(k != m) u_k(a) to the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agents.audits import dominated, dominating, pareto, refused
from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies import grid
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.faces import offline
from multiparty_envs.rewards import Independent
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import zero_normalised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How far from Pareto efficient, ex-post efficient and Pigou-Dalton are policies learned from n "
    "answers of each party, and how much of that does the theory's bound foresee?"
)
WORLDS = ("linear", "hard")
GRID = {"parties": (2, 4), "n": (100, 300, 1_000, 3_000, 10_000)}
FULL_GRID = {"parties": (2, 4, 8), "n": (100, 300, 1_000, 3_000, 10_000, 30_000)}

RULES = ("nash", "utilitarian", "leximin")
KINDS = ("plug-in", "pessimistic")
"""What is learned from answers."""

ORACLE = "oracle"
MEASURES = {
    "pareto": "Pareto: share lacking, tau / (1 + tau)",
    "ex-post": "share of contexts with a dominated action",
    "pigou": "Pigou-Dalton: share of the best product",
}

DELTA = 0.1
CALIBRATION = 40
"""Simulated worlds and answers behind the radius."""

LENGTH = 3.0
"""Of the parties' weights in linear worlds."""

MARGIN = 0.5
"""By which the arms of a hard world differ."""

RIDGE = 0.1
"""Answers: keeps fits to few answers finite."""

TRANSFERS = 30
"""Contexts at which transfers are looked for, by linear programmes."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return both worlds at every number of parties and answers."""
    axes = FULL_GRID if full else GRID
    return [cell for world in WORLDS for cell in grid.grid(world, seeds, **axes)]


def run(cell: Cell) -> Finding:
    """Measure all policies on the same answers."""
    return grid.measured(
        cell, lambda seed, n, parties: measure(cell.env, Streams(seed).key(cell.env), parties, n)
    )


class Fit(NamedTuple):
    """What was learned of M parties from n answers each."""

    theta: np.ndarray  # [D, M]
    inverse: np.ndarray  # [M, D, D], of Sigma_m + I / n
    error: float  # max_m |theta_hat - theta|, in the norm of that matrix


def build(kind: str, seed: int, parties: int) -> FiniteMDP:
    """Return a drawn world."""
    if kind == "hard":
        return hard_bandit(rank=12, num_parties=parties, coverage=8.0, margin=MARGIN, seed=seed)
    drawn = linear_bandit(
        num_contexts=200, num_actions=6, num_features=6, num_parties=parties, rank=2, seed=seed
    )
    theta = LENGTH * np.asarray(drawn.population.theta)
    return linear_bandit(features=drawn.feature_table, theta=theta)


def fit(world: FiniteMDP, n: int, seed: int) -> Fit:
    """Return what n answers of every party tell."""
    data = offline(world, n, seed)
    order = np.argsort(data.party, kind="stable")
    difference = data.differences()[order].reshape(world.num_parties, n, -1)
    sigma = difference.swapaxes(1, 2) @ difference / n + np.eye(world.num_features) / n
    theta = Independent(ridge=RIDGE).fit(data).theta_
    off = (theta - np.asarray(world.population.theta)).T
    error = np.sqrt(np.einsum("md,mde,me->m", off, sigma, off)).max()
    return Fit(theta, np.linalg.inv(sigma), float(error))


@cache
def radius(kind: str, parties: int, n: int) -> float:
    """Return Gamma: in so many worlds and answers, all weights are in their sets with 1 - DELTA.

    As a conformal quantile, so that a further world is covered with that chance.
    """
    streams = Streams(0)
    errors = [
        fit(build(kind, key, parties), n, key).error
        for key in (streams.key(f"radius {i}") for i in range(CALIBRATION))
    ]
    place = int(np.ceil((CALIBRATION + 1) * (1.0 - DELTA))) - 1
    return float(np.sort(errors)[place])


def measure(kind: str, seed: int, parties: int, n: int) -> dict[str, float]:
    """Return every measure of every policy, and what the theory says of pessimistic Nash ones."""
    world = build(kind, seed, parties)
    found, gamma = fit(world, n, Streams(seed).key(f"answers {n}")), radius(kind, parties, n)
    u = zero_normalised(world.party_table)
    fitted = zero_normalised(world.feature_table @ found.theta)
    low = lower_bounds(world.feature_table, found, gamma)
    values = {"radius": gamma, "covered": float(found.error <= gamma)}
    for rule in RULES:
        for name, seen in ((ORACLE, u), ("plug-in", fitted), ("pessimistic", low)):
            chosen = choose(seen, fitted, rule)
            for measured, value in _measures(u, chosen).items():
                values[f"{name} {rule} {measured}"] = value
    chosen = choose(low, fitted, "nash")
    values["ties"] = float((np.ptp(_worth(low, "nash"), axis=1) < 1e-12).mean())
    values |= _theory(world, found, gamma, u, chosen)
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def lower_bounds(features: np.ndarray, found: Fit, gamma: float) -> np.ndarray:
    """Return lower confidence bounds [S, A, M] of the zero-normalised utilities, at least zero.

    Any action may stand for the least liked one: the one that gives the highest bound does.
    """
    difference = features[:, :, None] - features[:, None]  # [S, A, A, D]
    size = norms(difference, found.inverse)
    return (difference @ found.theta - gamma * size).max(axis=2)


def norms(vectors: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Return the norms [..., M] of vectors [..., D] in the parties' matrices [M, D, D]."""
    square = np.einsum("...d,mde,...e->...m", vectors, inverse, vectors, optimize=True)
    return np.sqrt(np.maximum(square, 0.0))


def choose(seen: np.ndarray, fitted: np.ndarray, rule: str) -> np.ndarray:
    """Return the best action [S] by seen utilities [S, A, M]; the fitted ones break ties."""
    worth, other = _worth(seen, rule), _worth(fitted, rule)
    best = worth >= worth.max(axis=1, keepdims=True) - 1e-12
    return np.where(best, other, -np.inf).argmax(axis=1)


def _worth(u: np.ndarray, rule: str) -> np.ndarray:
    if rule == "nash":
        return u.prod(axis=-1)
    return u.mean(axis=-1) if rule == "utilitarian" else u.min(axis=-1)


def _measures(u: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Return the means over contexts of what the chosen actions [S] lack."""
    chances = np.eye(u.shape[1])[chosen]
    tau = pareto(u, chances)
    few = slice(TRANSFERS)
    gain = refused(u[few], chances[few], mixtures=True) / u[few].prod(axis=-1).max(axis=1)
    return {
        "pareto": float(_share(tau).mean()),
        "ex-post": float(dominated(u)[np.arange(len(u)), chosen].mean()),
        "pigou": float(gain.mean()),
    }


def _share(tau: np.ndarray) -> np.ndarray:
    """Return tau / (1 + tau), one where tau is infinite."""
    return 1.0 - 1.0 / (1.0 + tau)


def _theory(
    world: FiniteMDP, found: Fit, gamma: float, u: np.ndarray, chosen: np.ndarray
) -> dict[str, float]:
    """Return the bounds for a pessimistic Nash policy, and whether they hold in every context."""
    rows = np.arange(len(u))
    chances = np.eye(u.shape[1])[chosen]
    tau, bound = pareto(u, chances), theorem_four(world, found, gamma, chosen)
    gain = np.maximum(u.prod(axis=-1) - u.prod(axis=-1)[rows, chosen][:, None], 0.0)
    most = corollary_one(world, found, gamma)
    shape = world.num_parties * gamma * concentratability(world, found, chosen)
    return {
        "bound": float(shape.mean()),
        "tau": float(np.minimum(tau, 10.0).mean()),
        "theorem 4": float((tau <= bound * (1.0 + 1e-9) + 1e-9).all()),
        "corollary 1": float((gain <= most * (1.0 + 1e-9) + 1e-12).all()),
        "shape holds": float((tau <= shape).all()),
        "finite": float(np.isfinite(bound[tau > 0.0]).mean()) if (tau > 0.0).any() else np.nan,
    }


def theorem_four(world: FiniteMDP, found: Fit, gamma: float, chosen: np.ndarray) -> np.ndarray:
    """Return the largest tau [S] that actions which dominate the chosen ones can mean."""
    u = zero_normalised(world.party_table)
    better = dominating(u, np.eye(u.shape[1])[chosen])
    off = 2.0 * gamma * _to_the_least(world, found)
    left = np.divide(u - off, u, out=np.zeros_like(u), where=u > 0.0)
    kept = np.clip(left, 0.0, 1.0).prod(axis=-1)
    with np.errstate(divide="ignore"):
        return np.where(better, 1.0 / kept - 1.0, 0.0).max(axis=1)


def corollary_one(world: FiniteMDP, found: Fit, gamma: float) -> np.ndarray:
    """Return [S, A]: the most that a move to an action can add to the Nash product."""
    u = zero_normalised(world.party_table)
    parties = u.shape[-1]
    others = np.stack([np.delete(u, m, axis=-1).prod(axis=-1) for m in range(parties)], axis=-1)
    return 2.0 * gamma * (_to_the_least(world, found) * others).sum(axis=-1)


def _to_the_least(world: FiniteMDP, found: Fit) -> np.ndarray:
    """Return c [S, A, M], the norm of an action's features less the party's least liked one's."""
    table, least = world.feature_table, world.party_table.argmin(axis=1)  # [S, M]
    worst = np.take_along_axis(table[:, :, None], least[:, None, :, None], axis=1)[:, 0]  # [S,M,D]
    difference = table[:, :, None] - worst[:, None]
    return np.sqrt(np.einsum("samd,mde,same->sam", difference, found.inverse, difference))


def concentratability(world: FiniteMDP, found: Fit, chosen: np.ndarray) -> np.ndarray:
    """Return C*(s) [S] as printed: over the optimal action, each party's least liked, the chosen.

    The chosen action stands for the least liked one under the pessimistic weights, which depends
    on the optimum of the inner problem.
    """
    u = zero_normalised(world.party_table)
    rows, size = np.arange(len(u)), norms(world.feature_table, found.inverse)  # [S, A, M]
    best = size[rows, u.prod(axis=-1).argmax(axis=1)]
    least = np.take_along_axis(size, u.argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.maximum(np.maximum(best, least), size[rows, chosen]).max(axis=-1)


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
    """Say what pessimism costs or saves, on the same answers."""
    more = interval(
        [
            row.values[f"{KINDS[1]} nash pareto"] - row.values[f"{KINDS[0]} nash pareto"]
            for row in rows
        ]
    )
    if more.value == 0.0:
        return "both choose alike"
    return (
        f"on the same answers pessimism lacks {more.value:+.4f} [{more.low:+.4f}, {more.high:+.4f}]"
    )


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
