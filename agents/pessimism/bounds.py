"""What each action is worth to each party at least, by the confidence sets.

Answers fix a reward only up to a constant, so worth is counted from a zero: the party's worst
action in the state, as [Zhong2024] section 4 has it, or what a reference policy gives, which they
allow and which [Zhu2023] uses. The worst action may be one that was hardly ever compared; the
reference policy usually is what people were asked about.

The least over the set of max_b theta @ (phi(a) - phi(b)) is a small cone programme. "Simple"
bounds take the best single b instead, and are lower.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from agents import conic
from multiparty_envs import expect
from multiparty_envs.rewards.confidence import ConfidenceSets

_AT_ONCE = 4_000  # small cone programmes in one
_CHUNK = 4_000_000  # numbers held at once


def lower_bounds(
    sets: ConfidenceSets,
    features: np.ndarray,
    *,
    reference: np.ndarray | None = None,
    exact: bool = False,
) -> np.ndarray:
    """Return lower bounds [S, A, M] of normalised utilities, upper ones where a radius is negative.

    Args:
        sets: of M parties.
        features: [S, A, D].
        reference: policy [S, A], what zero stands for; default each party's worst action.
        exact: the least over each set, instead of the simple bounds. With a reference policy, and
            where a radius is not positive, the simple bounds are exact.

    Raises:
        ValueError: when shapes do not fit.
    """
    table = expect.finite(features, name="features")
    expect.shape(table, None, None, sets.num_features, name="features")
    if reference is not None:
        policy = expect.distribution(reference, name="reference")
        expect.shape(policy, *table.shape[:2], name="reference")
        return sets.bounds(table - np.einsum("sa,sad->sd", policy, table)[:, None])[0]
    simple = np.concatenate([_simple(sets, part) for part in _parts(sets, table)])
    unsure = sets.radius > 0
    if exact and unsure.any():
        return np.maximum(simple, _exact(sets, table))
    return simple


def _parts(sets: ConfidenceSets, table: np.ndarray) -> list[np.ndarray]:
    each = table[0].size * table.shape[1] * sets.num_parties
    size = max(1, _CHUNK // max(each, 1))
    return [table[low : low + size] for low in range(0, len(table), size)]


def _simple(sets: ConfidenceSets, table: np.ndarray) -> np.ndarray:
    """[S, A, M]; an action is never worth less than itself."""
    difference = table[:, :, None] - table[:, None]  # [S, A, A, D]
    return sets.bounds(difference)[0].max(axis=2)


def _exact(sets: ConfidenceSets, table: np.ndarray) -> np.ndarray:
    """[S, A, M]: max over mixtures q of theta @ (phi_a - phi_q) - radius ||phi_a - phi_q||."""
    difference = table[:, :, None] - table[:, None]  # [S, A, B, D]
    gain = np.moveaxis(difference @ sets.theta, -1, 2)  # [S, A, M, B]
    spread = np.einsum("mij,sabj->sambi", sets.whitening, difference)
    radius = np.maximum(sets.radius, 0.0)
    spread = radius[:, None, None] * spread
    shape = gain.shape[:3]
    gain = gain.reshape(-1, gain.shape[-1])
    spread = spread.reshape(len(gain), *spread.shape[3:])
    parts = [
        _mixed(gain[low : low + _AT_ONCE], spread[low : low + _AT_ONCE])
        for low in range(0, len(gain), _AT_ONCE)
    ]
    return np.concatenate(parts).reshape(shape)


def _mixed(gain: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return max over q of gain @ q - |spread' q|, [N, B] and [N, B, D] -> [N].

    All N in one cone programme of variables q [N, B], then the lengths [N]. What is returned is
    the value at the mixtures found: a lower bound, whatever the solver's precision.
    """
    count, options, features = spread.shape
    parts, total = count * options, count * (options + 1)
    number, cone = np.arange(parts), np.arange(count) * (features + 1)
    # rows of the second-order cones: length, then -spread' q
    where = cone[:, None, None] + 1 + np.arange(features)
    where = np.broadcast_to(where, spread.shape).ravel()
    column = np.repeat(number, features)
    data = np.concatenate([-spread.ravel(), -np.ones(count)])
    places = (np.concatenate([where, cone]), np.concatenate([column, parts + np.arange(count)]))
    balls = sparse.csr_matrix((data, places), shape=(count * (features + 1), total))
    sums = sparse.csr_matrix((np.ones(parts), (number // options, number)), shape=(count, total))
    rows: Any = sparse.vstack([sums, -sparse.eye(parts, total), balls], format="csc")
    heights = np.concatenate([np.ones(count), np.zeros(rows.shape[0] - count)])
    kinds = conic.clarabel()
    cones = [kinds.ZeroConeT(count), kinds.NonnegativeConeT(parts)]
    cones += [kinds.SecondOrderConeT(features + 1)] * count
    unit = np.abs(gain).max() or 1.0
    cost = np.concatenate([-gain.ravel() / unit, np.full(count, 1.0 / unit)])
    mixture = conic.minimise(cost, rows, heights, cones, 1e-10)[0][:parts]
    mixture = np.maximum(mixture.reshape(count, options), 0.0)
    mixture /= mixture.sum(axis=1, keepdims=True)
    length = np.linalg.norm(np.einsum("nb,nbd->nd", mixture, spread), axis=1)
    return (gain * mixture).sum(axis=1) - length
