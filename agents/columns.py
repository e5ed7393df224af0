"""Column generation over policies, for concave functions of the parties' expected returns.

The reachable utilities form a polytope whose corners are best responses to weighted sums of
rewards, found by backward induction. The best mixture of the corners known so far prices the
parties; the best response to the prices is the next corner, and bounds what any policy reaches.
The prices are taken from near the central path, at a tolerance that follows the gap: they move
steadily, which saves most of the steps. Source: [Gondzio2013], primal-dual column generation.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from agents.occupancy import World
from agents.programmes import Programme
from multiparty_envs.welfare import Scale

GAP = 1e-9
"""Relative gap at which to stop."""

_COARSE, _FINE = 1e-2, 1e-11  # the largest and the smallest tolerance of a mixture
_LIMIT = 2000  # columns
_PATIENCE = 20  # steps near the end that may bring nothing


class Found(NamedTuple):
    """The best mixture of a pool's policies, and the lowest ceiling that was proven.

    `weights` are the prices that prove the ceiling.
    """

    mixture: np.ndarray  # [n]
    value: float
    weights: np.ndarray  # [M]
    bound: float


@final
class Pool:
    """Deterministic policies found so far, with the utilities they give to the parties.

    Args:
        world: where they act.
        scale: how returns are turned into utilities.

    Attributes:
        choices: their actions, `[H, S]` each.
        columns: `[M, n]`, their utilities.
    """

    def __init__(self, world: World, scale: Scale) -> None:
        self.world, self.scale = world, scale
        self.choices: list[np.ndarray] = []
        self.columns = np.empty((world.num_parties, 0))

    def face(self, weights: np.ndarray, tolerance: float) -> Pool:
        """Return the policies that are best responses to `weights`, and their world."""
        reward = self.world.rewards @ (weights / self.scale.unit)
        pool = Pool(self.world.near_best(reward, tolerance), self.scale)
        worth = weights @ self.columns
        on = np.flatnonzero(worth >= worth.max() - tolerance)
        pool.choices, pool.columns = [self.choices[i] for i in on], self.columns[:, on]
        return pool

    def respond(self, weights: np.ndarray) -> tuple[float, bool]:
        """Find the policy that maximises weights @ u, and keep it if it is new.

        Returns:
            The maximum, and whether the policy was new.
        """
        best, choice = self.world.best(self.world.rewards @ (weights / self.scale.unit))
        column = self.scale.returns(self.world.visits(choice) @ self.world.rewards)[:, None]
        close = 1e-13 * np.abs(self.columns).max(initial=1e-300)
        new = not (np.abs(self.columns - column) <= close).all(axis=0).any()
        if new:
            self.choices.append(choice)
            self.columns = np.hstack([self.columns, column])
        return float(best - weights @ (self.scale.shift / self.scale.unit)), new

    def policy(self, mixture: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return a policy `[H, S, A]` with the utilities of a mixture `[n]`.

        Where the mixture never comes it is the best response to `weights`.
        """
        fewer = _basis(self.columns[:, : len(mixture)], mixture)
        visits = np.zeros((self.world.horizon, *self.world.shape))
        for i in np.flatnonzero(fewer):
            visits += fewer[i] * self.world.occupancy(self._table(self.choices[i]))
        reached = visits.sum(axis=-1, keepdims=True)
        _, choice = self.world.best(self.world.rewards @ (weights / self.scale.unit))
        table = self._table(choice)
        return np.divide(visits, reached, out=table, where=reached > 0)

    def _table(self, choice: np.ndarray) -> np.ndarray:
        return np.eye(self.world.shape[1])[choice]


def climb(pool: Pool, programme: Programme) -> Found:
    """Maximise a programme over all policies, adding to the pool what is missing."""
    if not pool.choices:
        pool.respond(np.full(pool.world.num_parties, 1.0 / pool.world.num_parties))
    found = Found(np.empty(0), -np.inf, np.empty(0), np.inf)
    mixture, tolerance, size, gaps = np.ones(1), _COARSE, 1.0, []
    for _ in range(_LIMIT):
        support = programme.solve(pool.columns, tolerance, inside(pool, mixture))
        mixture = support.mixture
        u = pool.columns @ mixture
        value, refined = programme.value(u), programme.learn(u)
        top, new = pool.respond(support.weights)
        if value > found.value:
            found = found._replace(mixture=mixture, value=value)
            size = support.size or 1.0
        if top + support.offset < found.bound:
            found = found._replace(weights=support.weights, bound=top + support.offset)
        gaps.append((found.bound - found.value) / size)
        going = new or refined
        if gaps[-1] <= GAP or _settled(gaps) or not (going or tolerance > _FINE):
            break
        most = _COARSE if going else 0.1 * tolerance
        tolerance = float(np.clip(0.3 * gaps[-1], _FINE, max(most, _FINE)))
    return found


def _settled(gaps: list[float]) -> bool:
    """Return whether all that moves any more is rounding."""
    return len(gaps) > _PATIENCE and gaps[-1] < 1e-6 and gaps[-1] > 0.9 * gaps[-1 - _PATIENCE]


def inside(pool: Pool, mixture: np.ndarray) -> np.ndarray:
    """Return a mixture of all of a pool, near one `[n]` of the first of it, with no zeros."""
    count = pool.columns.shape[1]
    known = np.zeros(count)
    known[: len(mixture)] = mixture[:count]
    return 0.9 * known + (1.0 - 0.9 * known.sum()) / count


def _basis(columns: np.ndarray, mixture: np.ndarray) -> np.ndarray:
    """Return a mixture of the same utilities with at most M + 1 parts (Caratheodory).

    While some parts are affinely dependent, move along the dependency until one is used up.
    """
    shares = mixture.copy()
    unit = np.abs(columns).max() or 1.0
    rows = np.vstack([columns / unit, np.ones(len(shares))])
    kept = np.flatnonzero(shares)
    while len(kept) > 1:
        some = kept[: len(rows) + 1]
        _, strength, directions = np.linalg.svd(rows[:, some])
        if len(some) <= len(rows) and strength[-1] > 1e-12 * strength[0]:
            break
        move = directions[-1] if (directions[-1] > 0).any() else -directions[-1]
        ratio = np.divide(shares[some], move, out=np.full(len(some), np.inf), where=move > 0)
        shares[some] = np.maximum(shares[some] - ratio.min() * move, 0.0)
        shares[some[ratio.argmin()]] = 0.0
        kept = np.flatnonzero(shares)
    return shares / shares.sum()
