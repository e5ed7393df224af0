"""Standard errors: intervals of nominal 95 % cover the truth about 95 times in 100."""

import numpy as np
import pytest
from scipy.stats import binom

from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import (
    Hierarchical,
    Independent,
    LowRank,
    LowRankResidual,
    Mixture,
    Pooled,
)

REPEATS, FEATURES, PARTIES = 40, 6, 10


def same(rng):
    """Everybody alike."""
    return np.tile(rng.normal(size=(FEATURES, 1)), PARTIES)


def rank_two(rng):
    return rng.normal(size=(FEATURES, 2)) @ rng.normal(size=(2, PARTIES)) * 0.7


def unrelated(rng):
    return rng.normal(size=(FEATURES, PARTIES)) * 0.6


def near_rank_two(rng):
    return rank_two(rng) + rng.normal(size=(FEATURES, PARTIES)) * 0.4


def two_kinds(rng):
    return (rng.normal(size=(FEATURES, 2)) * 1.5)[:, np.arange(PARTIES) % 2]


CASES = [
    pytest.param(same, lambda: Pooled(0.0), id="pooled"),
    pytest.param(unrelated, lambda: Independent(0.0), id="independent"),
    pytest.param(rank_two, lambda: LowRank(2, ridge=0.0), id="low-rank"),
    pytest.param(lambda rng: rank_two(rng) + 1, lambda: LowRank(2, 0.0, mean=True), id="with mean"),
    # the strength that the residuals were drawn with, in units of a mean square difference of 2
    pytest.param(
        near_rank_two, lambda: LowRankResidual(2, 0.0, 1 / (2 * 0.4**2)), id="with residuals"
    ),
    pytest.param(two_kinds, lambda: Mixture(2, ridge=0.0, restarts=2), id="mixture"),
]


def coverage(simulate, make, theta, seed, answers=150):
    """Share of intervals that hold the true reward of a random step, over parties and steps."""
    fit = make().fit(simulate.compare(theta, np.full(theta.shape[1], answers), seed=seed))
    features = np.random.default_rng(seed + 1000).normal(size=(20, FEATURES))
    steps = Steps(None, None, features)
    return (np.abs(fit.rewards(steps) - features @ theta) < 1.96 * fit.stderr(steps)).mean()


@pytest.mark.parametrize(("draw", "make"), CASES)
def test_intervals_cover(simulate, draw, make):
    """Parties of one data set may share their error, so the trials that count are data sets."""
    rngs = [np.random.default_rng(seed) for seed in range(REPEATS)]
    covered = [coverage(simulate, make, draw(rng), seed) for seed, rng in enumerate(rngs)]
    low, high = binom.ppf([0.001, 0.999], REPEATS, 0.95) / REPEATS
    assert low < np.mean(covered) <= high
    # what the variation between data sets says of their mean
    error = np.std(covered, ddof=1) / np.sqrt(REPEATS)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.01 + 3 * error)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_of_a_hierarchy_cover(simulate, spread):
    """It takes many parties: the population's spread counts as known."""
    covered = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        theta = rng.normal(size=(FEATURES, 1)) + spread * rng.normal(size=(FEATURES, 50))
        covered.append(coverage(simulate, Hierarchical, theta, seed, answers=100))
    # parties that are all alike share one error, so a data set is one trial
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03 if spread else 0.08)


def test_low_rank_knows_that_it_borrows(simulate):
    """Sharing a subspace makes everybody's error smaller, and the standard error says so."""
    theta = rank_two(np.random.default_rng(0))
    data = simulate.compare(theta, np.full(PARTIES, 150))
    steps = Steps(None, None, np.eye(FEATURES))
    joint, apart = LowRank(2).fit(data).stderr(steps), Independent().fit(data).stderr(steps)
    assert joint.mean() < 0.8 * apart.mean()


@pytest.mark.parametrize("make", [Independent, lambda: LowRank(2), Hierarchical])
def test_error_shrinks_as_one_over_the_root_of_answers(simulate, make):
    theta = rank_two(np.random.default_rng(1))
    steps = Steps(None, None, np.eye(FEATURES))
    sizes = np.array([100, 400, 1600])
    errors = [
        make().fit(simulate.compare(theta, np.full(PARTIES, n))).stderr(steps).mean() for n in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.6 < slope < -0.4
