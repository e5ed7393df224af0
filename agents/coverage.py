"""How well answers cover what decides: the concentratability C* of [Zhong2024] and [Zhu2023].

C* = max_m max_pi ||Sigma_m^{-1/2} E phi(s, pi(s))||, over the optimal policy and, where welfare
counts utilities from each party's worst action, over the policies that always take those. The
regret of pessimism is at most C* times the error of what was learned, times a constant.

Answers do not see what all actions of a state share, but "raw" C* does; "shifted" has the features
of a reference policy taken off, in the same states, and is what counts where the welfare is
measured from that policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from agents import conic
from agents.occupancy import World
from agents.pessimism.statewise import welfare_of_profiles
from agents.planning import policy_table
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import Utilitarian, Welfare

_NULL = 1e-9  # share of the largest eigenvalue, and of a direction's length, that counts as nothing


@final
@dataclass(frozen=True, eq=False)
class Coverage:
    """C* and where it comes from; infinite where answers do not see a direction at all.

    Attributes:
        raw: C*.
        shifted: the same, less the reference policy.
        policies: `[P]`, names of the policies: "optimal", "worst" (each party's truly worst
            actions), "pessimistic worst" (under the theta that is worst for the optimal policy).
        raw_norms: `[P, M]`.
        shifted_norms: `[P, M]`.
    """

    raw: float
    shifted: float
    policies: tuple[str, ...]
    raw_norms: np.ndarray
    shifted_norms: np.ndarray


def coverage(
    mdp: FiniteMDP,
    sigma: np.ndarray,
    welfare: Welfare,
    *,
    sets: ConfidenceSets | None = None,
    policy: np.ndarray | None = None,
    reference: np.ndarray | None = None,
) -> Coverage:
    """Return C* of a finite world, whose true rewards are looked at.

    Args:
        mdp: the world.
        sigma: `[M, D, D]` of the parties' answers (`rewards.confidence.metric`), or `[D, D]` of a
            distribution of comparisons, the same for all (`comparison_covariance`,
            `trajectory_covariance`).
        welfare: utilitarian needs the optimal policy only; the others, which count from a zero,
            the worst policies too.
        sets: adds the worst actions under the least favourable theta of each set.
        policy: `[S, A]` or `[H, S, A]`; default the optimum of the expected sum of the steps'
            welfare.
        reference: `[S, A]`; default `mdp.behaviour`.

    Raises:
        ValueError: when shapes do not fit.
    """
    features, truth = np.asarray(mdp.feature_table), np.asarray(mdp.population.theta)
    sigma = _metrics(sigma, mdp)
    best = step_optimum(mdp, welfare) if policy is None else policy_table(mdp, policy)
    visits = _visits(mdp, best)  # [S, A]
    base = expect.distribution(mdp.behaviour if reference is None else reference, name="reference")
    states = visits.sum(axis=1)
    expect.shape(base, *visits.shape, name="reference")
    zero = np.einsum("s,sa,sad->d", states, base, features)
    taken = np.einsum("sa,sad->d", visits, features)
    directions = {"optimal": np.tile(taken, (mdp.num_parties, 1))}  # [M, D] each
    if not isinstance(welfare, Utilitarian):
        directions["worst"] = _least(features, states, truth)
        if sets is not None:
            theta = least_favourable(sets, features, visits)
            directions["pessimistic worst"] = _least(features, states, theta)
    table = np.stack(list(directions.values()))  # [P, M, D]
    raw, shifted = _norms(sigma, table), _norms(sigma, table - zero)
    return Coverage(float(raw.max()), float(shifted.max()), tuple(directions), raw, shifted)


def step_optimum(mdp: FiniteMDP, welfare: Welfare) -> np.ndarray:
    """Return the policy `[H, S, A]` with the most expected welfare of steps, [Zhong2024] J.

    Utilities are counted from each party's worst action of the state.
    """
    world = World(mdp)
    table = mdp.party_table - mdp.party_table.min(axis=1, keepdims=True)
    _, choice = world.best(welfare_of_profiles(welfare, table).ravel())
    return np.eye(mdp.num_actions)[choice]


def comparison_covariance(
    features: np.ndarray, pairs: np.ndarray, states: np.ndarray | None = None
) -> np.ndarray:
    """Return E[x x'] `[D, D]`, x = phi(s, a) - phi(s, b), of actions compared state by state.

    Args:
        features: `[S, A, D]`.
        pairs: `[S, A, A]` or `[A, A]`, chances of the pairs (a, b).
        states: `[S]`, chances; default equal.

    Raises:
        ValueError: when chances are none, or shapes do not fit.
    """
    table = expect.shape(
        expect.finite(features, name="features"), None, None, None, name="features"
    )
    count, actions, _ = table.shape
    chance = expect.finite(pairs, name="pairs")
    expect.shape(chance, *(count, actions, actions)[3 - chance.ndim :], name="pairs")
    flat = expect.distribution(chance.reshape(*chance.shape[:-2], -1), name="pairs")
    chance = np.broadcast_to(flat.reshape(*chance.shape), (count, actions, actions))
    weight = np.full(count, 1.0 / count) if states is None else states
    weight = expect.shape(expect.distribution(weight, name="states"), count, name="states")
    both = np.asarray(chance + chance.swapaxes(1, 2))  # x x' is the same either way round
    spread = np.eye(actions) * both.sum(axis=2, keepdims=True) - both
    return np.einsum("s,sab,sai,sbj->ij", weight, spread, table, table, optimize=True)


def trajectory_covariance(
    mdp: FiniteMDP, policy: np.ndarray | None = None, *, same_start: bool = True
) -> np.ndarray:
    """Return E[x x'] `[D, D]`, x the difference of the feature sums of two whole episodes.

    Exact, by sweeping the first and second moments of the sums backwards. Sums are not discounted,
    as those of segments are not.

    Args:
        mdp: the world.
        policy: of both episodes, `[S, A]` or `[H, S, A]`; default `mdp.behaviour`.
        same_start: whether both begin in the same state.
    """
    table = policy_table(mdp, mdp.behaviour if policy is None else policy)
    world = World(mdp)
    features = np.asarray(mdp.feature_table).reshape(-1, mdp.num_features)  # [S * A, D]
    width = mdp.num_features
    mean, second = np.zeros((mdp.num_states, width)), np.zeros((mdp.num_states, width**2))
    for now in reversed(table):
        after = np.asarray(world.moves @ mean)
        cross = features[:, :, None] * after[:, None, :]
        own = features[:, :, None] * features[:, None, :]
        moment = own + cross + cross.swapaxes(1, 2)
        moment = moment.reshape(len(own), -1) + world.moves @ second
        mean = np.einsum("sa,sad->sd", now, (features + after).reshape(*world.shape, -1))
        second = np.einsum("sa,sad->sd", now, moment.reshape(*world.shape, -1))
    total = (world.initial @ second).reshape(width, width)
    middle = world.initial @ mean
    known = np.einsum("s,si,sj->ij", world.initial, mean, mean)
    return 2.0 * (total - (known if same_start else np.outer(middle, middle)))


def least_favourable(sets: ConfidenceSets, features: np.ndarray, visits: np.ndarray) -> np.ndarray:
    """Return, for each party, the theta of its set under which a policy gains least, `[D, M]`.

    Gains are counted from the worst action of every state under that same theta.

    Args:
        sets: of M parties.
        features: `[S, A, D]`.
        visits: `[S, A]`, how often the policy acts so.
    """
    columns = [_least_favourable(sets, features, visits, m) for m in range(sets.num_parties)]
    return np.stack(columns, axis=1)


def _least_favourable(
    sets: ConfidenceSets, features: np.ndarray, visits: np.ndarray, party: int
) -> np.ndarray:
    """Minimise theta @ taken - sum_s visits(s) n_s, n_s <= theta @ phi(s, a), theta in the set."""
    states, actions, width = features.shape
    if sets.radius[party] <= 0:
        return sets.theta[:, party]
    # theta = centre + radius W' z with |z| <= 1; variables z, then n
    map_ = sets.radius[party] * sets.whitening[party].T
    seen, middle = features @ map_, features @ sets.theta[:, party]
    taken = np.einsum("sa,sad->d", visits, seen)
    least = np.repeat(np.eye(states), actions, axis=0)
    rows = np.block(
        [
            [-seen.reshape(-1, width), least],
            [np.zeros((1, width + states))],
            [-np.eye(width), np.zeros((width, states))],
        ]
    )
    heights = np.concatenate([middle.ravel(), [1.0], np.zeros(width)])
    kinds = conic.clarabel()
    cones = [kinds.NonnegativeConeT(states * actions), kinds.SecondOrderConeT(width + 1)]
    cost = np.concatenate([taken, -visits.sum(axis=1)])
    found, _ = conic.minimise(cost, rows, heights, cones, 1e-9)
    return sets.theta[:, party] + map_ @ found[:width]


def _metrics(sigma: np.ndarray, mdp: FiniteMDP) -> np.ndarray:
    array = expect.finite(sigma, name="sigma")
    shape = (mdp.num_parties, mdp.num_features, mdp.num_features)
    expect.shape(array, *shape[3 - array.ndim :], name="sigma")
    return np.broadcast_to(array, shape)


def _visits(mdp: FiniteMDP, policy: np.ndarray) -> np.ndarray:
    """Return the discounted number of visits to each (s, a), `[S, A]`."""
    occupancy = World(mdp).occupancy(policy)
    return np.einsum("t,tsa->sa", mdp.discount ** np.arange(mdp.horizon), occupancy)


def _least(features: np.ndarray, states: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the expected features of each party's worst actions under `theta` [D, M], [M, D]."""
    worst = (features @ theta).argmin(axis=1)  # [S, M]
    taken = np.take_along_axis(features, worst[:, :, None], axis=1)  # [S, M, D]
    return np.einsum("s,smd->md", states, taken)


def _norms(sigma: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return ||v||_{sigma^-1} of directions [P, M, D] -> [P, M]; infinite where sigma sees none."""
    size, axes = np.linalg.eigh(sigma)
    along = np.einsum("mij,pmi->pmj", axes, directions) ** 2  # [P, M, D]
    seen = size > _NULL * size[:, -1:]
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=seen)
    total = along.sum(axis=2)
    missed = (along * ~seen).sum(axis=2) > _NULL**2 * np.maximum(total, 1e-300)
    return np.where(missed, np.inf, np.sqrt((along * inverse).sum(axis=2)))
