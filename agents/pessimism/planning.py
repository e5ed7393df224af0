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
from typing import Any, NamedTuple, final

import numpy as np
from scipy import sparse

from agents import conic
from agents.occupancy import World
from agents.pessimism.statewise import welfare_of_profiles
from agents.planning import policy_table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Utilitarian, Welfare

_TOLERANCE = 1e-10  # of the cone programme
_NOTHING = 1e-8  # share of the values' size below which a gain is rounding


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
    task = _Task(world, sets, welfare, world.returns(world.occupancy(base)))
    visits, price = _solve(task)
    bound, choice = _ceiling(task, price)
    policy = np.eye(mdp.num_actions)[choice]
    reached = visits.sum(axis=-1, keepdims=True)
    policy = np.divide(visits, reached, out=policy, where=reached > 1e-12)
    found = _of_policy(task, policy, bound)
    size = float(np.abs(found.features @ sets.theta).max(initial=0.0))
    if found.value <= _NOTHING * size:
        return _of_policy(task, np.array(base), bound, stayed=True)
    return found


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


class _Task(NamedTuple):
    world: World  # whose rewards are the features
    sets: ConfidenceSets
    welfare: Welfare
    zero: np.ndarray  # [D], expected features of the reference policy

    @property
    def shares(self) -> np.ndarray:
        """[M], weights of the parties."""
        given = getattr(self.welfare, "party_weights", None)
        count = self.sets.num_parties
        return np.full(count, 1.0 / count) if given is None else np.asarray(given)


def _of_policy(
    task: _Task, policy: np.ndarray, bound: float, *, stayed: bool = False
) -> PessimisticOptimum:
    occupancy = task.world.occupancy(policy)
    features = task.world.returns(occupancy) - task.zero
    lower = task.sets.bounds(features)[0]
    value = 0.0 if stayed else float(welfare_of_profiles(task.welfare, lower))
    bound = max(bound, value)
    return PessimisticOptimum(policy, occupancy, features, lower, value, bound, stayed)


class _Price(NamedTuple):
    weights: np.ndarray  # [M], what each party's lower value is worth
    theta: np.ndarray  # [D, M], the worst rewards


def _ceiling(task: _Task, price: _Price) -> tuple[float, np.ndarray]:
    """Return the best value under the prices' own rewards, and the actions that reach it.

    W(L(v)) <= sum_m weights_m theta_m @ v for any theta in the sets and any weights that are a
    supergradient of W at some profile: whatever the solver's precision, it is a bound.
    """
    reward = price.theta @ price.weights
    best, choice = task.world.best(task.world.rewards @ reward)
    return float(best - task.zero @ reward), choice


def _solve(task: _Task) -> tuple[np.ndarray, _Price]:
    """Return the optimal occupancy `[H, S, A]` and its prices.

    Variables: the occupancy x where it can be positive, v [D], lengths u [M], lower values l [M],
    and t, the welfare, with v = features x - zero, u_m >= |W_m v|, l <= theta' v - radius u, and
    t <= W(l).
    """
    (kept, flow, start), (on_values, on_welfare, kind) = _flow(task.world), _aim(task)
    (features, parties), horizon = task.sets.theta.shape, task.world.horizon
    worth = task.world.discount ** np.arange(horizon)
    table = (worth[:, None, None] * task.world.rewards).reshape(-1, features)[kept]
    ball = np.zeros((parties, features + 1, features))
    ball[:, 1:] = -task.sets.whitening
    length = -sparse.kron(sparse.eye(parties), np.eye(features + 1)[:, :1])
    rows: Any = sparse.bmat(
        [
            [flow, None, None, None, None],
            [table.T, -sparse.eye(features), None, None, None],
            [-sparse.eye(len(kept)), None, None, None, None],
            [None, -task.sets.theta.T, sparse.diags(task.sets.radius), sparse.eye(parties), None],
            [None, ball.reshape(-1, features), length, None, None],
            [None, None, None, on_values, on_welfare],
        ],
        format="csc",
    )
    cone = conic.clarabel()
    equal, above = len(start) + features, len(kept) + parties
    cones = [cone.ZeroConeT(equal), cone.NonnegativeConeT(above)]
    cones += [cone.SecondOrderConeT(features + 1)] * parties + [kind]
    heights = np.concatenate([start, task.zero, np.zeros(rows.shape[0] - equal)])
    cost = np.append(np.zeros(rows.shape[1] - 1), -1.0)
    found, price = conic.minimise(cost, rows, heights, cones, _TOLERANCE)
    visits = np.zeros((horizon, *task.world.shape))
    visits.flat[kept] = np.maximum(found[: len(kept)], 0.0)
    weights, balls = np.split(price[equal + len(kept) :], [parties])
    balls = balls[: parties * (features + 1)].reshape(parties, features + 1)
    return visits, _Price(_weights(task, weights), _worst(task.sets, balls))


def _flow(world: World) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray]:
    """Return which of the (t, s, a) can be, the rows of the flow through (t, s), and its start."""
    uniform = np.full((world.horizon, *world.shape), 1.0 / world.shape[1])
    open_ = world.occupancy(uniform) > 0
    kept, passed = np.flatnonzero(open_), np.flatnonzero(open_.any(axis=-1))
    leaving = sparse.kron(sparse.eye(world.horizon * world.shape[0]), np.ones((1, world.shape[1])))
    entering = sparse.kron(sparse.eye(world.horizon, k=-1), world.arrivals)
    flow = sparse.csr_matrix(leaving - entering)[passed][:, kept]
    start = np.zeros(world.horizon * world.shape[0])
    start[: world.shape[0]] = world.initial
    return kept, flow, start[passed]


def _aim(task: _Task) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return rows on l `[k, M]` and on t `[k, 1]`, and the cone that says t <= W(l)."""
    cone, parties = conic.clarabel(), task.sets.num_parties
    if isinstance(task.welfare, Nash) and parties > 1:
        rows = np.vstack([-np.eye(parties), np.zeros((1, parties))])
        return rows, -np.eye(parties + 1)[:, -1:], cone.GenPowerConeT(list(task.shares), 1)
    if isinstance(task.welfare, MaxMin | Leximin):
        return -np.eye(parties), np.ones((parties, 1)), cone.NonnegativeConeT(parties)
    return -task.shares[None], np.ones((1, 1)), cone.NonnegativeConeT(1)


def _weights(task: _Task, price: np.ndarray) -> np.ndarray:
    """Return the weights `[M]` nearest to the multipliers that bound W from above."""
    price = np.maximum(price, 1e-12 * np.abs(price).max(initial=1e-300))
    if isinstance(task.welfare, MaxMin | Leximin):
        return price / price.sum()
    if isinstance(task.welfare, Nash):
        # prod l^share <= weights @ l where prod (weights / share)^share = 1
        return price * np.exp(-task.shares @ np.log(price / task.shares))
    return task.shares


def _worst(sets: ConfidenceSets, balls: np.ndarray) -> np.ndarray:
    """Return the elements of the sets `[D, M]` that multipliers of the balls `[M, 1 + D]` name."""
    length = np.maximum(balls[:, 0], np.linalg.norm(balls[:, 1:], axis=1))
    towards = balls[:, 1:] / np.where(length > 0, length, 1.0)[:, None]
    return sets.theta + sets.radius * np.einsum("mij,mi->jm", sets.whitening, towards)
