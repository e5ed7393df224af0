"""Policies: chances, actions, and saves that come back bit for bit or say what is wrong."""

import json

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete

from agents import storage
from agents.distributions import distribution_of
from agents.networks import NetworkPolicy, mlp
from agents.policy import Policy, TablePolicy, load_policy


def table_policy():
    rng = np.random.default_rng(0)
    return TablePolicy(rng.dirichlet(np.ones(3), size=(4, 5)), np.eye(5))


def network_policy():
    actor = mlp((6, 8, 3))
    for parameter in actor.parameters():
        torch.nn.init.normal_(parameter, generator=torch.Generator().manual_seed(0))
    return NetworkPolicy(6, distribution_of(Discrete(3)), (8,), actor=actor)


POLICIES = [table_policy, network_policy]
CHOICE = ["categorical", {"sizes": [3], "flat": True}]
WIDER = {"observation_size": 6, "distribution": CHOICE, "hidden": [9]}


def observations(time):
    left = np.full((5, 1), 1.0 - time / 4, dtype=np.float32)
    return np.concatenate([np.eye(5, dtype=np.float32), left], axis=1)


@pytest.fixture(params=POLICIES, ids=["table", "network"])
def policy(request):
    return request.param()


@pytest.mark.parametrize("time", range(5))
def test_table_is_looked_up_by_time_and_cell(time):
    policy = table_policy()
    wanted = policy.table[min(time, 3)]  # at the horizon nobody acts any more
    np.testing.assert_array_equal(policy.probabilities(observations(time)), wanted)


def test_network_policy_is_a_softmax():
    policy = network_policy()
    logits = policy.actor(torch.tensor(observations(1))).detach().double()
    found = policy.probabilities(observations(1))
    np.testing.assert_allclose(found, torch.softmax(logits, -1), rtol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)


def test_actions_are_drawn_by_their_chances(policy):
    obs = np.repeat(observations(1)[2:3], 20_000, axis=0)
    drawn = policy.act(obs, np.random.default_rng(0))
    share = np.bincount(drawn, minlength=3) / len(drawn)
    np.testing.assert_allclose(share, policy.probabilities(obs[:1])[0], atol=0.015)
    assert drawn.dtype == np.int64


def test_without_chance_the_likeliest_action_is_taken(policy):
    obs = observations(2)
    np.testing.assert_array_equal(policy.act(obs), policy.probabilities(obs).argmax(axis=1))


def test_save_and_load_give_the_same_bits(policy, tmp_path):
    policy.save(tmp_path / "new" / "folder")
    loaded = load_policy(tmp_path / "new" / "folder")
    assert type(loaded) is type(policy)
    for time in range(4):
        obs = observations(time)
        np.testing.assert_array_equal(loaded.probabilities(obs), policy.probabilities(obs))


def test_a_save_replaces_the_one_before(tmp_path):
    for policy in (table_policy(), network_policy()):
        policy.save(tmp_path)
    assert isinstance(Policy.load(tmp_path), NetworkPolicy)
    assert len(list(tmp_path.iterdir())) == 2


def test_an_interrupted_save_leaves_the_old_one(tmp_path, monkeypatch):
    old = table_policy()
    old.save(tmp_path)

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(storage.files, "write_text", fail)
    with pytest.raises(OSError, match="disk full"):
        network_policy().save(tmp_path)
    np.testing.assert_array_equal(TablePolicy.load(tmp_path).table, old.table)


def change(folder, **entries):
    index = json.loads((folder / storage.POLICY.file).read_text())
    (folder / storage.POLICY.file).write_text(json.dumps({**index, **entries}))


def weights_of(folder):
    return next(folder.glob("*.safetensors"))


DAMAGES = {
    "no index": (
        lambda f: (f / storage.POLICY.file).unlink(),
        FileNotFoundError,
        "holds no saved",
    ),
    "no weights": (lambda f: weights_of(f).unlink(), FileNotFoundError, "incomplete"),
    "cut": (lambda f: weights_of(f).write_bytes(b"abc"), ValueError, "checksum"),
    "no json": (lambda f: (f / storage.POLICY.file).write_text("{"), ValueError, "damaged"),
    "not text": (lambda f: (f / storage.POLICY.file).write_bytes(b"\xff"), ValueError, "damaged"),
    "foreign": (lambda f: change(f, format="other"), ValueError, "is not a"),
    "newer": (lambda f: change(f, version=99), ValueError, "version 99"),
    "kind": (lambda f: change(f, kind="magic"), ValueError, "network, table"),
    "settings": (lambda f: change(f, settings={"width": 1}), ValueError, "damaged"),
    "sizes": (
        lambda f: change(f, settings=WIDER),
        ValueError,
        "damaged",
    ),
    "no checksum": (lambda f: change(f, sha256=None), ValueError, "sha256"),
    "elsewhere": (lambda f: change(f, weights="../x"), ValueError, "weights"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_and_foreign_folders_are_refused(damage, tmp_path):
    spoil, error, message = DAMAGES[damage]
    network_policy().save(tmp_path)
    spoil(tmp_path)
    with pytest.raises(error, match=message):
        load_policy(tmp_path)


def test_a_policy_of_another_kind_is_refused(tmp_path):
    table_policy().save(tmp_path)
    with pytest.raises(ValueError, match="kind 'table', not a 'network'"):
        NetworkPolicy.load(tmp_path)


def test_a_place_that_is_no_folder_is_refused(policy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        policy.save(tmp_path / "file")


@pytest.mark.parametrize("shape", [(5,), (2, 7), (1, 2, 6)])
def test_observations_of_another_shape_are_refused(policy, shape):
    with pytest.raises(ValueError, match="obs should have shape"):
        policy.probabilities(np.zeros(shape))


def test_table_policy_refuses_what_is_no_policy(bandit):
    with pytest.raises(ValueError, match="sum to 1"):
        TablePolicy(np.ones((2, 3, 4)), np.eye(3))
    with pytest.raises(ValueError, match="only 1 can be told apart"):
        TablePolicy(np.full((1, 2, 2), 0.5), np.ones((2, 3)))
    with pytest.raises(ValueError, match="no cell's observation"):
        table_policy().probabilities(np.ones((1, 6)))
    with pytest.raises(ValueError, match="table should have shape"):
        TablePolicy.of(bandit([[1, 0], [0, 1]]), np.full((2, 1, 2), 0.5))
