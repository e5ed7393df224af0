"""Intervals and probabilities of improvement that stay honest with a handful of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.streams import Streams

BOOTSTRAP_FROM = 20
"""Runs from which the bootstrap is used; below it, resampling covers far less than it claims."""


@final
@dataclass(frozen=True)
class Estimate:
    """A mean over runs with its interval; the bounds are NaN where one run cannot give any."""

    value: float
    low: float
    high: float
    runs: int

    def __str__(self) -> str:
        """Return "value [low, high]", without the bounds where there are none."""
        if math.isnan(self.value):
            return "–"
        if math.isnan(self.low):
            return two_places(self.value)
        return f"{two_places(self.value)} [{two_places(self.low)}, {two_places(self.high)}]"


def two_places(value: float) -> str:
    """Return the number with two decimals, and never "-0.00"."""
    return f"{round(value, 2) + 0.0:.2f}"


def interval(values: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return the mean of independent runs and its confidence interval.

    Below twenty runs it is Student's t interval. Resampling three runs can never leave their
    range: the BCa bootstrap [Efron1987] covers the mean of three normal runs 75 times in 100, not
    95 (five: 85, ten: 90), where the t interval keeps its word by being wide, which is the truth
    about three runs. From twenty runs on it is the BCa bootstrap, which follows skewed results.

    Args:
        values: one number a run, [runs]; NaN (a measure that a method does not have) is left out.
        confidence: coverage aimed at, in (0, 1).
    """
    expect.number(confidence, name="confidence", low=0.0, high=1.0, open_=True)
    runs = np.asarray(values, dtype=np.float64)
    expect.shape(runs, None, name="values")
    runs = runs[~np.isnan(runs)]
    if not len(runs):
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(runs.mean())
    if len(runs) == 1:
        return Estimate(mean, math.nan, math.nan, 1)
    # runs that agree to rounding (exact bounds) have no spread to resample
    if np.ptp(runs) <= 1e-12 * max(1.0, abs(mean)):
        return Estimate(mean, mean, mean, len(runs))
    bounds = _student if len(runs) < BOOTSTRAP_FROM else _bootstrap
    low, high = bounds(runs, confidence)
    return Estimate(mean, low, high, len(runs))


def _student(runs: np.ndarray, confidence: float) -> tuple[float, float]:
    from scipy import stats

    error = float(runs.std(ddof=1)) / math.sqrt(len(runs))
    half = float(stats.t.ppf(0.5 + confidence / 2, df=len(runs) - 1)) * error
    mean = float(runs.mean())
    return mean - half, mean + half


def _bootstrap(runs: np.ndarray, confidence: float) -> tuple[float, float]:
    from scipy import stats

    # the same runs always give the same interval, whatever was computed before
    rng = Streams(0).numpy("bootstrap")
    found = stats.bootstrap(
        (runs,), np.mean, confidence_level=confidence, n_resamples=4_000, rng=rng, method="BCa"
    ).confidence_interval
    return float(found.low), float(found.high)


def improvement(ours: ArrayLike, theirs: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Return P(a run of ours beats a run of theirs), ties counting half [Agarwal2021].

    The interval is Newcombe's score interval for the Mann-Whitney statistic [Newcombe2006,
    method 5]. Unlike a bootstrap it does not shrink to a point where all pairs agree: with three
    runs against three, "always better" is 1.00 [0.51, 1.00].

    Args:
        ours: scores, [n].
        theirs: scores, [m]; runs need not be paired.
        confidence: coverage aimed at, in (0, 1).
    """
    expect.number(confidence, name="confidence", low=0.0, high=1.0, open_=True)
    mine, other = (np.asarray(scores, dtype=np.float64) for scores in (ours, theirs))
    for name, scores in (("ours", mine), ("theirs", other)):
        expect.shape(scores, None, name=name)
    if not len(mine) or not len(other):
        return Estimate(math.nan, math.nan, math.nan, 0)
    # a tie up to rounding is a tie: exact plans of two learners are often the same policy
    difference = mine[:, None] - other[None, :]
    theta = float(((difference > 1e-12) + 0.5 * (abs(difference) <= 1e-12)).mean())
    low = _newcombe(theta, len(mine), len(other), confidence)
    high = 1 - _newcombe(1 - theta, len(mine), len(other), confidence)  # it mirrors
    return Estimate(theta, low, high, len(mine))


def _newcombe(theta: float, n: int, m: int, confidence: float) -> float:
    """Return the bound below `theta` that lies a normal quantile of its own errors away."""
    from scipy import optimize, stats

    if theta == 0:
        return 0.0
    z = stats.norm.ppf(0.5 + confidence / 2)
    spread = (n + m) / 2 - 1

    def excess(bound: float) -> float:
        shape = 1 + spread * ((1 - bound) / (2 - bound) + bound / (1 + bound))
        return float((theta - bound) ** 2 - z**2 * bound * (1 - bound) * shape / (n * m))

    # at theta = 1 the equation also holds at 1 itself, where no interval is wanted
    return optimize.root_scalar(excess, bracket=(0.0, min(theta, 1 - 1e-9))).root
