"""The cone programme behind `planning`: which occupancy has the most welfare at the least."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from agents import conic
from agents.occupancy import World
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Welfare

_TOLERANCE = 1e-10  # of the cone programme
_TINY = 1e-6  # share of the largest unit below which no party's unit falls


class Task(NamedTuple):
    """What is to be maximised, and where."""

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

    @property
    def unit(self) -> np.ndarray:
        """[M], what values are of the size of: each party's best, or the best of them all."""
        best, _ = self.world.best(self.world.rewards @ self.sets.theta)
        gain = np.abs(best - self.zero @ self.sets.theta)
        largest = float(gain.max()) or 1.0
        # only the product lets every party have a unit of its own
        own = np.maximum(gain, _TINY * largest)
        return own if isinstance(self.welfare, Nash) else np.full(len(gain), largest)


class Price(NamedTuple):
    """Weights and rewards under which the optimum is a best response."""

    weights: np.ndarray  # [M], what each party's lower value is worth
    theta: np.ndarray  # [D, M], the worst rewards


class _Aim(NamedTuple):
    """Rows that tie t [k] to the lower values l [M], in cones, and what t is worth."""

    on_values: Any  # [., M]
    on_aims: Any  # [., k]
    heights: np.ndarray  # [.]
    cones: list[Any]
    worth: np.ndarray  # [k]


def solve(task: Task) -> tuple[np.ndarray, Price]:
    """Return the optimal occupancy `[H, S, A]` and its prices.

    Variables: the occupancy x where it can be positive, v [D], lengths u [M], lower values l [M]
    in their units, and t, with v = features x - zero, u_m >= |W_m v|, l <= (theta' v - radius u) /
    unit, and t the least of l, a mean of it, or the logarithms, whose mean is maximised. For Nash
    there must be an occupancy with l > 0.
    """
    (kept, flow, start), aim, unit = _flow(task.world), _aim(task), task.unit
    (features, parties), horizon = task.sets.theta.shape, task.world.horizon
    worth = task.world.discount ** np.arange(horizon)
    table = (worth[:, None, None] * task.world.rewards).reshape(-1, features)[kept]
    ball = np.zeros((parties, features + 1, features))
    ball[:, 1:] = -task.sets.whitening
    length = -sparse.kron(sparse.eye(parties), np.eye(features + 1)[:, :1])
    value, radius = task.sets.theta.T / unit[:, None], task.sets.radius / unit
    rows: Any = sparse.bmat(
        [
            [flow, None, None, None, None],
            [table.T, -sparse.eye(features), None, None, None],
            [-sparse.eye(len(kept)), None, None, None, None],
            [None, -value, sparse.diags(radius), sparse.eye(parties), None],
            [None, ball.reshape(-1, features), length, None, None],
            [None, None, None, aim.on_values, aim.on_aims],
        ],
        format="csc",
    )
    cone = conic.clarabel()
    equal, above = len(start) + features, len(kept) + parties
    cones = [cone.ZeroConeT(equal), cone.NonnegativeConeT(above)]
    cones += [cone.SecondOrderConeT(features + 1)] * parties + aim.cones
    middle = np.zeros(above + parties * (features + 1))
    heights = np.concatenate([start, task.zero, middle, aim.heights])
    cost = np.concatenate([np.zeros(rows.shape[1] - len(aim.worth)), -aim.worth])
    found, price = conic.minimise(cost, rows, heights, cones, _TOLERANCE)
    visits = np.zeros((horizon, *task.world.shape))
    visits.flat[kept] = np.maximum(found[: len(kept)], 0.0)
    weights, balls = np.split(price[equal + len(kept) :], [parties])
    balls = balls[: parties * (features + 1)].reshape(parties, features + 1)
    return visits, Price(_weights(task, weights / unit), _worst(task.sets, balls))


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


def _aim(task: Task) -> _Aim:
    cone, parties = conic.clarabel(), task.sets.num_parties
    if isinstance(task.welfare, Nash):
        # (t_m, 1, l_m): exp(t_m) <= l_m
        values, aims = (np.zeros((parties, 3, parties)) for _ in range(2))
        everybody = np.arange(parties)
        values[everybody, 2, everybody] = aims[everybody, 0, everybody] = -1.0
        heights = np.tile([0.0, 1.0, 0.0], parties)
        on_values, on_aims = (sparse.csr_matrix(e.reshape(-1, parties)) for e in (values, aims))
        return _Aim(on_values, on_aims, heights, [cone.ExponentialConeT()] * parties, task.shares)
    if isinstance(task.welfare, MaxMin | Leximin):
        rows, count = -sparse.eye(parties), parties
    else:
        rows, count = -task.shares[None], 1
    aims = np.ones((count, 1))
    return _Aim(rows, aims, np.zeros(count), [cone.NonnegativeConeT(count)], np.ones(1))


def _weights(task: Task, price: np.ndarray) -> np.ndarray:
    """Return the weights `[M]` nearest to the multipliers that bound W from above."""
    price = np.maximum(price, 1e-12 * np.abs(price).max(initial=1e-300))
    if isinstance(task.welfare, MaxMin | Leximin):
        return price / price.sum()
    return product_weights(price, task.shares) if isinstance(task.welfare, Nash) else task.shares


def product_weights(price: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return multiples of positive prices `[M]` with prod l^share <= weights @ l, least so.

    By the inequality of the means, those with prod (weights / share)^share = 1.
    """
    return price * np.exp(-shares @ np.log(price / shares))


def _worst(sets: ConfidenceSets, balls: np.ndarray) -> np.ndarray:
    """Return the elements of the sets `[D, M]` that multipliers of the balls `[M, 1 + D]` name."""
    length = np.maximum(balls[:, 0], np.linalg.norm(balls[:, 1:], axis=1))
    towards = balls[:, 1:] / np.where(length > 0, length, 1.0)[:, None]
    return sets.theta + sets.radius * np.einsum("mij,mi->jm", sets.whitening, towards)
