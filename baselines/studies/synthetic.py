"""Answers about differences of features drawn from a normal distribution: nothing of a world."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.feedback import Comparisons, Segments
from multiparty_envs.streams import Streams


def answers(theta: np.ndarray, counts: ArrayLike, streams: Streams) -> Comparisons:
    """Return answers of M parties by the Bradley-Terry-Luce model, sorted by party.

    Each is about a segment of one step whose features are drawn from N(0, I), beside one common
    segment of zeros: differences of features are the drawn ones, and their expected covariance
    is the identity.

    Args:
        theta: [D, M] true rewards.
        counts: answers of each party, one number for all or [M] of them; 0 is allowed.
        streams: where to draw from.

    Raises:
        ValueError: when shapes do not fit, a count is negative, or all are zero.
    """
    truth = expect.shape(expect.finite(theta, name="theta"), None, None, name="theta")
    party = np.repeat(np.arange(truth.shape[1]), each_count(counts, truth.shape[1]))
    features = streams.numpy("features").standard_normal((len(party) + 1, len(truth)))
    features[-1] = 0.0
    margin = np.einsum("kd,kd->k", features[:-1], truth.T[party])
    chance = 1.0 / (1.0 + np.exp(-margin))
    first = np.arange(len(party))
    return Comparisons(
        segments=_bank(features),
        first=first,
        second=np.full_like(first, len(party)),
        party=party,
        label=(streams.numpy("answers").random(len(party)) < chance).astype(np.float64),
        num_parties=truth.shape[1],
    )


def each_count(counts: ArrayLike, num_parties: int) -> np.ndarray:
    """Return [M] whole numbers, from one for all or from one for each.

    Raises:
        TypeError: when they are no whole numbers.
        ValueError: when there are not M of them, one is negative, or all are zero.
    """
    given = np.asarray(counts)
    if not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"counts should be whole numbers, are {given.dtype}")
    each = given if given.ndim else np.full(num_parties, given)
    expect.shape(each, num_parties, name="counts")
    if each.min() < 0 or not each.any():
        raise ValueError(f"counts should be 0 or more and not all 0, are {each.tolist()}")
    return each


def _bank(features: np.ndarray) -> Segments:
    """Return segments of one step with `features` [G, D]; of anything else they hold nothing."""
    count = len(features)
    return Segments(
        obs=np.zeros((count, 1, 0), dtype=np.float32),
        action=np.zeros((count, 1, 0), dtype=np.int64),
        features=features[:, None, :],
        mask=np.ones((count, 1), dtype=bool),
    )
