"""The policy that is best under the worst rewards of the confidence sets, for its whole course.

One theta a party for all states, unlike `statewise`: with v the expected (discounted) sum of
features less that of a reference policy, party m's value is at least

    L_m(v) = theta_m @ v - radius_m ||v||_{Sigma_m^-1}

([Zhu2023], [Zhong2024] section 4), concave in v and linear in the occupancy. W(L_1, ..., L_M) is
maximised over all occupancies as one cone programme. The reference policy itself has L = 0, so
the optimum is never worse than that, whatever the sets; where nothing is better for sure, it is
what is returned. Optimism (a negative radius) is not concave, and is refused.

Welfare is that of expected values: the mean, the geometric mean or the minimum of L.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from agents.occupancy import World
from agents.pessimism.cones import Price, Task, product_weights, solve
from agents.pessimism.statewise import welfare_of_profiles
from agents.planning import policy_table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Utilitarian, Welfare

_NOTHING = 1e-8  # share of the values' size below which a gain is rounding
_LEAST = 1e-9  # weight of a party, so that a product of weights is not zero


@final
@dataclass(frozen=True, eq=False)
class PessimisticOptimum:
    """A policy, what it is worth at least, and the proof that no other is worth more.

    Attributes:
        policy: `[H, S, A]`.
        occupancy: `[H, S, A]`, chances (not discounted).
        features: `[D]`, its expected discounted features less the reference policy's.
        lower: `[M]`, what it gives each party at least, less the reference policy.
        value: the welfare of `lower`.
        bound: no policy's pessimistic value can exceed this.
        stayed: whether nothing is better for sure, and the policy is the reference policy.
    """

    policy: np.ndarray
    occupancy: np.ndarray
    features: np.ndarray
    lower: np.ndarray
    value: float
    bound: float
    stayed: bool

    @property
    def gap(self) -> float:
        """How much could still be missing, at most."""
        return self.bound - self.value


def solve_pessimistic(
    mdp: FiniteMDP,
    sets: ConfidenceSets,
    welfare: Welfare,
    *,
    reference: np.ndarray | None = None,
) -> PessimisticOptimum:
    """Return the policy with the greatest pessimistic value, history-dependent ones included.

    Args:
        mdp: the world; only its features are looked at, not the parties' true rewards.
        sets: of M parties; radius 0 is the plug-in.
        welfare: utilitarian, Nash (as geometric mean), max-min, or leximin, of which the minimum
            is maximised.
        reference: policy `[S, A]` or `[H, S, A]`; default `mdp.behaviour`.

    Raises:
        TypeError: for another welfare function.
        ValueError: when a radius is negative, or shapes do not fit.
    """
    if not isinstance(welfare, Utilitarian | Nash | MaxMin | Leximin):
        raise TypeError(
            f"welfare should be Utilitarian, Nash, MaxMin or Leximin, is {type(welfare).__name__}"
        )
    if (sets.radius < 0).any():
        raise ValueError(
            f"radius should be 0 or more, is {sets.radius.min():g}: optimism over occupancies is "
            "not concave; choose state by state"
        )
    world = World(mdp, _features(mdp, sets))
    base = policy_table(mdp, mdp.behaviour if reference is None else reference)
    task = Task(world, sets, welfare, world.returns(world.occupancy(base)))
    if isinstance(welfare, Nash):
        # a product has an optimum inside only where all can gain for sure at once
        _, price = solve(task._replace(welfare=MaxMin()))
        if _ceiling(task, price)[0] <= _NOTHING * float(task.unit.max()):
            weights = product_weights(np.maximum(price.weights, _LEAST), task.shares)
            bound, _ = _ceiling(task, Price(weights, price.theta))
            return _of_policy(task, np.array(base), bound, stayed=True)
    visits, price = solve(task)
    bound, choice = _ceiling(task, price)
    policy = np.eye(mdp.num_actions)[choice]
    reached = visits.sum(axis=-1, keepdims=True)
    policy = np.divide(visits, reached, out=policy, where=reached > 1e-12)
    found = _of_policy(task, policy, bound)
    if found.value <= _NOTHING * float(task.unit.max()):
        return _of_policy(task, np.array(base), bound, stayed=True)
    return found


def plan_steps(mdp: FiniteMDP, bounds: np.ndarray, welfare: Welfare) -> tuple[np.ndarray, float]:
    """Return the policy `[H, S, A]` with the greatest expected welfare of steps' bounds, and it.

    The pessimistic objective of [Zhong2024] section 6, welfare of every step, with a theta that may
    differ from state to state as in `statewise`: one scalar reward, backward induction. With upper
    bounds it is optimism.

    Args:
        mdp: the world; its true rewards are not looked at.
        bounds: `[S, A, M]`, as `lower_bounds` gives.
        welfare: utilitarian, Nash (as geometric mean), max-min or leximin (its minimum).

    Raises:
        TypeError: for another welfare function.
        ValueError: when shapes do not fit.
    """
    world = World(mdp, bounds)
    value, choice = world.best(welfare_of_profiles(welfare, world.rewards))
    return np.eye(mdp.num_actions)[choice], float(value)


def pessimistic_value(
    mdp: FiniteMDP,
    sets: ConfidenceSets,
    policy: np.ndarray,
    *,
    reference: np.ndarray | None = None,
) -> np.ndarray:
    """Return what a policy gives each party at least, less the reference policy, `[M]`.

    Of a negative radius: at most.
    """
    world = World(mdp, _features(mdp, sets))
    base = mdp.behaviour if reference is None else reference
    mine, other = (
        world.returns(world.occupancy(policy_table(mdp, each))) for each in (policy, base)
    )
    return sets.bounds(mine - other)[0]


def _features(mdp: FiniteMDP, sets: ConfidenceSets) -> np.ndarray:
    if mdp.num_features != sets.num_features:
        raise ValueError(
            f"sets should be of {mdp.num_features} features as the world, are of "
            f"{sets.num_features}"
        )
    return mdp.feature_table


def _of_policy(
    task: Task, policy: np.ndarray, bound: float, *, stayed: bool = False
) -> PessimisticOptimum:
    occupancy = task.world.occupancy(policy)
    features = task.world.returns(occupancy) - task.zero
    lower = task.sets.bounds(features)[0]
    value = 0.0 if stayed else float(welfare_of_profiles(task.welfare, lower))
    bound = max(bound, value)
    return PessimisticOptimum(policy, occupancy, features, lower, value, bound, stayed)


def _ceiling(task: Task, price: Price) -> tuple[float, np.ndarray]:
    """Return the best value under the prices' own rewards, and the actions that reach it.

    W(L(v)) <= sum_m weights_m theta_m @ v for any theta in the sets and any weights that are a
    supergradient of W at some profile: whatever the solver's precision, it is a bound.
    """
    reward = price.theta @ price.weights
    best, choice = task.world.best(task.world.rewards @ reward)
    return float(best - task.zero @ reward), choice
