"""Pigou-Dalton transfers: from a better-off to a worse-off party, at no third party's cost.

A move is a transfer where the utilities of two parties change, keep their sum and come closer to
each other. Of non-negative utilities it raises the Nash product. Utilities `[B, A, M]` and
chances `[B, A]` are as in `agents.audits.efficiency`; only utilities in comparable units can be
transferred.
"""

from __future__ import annotations

import numpy as np

from agents.audits.efficiency import checked, expected, small
from agents.audits.mixtures import Programmes, best_mixtures
from multiparty_envs import expect


def refused(utilities: np.ndarray, chances: np.ndarray, *, mixtures: bool = False) -> np.ndarray:
    """Return tau `[B]`: the most Nash welfare that a transfer could add to what a policy does.

    The least tau for which the policy is tau-approximately Pigou-Dalton at the state: by how much
    the product of utilities is larger, at most, at an action (with `mixtures`: a mixture) that a
    transfer leads to. Zero where there is none, as wherever the policy maximises the product.

    Source: [Zhong2024], section 4, corollary 1.

    Args:
        utilities: `[B, A, M]`.
        chances: `[B, A]`.
        mixtures: a linear programme for each pair of parties at each state.
    """
    u, p = checked(utilities, chances)
    have = expected(u, p)
    if mixtures:
        return _by_mixtures(u, p, have)
    move = u - have[:, None]
    transfer = _is_transfer(move, small(u)[:, None])
    gain = u.prod(axis=-1) - have.prod(axis=-1)[:, None]
    return np.where(transfer, np.maximum(gain, 0.0), 0.0).max(axis=1)


def reversed_by(utilities: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Return the most `[B]` by which a judgement's Nash product falls over a true transfer.

    Zero for a judgement that respects the principle, as the true utilities' own product does. What
    learned utilities get wrong may make them prefer the less equal action.

    Args:
        utilities: `[B, A, M]`, the true ones, which tell what is a transfer.
        judged: `[B, A, M]`, for instance learned ones.
    """
    u = expect.shape(expect.finite(utilities, name="utilities"), None, None, None, name="utilities")
    other = expect.shape(expect.finite(judged, name="judged"), *u.shape, name="judged")
    move = u[:, None] - u[:, :, None]  # [B, A, A, M], from the first to the second
    transfer = _is_transfer(move, small(u)[:, None, None]) & _closer(u)
    product = other.prod(axis=-1)
    fall = product[:, :, None] - product[:, None]
    return np.where(transfer, np.maximum(fall, 0.0), 0.0).max(axis=(1, 2))


def _is_transfer(move: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return where `[...]` of moves `[..., M]` exactly two parties move, and their sum stays."""
    moved = np.abs(move) > least
    kept = np.abs(move.sum(axis=-1)) <= least.sum(axis=-1)
    return (moved.sum(axis=-1) == 2) & kept


def _closer(u: np.ndarray) -> np.ndarray:
    """Return whether `[B, A, A]` the second action's profile is less spread than the first's.

    Of two profiles that differ by a transfer, the one with the smaller sum of squares.
    """
    squares = (u**2).sum(axis=-1)
    return squares[:, None] < squares[:, :, None]


def _by_mixtures(u: np.ndarray, p: np.ndarray, have: np.ndarray) -> np.ndarray:
    one, two = np.triu_indices(u.shape[-1], 1)
    state = np.repeat(np.arange(len(u)), len(one))
    one, two = np.tile(one, len(u)), np.tile(two, len(u))
    first_is_rich = have[state, one] >= have[state, two]
    rich, poor = np.where(first_is_rich, [one, two], [two, one])
    gain = _gain(u[state], p[state], have[state], rich, poor)
    return gain.reshape(len(u), -1).max(axis=1, initial=0.0)


def _gain(
    u: np.ndarray, p: np.ndarray, have: np.ndarray, rich: np.ndarray, poor: np.ndarray
) -> np.ndarray:
    """Return the most `[B]` that a transfer from `rich` [B] to `poor` [B] adds to the product."""
    rows = np.arange(len(u))
    # the sum of the two is one more party whose utility stays; the gift stops at equality
    pair = u[rows, :, rich] + u[rows, :, poor]
    values = np.concatenate([u, pair[..., None]], axis=-1)
    low = np.append(have, (have[rows, rich] + have[rows, poor])[:, None], axis=1)
    high = low.copy()
    middle = low[:, -1] / 2.0
    low[rows, rich], high[rows, poor] = middle, middle
    mixture = best_mixtures(Programmes(u[rows, :, poor], values, low, high))
    gift = np.einsum("ba,ba->b", mixture - p, u[rows, :, poor])
    gift = np.clip(gift, 0.0, (have[rows, rich] - have[rows, poor]) / 2.0)
    gift[gift <= 1e3 * small(u)[rows, poor]] = 0.0
    others = have.copy()
    others[rows, rich] = others[rows, poor] = 1.0
    before = have[rows, rich] * have[rows, poor]
    after = (have[rows, rich] - gift) * (have[rows, poor] + gift)
    return others.prod(axis=-1) * (after - before)
