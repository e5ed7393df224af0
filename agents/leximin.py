"""The leximin optimum: the least utility, then the second least, and so on.

Rounds of max-min, after [Ogryczak1997]: where the least utility cannot be raised, the parties who
hold it down (those with a price) are fixed, and the rest goes on. All optimal policies of a round
are best responses to its prices. So the next round needs only the actions that are, a smaller
world in which the fixed utilities are no longer at the edge of what is possible; on the edge,
interior points have no inside and prices no bound.
"""

from __future__ import annotations

import numpy as np

from agents.columns import Found, Pool, climb, inside
from agents.programmes import Polyhedral
from multiparty_envs.streams import Streams

_NEAR = 1e-7  # share of the utilities' size by which a best response may fall short
_PRICED = 1e-2  # share of the highest price from which a party counts as holding the least down
_SAME = 1e-8  # share of the utilities' size below which differences are rounding
_FINE = 1e-12  # tolerance of the mixture that fixes utilities


def climb_leximin(pool: Pool) -> tuple[Pool, Found]:
    """Return the pool of the last round and the leximin-best mixture of it.

    `value` and `bound` are those of the first round, the minimum's. A party with a small price is
    not fixed yet: it may still gain up to the gap over its price, and a later round will tell.
    """
    parties = pool.world.num_parties
    fixed, free = np.full(parties, np.nan), np.arange(parties)
    first = None
    while True:
        programme = Polyhedral(np.eye(parties)[free], fixed=fixed)
        found = climb(pool, programme)
        first = first or found
        price = found.weights[free]
        pool = pool.face(found.weights, _NEAR * _size(pool))
        support = programme.solve(pool.columns, _FINE, inside(pool, np.empty(0)))
        held = free[price >= _PRICED * price.max()]
        fixed = fixed.copy()
        fixed[held] = (pool.columns @ support.mixture)[held]
        free = _undecided(pool, fixed)
        if not len(free):
            return pool, first._replace(mixture=support.mixture, weights=support.weights)


def _undecided(pool: Pool, fixed: np.ndarray) -> np.ndarray:
    """Return the parties whose utilities do not follow from the fixed ones in the pool's world."""
    _span(pool)
    spread = pool.columns - pool.columns.mean(axis=1, keepdims=True)
    small = _SAME * _size(pool)
    known = spread[~np.isnan(fixed)]
    _, size, directions = np.linalg.svd(known, full_matrices=False)
    seen = directions[size > small]
    rest = spread - (spread @ seen.T) @ seen
    follows = np.abs(rest).max(axis=1) <= small
    return np.flatnonzero(np.isnan(fixed) & ~follows)


def _span(pool: Pool) -> None:
    """Add policies until every policy's utilities lie in the affine hull of the pool's.

    What is best or worst in a random direction across the hull lies outside of it, if anything.
    """
    rng = Streams(0).numpy("directions")
    while True:
        centre = pool.columns.mean(axis=1, keepdims=True)
        basis, size, _ = np.linalg.svd(pool.columns - centre, full_matrices=False)
        basis = basis[:, size > _SAME * _size(pool)]
        across = rng.standard_normal(len(centre))
        across -= basis @ (basis.T @ across)
        pool.respond(across)
        pool.respond(-across)
        far = np.abs(across @ (pool.columns - centre)).max()
        inside = far <= _SAME * np.linalg.norm(across) * _size(pool)
        if inside or basis.shape[1] == len(centre):
            return


def _size(pool: Pool) -> float:
    return float(np.abs(pool.columns).max()) or 1.0
