"""The exact optimum of a finite world for a welfare function, with a certificate.

Time-expanded throughout: what is optimal, and reached, is the expected return over the world's
own horizon. Policy level, W of the parties' expected returns, is solved by column generation
(`agents.columns`); step level, the expected sum of W of each step's rewards, is backward
induction on one scalar reward. `Optimum.bound` is a proven ceiling for every policy.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import final

import numpy as np

from agents.columns import Pool, climb
from agents.leximin import climb_leximin
from agents.occupancy import World
from agents.programmes import programme
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.welfare import (
    LEVELS,
    NORMALISATIONS,
    GeneralizedMean,
    Leximin,
    Scale,
    Utilitarian,
    Welfare,
)


@final
@dataclass(frozen=True, eq=False)
class Optimum:
    """An optimal policy with what it gives, and the proof.

    Attributes:
        policy: `[H, S, A]`, chances of the actions after t steps.
        occupancy: `[H, S, A]`, the chance of being there and acting so (not discounted).
        returns: `[M]`, the parties' expected discounted returns in raw reward units.
        welfare: the objective that the policy reaches, evaluated exactly on the tables.
        bound: no policy can exceed this.
    """

    policy: np.ndarray
    occupancy: np.ndarray
    returns: np.ndarray
    welfare: float
    bound: float

    @property
    def gap(self) -> float:
        """How much could still be missing, at most."""
        return self.bound - self.welfare


def solve(
    mdp: FiniteMDP,
    welfare: Welfare,
    *,
    level: str = "policy",
    rewards: np.ndarray | None = None,
    scale: Scale | None = None,
) -> Optimum:
    """Return the policy that maximises welfare over all policies, history-dependent ones too.

    Args:
        mdp: the world.
        welfare: any concave welfare function. Leximin is optimal in its whole order at policy
            level; `welfare` and `bound` are then the minimum's. At step level it is its `value`.
        level: "policy", W(scale.returns(J)); or "step", E sum_t discount^t W(scale.rewards(r_t)).
            "episode", E W(scale.returns(G)), is offered for utilitarian welfare alone, where it
            is the same as "policy".
        rewards: `[S, A, M]`, default the true ones.
        scale: units of the parties, default raw.

    Raises:
        TypeError: when `welfare` is something else.
        ValueError: when the level is unknown or not offered, or shapes do not fit.
    """
    if not isinstance(welfare, Welfare):
        raise TypeError(f"welfare should be a Welfare, is {welfare!r}")
    expect.choice(level, LEVELS, name="level")
    if level == "episode" and not isinstance(welfare, Utilitarian):
        raise ValueError(
            f"level should be step or policy for {welfare.name} welfare, is 'episode': "
            "its exact optimum depends on the returns so far, which the tables do not hold"
        )
    world = World(mdp, rewards)
    scale = Scale.none(world.num_parties) if scale is None else scale
    expect.shape(scale.unit, world.num_parties, name="scale.unit")
    return (
        _solve_step(world, welfare, scale)
        if level == "step"
        else (_solve_policy(world, welfare, scale))
    )


def _solve_step(world: World, welfare: Welfare, scale: Scale) -> Optimum:
    reward = np.asarray(welfare.value(scale.rewards(world.rewards)))
    bound, choice = world.best(reward)
    policy = np.eye(world.shape[1])[choice]
    occupancy = world.occupancy(policy)
    worth = world.discount ** np.arange(world.horizon)
    reached = (worth @ occupancy.reshape(world.horizon, -1)) @ reward
    return Optimum(policy, occupancy, world.returns(occupancy), float(reached), float(bound))


def _solve_policy(world: World, welfare: Welfare, scale: Scale) -> Optimum:
    pool = Pool(world, scale)
    if isinstance(welfare, Leximin):
        pool, found = climb_leximin(pool)
    else:
        found = climb(pool, programme(welfare, world.num_parties))
    policy = pool.policy(found.mixture, found.weights)
    occupancy = world.occupancy(policy)
    returns = world.returns(occupancy)
    reached = float(welfare.value(scale.returns(returns)))
    bound = found.bound
    if isinstance(welfare, GeneralizedMean):  # solved as the mean of powers, which it is a root of
        bound = _root(welfare, bound)
    _warn(reached, bound)
    return Optimum(policy, occupancy, returns, reached, max(bound, reached))


def _root(welfare: GeneralizedMean, power: float) -> float:
    """Return the mean whose power this is; no mean has a power above zero where p is negative."""
    possible = power < 0.0 or welfare.p >= 0.0
    return float(welfare.utility.inverse(np.asarray(power))) if possible else np.inf


def _warn(reached: float, bound: float) -> None:
    if bound - reached > 1e-5 * max(1.0, abs(reached)):
        warnings.warn(
            f"the welfare of the policy found, {reached:g}, is only known to be within "
            f"{bound - reached:.2g} of the optimum",
            RuntimeWarning,
            stacklevel=4,
        )


def policy_returns(
    mdp: FiniteMDP, policy: np.ndarray, rewards: np.ndarray | None = None
) -> np.ndarray:
    """Return the parties' exact expected returns `[M]` under a policy `[H, S, A]` or `[S, A]`.

    Raises:
        ValueError: when the policy has another shape or its rows are no distributions.
    """
    world = World(mdp, rewards)
    return world.returns(world.occupancy(policy_table(mdp, policy)))


def best_response(
    mdp: FiniteMDP, weights: np.ndarray, rewards: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a policy `[H, S, A]` that maximises weights @ returns, and its returns `[M]`.

    Raises:
        ValueError: when there is not one finite weight a party.
    """
    world = World(mdp, rewards)
    weights = expect.shape(
        expect.finite(weights, name="weights"), world.num_parties, name="weights"
    )
    _, choice = world.best(world.rewards @ weights)
    policy = np.eye(mdp.num_actions)[choice]
    return policy, world.returns(world.occupancy(policy))


def uniform_policy(mdp: FiniteMDP) -> np.ndarray:
    """Return the policy `[H, S, A]` that gives every action the same chance."""
    return np.full((mdp.horizon, mdp.num_states, mdp.num_actions), 1.0 / mdp.num_actions)


def party_scale(
    mdp: FiniteMDP,
    normalisation: str,
    *,
    rewards: np.ndarray | None = None,
    reference: np.ndarray | None = None,
) -> Scale:
    """Return the units of the parties that a normalisation stands for, exactly.

    "none": raw. "std": the unit is the standard deviation of a party's return over episodes of the
    reference policy. "range": zero is the party's expected return under the reference policy, one
    is the best that any policy can give it. A party whose unit would be zero (it never gains, or
    never sees a difference) keeps the unit one, so that its utility stays at zero or in raw units.

    Args:
        mdp: the world.
        normalisation: one of `NORMALISATIONS`.
        rewards: `[S, A, M]`, default the true ones.
        reference: policy `[H, S, A]` or `[S, A]`, default `mdp.behaviour`.

    Raises:
        ValueError: when the name is unknown or shapes do not fit.
    """
    expect.choice(normalisation, NORMALISATIONS, name="normalisation")
    world = World(mdp, rewards)
    if normalisation == "none":
        return Scale.none(world.num_parties)
    policy = policy_table(mdp, mdp.behaviour if reference is None else reference)
    mean, spread = _moments(world, policy)
    if normalisation == "std":
        return Scale(np.zeros_like(mean), _or_one(spread, np.abs(mean)))
    best, _ = world.best(world.rewards)
    return Scale(mean, _or_one(best - mean, np.abs(best)))


def _or_one(unit: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return units, but one where a unit is no more than rounding of numbers of that size."""
    return np.where(unit > np.maximum(1e-9 * size, 1e-300), unit, 1.0)


def _moments(world: World, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each party's expected return and its standard deviation over episodes, both `[M]`.

    The variance is added up step by step from that of the next step's expected return, so that a
    return without variance has none, however large it is.
    """
    pairs = (*world.shape, -1)
    mean = variance = np.zeros((world.shape[0], world.num_parties))
    over = 1.0 - np.asarray(world.moves.sum(axis=1))  # [S * A, 1], the chance that it is over
    for now in reversed(policy):
        centre = (mean.max(axis=0) + mean.min(axis=0)) / 2
        after = world.moves @ mean
        jump = world.moves @ (mean - centre) ** 2 + over * centre**2 - (after - centre) ** 2
        later = world.discount**2 * (np.maximum(jump, 0.0) + world.moves @ variance)
        value = (world.rewards + world.discount * after).reshape(pairs)
        mean = np.einsum("sa,sam->sm", now, value)
        spread = (value - mean[:, None]) ** 2 + later.reshape(pairs)
        variance = np.einsum("sa,sam->sm", now, spread)
    total = world.initial @ mean
    return total, np.sqrt(world.initial @ (variance + (mean - total) ** 2))


def policy_table(mdp: FiniteMDP, policy: np.ndarray) -> np.ndarray:
    """Return a checked policy `[H, S, A]`, over time if it was not.

    Raises:
        ValueError: when it has another shape or its rows are no distributions.
    """
    table = expect.distribution(policy, name="policy")
    shape = (mdp.horizon, mdp.num_states, mdp.num_actions)
    if table.shape == shape[1:]:
        return np.broadcast_to(table, shape)
    return expect.shape(table, *shape, name="policy")
