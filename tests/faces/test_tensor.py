"""The face on a torch device: the numbers of the NumPy face, and nothing that waits."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from multiparty_envs.faces import PartyEnv, PartyVectorEnv, TensorEnv, segment_scale
from multiparty_envs.feedback import Feedback
from multiparty_envs.registration import ENVS, make_dynamics

COPIES = 5


def exact(world):
    return {"rtol": 0.0, "atol": 0.0 if hasattr(world, "terminal") else 1e-5}


def test_steps_are_those_of_the_vector_face(world):
    tensors = TensorEnv(world, COPIES, seed=3)
    envs = PartyVectorEnv(COPIES, world, feedback=None)
    envs.action_space.seed(0)
    obs, _ = envs.reset(seed=3)
    np.testing.assert_allclose(tensors.reset(), obs, **exact(world))
    for _ in range(40):
        action = envs.action_space.sample()
        step = tensors.step(torch.as_tensor(action))
        obs, _, terminated, truncated, info = envs.step(action)
        np.testing.assert_allclose(step.obs, obs, **exact(world))
        np.testing.assert_array_equal(step.terminated, terminated)
        np.testing.assert_array_equal(step.truncated, truncated)
        party = info["party_rewards"]
        last = step.final_obs.numpy()
        for row in np.flatnonzero(terminated):
            party[row] = info["final_info"]["party_rewards"][row]
            np.testing.assert_allclose(last[row], info["final_obs"][row], **exact(world))
        np.testing.assert_allclose(last[~terminated], obs[~terminated], **exact(world))
        np.testing.assert_allclose(step.rewards, party, **exact(world))
        for ours, theirs in zip(step.steps, envs.last_step, strict=True):
            np.testing.assert_allclose(ours, theirs, **exact(world))


def test_rollout_runs_where_there_are_no_values(world):
    envs = TensorEnv(world, COPIES, device="meta")
    space = world.action_space
    action = torch.empty(
        (COPIES, *space.shape),
        dtype=torch.int64 if space.shape == () else torch.float32,
        device="meta",
    )
    envs.reset()
    for _ in range(3):
        step = envs.step(action)
    for part in (*step[:5], *step.steps, *step[6:]):
        assert part.device.type == "meta"
        assert part.shape[0] == COPIES
    assert step.rewards.shape == (COPIES, world.population.num_parties)


def sampled(space, count, device="cpu"):
    """Actions of `count` copies."""
    action = np.stack([space.sample() for _ in range(count)])
    return torch.as_tensor(action, device=device)


@pytest.mark.parametrize("max_episode_steps", [None, 1, 4, 100])
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_statistics_and_cuts_are_those_of_gymnasium(
    world, max_episode_steps, discount, monkeypatch
):
    monkeypatch.setattr(world, "discount", discount, raising=False)
    tensors = TensorEnv(world, COPIES, seed=3, max_episode_steps=max_episode_steps)
    singles = []
    for copy in range(COPIES):
        env = PartyEnv(world, feedback=None)
        env = gym.wrappers.TimeLimit(env, max_episode_steps) if max_episode_steps else env
        singles.append(gym.wrappers.RecordEpisodeStatistics(env))
        singles[-1].reset(seed=3 + copy)
    world.action_space.seed(0)
    tensors.reset()
    total = np.zeros((2, COPIES, world.population.num_parties))  # discounted, plain
    elapsed = np.zeros(COPIES, dtype=int)
    for _ in range(30):
        action = sampled(world.action_space, COPIES)
        step = tensors.step(action)
        for copy, env in enumerate(singles):
            obs, _, terminated, truncated, info = env.step(action[copy].numpy()[()])
            party = info["party_rewards"]
            total[:, copy] += discount ** elapsed[copy] * party, party
            elapsed[copy] += 1
            np.testing.assert_allclose(step.final_obs[copy], obs, **exact(world))
            assert bool(step.terminated[copy]) == terminated
            assert bool(step.truncated[copy]) == (truncated and not terminated)
            for ours, theirs in zip((step.returns, step.plain_returns), total, strict=True):
                np.testing.assert_allclose(ours[copy], theirs[copy], rtol=1e-5, atol=1e-4)
            assert step.length[copy] == elapsed[copy]
            if terminated or truncated:
                told = info["episode"]
                assert step.length[copy] == told["l"]
                mean = step.plain_returns[copy].double().mean()
                np.testing.assert_allclose(mean, told["r"], rtol=1e-5, atol=1e-4)
                obs, _ = env.reset()
                total[:, copy], elapsed[copy] = 0.0, 0
            np.testing.assert_allclose(step.obs[copy], obs, **exact(world))


def test_a_reset_forgets_the_running_episodes(make_grid):
    envs = TensorEnv(make_grid(), 2, max_episode_steps=3)
    envs.reset()
    action = torch.zeros(2, dtype=torch.int64)
    envs.step(action)
    envs.reset()
    step = envs.step(action)
    assert step.length.tolist() == [1, 1]
    assert torch.equal(step.plain_returns, step.rewards)
    assert not step.truncated.any()


def test_statistics_are_of_the_rewards_that_are_given(make_grid):
    envs = TensorEnv(make_grid(), 2, rewards=lambda steps: steps.features[:, :1] * 10)
    envs.reset()
    action = torch.zeros(2, dtype=torch.int64)
    first, second = envs.step(action), envs.step(action)
    np.testing.assert_allclose(second.returns, first.rewards + second.rewards)


def test_statistics_hold_no_gradient(make_grid):
    factor = torch.ones((), requires_grad=True)
    envs = TensorEnv(make_grid(), 2, rewards=lambda steps: steps.features[:, :1] * factor)
    envs.reset()
    step = envs.step(torch.zeros(2, dtype=torch.int64))
    assert step.rewards.requires_grad
    assert not step.returns.requires_grad


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_rollout_with_answers_in_every_world(name, device):
    length, rows = 3, 24
    world = make_dynamics(name)
    feedback = Feedback(segment_length=length, window=8)
    envs = TensorEnv(world, COPIES, device, max_episode_steps=7, feedback=feedback)
    envs.reset()
    for _ in range(2 * length):
        step = envs.step(sampled(world.action_space, COPIES, device))
    asked = envs.emitter.ask(rows)
    assert {part.device.type for part in (*step[:5], *step[6:], *asked)} == {device}
    assert step.returns.shape == step.rewards.shape == (COPIES, world.population.num_parties)
    longest = min(length, world.horizon)
    assert asked.features.shape == (8, longest, world.population.num_features)
    assert asked.label.shape == (rows,)
    if device == "cpu":
        answers = envs.emitter.comparisons(asked)
        assert answers.num_parties == world.population.num_parties
        # people may skip, as those who compare actions in different contexts do
        assert 0 < len(answers) <= rows


def test_people_watch_every_step_and_know_their_unit(make_grid):
    world = make_grid(terminal=(2,), slip=0.2)
    envs = TensorEnv(world, 2, feedback={"segment_length": 2, "window": 200}, max_episode_steps=5)
    envs.reset()
    told, ends = [], 0
    for _ in range(30):
        step = envs.step(sampled(world.action_space, 2))
        told.append(step.steps.features)
        ends += int((step.terminated | step.truncated).sum())
    asked = envs.emitter.ask(200)
    shown = asked.features[asked.mask]
    # every step is in one segment, but those of segments that are still running
    assert 58 <= len(shown) <= 60
    assert set(map(tuple, shown.tolist())) <= set(map(tuple, torch.cat(told).tolist()))
    assert ends > 10
    np.testing.assert_array_equal(envs.emitter._scale, segment_scale(world, 2))


def test_a_seed_lets_people_answer_anew_and_a_reset_drops_what_was_begun(make_grid):
    envs = TensorEnv(make_grid(), 2, feedback={"segment_length": 2})
    labels = []
    for _ in range(2):
        envs.reset(seed=5)
        for _ in range(6):
            envs.step(torch.zeros(2, dtype=torch.int64))
        labels.append(envs.emitter.ask(100).label)
    assert torch.equal(*labels)
    envs.step(torch.zeros(2, dtype=torch.int64))
    watcher = envs.emitter
    envs.reset()
    assert envs.emitter is watcher
    for _ in range(2):
        envs.step(torch.ones(2, dtype=torch.int64))
    latest = watcher.ask(100)
    assert (latest.action[:2] == 1).all()
    assert TensorEnv(make_grid(), 2).emitter is None


@pytest.mark.parametrize("part", ["obs", "rewards"])
def test_types_for_training(world, part):
    envs = TensorEnv(world, COPIES)
    envs.reset()
    space = world.action_space
    action = np.stack([space.sample() for _ in range(COPIES)])
    assert getattr(envs.step(torch.as_tensor(action)), part).dtype == torch.float32


def test_learned_rewards_plug_in(make_grid):
    envs = TensorEnv(make_grid(), 2, rewards=lambda steps: steps.features[:, :1] * 10)
    envs.reset()
    step = envs.step(torch.tensor([0, 3]))
    np.testing.assert_allclose(step.rewards, 10 * step.steps.features[:, :1])


def test_reset_goes_on_and_a_seed_starts_again(make_grid):
    envs = TensorEnv(make_grid(starts=tuple(range(16))), 4, seed=2)
    first, second = envs.reset(), envs.reset()
    assert not torch.equal(first, second)
    assert torch.equal(envs.reset(seed=2), first)
    assert torch.equal(envs.reset(), second)


def test_a_world_by_name():
    assert TensorEnv("Delivery-v0", 3).reset().shape[0] == 3


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"num_copies": 0}, ValueError),
        ({"num_copies": 1.5}, TypeError),
        ({"seed": -1}, ValueError),
        ({"dynamics": "Nowhere-v0"}, ValueError),
        ({"max_episode_steps": 0}, ValueError),
        ({"feedback": {"segmentlength": 2}}, ValueError),
        ({"feedback": {"pairs": "information"}}, ValueError),
    ],
)
def test_bad_settings_are_refused(make_grid, settings, error):
    with pytest.raises(error):
        TensorEnv(**{"dynamics": make_grid(), "num_copies": 2, **settings})


@pytest.mark.parametrize("shape", [(), (3,), (2, 1)])
def test_bad_actions_are_refused(make_grid, shape):
    envs = TensorEnv(make_grid(), 2)
    with pytest.raises(RuntimeError, match="reset"):
        envs.step(torch.zeros(2, dtype=torch.int64))
    envs.reset()
    with pytest.raises(ValueError, match="action should have shape"):
        envs.step(torch.zeros(shape, dtype=torch.int64))
