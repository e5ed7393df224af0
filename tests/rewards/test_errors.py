"""Norms in which learned rewards are compared with the truth."""

import numpy as np
import pytest

from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.errors import (
    data_covariance,
    design_bounds,
    diversity,
    error_norms,
)

THETA = np.random.default_rng(0).normal(size=(3, 4))
COUNTS = np.array([30, 0, 500, 7])  # the second is never asked


def test_data_covariance_of_comparisons_is_the_mean_of_outer_products(simulate):
    data = simulate.compare(THETA, COUNTS)
    found = data_covariance(data)
    for party in (0, 2, 3):
        x = data.differences()[data.party == party]
        assert found[party] == pytest.approx(x.T @ x / len(x))
    assert (found[1] == 0.0).all()
    assert np.array_equal(data_covariance(choices_of(data)), found)


def test_data_covariance_of_rankings_is_the_mean_over_pairs(simulate):
    data = simulate.rank(THETA, COUNTS)  # the best of three or four, so a ranking is one choice
    sums = data.segments.feature_sums()
    expected = np.zeros((4, 3, 3))
    for row, party in zip(data.ordered, data.party, strict=True):
        own = sums[row[row >= 0]]
        first, second = np.triu_indices(len(own), 1)
        x = own[first] - own[second]
        expected[party] += x.T @ x / len(x) / COUNTS[party]
    assert data_covariance(data) == pytest.approx(expected)


def test_error_norm_is_the_root_mean_square_error_of_differences(simulate):
    data = simulate.compare(THETA, np.full(4, 50))
    other = THETA + np.random.default_rng(1).normal(size=THETA.shape)
    error = (data.differences() * (other - THETA).T[data.party]).sum(axis=1)
    expected = [np.sqrt(np.mean(error[data.party == party] ** 2)) for party in range(4)]
    assert error_norms(other, THETA, data_covariance(data)) == pytest.approx(expected)


def test_a_ridge_measures_what_no_query_asked():
    zero = np.zeros((4, 3, 3))
    assert (error_norms(THETA + 1.0, THETA, zero) == 0.0).all()
    assert error_norms(THETA + 1.0, THETA, zero, ridge=4.0) == pytest.approx(np.sqrt(12.0))


def test_diversity_is_that_of_the_gram_matrix():
    values = np.linalg.eigvalsh(THETA.T @ THETA / 4)[::-1]
    nu, kappa = diversity(THETA, 2)
    assert (nu, kappa) == pytest.approx((values[1], values[0] / values[1]))


def test_parties_that_agree_have_no_diversity_of_rank_two():
    assert diversity(np.tile(THETA[:, :1], 5), 1).kappa == pytest.approx(1.0)
    assert diversity(np.tile(THETA[:, :1], 5), 2) == (0.0, np.inf)


def test_design_bounds_are_extreme_eigenvalues():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert design_bounds(turn @ np.diag([3.0, 0.5, 2.0]) @ turn.T) == pytest.approx((0.5, 3.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: error_norms(THETA, THETA[:2], np.zeros((4, 3, 3))), r"shape \(2, 4\)"),
        (lambda: error_norms(THETA, THETA, np.zeros((3, 3, 3))), r"sigma should have shape"),
        (lambda: error_norms(THETA * np.nan, THETA, np.zeros((4, 3, 3))), "theta_hat should be"),
        (lambda: error_norms(THETA, THETA, np.zeros((4, 3, 3)), -1.0), "ridge should be in"),
        (lambda: diversity(THETA, 4), r"rank should be in 1\.\.3, is 4"),
        (lambda: design_bounds(np.ones((2, 3))), r"covariance should have shape"),
        (lambda: design_bounds(np.array([[1.0, 2.0], [0.0, 1.0]])), "should be symmetric"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
