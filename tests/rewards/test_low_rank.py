"""The joint fit: its optimum, its rank, its gain over separate fits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from multiparty_envs.rewards import Independent, LowRank
from multiparty_envs.rewards.choices import choices_of


def tastes(features, parties, rank, norm=2.0, seed=0):
    """[D, M] of the given rank, every column of length `norm`."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(features, rank)) @ rng.normal(size=(rank, parties))
    return norm * theta / np.linalg.norm(theta, axis=0)


def test_optimum_is_that_of_scipy_on_a_plain_objective(simulate):
    """Maximise likelihood minus ridge over both factors by BFGS from many random starts."""
    data = simulate.compare(tastes(4, 3, 2), np.array([80, 50, 30]))
    penalty = 0.7 * choices_of(data).scale
    x, y, party = data.differences(), data.label, data.party

    def loss(flat):
        theta = flat[:8].reshape(4, 2) @ flat[8:].reshape(2, 3)
        margin = (x * theta.T[party]).sum(axis=1)
        likelihood = y * log_expit(margin) + (1 - y) * log_expit(-margin)
        return 0.5 * penalty * (theta**2).sum() - likelihood.sum()

    rng = np.random.default_rng(0)
    runs = [minimize(loss, rng.normal(size=14), method="BFGS") for _ in range(5)]
    best = min(runs, key=lambda run: run.fun).x
    found = LowRank(2, ridge=0.7).fit(data).theta_
    expected = best[:8].reshape(4, 2) @ best[8:].reshape(2, 3)
    assert found == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("ridge", [0.1, 2.0])
def test_full_rank_is_independent(simulate, ridge):
    data = simulate.compare(tastes(3, 5, 3), np.array([60, 0, 90, 40, 70]))
    joint, apart = LowRank(3, ridge=ridge).fit(data), Independent(ridge).fit(data)
    assert joint.theta_ == pytest.approx(apart.theta_, abs=1e-3)
    assert joint.covariance_ == pytest.approx(apart.covariance_, rel=0.02, abs=1e-4)


@pytest.mark.parametrize("mean", [False, True])
def test_factors_make_up_the_rewards(simulate, mean):
    data = simulate.compare(tastes(6, 8, 2), np.full(8, 60))
    fit = LowRank(2, mean=mean).fit(data)
    assert fit.basis_.T @ fit.basis_ == pytest.approx(np.eye(2), abs=1e-12)
    assert fit.mean_[:, None] + fit.basis_ @ fit.coefficients_ == pytest.approx(fit.theta_)
    assert bool(np.abs(fit.mean_).max() > 0) is mean


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_rank_is_found_by_held_out_answers(simulate, rank):
    data = simulate.compare(tastes(8, 12, rank, norm=3.0, seed=rank), np.full(12, 250))
    assert LowRank().fit(data).rank_ == rank


def test_mean_costs_no_rank(simulate):
    common = np.full((6, 1), 1.5)
    data = simulate.compare(common + tastes(6, 10, 1, seed=4), np.full(10, 300))
    assert LowRank(mean=True).fit(data).rank_ == 1
    assert LowRank().fit(data).rank_ == 2


@pytest.mark.parametrize("rank", [4, 9])
def test_a_rank_that_cannot_be_is_refused(simulate, rank):
    data = simulate.compare(tastes(5, 3, 2), np.full(3, 20))
    with pytest.raises(ValueError, match=rf"rank should be in 1\.\.3, is {rank}"):
        LowRank(rank).fit(data)


def error(learner, theta, data):
    """Mean over parties of |theta_hat - theta|."""
    return np.linalg.norm(learner.fit(data).theta_ - theta, axis=0).mean()


@pytest.mark.parametrize("answers", [100, 200, 400])
def test_joint_beats_separate_fits_as_degrees_of_freedom_say(simulate, answers):
    """At d=20, r=2, M=20 the ratio of errors is about sqrt(d / (r + d r / M)) = 2.24."""
    theta = tastes(20, 20, 2)
    data = simulate.compare(theta, np.full(20, answers), seed=answers)
    joint = error(LowRank(2, ridge=0.1), theta, data)
    ridges = [error(Independent(ridge), theta, data) for ridge in (0.1, 1.0, 5.0)]
    assert joint < 0.75 * min(ridges)
    assert joint < 0.6 * ridges[0]


def test_error_falls_as_one_over_the_root_of_answers(simulate):
    """The rate of [Zhong2024] Theorem 1 in n, over two doublings and three draws each."""
    theta, sizes = tastes(10, 10, 2), np.array([200, 800, 3200])
    errors = [
        np.mean(
            [
                error(LowRank(2, ridge=0.0), theta, simulate.compare(theta, np.full(10, n), seed))
                for seed in range(3)
            ]
        )
        for n in sizes
    ]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.65 < slope < -0.35


def test_a_party_that_counts_twice_is_as_if_it_had_answered_twice(simulate):
    data = simulate.compare(tastes(4, 5, 2), np.array([200, 90, 150, 0, 120]))
    weights = np.array([1.0, 3.0, 1.0, 1.0, 2.0])
    repeated = data
    for party, times in ((1, 2), (4, 1)):
        repeated = repeated.concatenate([repeated] + [data.of_party(party)] * times)
    fit = LowRank(2, ridge=0.0, party_weights=weights).fit(data)
    again = LowRank(2, ridge=0.0).fit(repeated)
    assert fit.theta_ == pytest.approx(again.theta_, abs=1e-4)
    assert fit.covariance_[[0, 1, 2, 4]] == pytest.approx(again.covariance_[[0, 1, 2, 4]], rel=1e-3)
    assert not np.allclose(fit.theta_, LowRank(2, ridge=0.0).fit(data).theta_, atol=1e-2)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(4), r"party_weights should have shape \(3\), has \(4,\)"),
        (np.array([1.0, 0.0, 1.0]), "party_weights should be in"),
        (np.array([1.0, np.nan, 1.0]), "party_weights should be finite"),
        (np.ones((3, 1)), "party_weights should have shape"),
    ],
)
def test_weights_that_fit_nobody_are_refused(simulate, weights, message):
    with pytest.raises(ValueError, match=message):
        LowRank(2, party_weights=weights).fit(simulate.compare(tastes(5, 3, 2), np.full(3, 20)))


def test_labels_are_predicted_with_the_right_chance(simulate):
    theta = tastes(6, 6, 2)
    fit = LowRank(2).fit(simulate.compare(theta, np.full(6, 600)))
    fresh = simulate.compare(theta, np.full(6, 500), seed=9)
    true = expit((fresh.differences() * theta.T[fresh.party]).sum(axis=1))
    assert np.abs(fit.predict_proba(fresh) - true).mean() < 0.04
