"""The bridge to stable-baselines3."""

import random

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.logger import Logger

from agents import sb3
from agents.config import PPOConfig
from agents.sb3 import PartyLogger, SB3VecEnv, from_sb3, to_sb3
from baselines.races.cartpole import CartPole
from multiparty_envs.faces import PartyEnv, PartyVectorEnv
from multiparty_envs.welfare import MaxMin, Utilitarian
from multiparty_envs.wrappers import RecordPartyReturnsVector, WelfareRewardVector


def vector(world, count=4, **settings):
    return PartyVectorEnv(count, world, feedback=None, **settings)


@pytest.fixture(scope="module")
def world(make_grid):
    """A small grid with a terminal cell."""
    return make_grid(slip=0.2, starts=(0, 5), terminal=(15,), horizon=5)


def test_adapter_shows_what_the_vector_environment_shows(world):
    ours, theirs = vector(world), SB3VecEnv(vector(world))
    theirs.seed(7)
    np.testing.assert_array_equal(theirs.reset(), ours.reset(seed=7)[0])
    rng = np.random.default_rng(0)
    ends = 0
    for _ in range(20):
        actions = rng.integers(4, size=4)
        obs, reward, terminated, truncated, info = ours.step(actions)
        found = theirs.step(actions)
        done = terminated | truncated
        np.testing.assert_array_equal(found[0], obs)
        np.testing.assert_array_equal(found[1], reward.astype(np.float32))
        np.testing.assert_array_equal(found[2], done)
        for row, told in enumerate(found[3]):
            assert ("terminal_observation" in told) == done[row]
        for row in np.flatnonzero(done):
            last = found[3][row]["terminal_observation"]
            np.testing.assert_array_equal(last, info["final_obs"][row])
            assert found[3][row]["TimeLimit.truncated"] is False
        ends += done.sum()
    assert ends >= 4


def test_a_cut_is_told_from_an_end(world):
    envs = SB3VecEnv(vector(world, max_episode_steps=2))
    envs.reset()
    envs.step(np.zeros(4, dtype=int))
    *_, infos = envs.step(np.zeros(4, dtype=int))
    assert all(info["TimeLimit.truncated"] for info in infos)


@pytest.mark.parametrize("mode", [None, "rgb_array"])
def test_pictures_are_those_of_the_copies(mode):
    envs = SB3VecEnv(PartyVectorEnv(2, "Delivery-v0", feedback=None, render_mode=mode))
    envs.reset()
    pictures = envs.get_images()
    assert len(pictures) == 2
    assert all((picture is None) == (mode is None) for picture in pictures)


def test_copies_have_nothing_of_their_own(world):
    envs = SB3VecEnv(vector(world))
    assert envs.get_attr("num_envs", indices=[0, 2]) == [4, 4]
    assert envs.env_is_wrapped(RecordPartyReturnsVector) == [False] * 4
    for call in (lambda: envs.set_attr("x", 1), lambda: envs.env_method("reset")):
        with pytest.raises(NotImplementedError, match="share"):
            call()
    envs.close()


def test_late_resets_are_refused(world):
    late = SyncVectorEnv(
        [lambda: PartyEnv(world, feedback=None)], autoreset_mode=AutoresetMode.NEXT_STEP
    )
    with pytest.raises(ValueError, match="SAME_STEP"):
        SB3VecEnv(late)


def test_each_party_is_logged(world):
    record = RecordPartyReturnsVector(vector(world))
    model = PPO("MlpPolicy", SB3VecEnv(record), n_steps=16, batch_size=32, device="cpu")
    model.set_logger(Logger(folder=None, output_formats=[]))
    logged = {}
    model.logger.record = lambda key, value, **_: logged.setdefault(key, value)
    model.learn(64, callback=PartyLogger(record))
    parties = {key: value for key, value in logged.items() if key.startswith("parties/")}
    assert set(parties) == {f"parties/{name}" for name in record.core.names}
    assert all(np.isfinite(value) for value in parties.values())


@pytest.mark.parametrize("hidden", [[], [8], [16, 8]])
def test_a_policy_is_taken_over_with_its_chances(world, hidden, tmp_path):
    envs = SB3VecEnv(WelfareRewardVector(vector(world), MaxMin(), "step", source="true"))
    model = PPO(
        "MlpPolicy", envs, policy_kwargs={"net_arch": hidden}, n_steps=16, batch_size=64, seed=0
    )
    model.learn(64)
    obs = world.observations_at(2)
    with torch.no_grad():
        wanted = model.policy.get_distribution(torch.tensor(obs)).distribution.probs
    policy = from_sb3(model)
    np.testing.assert_allclose(policy.probabilities(obs), wanted, atol=1e-6)
    policy.save(tmp_path)
    loaded = type(policy).load(tmp_path)
    np.testing.assert_array_equal(loaded.probabilities(obs), policy.probabilities(obs))


def test_other_policies_are_refused(world):
    envs = SB3VecEnv(vector(world))
    with pytest.raises(ValueError, match="MlpPolicy"):
        from_sb3(DQN("MlpPolicy", envs, buffer_size=10))
    activated = {"activation_fn": torch.nn.ReLU}
    with pytest.raises(ValueError, match="tanh"):
        from_sb3(PPO("MlpPolicy", envs, n_steps=4, batch_size=16, policy_kwargs=activated))


def test_global_generators_are_left_alone(world):
    states = [random.getstate(), np.random.get_state(), torch.get_rng_state()]  # noqa: NPY002
    sb3.train(world, welfare=MaxMin(), config=PPOConfig(total_steps=100, num_copies=4))
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1][1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_cuts_of_the_settings_hold_in_training():
    told = []
    config = PPOConfig(
        total_steps=160, num_copies=2, num_steps=40, minibatches=2, max_episode_steps=5
    )
    world = CartPole()
    sb3.train(world, welfare=Utilitarian(), config=config, callback=told.append)
    # no pole falls within five steps
    assert [progress.returns.tolist() for progress in told] == [[5.0], [5.0]]
    assert [progress.episodes for progress in told] == [2, 2]


@pytest.mark.parametrize(("schedule", "half"), [("linear", 0.15), ("constant", 0.3)])
def test_settings_fall_or_stay(schedule, half):
    assert sb3._falling(0.3, schedule)(0.5) == half
    assert sb3._falling(0.3, schedule)(1.0) == 0.3


@pytest.mark.parametrize(
    "setting",
    [{"kl_coefficient": 0.1}, {"value_clip": 0.2}, {"normalise_observations": True}],
    ids=str,
)
def test_settings_without_a_counterpart_are_refused(setting, world):
    with pytest.raises(ValueError, match=f"{next(iter(setting))} is a setting of agents.ppo alone"):
        sb3.train(world, welfare=MaxMin(), config=PPOConfig(**setting))


@pytest.mark.parametrize(
    "kind", [Discrete(4), MultiDiscrete([3, 2]), Box(-2.0, 4.0, (2,))], ids=str
)
def test_a_policy_goes_there_and_back(kind):
    model = PPO("MlpPolicy", gymnasium_world(kind), seed=0, device="cpu", n_steps=8, batch_size=8)
    for parameter in model.policy.parameters():
        parameter.data += 0.1
    ours = from_sb3(model)
    obs = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    wanted = model.predict(obs, deterministic=True)[0]
    np.testing.assert_allclose(ours.act(obs), wanted, rtol=1e-4, atol=1e-5)
    other = PPO("MlpPolicy", gymnasium_world(kind), seed=1, device="cpu", n_steps=8, batch_size=8)
    to_sb3(ours, other)
    np.testing.assert_allclose(
        other.predict(obs, deterministic=True)[0], wanted, rtol=1e-4, atol=1e-5
    )
    if isinstance(kind, Box):
        torch.testing.assert_close(other.policy.log_std, model.policy.log_std)
    narrow = PPO("MlpPolicy", gymnasium_world(kind), policy_kwargs={"net_arch": [8]}, device="cpu")
    with pytest.raises(ValueError, match="the model's actor should have layers"):
        to_sb3(ours, narrow)


def gymnasium_world(action_space):
    """A plain Gymnasium environment with three numbers to see."""

    class Plain(gymnasium.Env):
        observation_space = Box(-np.inf, np.inf, (3,), np.float32)

        def __init__(self):
            self.action_space = action_space

        def reset(self, *, seed=None, options=None):
            return np.zeros(3, np.float32), {}

        def step(self, action):
            return np.zeros(3, np.float32), 0.0, False, True, {}

    return Plain()
