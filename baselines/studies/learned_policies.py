"""Learned policies of linear bandits, their lower bounds, and what the theory says of them.

Theorem 4 and corollary 1 of [Zhong2024] bound tau(s) by M e C*(s) times a constant. With e = Gamma,
the radius of the confidence sets, and the constant one that is the bound's shape. For pessimistic
Nash policies the inequalities that hold whenever all weights are in their sets are, with c_m(a) the
norm of the difference between an action's features and those of party m's least liked one, and
x_m = 2 Gamma c_m(a) / u_m(a):

* theorem 4: tau(s) <= max over dominating actions a of 1 / prod_m (1 - x_m)_+ - 1, which is at most
  4 M Gamma max_m c_m / min_m u_m where sum_m x_m <= 1/2;
* corollary 1: any move to a adds at most 2 Gamma sum_m c_m(a) prod_(k != m) u_k(a) to the product.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from agents.audits import dominated, dominating, pareto, refused
from agents.pessimism import choose, lower_bounds
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.faces import offline
from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import make_welfare, zero_normalised

RULES = ("nash", "utilitarian", "leximin")
KINDS = ("plug-in", "pessimistic")
"""What is learned from answers."""

ORACLE = "oracle"
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


class Fit(NamedTuple):
    """What was learned of M parties from n answers each."""

    sets: ConfidenceSets  # of radius zero
    error: float  # max_m |theta_hat - theta|, in the norms of the sets


def measure(kind: str, seed: int, parties: int, n: int) -> dict[str, float]:
    """Return every measure of every policy, and what the theory says of pessimistic Nash ones."""
    world = build(kind, seed, parties, n)
    found = fit(world, n, Streams(seed).key(f"answers {n}"))
    gamma = radius(kind, parties, n)
    u = zero_normalised(world.party_table)
    fitted = zero_normalised(world.feature_table @ found.sets.theta)
    low = lower_bounds(found.sets.with_radius(gamma), world.feature_table)
    values = {"radius": gamma, "covered": float(found.error <= gamma)}
    for rule in RULES:
        for name, seen in ((ORACLE, u), ("plug-in", fitted), ("pessimistic", low)):
            chosen = chosen_by(rule, seen, fitted)
            for measured, value in _measures(u, chosen).items():
                values[f"{name} {rule} {measured}"] = value
    chosen = chosen_by("nash", low, fitted)
    values["ties"] = choose(low, make_welfare("nash"), fitted).tie_rate()
    values |= _theory(world, found, gamma, u, chosen)
    return {name: float(f"{value:.4g}") for name, value in values.items()}


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


def build(kind: str, seed: int, parties: int, n: int) -> FiniteMDP:
    """Return a drawn world, for n answers of each party."""
    if kind == "four-action":
        return hard_bandit(
            block=kind, rank=3, distinct=False, num_parties=parties, answers=n, seed=seed
        )
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
    sets = ConfidenceSets.of(Independent(ridge=RIDGE).fit(data), data, ridge=1.0)
    return Fit(sets, float(sets.distance(np.asarray(world.population.theta)).max()))


@cache
def radius(kind: str, parties: int, n: int) -> float:
    """Return Gamma: in so many worlds and answers, all weights are in their sets with 1 - DELTA.

    As a conformal quantile, so that a further world is covered with that chance.
    """
    streams = Streams(0)
    errors = [
        fit(build(kind, key, parties, n), n, key).error
        for key in (streams.key(f"radius {i}") for i in range(CALIBRATION))
    ]
    place = int(np.ceil((CALIBRATION + 1) * (1.0 - DELTA))) - 1
    return float(np.sort(errors)[place])


def chosen_by(rule: str, seen: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    """Return the best action [S] by seen utilities [S, A, M]; the fitted ones break ties."""
    return choose(seen, make_welfare(rule), fitted).action


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
    seen = np.einsum("mij,samj->sami", found.sets.whitening, difference)
    return np.linalg.norm(seen, axis=-1)


def concentratability(world: FiniteMDP, found: Fit, chosen: np.ndarray) -> np.ndarray:
    """Return C*(s) [S] as printed: over the optimal action, each party's least liked, the chosen.

    The chosen action stands for the least liked one under the pessimistic weights, which depends
    on the optimum of the inner problem.
    """
    u = zero_normalised(world.party_table)
    rows, size = np.arange(len(u)), found.sets.norm(world.feature_table)  # [S, A, M]
    best = size[rows, u.prod(axis=-1).argmax(axis=1)]
    least = np.take_along_axis(size, u.argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.maximum(np.maximum(best, least), size[rows, chosen]).max(axis=-1)
