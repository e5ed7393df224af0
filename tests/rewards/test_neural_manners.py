"""What networks have in common with every learner, and with each other."""

import numpy as np
import pytest
import torch

from multiparty_envs.feedback import Comparisons, Rankings, Segments, Steps
from multiparty_envs.rewards import LEARNERS, NeuralPooled, make_learner

NAMES = [name for name in LEARNERS if name.startswith("neural-")]
THETA = np.random.default_rng(0).normal(size=(3, 5))
COUNTS = np.array([30, 0, 60, 25, 40])  # the second is never asked
QUICK = {"hidden": (8,), "members": 2, "max_epochs": 6}


@pytest.fixture(params=NAMES)
def learner(request):
    settings = {"clusters": 2} if request.param == "neural-mixture" else {}
    return make_learner(request.param, **settings, **QUICK)


def steps(*shape, dtype=np.float64):
    rng = np.random.default_rng(1)
    return Steps(None, None, rng.normal(size=(*shape, 3)).astype(dtype))


def seen(count=40, length=3, action=None, parties=3, seed=0):
    """Answers about steps that have observations [2, 2] and actions of a kind."""
    rng, shape = np.random.default_rng(seed), (2 * count, length)
    bank = Segments(
        obs=rng.normal(size=(*shape, 2, 2)).astype(np.float32),
        action=rng.integers(3, size=shape) if action is None else action(rng, shape),
        features=np.zeros((*shape, 1)),
        mask=np.ones(shape, dtype=bool),
    )
    first, label = np.arange(count), rng.integers(2, size=count).astype(float)
    return Comparisons(bank, first, first + count, first % parties, label, parties)


@pytest.mark.parametrize("kind", ["compare", "rank"])
def test_fit_learns_and_leaves_settings_alone(simulate, learner, kind):
    data = getattr(simulate, kind)(THETA, COUNTS)
    before = dict(vars(learner))
    assert learner.fit(data) is learner
    assert {name: vars(learner)[name] for name in before} == before
    assert learner.log_likelihood(data).mean() > np.log(0.5 if kind == "compare" else 0.25)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    first = learner.fit(data).weights_
    # whatever was drawn or fitted in between
    torch.rand(3), np.random.default_rng(), learner.fit(simulate.compare(-THETA, COUNTS))
    assert learner.fit(data).weights_.tobytes() == first.tobytes()
    learner.seed = 1
    assert not np.array_equal(learner.fit(data).weights_, first)


@pytest.mark.parametrize("shape", [(), (4,), (2, 5)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_torch_and_numpy_agree_in_shape_dtype_and_value(simulate, learner, shape, dtype):
    learner.fit(simulate.compare(THETA, COUNTS))
    asked = steps(*shape, dtype=dtype)
    tensors = asked._replace(features=torch.tensor(asked.features))
    for method in (learner.rewards, learner.stderr):
        ours, theirs = method(asked), method(tensors)
        assert ours.shape == tuple(theirs.shape) == (*shape, 5)
        assert ours.dtype == dtype
        assert str(theirs.dtype) == f"torch.{dtype}"
        assert np.array_equal(ours, theirs.numpy())
        assert not theirs.requires_grad


def test_predictions_ask_no_device_for_a_number(simulate, learner):
    learner.fit(simulate.compare(THETA, COUNTS))
    away = Steps(None, None, torch.zeros((4, 3), device="meta"))
    assert learner.rewards(away).shape == (4, 5)
    assert learner.stderr(away).device.type == "meta"


def test_predictions_are_chances_of_both_kinds(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    swapped = Comparisons(data.segments, data.second, data.first, data.party, 1 - data.label, 5)
    chance = learner.fit(data).predict_proba(data)
    assert learner.predict_proba(swapped) == pytest.approx(1 - chance, abs=1e-6)
    likelihood = np.where(data.label == 1, np.log(chance), np.log1p(-chance))
    assert learner.log_likelihood(data) == pytest.approx(likelihood)
    agrees = np.where(data.label == 1, chance > 0.5, chance < 0.5)
    assert np.array_equal(learner.accuracy(data), agrees.astype(float))


def test_predictions_follow_from_rewards_where_there_is_one_member(simulate):
    data = simulate.compare(THETA, COUNTS)
    for name in ("neural-pooled", "neural-independent", "neural-shared"):
        learner = make_learner(name, **{**QUICK, "members": 1}).fit(data)
        returns = learner.rewards(data.segments.steps())[:, 0]  # segments of one step
        margin = returns[data.first, data.party] - returns[data.second, data.party]
        assert learner.predict_proba(data) == pytest.approx(1 / (1 + np.exp(-margin)), abs=1e-5)


def test_predictions_of_rankings_are_chances_to_be_best(simulate, learner):
    data = simulate.rank(THETA, COUNTS, depth=2)
    chance = learner.fit(data).predict_proba(data)
    assert chance.shape == data.ordered.shape
    assert chance.sum(axis=1) == pytest.approx(1.0)
    assert (chance[data.ordered < 0] == 0.0).all()
    best_only = Rankings(data.segments, data.ordered, data.depth * 0 + 1, data.party, 5)
    assert learner.log_likelihood(best_only) == pytest.approx(np.log(chance[:, 0]))


def test_rankings_of_two_are_comparisons(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    pair = np.stack([data.first, data.second], axis=1)
    ordered = np.where(data.label[:, None] == 1, pair, pair[:, ::-1])
    ranked = Rankings(data.segments, ordered, np.ones(len(data), dtype=int), data.party, 5)
    learner.fit(data)
    assert learner.log_likelihood(ranked) == pytest.approx(learner.log_likelihood(data))
    again = learner.rewards(steps(6))
    assert learner.fit(ranked).rewards(steps(6)) == pytest.approx(again, rel=1e-3, abs=1e-4)


def test_rewards_are_centred_where_answers_do_not_tell_the_constant(learner):
    learner.inputs = "obs"
    data = seen()
    rewards = learner.fit(data).rewards(data.segments.steps())
    assert rewards.mean(axis=(0, 1)) == pytest.approx(np.zeros(3), abs=1e-5)


def test_what_a_step_is_worth_is_learned_where_lengths_differ():
    """The longer segment always wins, so that every step is worth something."""
    data = seen(count=80, parties=1)
    mask = data.segments.mask.copy()
    mask[80:, 1:] = False
    bank = Segments(data.segments.obs, data.segments.action, data.segments.features, mask)
    longer = Comparisons(bank, data.first, data.second, data.party, data.label * 0 + 1, 1)
    learner = NeuralPooled(inputs="obs", members=3).fit(longer)
    assert learner.rewards(bank.steps()).mean() > 0.5


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        (None, 4 + 3),
        (lambda rng, shape: rng.integers(4, size=(*shape, 2)), 4 + 2 * 4),
        (lambda rng, shape: rng.normal(size=(*shape, 2)), 4 + 2),
        (lambda rng, shape: np.zeros((*shape, 0), dtype=np.int64), 4),
    ],
    ids=["discrete", "several", "continuous", "none"],
)
def test_observations_and_actions_are_read(learner, action, inputs):
    learner.inputs = "obs"
    data = seen(action=action)
    assert learner.fit(data).answered_ == (inputs, 3)
    bank = data.segments
    asked = Steps(bank.obs[0, 0], bank.action[0, 0], None)
    tensors = Steps(torch.tensor(asked.obs), torch.tensor(asked.action), None)
    assert learner.rewards(asked).shape == (3,)
    assert np.array_equal(learner.rewards(asked), learner.rewards(tensors).numpy())
    whole = learner.rewards(bank.steps())
    assert learner.rewards(asked) == pytest.approx(whole[0, 0], abs=1e-5)
    assert whole.dtype == np.float32


def test_an_action_never_seen_is_none_of_those_seen(learner):
    learner.inputs = "obs"
    data = seen()
    learner.fit(data)
    obs = data.segments.obs[0, 0]
    rewards = [learner.rewards(Steps(obs, np.array(action), None)) for action in (0, 7, 9)]
    assert np.array_equal(rewards[1], rewards[2])
    assert not np.array_equal(rewards[0], rewards[1])


def test_a_party_never_asked_is_known_no_better(simulate, learner):
    learner.fit(simulate.compare(THETA, COUNTS))
    error = learner.stderr(steps(20))
    if type(learner).__name__ == "NeuralMixture":  # as uncertain as anybody between the kinds
        assert error[:, 1].mean() >= np.delete(error, 1, axis=1).mean()
    else:
        assert (error[:, [1]] >= error * (1 - 1e-5)).all()
    rewards = learner.rewards(steps(20))
    if type(learner).__name__ == "NeuralIndependent":
        assert (rewards[:, 1] == 0.0).all()
    if type(learner).__name__ == "NeuralShared":
        weights = torch.tensor(learner.weights_).flatten(0, 1)
        heads = learner._layout(*learner.answered_).parts(weights)[-1]
        assert (heads[:, :, 2] == 0.0).all()  # of its own it has none


def test_segments_that_nobody_was_asked_about_do_not_matter(simulate, learner):
    data = simulate.compare(THETA, COUNTS)
    bank = simulate.bank(
        np.concatenate([np.full((2, 3), 99.0), data.segments.features[:, 0], np.ones((1, 3))])
    )
    more = Comparisons(bank, data.first + 2, data.second + 2, data.party, data.label, 5)
    first = learner.fit(data).weights_
    assert np.array_equal(learner.fit(more).weights_, first)


@pytest.mark.parametrize("count", [1, 3])
def test_a_handful_of_answers_is_enough(simulate, learner, count):
    if hasattr(learner, "clusters"):
        learner.clusters = 1
    learner.fit(simulate.compare(THETA[:, :1], np.array([count])))
    assert np.isfinite(learner.rewards(steps(4))).all()
    assert np.isfinite(learner.stderr(steps(4))).all()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (lambda s: s.compare(THETA, COUNTS).subset(slice(0)), ValueError, "one answer or more"),
        (lambda s: {"first": [0]}, TypeError, "should be Comparisons or Rankings, are dict"),
        (lambda s: s.huge(THETA, COUNTS), ValueError, "should be finite, holds inf"),
    ],
)
def test_answers_that_cannot_be_fitted(simulate, learner, data, error, message):
    with pytest.raises(error, match=message):
        learner.fit(data(simulate))


@pytest.mark.parametrize("method", ["rewards", "stderr", "predict_proba", "log_likelihood"])
def test_fit_comes_first(simulate, learner, method):
    asked = steps(3) if method in ("rewards", "stderr") else simulate.compare(THETA, COUNTS)
    with pytest.raises(RuntimeError, match="is not fitted yet; call fit first"):
        getattr(learner, method)(asked)


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


def test_answers_of_other_parties_cannot_be_predicted(simulate, learner):
    learner.fit(simulate.compare(THETA, COUNTS))
    with pytest.raises(ValueError, match=r"should have \(3, 5\) \(inputs, parties\) as in fit"):
        learner.predict_proba(simulate.compare(THETA[:, :4], COUNTS[:4]))


def test_one_member_knows_no_standard_error(simulate):
    learner = NeuralPooled(members=1, max_epochs=1).fit(simulate.compare(THETA, COUNTS))
    with pytest.raises(ValueError, match="members should be 2 or more for a standard error"):
        learner.stderr(steps(3))


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("neural-pooled", {"hidden": (0,)}, ValueError, "hidden should be 1 or more"),
        ("neural-pooled", {"members": 0}, ValueError, "members should be 1 or more"),
        ("neural-pooled", {"inputs": "pixels"}, ValueError, "inputs should be one of"),
        ("neural-pooled", {"held_out": 1.0}, ValueError, "held_out should be in"),
        ("neural-pooled", {"device": "gpu"}, RuntimeError, "device"),
        ("neural-independent", {"rank": 3}, TypeError, "rank"),
        ("neural-shared", {"rank": 0}, ValueError, "rank should be 1 or more"),
        ("neural-shared", {"depth": 3}, TypeError, "depth"),
        ("neural-mixture", {"clusters": 0}, ValueError, "clusters should be 1 or more"),
        ("neural-mixture", {"restarts": 0}, ValueError, "restarts should be 1 or more"),
    ],
)
def test_bad_settings(name, settings, error, message):
    with pytest.raises(error, match=message):
        make_learner(name, **settings)


def test_more_clusters_than_parties_are_refused(simulate):
    learner = make_learner("neural-mixture", clusters=5, **QUICK)
    with pytest.raises(ValueError, match=r"clusters should be in 1\.\.4, is 5"):
        learner.fit(simulate.compare(THETA, COUNTS))


def test_settings_are_plain_and_torch_comes_late():
    """The table and the package name networks without importing torch."""
    import subprocess
    import sys

    code = (
        "import sys; from multiparty_envs import rewards; rewards.make_learner('pooled'); "
        "assert 'torch' not in sys.modules; rewards.NeuralPooled; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
