"""Work that is recorded: on a CPU it is just done; on a CUDA device, if there is one, replayed."""

import numpy as np
import pytest
import torch

from agents import ppo
from agents.capture import Replay
from agents.config import PPOConfig
from agents.planning import policy_returns
from multiparty_envs.welfare import MaxMin, Nash

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.mark.parametrize("capture", [True, False])
def test_a_cpu_does_the_work_each_time(capture):
    done = []
    work = Replay(lambda: done.append(1), "cpu", capture)
    for count in range(1, 7):
        work()
        assert len(done) == count


def returns(world, policy):
    table = [policy.probabilities(world.observations_at(t)) for t in range(world.horizon)]
    return policy_returns(world, np.stack(table))


@on_cuda
@pytest.mark.parametrize("welfare", [Nash(), MaxMin()])
def test_a_cuda_device_learns_what_a_cpu_learns(welfare, make_grid):
    world, found = make_grid(slip=0.2), []
    for device in ("cpu", "cuda"):
        config = PPOConfig(total_steps=40_000, num_copies=128, device=device)
        found.append(returns(world, ppo.train(world, welfare=welfare, config=config)))
    np.testing.assert_allclose(found[0], found[1], atol=0.05)


@on_cuda
def test_a_replayed_batch_is_the_batch(make_grid):
    world, found = make_grid(slip=0.2), []
    for capture in (True, False):
        config = PPOConfig(total_steps=20_000, num_copies=64, device="cuda", capture=capture)
        found.append(returns(world, ppo.train(world, welfare=Nash(), config=config)))
    np.testing.assert_allclose(found[0], found[1], atol=0.01)
