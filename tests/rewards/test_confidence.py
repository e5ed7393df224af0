"""Confidence sets and their radii: geometry against brute force, coverage against simulation."""

import numpy as np
import pytest
from scipy.special import expit

from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Independent, LowRank
from multiparty_envs.rewards.confidence import ConfidenceSets, distances, metric
from multiparty_envs.rewards.radii import (
    bootstrap_radius,
    error_size,
    quantile_radius,
    redrawn,
    theory_radius,
)


@pytest.fixture(scope="module")
def sets():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 4, 4))
    return ConfidenceSets(
        rng.normal(size=(4, 3)), root @ root.swapaxes(1, 2) + 0.1 * np.eye(4), [0.3, 1.0, 2.0]
    )


@pytest.mark.parametrize("boundary", [False, True])
def test_draws_are_inside_and_fill_the_set(sets, boundary):
    drawn = sets.sample(4_000, np.random.default_rng(0), boundary=boundary)
    assert sets.contains(drawn).all()
    share = sets.distance(drawn) / sets.radius
    if boundary:
        assert share == pytest.approx(1.0)
    else:  # uniform in four dimensions: P(share <= s) = s^4
        assert (share <= 0.5).mean() == pytest.approx(1 / 16, abs=0.01)


def test_bounds_are_what_draws_come_near_to_and_never_pass(sets):
    directions = np.random.default_rng(1).normal(size=(5, 4))
    low, high = sets.bounds(directions)
    values = np.einsum("bd,ndm->nbm", directions, sets.sample(20_000, np.random.default_rng(2)))
    assert (values >= low - 1e-9).all()
    assert (values <= high + 1e-9).all()
    assert (values.min(axis=0) - low < 0.2 * (high - low)).all()


def test_the_worst_element_is_on_the_boundary_and_attains_the_bound(sets):
    direction = np.array([1.0, -2.0, 0.5, 0.0])
    worst = sets.worst(direction)
    assert sets.distance(worst) == pytest.approx(sets.radius)
    assert direction @ worst == pytest.approx(sets.bounds(direction)[0])
    assert sets.worst(np.zeros(4)) == pytest.approx(sets.theta)


def test_norm_is_that_of_the_inverse(sets):
    x = np.array([1.0, 2.0, 3.0, 4.0])
    expected = [np.sqrt(x @ np.linalg.inv(sigma) @ x) for sigma in sets.sigma]
    assert sets.norm(x) == pytest.approx(np.array(expected))


def test_a_negative_multiplier_turns_the_bounds_round(sets):
    x = np.ones(4)
    assert sets.scaled(-1.0).bounds(x)[0] == pytest.approx(sets.bounds(x)[1])
    assert sets.scaled(0.0).bounds(x)[0] == pytest.approx(x @ sets.theta)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": np.zeros((3, 4, 4))}, "positive definite"),
        ({"sigma": np.triu(np.ones((3, 4, 4)))}, "symmetric"),
        ({"radius": [1.0, 2.0]}, "radius should have shape"),
        ({"theta": np.full((4, 3), np.nan)}, "theta should be finite"),
    ],
)
def test_what_is_no_ellipsoid_is_refused(sets, change, message):
    given = {"theta": sets.theta, "sigma": sets.sigma, "radius": sets.radius, **change}
    with pytest.raises(ValueError, match=message):
        ConfidenceSets(**given)


def test_the_metric_is_the_mean_outer_product(simulate):
    data = simulate.compare(np.ones((3, 2)), [20, 7])
    x = data.differences()
    own = [x[data.party == m] for m in range(2)]
    expected = [rows.T @ rows / len(rows) for rows in own]
    assert metric(data, 0.0) == pytest.approx(np.array(expected))
    ridge = 0.3 * np.mean(x**2) * np.eye(3)
    assert metric(data, 0.3)[1] == pytest.approx(expected[1] + ridge / 7)


def test_a_party_never_asked_has_the_ridge_alone(simulate):
    sigma = metric(simulate.compare(np.ones((3, 2)), [20, 0]), 0.5)
    assert sigma[1] == pytest.approx(sigma[1, 0, 0] * np.eye(3))
    assert sigma[1, 0, 0] > 0


def test_rankings_are_refused(simulate):
    with pytest.raises(TypeError, match="answers should be Comparisons, are Rankings"):
        metric(simulate.rank(np.ones((3, 2)), [5, 5]))


def test_the_theory_radius_is_the_formula():
    found = theory_radius(100, num_parties=5, num_features=8, rank=2, delta=0.1, constant=3.0)
    shared = (8 * 4 * np.log(8) + 2 * np.log(50)) / 500
    assert found == pytest.approx(np.full(5, 3.0 * np.sqrt(4 / 100 + shared)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 9}, "rank should be in 1..8"),
        ({"answers": 0}, "answers should be 1 or more"),
        ({"delta": 1.0}, "delta should be in"),
    ],
)
def test_the_theory_radius_says_what_it_cannot_do(settings, message):
    with pytest.raises(ValueError, match=message):
        theory_radius(**{"answers": 10, "num_parties": 2, "num_features": 8, "rank": 2, **settings})


def test_quantiles_are_those_of_one_more_exchangeable_error():
    errors = np.arange(1.0, 20.0)[:, None] * [1.0, 2.0]
    assert quantile_radius(errors, 0.05) == pytest.approx([38.0, 38.0])
    assert quantile_radius(errors, 0.05, simultaneous=False) == pytest.approx([19.0, 38.0])
    assert quantile_radius(errors, 0.5) == pytest.approx([20.0, 20.0])
    with pytest.raises(ValueError, match=r"18 replicates are too few for delta 0.05; take 19"):
        quantile_radius(errors[:18], 0.05)


def test_parties_refitted_together_are_as_refitted_one_by_one(simulate):
    theta = np.array([[1.0, -0.5], [0.3, 0.8]])
    data = simulate.compare(theta, [30, 50])
    learner = Independent().fit(data)
    found = redrawn(learner, data, theta, np.random.default_rng(3), 4)
    rng = np.random.default_rng(3)
    margin = (data.differences() * theta.T[data.party]).sum(axis=1)
    for b, label in enumerate(rng.random((4, len(data))) < expit(margin)):
        one = Comparisons(data.segments, data.first, data.second, data.party, label * 1.0, 2)
        alone = Independent().fit(one)
        assert found.theta[b] == pytest.approx(alone.theta_, abs=1e-4)
        assert found.covariance[b] == pytest.approx(alone.covariance_, rel=1e-2)


def test_refitting_leaves_the_learner_as_it_was(simulate):
    data = simulate.compare(np.ones((3, 4)), [40] * 4)
    learner = LowRank(rank=None).fit(data)
    before = learner.theta_.copy()
    radius = bootstrap_radius(learner, data, np.random.default_rng(0), replicates=19)
    assert learner.rank is None
    assert (learner.theta_ == before).all()
    assert (radius > 0).all()


def test_the_size_of_errors_is_that_of_draws():
    rng = np.random.default_rng(0)
    sigma, cov = np.diag([1.0, 4.0])[None], np.array([[[0.5, 0.2], [0.2, 0.3]]])
    drawn = rng.multivariate_normal([0.0, 0.0], cov[0], 100_000)
    found = distances(sigma, drawn[..., None])
    assert np.sqrt((found**2).mean()) == pytest.approx(float(error_size(sigma, cov)[0]), rel=0.01)


def test_studentised_radii_follow_the_answers_that_parties_gave(simulate):
    data = simulate.compare(np.ones((3, 2)), [50, 800])
    learner = Independent().fit(data)
    radius = bootstrap_radius(learner, data, np.random.default_rng(0), replicates=99)
    assert radius[0] / radius[1] == pytest.approx(4.0, rel=0.25)
    plain = bootstrap_radius(
        learner, data, np.random.default_rng(0), replicates=99, studentised=False
    )
    assert plain[0] == plain[1]


@pytest.mark.slow
@pytest.mark.parametrize("counts", [[40, 40, 40], [30, 60, 150]])
def test_bootstrap_sets_hold_all_parties_as_often_as_they_say(simulate, counts):
    rng = np.random.default_rng(0)
    held = []
    for seed in range(1_000):
        theta = rng.normal(size=(3, 3))
        data = simulate.compare(1.0 * theta / np.linalg.norm(theta, axis=0), counts, seed=seed)
        learner = Independent().fit(data)
        radius = bootstrap_radius(learner, data, rng, replicates=99)
        held.append(
            ConfidenceSets.of(learner, data, radius)
            .contains(theta / np.linalg.norm(theta, axis=0))
            .all()
        )
    assert 0.93 <= np.mean(held) <= 0.97
