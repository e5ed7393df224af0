"""Whether any policy gives every party at least as much, and how much more in all."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

from agents.columns import Pool
from agents.occupancy import World
from multiparty_envs.welfare import Scale

GAP = 1e-7
"""What may still be missing for each party when the search stops, in units of the scale."""

LIMIT = 500
"""Policies that are looked at."""


class Improvement(NamedTuple):
    """The best that can be done at nobody's cost."""

    surplus: float
    """What the parties could gain together, in units of the scale; 0: the policy is efficient."""
    bound: float
    """No policy that harms nobody can give more than this in all."""
    returns: np.ndarray
    """[M] returns of a policy that reaches the surplus, raw."""


def improvement(world: World, returns: np.ndarray, scale: Scale) -> Improvement:
    """Return the most that some policy adds to these returns, over all that harm nobody.

    The linear programme over occupancies max sum_m (J_m(q) - J_m) / unit_m such that
    J_m(q) >= J_m for all m, solved by columns: the best mixture of the policies known so far
    prices the parties, and the best response to the prices is the next policy.

    Args:
        world: where policies act.
        returns: `[M]`, what the audited policy gives, as `World.returns` has it.
        scale: units in which gains are added up.
    """
    pool = Pool(world, scale)
    have = scale.returns(returns)
    pool.respond(np.ones(len(have)))
    enough = GAP * len(have)
    best = Improvement(0.0, np.inf, returns)
    for _ in range(LIMIT):
        mixture, price = _master(pool.columns, have)
        gain = np.maximum(pool.columns @ mixture[1:] + mixture[0] * have - have, 0.0)
        top, new = pool.respond(price)
        bound = min(best.bound, max(top - price @ have, 0.0))
        best = Improvement(float(gain.sum()), bound, returns + gain * scale.unit)
        if bound - best.surplus <= enough or not new:
            break
    if best.surplus <= enough:
        return Improvement(0.0, best.bound, returns)
    return best._replace(bound=max(best.bound, best.surplus))


def _master(columns: np.ndarray, have: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best mixture `[1 + n]` of the audited policy and the columns, and the prices.

    A price is one for the gain that is counted, and more where nobody may lose.
    """
    gains = np.column_stack([np.zeros_like(have), columns - have[:, None]])
    found = linprog(
        c=-gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(have)),
        A_eq=np.ones((1, gains.shape[1])),
        b_eq=[1.0],
        method="highs",
    )
    return found.x, 1.0 - found.ineqlin.marginals
