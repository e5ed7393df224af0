"""Networks: first weights, the activation, the critic's unit, Adam on one vector."""

import copy

import pytest
import torch

from agents.networks import Critic, Tanh, mlp
from agents.optimiser import FlatAdam, RunningMean


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_tanh_is_the_hyperbolic_tangent():
    x = torch.linspace(-20.0, 20.0, 4001)
    torch.testing.assert_close(Tanh()(x), torch.tanh(x), rtol=1e-6, atol=3e-7)


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_layers_are_orthogonal_at_first(gain):
    network = mlp((8, 8, 3), gain, generator())
    first, last = network[0].weight, network[-1].weight
    torch.testing.assert_close(first @ first.T, 2.0 * torch.eye(8), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(last @ last.T, gain**2 * torch.eye(3), rtol=1e-5, atol=1e-5)


def test_first_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    same = [mlp((4, 5, 2), 1.0, generator(7)).state_dict() for _ in range(2)]
    other = mlp((4, 5, 2), 1.0, generator(8)).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(value, same[1][name]) for name, value in same[0].items())
    assert not torch.equal(same[0]["0.weight"], other["0.weight"])


@pytest.mark.parametrize(("size", "unit"), [(300.0, 300.0), (0.0, 1.0)])
def test_critic_measures_values_in_units_of_the_returns(size, unit):
    critic = Critic(mlp((2, 4, 3), 1.0, generator()))
    obs, before = torch.ones(5, 2), critic(torch.ones(5, 2)).detach()
    critic.measure(torch.full((7, 3), size))
    torch.testing.assert_close(critic(obs), unit * before)
    wanted = ((critic(obs) - 2.0) / unit).square().sum(dim=1)
    torch.testing.assert_close(critic.error(obs, torch.full((5, 3), 2.0)), wanted)


def test_adam_is_torchs_on_each_parameter():
    flat, plain = mlp((4, 6, 3), 1.0, generator()), mlp((4, 6, 3), 1.0, generator())
    ours = FlatAdam((flat,), max_norm=0.1)
    theirs = torch.optim.Adam(plain.parameters(), eps=1e-5)
    data = generator(1)
    for step in range(20):
        obs, rate = torch.randn(9, 4, generator=data), 0.01 / (1 + step)
        ours.step((flat(obs) ** 2).sum(), rate)
        theirs.param_groups[0]["lr"] = rate
        theirs.zero_grad()
        (plain(obs) ** 2).sum().backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.1)
        theirs.step()
    for here, there in zip(flat.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(here, there, rtol=1e-5, atol=1e-6)


def test_running_mean_is_of_the_moments_that_were_added():
    network = mlp((2, 2), 1.0, generator())
    vector = FlatAdam((network,), 1.0).moments[0].vector
    mean, kept = RunningMean(vector), []
    for factor in (1.0, 3.0, 5.0):
        vector.fill_(factor)
        mean.add()
        kept.append(copy.deepcopy(vector))
    vector.zero_()
    mean.put()
    torch.testing.assert_close(network[0].bias.detach(), torch.full((2,), 3.0))


def test_a_mean_of_nothing_leaves_the_last():
    vector = torch.ones(3)
    RunningMean(vector).put()
    assert torch.equal(vector, torch.ones(3))
