"""What all reward learners have in common, from the table of names."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from multiparty_envs.feedback import Comparisons, Rankings, Steps
from multiparty_envs.rewards import LEARNERS, Independent, make_learner

THETA = np.random.default_rng(0).normal(size=(3, 5))
COUNTS = np.array([30, 0, 60, 25, 40])  # the second is never asked
SETTINGS = {
    "pooled": {},
    "independent": {},
    "low-rank": {"rank": 2},
    "low-rank-residual": {"rank": 2},
    "hierarchical": {},
    "mixture": {"clusters": 2},
}
KINDS = ["compare", "rank"]


@pytest.fixture(params=SETTINGS)
def learner(request):
    return make_learner(request.param, **SETTINGS[request.param])


def test_every_name_is_tried_here():
    networks = {name for name in LEARNERS if name.startswith("neural-")}  # test_neural_manners.py
    assert set(SETTINGS) | networks | {"pessimistic"} == set(LEARNERS)


@pytest.mark.parametrize("kind", KINDS)
def test_fit_learns_and_leaves_settings_alone(simulate, learner, kind):
    data = getattr(simulate, kind)(THETA, COUNTS)
    before = dict(vars(learner))
    assert learner.fit(data) is learner
    assert {name: vars(learner)[name] for name in before} == before
    assert learner.theta_.shape == (3, 5)
    assert learner.covariance_.shape == (5, 3, 3)
    # symmetric and positive, so that standard errors exist
    assert learner.covariance_ == pytest.approx(learner.covariance_.swapaxes(1, 2), abs=1e-9)
    assert np.linalg.eigvalsh(learner.covariance_).min() > -1e-9
    assert learner.log_likelihood(data).mean() > np.log(0.5 if kind == "compare" else 0.25)


def test_refitting_forgets(simulate, learner):
    first, second = (simulate.compare(THETA, COUNTS, seed=seed) for seed in (1, 2))
    fresh = learner.fit(second).theta_.copy()
    assert not np.array_equal(learner.fit(first).theta_, fresh)
    assert np.array_equal(learner.fit(second).theta_, fresh)


def test_only_the_answers_matter_and_not_where_they_come_from(simulate, learner, tmp_path):
    """A saved file holds no truth: what is learned from it is the same to the last bit."""
    data = simulate.compare(THETA, COUNTS)
    data.save(tmp_path / "answers.safetensors")
    again = Comparisons.load(tmp_path / "answers.safetensors")
    here = learner.fit(data).theta_.copy()
    assert np.array_equal(learner.fit(again).theta_, here)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)])
def test_rewards_and_errors_have_a_column_for_each_party(simulate, learner, shape):
    learner.fit(simulate.compare(THETA, COUNTS))
    features = np.random.default_rng(1).normal(size=shape)
    steps = Steps(None, None, features)
    assert learner.rewards(steps) == pytest.approx(features @ learner.theta_)
    expected = np.einsum("...d,mde,...e->...m", features, learner.covariance_, features)
    assert learner.stderr(steps) == pytest.approx(np.sqrt(expected))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_in_torch_out(simulate, learner, dtype):
    learner.fit(simulate.compare(THETA, COUNTS))
    features = np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)
    steps = Steps(None, None, torch.from_numpy(features))
    for method in (learner.rewards, learner.stderr):
        out = method(steps)
        assert isinstance(out, torch.Tensor)
        assert str(out.dtype) == f"torch.{dtype}"
        assert out.numpy() == pytest.approx(method(Steps(None, None, features)), rel=1e-4, abs=1e-5)


def test_no_value_is_asked_for_on_a_device(simulate, learner):
    """Torch's meta device has no values: whatever runs there never waits for a GPU."""
    learner.fit(simulate.compare(THETA, COUNTS))
    steps = Steps(None, None, torch.zeros((4, 3), device="meta"))
    assert learner.rewards(steps).shape == (4, 5)
    assert learner.stderr(steps).device.type == "meta"


def test_predictions_are_chances_of_both_kinds(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    swapped = Comparisons(data.segments, data.second, data.first, data.party, 1 - data.label, 5)
    chance = learner.fit(data).predict_proba(data)
    assert learner.predict_proba(swapped) == pytest.approx(1 - chance, abs=1e-6)
    likelihood = np.where(data.label == 1, np.log(chance), np.log1p(-chance))
    assert learner.log_likelihood(data) == pytest.approx(likelihood)
    agrees = np.where(data.label == 1, chance > 0.5, chance < 0.5)
    assert np.array_equal(learner.accuracy(data), agrees.astype(float))


def test_predictions_of_rankings_are_chances_to_be_best(simulate, learner):
    data = simulate.rank(THETA, COUNTS, depth=2)
    learner.fit(data)
    chance = learner.predict_proba(data)
    assert chance.shape == data.ordered.shape
    assert chance.sum(axis=1) == pytest.approx(1.0)
    assert (chance[data.ordered < 0] == 0.0).all()
    right = chance[:, 0] == chance.max(axis=1)
    assert np.array_equal(learner.accuracy(data), right.astype(float))
    best_only = Rankings(data.segments, data.ordered, data.depth * 0 + 1, data.party, 5)
    assert learner.log_likelihood(best_only) == pytest.approx(np.log(chance[:, 0]))


def test_ties_count_half(simulate):
    data = simulate.compare(THETA, COUNTS)
    tied = Comparisons(data.segments, data.first, data.first, data.party, data.label, 5)
    fit = Independent().fit(data)
    assert fit.predict_proba(tied) == pytest.approx(0.5)
    assert fit.accuracy(tied) == pytest.approx(0.5)


def test_a_party_never_asked_is_known_least(simulate, learner):
    learner.fit(simulate.compare(THETA, COUNTS))
    error = learner.stderr(Steps(None, None, np.eye(3)))
    assert np.isfinite(learner.theta_).all()
    assert (error[:, [1]] >= error - 1e-9).all()
    if isinstance(learner, Independent):
        assert (learner.theta_[:, 1] == 0.0).all()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("count", [1, 300])
def test_one_party_is_enough(simulate, name, count):
    learner = make_learner(
        name,
        **{
            "low-rank": {"rank": 1},
            "low-rank-residual": {"rank": 1, "residual_ridge": 1.0},
            "mixture": {"clusters": 1},
        }.get(name, {}),
    )
    learner.fit(simulate.compare(THETA[:, :1], np.array([count])))
    assert np.isfinite(learner.covariance_).all()
    if count == 300:
        assert learner.theta_ == pytest.approx(THETA[:, :1], abs=0.5)


@pytest.mark.parametrize("name", ["low-rank", "low-rank-residual", "mixture"])
def test_choosing_a_size_takes_answers_to_hold_out(simulate, name):
    with pytest.raises(ValueError, match="no party has the 5 answers"):
        make_learner(name).fit(simulate.compare(THETA, np.array([3, 2, 4, 1, 4])))


def test_features_that_never_differ_stay_unknown(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    features = data.segments.features[:, 0].copy()
    features[:, 2] = 1.0
    constant = Comparisons(
        simulate.bank(features), data.first, data.second, data.party, data.label, 5
    )
    learner.fit(constant)
    assert np.isfinite(learner.theta_).all()
    assert learner.theta_[2] == pytest.approx(np.zeros(5), abs=0.05)
    error = learner.stderr(Steps(None, None, np.eye(3)))
    assert (error[2] >= error[:2].max(axis=0) * 0.9).all()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda s: s.compare(THETA, COUNTS).subset(slice(0)), ValueError, "one answer or more"),
        (lambda s: s.rank(THETA, COUNTS).subset(slice(0)), ValueError, "one answer or more"),
        (lambda s: {"first": [0]}, TypeError, "should be Comparisons or Rankings, are dict"),
        (lambda s: None, TypeError, "should be Comparisons or Rankings, are NoneType"),
    ],
)
def test_answers_that_cannot_be_fitted(simulate, learner, data, error, message):
    with pytest.raises(error, match=message):
        learner.fit(data(simulate))


def test_overflowing_features_are_refused(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    huge = np.where(np.arange(data.segments.num_segments) % 2 == 0, 1.7e308, -1.7e308)
    bank = simulate.bank(np.repeat(huge[:, None], 3, axis=1))
    place = np.arange(len(data))
    wide = Comparisons(bank, place * 0, place * 0 + 1, data.party, data.label, 5)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="should be finite, holds inf"):
        learner.fit(wide)


@pytest.mark.parametrize("method", ["rewards", "stderr", "predict_proba", "log_likelihood"])
def test_fit_comes_first(simulate, learner, method):
    asked = Steps(None, None, np.eye(3)) if method in ("rewards", "stderr") else None
    with pytest.raises(RuntimeError, match="is not fitted yet; call fit first"):
        getattr(learner, method)(asked or simulate.compare(THETA, COUNTS))


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (np.ones((2, 4)), ValueError, r"features should have shape \(any, 3\), has \(2, 4\)"),
        (np.ones((2, 3), dtype=int), TypeError, "features should be floating-point"),
    ],
)
def test_steps_of_another_world(simulate, learner, features, error, message):
    learner.fit(simulate.compare(THETA, COUNTS))
    with pytest.raises(error, match=message):
        learner.rewards(Steps(None, None, features))


@pytest.mark.parametrize("theta", [THETA[:2], THETA[:, :4]])
def test_answers_of_other_parties_cannot_be_predicted(simulate, learner, theta):
    learner.fit(simulate.compare(THETA, COUNTS))
    with pytest.raises(ValueError, match=r"should have \(3, 5\) \(features, parties\) as in fit"):
        learner.predict_proba(simulate.compare(theta, COUNTS[: theta.shape[1]]))


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("poled", {}, ValueError, "learner should be one of .* Did you mean 'pooled'"),
        ("pooled", {"ridge": -1.0}, ValueError, r"ridge should be in \[0, inf\], is -1"),
        ("independent", {"ridge": float("nan")}, ValueError, "ridge should be"),
        ("low-rank", {"rank": 0}, ValueError, "rank should be 1 or more"),
        ("low-rank", {"rank": 1.5}, TypeError, "rank should be a whole number"),
        ("low-rank-residual", {"residual_ridge": 0.0}, ValueError, "residual_ridge should be in"),
        ("mixture", {"clusters": 0}, ValueError, "clusters should be 1 or more"),
        ("mixture", {"restarts": 0}, ValueError, "restarts should be 1 or more"),
        ("mixture", {"max_iterations": 0}, ValueError, "max_iterations should be 1 or more"),
        ("hierarchical", {"tol": -1.0}, ValueError, "tol should be in"),
        ("hierarchical", {"depth": 3}, TypeError, "depth"),
    ],
)
def test_bad_settings(name, settings, error, message):
    with pytest.raises(error, match=message):
        make_learner(name, **settings)


def test_learned_chances_beat_a_coin(simulate, learner):
    """A taste that all share is learned by every structure."""
    theta = np.tile(np.array([[1.0], [-2.0], [0.5]]), 5)
    fresh = simulate.compare(theta, np.full(5, 400), seed=7)
    learner.fit(simulate.compare(theta, COUNTS + 60))
    true = expit((fresh.differences() * theta.T[fresh.party]).sum(axis=1))
    assert np.abs(learner.predict_proba(fresh) - true).mean() < 0.08
