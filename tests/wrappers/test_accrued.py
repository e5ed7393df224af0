"""The world that remembers what each party has got so far."""

import numpy as np
import pytest

from multiparty_envs.checks import check_dynamics
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces import PartyEnv, PartyVectorEnv, TensorEnv
from multiparty_envs.welfare import Nash, Scale
from multiparty_envs.wrappers import AccruedReturns, WelfareReward

SCALE = Scale(np.array([0.0, 1.0, -1.0]), np.array([1.0, 2.0, 4.0]))


@pytest.mark.parametrize("learned", [False, True])
def test_it_is_a_world_like_any_other(world, learner, learned):
    rewards, scale = (learner.rewards, Scale.none(2)) if learned else (None, SCALE)
    check_dynamics(AccruedReturns(world, rewards, scale))


def test_its_observations_are_those_of_the_wrapper(world):
    ours = PartyEnv(AccruedReturns(world, None, SCALE), feedback=None)
    theirs = WelfareReward(
        PartyEnv(world, feedback=None), Nash(), "episode", source="true", scale=SCALE
    )
    assert ours.observation_space == theirs.observation_space
    np.testing.assert_array_equal(ours.reset(seed=1)[0], theirs.reset(seed=1)[0])
    for action in (0, 1, 2, 3, 1):
        here, there = ours.step(action), theirs.step(action)
        # the wrapper adds up the float32 rewards of the info
        np.testing.assert_allclose(here[0], there[0], rtol=1e-5)
        if here[2]:
            break


def test_tensor_and_vector_face_agree(world):
    accrued = AccruedReturns(world, None, SCALE)
    copies = TensorEnv(accrued, 3, seed=5)
    envs = PartyVectorEnv(3, accrued, feedback=None)
    np.testing.assert_array_equal(copies.reset().numpy(), envs.reset(seed=5)[0])
    import torch

    for step in range(12):
        action = np.array([step % 4, 1, 2])
        found, wanted = copies.step(torch.tensor(action)), envs.step(action)
        np.testing.assert_allclose(found.obs.numpy(), wanted[0], rtol=1e-6)


def test_only_flat_observations_can_be_extended(drift):
    class Pixels(type(drift)):
        observation_space = type(drift.observation_space)(0.0, 1.0, (2, 2))

    assert issubclass(Pixels, Dynamics)
    with pytest.raises(ValueError, match="observation space"):
        AccruedReturns(Pixels(), None, SCALE)
