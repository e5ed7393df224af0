"""Where falling curves cross a target, and how far that is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baselines.statistics import Estimate


def falling(gaps: np.ndarray) -> np.ndarray:
    """Return the falling curves [..., P] nearest to curves [..., P] in least squares.

    By the formula of isotonic regression: the least over a <= i of the greatest over b >= i of the
    mean of places a..b.
    """
    count = gaps.shape[-1]
    sums = np.concatenate([np.zeros((*gaps.shape[:-1], 1)), np.cumsum(gaps, axis=-1)], axis=-1)
    first, last = np.arange(count)[:, None], np.arange(count)
    length = np.maximum(last - first + 1, 1)
    mean = (sums[..., None, 1:] - sums[..., :-1, None]) / length  # [..., P, P], of a..b
    mean = np.where(last >= first, mean, -np.inf)
    most = np.flip(np.maximum.accumulate(np.flip(mean, axis=-1), axis=-1), axis=-1)
    return np.diagonal(np.minimum.accumulate(most, axis=-2), axis1=-2, axis2=-1)


def needed(counts: np.ndarray, gaps: np.ndarray, target: float) -> np.ndarray:
    """Return log n [...] where curves of gaps [..., P] at counts [P] fall to the target.

    Infinite where a curve stays above, minus infinite where it begins below.
    """
    curve, logs = falling(gaps), np.log(counts)
    below = curve <= target
    right = np.maximum(below.argmax(axis=-1), 1)
    high, low = (
        np.take_along_axis(curve, place[..., None], axis=-1)[..., 0] for place in (right - 1, right)
    )
    step = np.divide(high - target, high - low, out=np.zeros_like(high), where=high > low)
    found = logs[right - 1] + step * (logs[right] - logs[right - 1])
    found = np.where(below[..., 0], -np.inf, found)
    return np.where(below.any(axis=-1), found, np.inf)


class Need(NamedTuple):
    """log n that is needed: of the mean curve, and of every resample of seeds [B]."""

    value: float
    drawn: np.ndarray

    def estimate(self) -> Estimate:
        """Return the log with a percentile interval."""
        low, high = np.quantile(self.drawn, [0.025, 0.975], method="nearest")
        return Estimate(self.value, float(low), float(high), len(self.drawn))

    def over(self, other: Need) -> Need:
        """Return the log of the ratio; unknown where neither place is known."""
        with np.errstate(invalid="ignore"):
            return Need(self.value - other.value, self.drawn - other.drawn)
