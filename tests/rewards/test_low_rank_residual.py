"""A shared subspace with residuals: its optimum, its limits, and what it is for."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_expit

from multiparty_envs.rewards import Independent, LowRank, LowRankResidual
from multiparty_envs.rewards.choices import choices_of

COUNTS = np.array([60, 0, 90, 40, 70])


def tastes(outside, features=15, parties=15, seed=0):
    """Rewards of norm 2 with a share `outside` of the square beyond a plane."""
    rng = np.random.default_rng(seed)
    plane = np.linalg.qr(rng.normal(size=(features, 2)))[0]
    inside, rest = (
        v / np.linalg.norm(v, axis=0)
        for v in (plane @ rng.normal(size=(2, parties)), rng.normal(size=(features, parties)))
    )
    return 2.0 * (np.sqrt(1 - outside) * inside + np.sqrt(outside) * rest)


@pytest.mark.parametrize("mean", [False, True])
def test_optimum_is_that_of_scipy_over_both_parts(simulate, mean):
    data = simulate.compare(tastes(0.3, 4, 5), COUNTS)
    fit = LowRankResidual(2, 0.5, 3.0, mean).fit(data)
    scale = choices_of(data).scale
    for party in (0, 2, 4):
        own = data.party == party
        x, y = data.differences()[own], data.label[own]

        def loss(flat, x=x, y=y):
            alpha, rest = flat[:2], flat[2:]
            margin = x @ (fit.mean_ + fit.basis_ @ alpha + rest)
            likelihood = y * log_expit(margin) + (1 - y) * log_expit(-margin)
            penalty = 0.5 * (alpha**2).sum() + 3.0 * (rest**2).sum()
            return 0.5 * scale * penalty - likelihood.sum()

        best = minimize(loss, np.zeros(6), method="BFGS").x
        assert fit.coefficients_[:, party] == pytest.approx(best[:2], abs=1e-3)
        assert fit.residual_[:, party] == pytest.approx(best[2:], abs=1e-3)
    together = fit.mean_[:, None] + fit.basis_ @ fit.coefficients_ + fit.residual_
    assert fit.theta_ == pytest.approx(together)


def test_a_strong_ridge_on_residuals_is_low_rank(simulate):
    data = simulate.compare(tastes(0.1, 4, 5), COUNTS)
    ours, theirs = LowRankResidual(2, residual_ridge=1e6).fit(data), LowRank(2).fit(data)
    assert ours.theta_ == pytest.approx(theirs.theta_, abs=1e-3)
    assert ours.covariance_ == pytest.approx(theirs.covariance_, rel=1e-2, abs=1e-4)


def test_equal_ridges_with_nothing_outside_are_independent(simulate):
    data = simulate.compare(tastes(0.1, 3, 5), COUNTS)
    ours = LowRankResidual(3, ridge=1.0, residual_ridge=1.0).fit(data)
    theirs = Independent(0.5).fit(data)  # two parts of variance 1 each
    assert ours.theta_ == pytest.approx(theirs.theta_, abs=1e-3)


def test_a_weak_ridge_on_residuals_is_independent(simulate):
    data = simulate.compare(tastes(0.5, 3, 5), np.full(5, 300))
    ours = LowRankResidual(1, ridge=0.0, residual_ridge=1e-4).fit(data)
    assert ours.theta_ == pytest.approx(Independent(1e-4).fit(data).theta_, abs=1e-2)


@pytest.mark.parametrize("outside", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8])
def test_it_is_no_worse_than_the_better_of_two(simulate, outside):
    errors = []
    for seed in range(3):
        theta = tastes(outside, seed=seed)
        data = simulate.compare(theta, np.full(15, 200), seed=seed)
        learners = (LowRankResidual(2), LowRank(2), *(Independent(r) for r in (0.3, 1.0, 3.0, 9.0)))
        found = [np.linalg.norm(each.fit(data).theta_ - theta, axis=0).mean() for each in learners]
        errors.append(found)
    ours, *others = np.mean(errors, axis=0)
    assert ours < 1.08 * min(others)


def test_residuals_are_penalised_more_where_there_are_none(simulate):
    strengths = []
    for outside in (0.0, 0.1, 0.6):
        data = simulate.compare(tastes(outside), np.full(15, 200))
        strengths.append(LowRankResidual(2).fit(data).residual_ridge_)
    assert strengths[0] > strengths[1] > strengths[2]
