"""Learners on disk: every one comes back as it was, and nothing else is read as one."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import (
    LEARNERS,
    Independent,
    LinearLearner,
    Mixture,
    Pooled,
    learner_from_state,
    learner_state,
    load_learner,
    make_learner,
    save_learner,
)

THETA = np.random.default_rng(0).normal(size=(3, 5))
COUNTS = np.array([30, 0, 60, 25, 40])  # the second is never asked
QUICK = {"hidden": (8,), "members": 2, "max_epochs": 5}
SETTINGS = {
    "low-rank": {"rank": 2, "mean": True},
    "low-rank-residual": {"rank": 2, "residual_ridge": 5.0},
    "mixture": {"clusters": 2},
    "pessimistic": {"kappa": 0.5, "reference": np.ones(3) / 3},
    "neural-mixture": {"clusters": 2},
}
STEPS = Steps(None, None, np.random.default_rng(1).normal(size=(4, 2, 3)))


def build(name):
    quick = dict(QUICK) if name.startswith("neural-") else {}
    quick |= {"learner": Mixture(2)} if name == "pessimistic" else {}
    return make_learner(name, **SETTINGS.get(name, {}), **quick)


def predictions(learner, data):
    found = [learner.rewards(STEPS), learner.stderr(STEPS)]
    on_torch = STEPS._replace(features=torch.tensor(STEPS.features, dtype=torch.float32))
    found.append(learner.rewards(on_torch).numpy())
    if hasattr(learner, "predict_proba"):
        found += [learner.predict_proba(data), learner.log_likelihood(data)]
    return found


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_loaded_learner_is_the_same_to_the_last_bit(simulate, tmp_path, name):
    data, other = simulate.compare(THETA, COUNTS), simulate.compare(-THETA, COUNTS, seed=3)
    path, learner = tmp_path / "learner.safetensors", build(name).fit(data)
    save_learner(path, learner)
    again = load_learner(path)
    assert type(again) is type(learner)
    for ours, theirs in zip(predictions(learner, data), predictions(again, data), strict=True):
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)
    ours, theirs = (predictions(one.fit(other), data) for one in (learner, again))
    assert all(map(np.array_equal, ours, theirs))
    # what is saved again is what was saved before
    save_learner(tmp_path / "twice.safetensors", load_learner(path))
    assert (tmp_path / "twice.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("kind", ["compare", "rank"])
def test_clusters_of_nobody_in_particular_come_back(simulate, tmp_path, kind):
    """Anonymous clusters are fewer than the parties whose answers they explain."""
    data = getattr(simulate, kind)(THETA, COUNTS)
    learner = Mixture(2, anonymous=True, restarts=1).fit(data)
    save_learner(tmp_path / "learner", learner)
    again = load_learner(tmp_path / "learner")
    assert np.array_equal(again.log_likelihood(data), learner.log_likelihood(data))
    assert again.converged_ == learner.converged_


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_learner_is_json_and_arrays(simulate, name):
    """For a checkpoint, which keeps both in files of its own."""
    learner = build(name).fit(simulate.compare(THETA, COUNTS))
    described, arrays = learner_state(learner)
    assert all(type(array) is np.ndarray for array in arrays.values())
    again = learner_from_state(json.loads(json.dumps(described)), arrays)
    assert np.array_equal(again.rewards(STEPS), learner.rewards(STEPS))


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_a_learner_that_was_never_fitted_comes_back_with_its_settings(simulate, tmp_path, name):
    save_learner(tmp_path / "learner", build(name))
    again = load_learner(tmp_path / "learner")
    with pytest.raises(RuntimeError, match="not fitted yet"):
        again.rewards(STEPS)
    data = simulate.compare(THETA, COUNTS)
    assert np.array_equal(again.fit(data).rewards(STEPS), build(name).fit(data).rewards(STEPS))


def test_numpy_numbers_are_settings_too(tmp_path):
    save_learner(tmp_path / "learner", Mixture(np.int64(3), seed=np.int64(7)))
    assert load_learner(tmp_path / "learner").seed == 7


@pytest.fixture
def saved(simulate, tmp_path):
    save_learner(tmp_path / "learner", Pooled().fit(simulate.compare(THETA, COUNTS)))
    return tmp_path / "learner"


def rewrite(path, text=None, arrays=None, **changes):
    described = {"version": 1, "learner": "pooled", "settings": {"ridge": 0.3}}
    described["learned"] = {"answered_": [3, 5]}
    text = {"multiparty-learner": json.dumps(described | changes)} if text is None else text
    save_file(arrays or load_file(path), path, text)


def test_the_file_above_is_one_of_ours(saved):
    rewrite(saved)
    assert load_learner(saved).rewards(STEPS).shape == (4, 2, 5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": {"format": "multiparty-comparisons"}}, "should hold the format"),
        ({"text": {}}, "should hold the format"),
        ({"text": {"multiparty-learner": "{"}}, "metadata that cannot be read"),
        ({"text": {"multiparty-learner": "[]"}}, "metadata that cannot be read"),
        ({"version": 2}, "version 2 of multiparty-learner; this reads 1 to 1"),
        ({"version": "new"}, "metadata that cannot be read"),
        ({"learner": "os:system"}, "learner should be one of"),
        ({"learner": None}, "learner should be one of"),
        ({"settings": {"rank": 3}}, "unexpected keyword argument 'rank'"),
        ({"settings": {"ridge": -1.0}}, "ridge should be in"),
        ({"settings": None}, "should have settings"),
        ({"learned": {}}, "other things: answered_"),
        ({"learned": {"answered_": [3, 5], "fit": 1}}, "other things: fit"),
        ({"arrays": {"theta_": np.zeros((3, 5))}}, "other things: covariance_"),
        ({"arrays": {"x": np.zeros(3)}}, "other things: covariance_, theta_"),
    ],
)
def test_other_files_are_refused(saved, changes, message):
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match=message):
        load_learner(saved)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_truncated_files_are_refused(saved, size):
    saved.write_bytes(saved.read_bytes()[:size])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        load_learner(saved)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_learner(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        save_learner(tmp_path / "no" / "learner", Pooled())


def test_an_interrupted_save_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr("safetensors.numpy.save_file", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_learner(saved, Independent())
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    class Mine(LinearLearner):
        def _fit(self, choices):
            pass

    with pytest.raises(TypeError, match="Mine is not in LEARNERS"):
        save_learner(tmp_path / "learner", Mine())
    with pytest.raises(TypeError, match="seed should be a plain value"):
        save_learner(tmp_path / "learner", Mixture(seed=np.random.default_rng(0)))
    assert not list(tmp_path.iterdir())
