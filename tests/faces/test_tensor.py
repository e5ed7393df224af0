"""The face on a torch device: the numbers of the NumPy face, and nothing that waits."""

import numpy as np
import pytest
import torch

from multiparty_envs.faces import PartyVectorEnv, TensorEnv

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
    for part in (*step[:5], *step.steps):
        assert part.device.type == "meta"
        assert part.shape[0] == COPIES
    assert step.rewards.shape == (COPIES, world.population.num_parties)


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
