"""Pareto efficiency at a state, and of what is done by chance.

All take utilities `[B, A, M]` of A actions for M parties at B states, zero for the least that a
party can have there, and the chances `[B, A]` with which a policy acts. A difference counts from
`TOLERANCE` of the most that the party can have at the state.
"""

from __future__ import annotations

import numpy as np

from agents.audits.mixtures import Programmes, best_mixtures
from multiparty_envs import expect

TOLERANCE = 1e-9
"""Share of a party's largest utility at a state below which differences are rounding."""

SOLVED = 1e-6
"""The same where a linear programme is solved, whose rounding is larger."""


def checked(utilities: np.ndarray, chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as float64 after a look at shapes and signs.

    Raises:
        ValueError: when shapes do not fit, utilities are negative, or chances are none.
    """
    u = expect.shape(expect.finite(utilities, name="utilities"), None, None, None, name="utilities")
    if u.min(initial=0.0) < 0.0:
        raise ValueError(f"utilities should be 0 or more, hold {u.min():g}; subtract the least")
    chosen = expect.distribution(chances, name="chances", atol=1e-6)
    return u, expect.shape(chosen, *u.shape[:2], name="chances")


def expected(utilities: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return what the parties can expect, `[B, M]`."""
    return np.einsum("ba,bam->bm", chances, utilities)


def small(utilities: np.ndarray, share: float = TOLERANCE) -> np.ndarray:
    """Return the difference `[B, M]` from which a party's utility counts as another."""
    return share * utilities.max(axis=1)


def dominating(utilities: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return which actions `[B, A]` are better for some party and worse for none."""
    u, p = checked(utilities, chances)
    gain = u - expected(u, p)[:, None]
    least = small(u)[:, None]
    return np.all(gain >= -least, axis=-1) & np.any(gain > least, axis=-1)


def pareto(utilities: np.ndarray, chances: np.ndarray, *, mixtures: bool = False) -> np.ndarray:
    """Return tau `[B]`: by what share some party could gain at no other's cost.

    The least tau for which the policy is tau-approximately Pareto efficient at the state: the
    largest relative gain of a party over all actions (with `mixtures` over all mixtures of them)
    that are worse for nobody. Zero where there is no such action, infinite where a party that
    has nothing could have something.

    Source: [Zhong2024], section 4, approximate Pareto efficiency.

    Args:
        utilities: `[B, A, M]`.
        chances: `[B, A]`.
        mixtures: a linear programme for each party at each state that mixtures improve on.
    """
    u, p = checked(utilities, chances)
    have = expected(u, p)
    reached = _best_mixture_of_each(u, p) if mixtures else _harmless(u, have)
    gain = np.maximum(reached.max(axis=1) - have, 0.0)
    gain[gain <= small(u, SOLVED if mixtures else TOLERANCE)] = 0.0
    return _relative(gain, np.where(have <= small(u), 0.0, have)).max(axis=-1)


def _harmless(u: np.ndarray, have: np.ndarray) -> np.ndarray:
    """Return utilities `[B, A, M]`, the policy's own where an action is worse for somebody."""
    worse = np.any(u - have[:, None] < -small(u)[:, None], axis=-1)
    return np.where(worse[..., None], have[:, None], u)


def surplus(utilities: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return the most `[B]` that the parties together could gain, nobody losing, by a mixture.

    Zero exactly where the policy is Pareto efficient among all mixtures of actions: the linear
    programme max t such that E_q u_m >= E_policy u_m for all m and the sum of the slacks is t.
    """
    u, p = checked(utilities, chances)
    have = expected(u, p)
    total = u.sum(axis=-1)
    mixture = best_mixtures(Programmes(total, u, have, np.full_like(have, np.inf)))
    gain = np.einsum("ba,ba->b", mixture - p, total)
    return np.where(gain > SOLVED * total.max(axis=1, initial=0.0), gain, 0.0)


def _best_mixture_of_each(u: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return `[B, M, M]`: what the mixture that is best for each party, worse for none, gives.

    Where mixtures improve nothing, it is the policy's own.
    """
    have = expected(u, p)
    parties = u.shape[-1]
    found = np.repeat(have[:, None], parties, axis=1)
    at = np.flatnonzero(surplus(u, p) > 0.0)
    rows = np.repeat(at, parties)
    worth = u[at].swapaxes(1, 2).reshape(len(rows), u.shape[1])  # [b * M, A], one row a party
    low = have[rows]
    mixture = best_mixtures(Programmes(worth, u[rows], low, np.full_like(low, np.inf)))
    found[at] = np.einsum("na,nam->nm", mixture, u[rows]).reshape(len(at), parties, parties)
    return found


def dominated(utilities: np.ndarray) -> np.ndarray:
    """Return which actions `[B, A]` some other action is better than for one and worse for none."""
    u = expect.shape(expect.finite(utilities, name="utilities"), None, None, None, name="utilities")
    gain = u[:, :, None] - u[:, None]  # [B, A, A, M]: the first over the second
    least = TOLERANCE * np.ptp(u, axis=1)[:, None, None]
    better = np.all(gain >= -least, axis=-1) & np.any(gain > least, axis=-1)
    return np.any(better, axis=1)


def dominated_in(preferences: np.ndarray) -> np.ndarray:
    """Return which actions `[B, A]` lose to another that everybody likes at least as much.

    For parties without rewards. Source: [Zhong2024], section 6.

    Args:
        preferences: `[B, M, A, A]`, the chance that each party prefers the first action.
    """
    chance = expect.finite(preferences, name="preferences")
    expect.shape(chance, None, None, chance.shape[-1], None, name="preferences")
    margin = chance - 0.5
    beats = np.all(margin >= 0.0, axis=1) & np.any(margin > TOLERANCE, axis=1)
    return np.any(beats, axis=1)


def ex_post(dominated: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return the largest chance `[B]` with which a dominated action is taken.

    The least tau for which the policy is tau-approximately ex-post efficient.
    Source: [Zhong2024], section 6.

    Args:
        dominated: `[B, A]` bool.
        chances: `[B, A]`.
    """
    return np.where(dominated, chances, 0.0).max(axis=-1)


def _relative(gain: np.ndarray, have: np.ndarray) -> np.ndarray:
    """Return gain over what one has; infinite of nothing, zero where nothing is gained."""
    plain = np.divide(gain, have, out=np.zeros_like(gain), where=have > 0.0)
    return np.where((gain > 0.0) & (have <= 0.0), np.inf, plain)
