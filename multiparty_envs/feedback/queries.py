"""Which pairs people are asked about, and who is asked."""

from __future__ import annotations

from typing import final

import numpy as np

from multiparty_envs.parties.choice import logistic

CANDIDATES = 16
"""Random pairs from which a guided query takes the best one."""


def uniform_pairs(
    count: int, num_segments: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of two different segments, every ordered pair equally likely: two [count]."""
    first = rng.integers(num_segments, size=count)
    # a shift of 1..G-1 round the circle never comes back to the first
    second = (first + rng.integers(1, num_segments, size=count)) % num_segments
    return first, second


def alike_pairs(
    count: int, kind: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs of two different segments of one kind: two [count], or two empty ones.

    The first is any segment that has another of its kind, the second any of these others. As
    trajectories of [Zhong2024], which start in the same state.

    Args:
        count: K.
        kind: [G] int, of each segment.
        rng: draws the pairs.
    """
    size = np.bincount(kind)
    paired = np.flatnonzero(size[kind] > 1)
    if not len(paired):
        return paired, paired
    first = paired[rng.integers(len(paired), size=count)]
    order = np.argsort(kind, kind="stable")
    begin = (np.cumsum(size) - size)[kind[first]]
    place = np.argsort(order, kind="stable")[first] - begin
    # as in `uniform_pairs`, round the circle of those of a kind
    many = size[kind[first]]
    return first, order[begin + (place + rng.integers(1, many)) % many]


def disagreement(chances: np.ndarray) -> np.ndarray:
    """Spread of the members' opinions: [E, ...] chances of "first" -> [...] standard deviation.

    Source: [Christiano2017], section 2.2.4.
    """
    return chances.std(axis=0)


def information(chances: np.ndarray) -> np.ndarray:
    """What the answer is expected to tell about the members, in nats: [E, ...] -> [...].

    Entropy of the mean opinion minus the mean entropy of the opinions. Source: [Houlsby2011].
    """
    return _entropy(chances.mean(axis=0)) - _entropy(chances).mean(axis=0)


CRITERIA = {"disagreement": disagreement, "information": information}


def guided_pairs(
    party: np.ndarray, predictions: np.ndarray, criterion: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """For each query the best of `CANDIDATES` random pairs, judged for the party that is asked.

    Args:
        party: [K], who is asked.
        predictions: [E, G, M] (or [E, G, 1], one for all) returns of the G segments in the eyes
            of E members of an ensemble.
        criterion: a name in `CRITERIA`.
        rng: draws the candidates.
    """
    num_segments, columns = predictions.shape[1:]
    first, second = uniform_pairs(len(party) * CANDIDATES, num_segments, rng)
    column = np.repeat(party if columns > 1 else np.zeros_like(party), CANDIDATES)
    chances = logistic(predictions[:, first, column] - predictions[:, second, column])
    value = CRITERIA[criterion](chances).reshape(len(party), CANDIDATES)
    best = np.arange(len(party)) * CANDIDATES + value.argmax(axis=1)
    return first[best], second[best]


@final
class Assignment:
    """Decides who is asked next.

    "balanced" goes round all parties in an order that is drawn anew each round, so that the
    numbers of queries never differ by more than one; "share" draws each party by its share.
    """

    def __init__(self, kind: str, share: np.ndarray, rng: np.random.Generator) -> None:
        self._kind, self._rng = kind, rng
        self._share = np.cumsum(share) / np.sum(share)
        self._waiting = np.zeros(0, dtype=np.int64)

    def draw(self, count: int) -> np.ndarray:
        """The next `count` parties to ask, [count]."""
        if self._kind == "share":
            return np.searchsorted(self._share, self._rng.random(count), side="right")
        num_parties = len(self._share)
        while len(self._waiting) < count:
            round_ = self._rng.permutation(num_parties)
            self._waiting = np.concatenate([self._waiting, round_])
        drawn, self._waiting = np.split(self._waiting, [count])
        return drawn


def _entropy(chance: np.ndarray) -> np.ndarray:
    inside = np.clip(chance, 1e-12, 1.0 - 1e-12)
    return -inside * np.log(inside) - (1.0 - inside) * np.log1p(-inside)
