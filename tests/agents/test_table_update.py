"""Gradient steps in tables are those on samples, which are tested against autograd."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import multiparty_envs as mp
from agents.batch import Batch, Samples
from agents.config import PPOConfig
from agents.distributions import distribution_of
from agents.optimiser import FlatAdam
from agents.problem import Problem
from agents.table_towers import TableTowers
from agents.table_update import TableUpdater, fits
from agents.towers import Towers
from agents.trainer import Trainer
from agents.update import Rates, Updater
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Draw, Streams

ACTIONS, HEADS, INPUTS = 3, 4, 5
SEEN, SAMPLES = 11, 200
RATES = Rates(*(torch.tensor(value) for value in (0.02, 0.03, 0.1)))
DISCRETE = distribution_of(Discrete(ACTIONS))


def towers(hidden=(6, 5)):
    return Towers(
        inputs=INPUTS,
        hidden=hidden,
        num_outputs=ACTIONS,
        num_free=0,
        num_values=HEADS,
        generator=torch.Generator().manual_seed(0),
    )


def batch(made):
    """Samples of a policy, some observations seen often and one never."""
    rng = torch.Generator().manual_seed(1)
    obs = torch.randn(SEEN, INPUTS, generator=rng)
    row = torch.randint(SEEN - 1, (SAMPLES,), generator=rng)
    action = torch.randint(ACTIONS, (SAMPLES,), generator=rng)
    log = torch.log_softmax(made.outputs(obs), dim=1)[row, action]
    advantage, target, value = torch.randn(3, SAMPLES, HEADS, generator=rng)
    advantage = advantage - advantage.mean(dim=0)
    samples = Samples(obs, row, action, log, advantage, target, value, single=False)
    return Batch(samples, advantage.square().mean(dim=0).sqrt(), torch.tensor(7.0))


def moving(change):
    """Weights that follow what was learned: the worst-off head counts most."""
    return torch.softmax(-3.0 * change, dim=0)


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5), (4, 4, 4)], ids=str)
def test_passes_are_those_of_the_towers(hidden):
    made, rng = towers(hidden), torch.Generator().manual_seed(2)
    obs = torch.randn(SEEN, INPUTS, generator=rng)
    of_outputs = torch.randn(SEEN, ACTIONS, generator=rng)
    of_values = torch.randn(SEEN, HEADS, generator=rng)
    seen = made.forward(obs)
    made.backward(seen, of_outputs, of_values, torch.zeros(0))
    wanted = made.gradient.clone()
    made.gradient.fill_(9.0)  # whatever was there before does not count
    tables = TableTowers(made)
    told = tables.forward(np.ascontiguousarray(obs.T.numpy()))
    np.testing.assert_allclose(told.outputs, seen.outputs.T, atol=1e-6)
    np.testing.assert_allclose(told.values, seen.values.T, atol=1e-6)
    tables.backward(told, of_outputs.T.numpy(), of_values.T.numpy())
    torch.testing.assert_close(made.gradient, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("length", [0.1, 100.0], ids=["cut", "not cut"])
def test_adam_is_adam(length):
    rng = torch.Generator().manual_seed(3)
    one, other = (torch.linspace(-1.0, 1.0, 9) for _ in range(2))
    gradients = [torch.zeros(9), torch.zeros(9)]
    steps = [FlatAdam(v, g, 4, length) for v, g in zip((one, other), gradients, strict=True)]
    for _ in range(5):
        new = torch.randn(9, generator=rng)
        for gradient in gradients:
            gradient.copy_(new)
        steps[0].step(torch.tensor(0.1))
        steps[1].step_on_arrays(0.1)
    torch.testing.assert_close(one, other)
    for name, value in steps[0].tensors().items():
        torch.testing.assert_close(value, steps[1].tensors()[name])


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(
    "weights", [torch.tensor([0.1, 0.2, 0.3, 0.4]), moving], ids=["steady", "moving"]
)
def test_an_update_is_that_of_samples(weights, normalise):
    config = PPOConfig(epochs=6, clip=0.1, normalise_advantages=normalise)
    made, other = towers(), towers()
    draw = Draw.seeded(range(SAMPLES))
    wanted = Updater(made, DISCRETE, config).improve(batch(made), weights, RATES, draw)
    found = TableUpdater(other, ACTIONS, config).improve(batch(other), weights, RATES, draw)
    assert (made.vector - towers().vector).abs().max() > 0.05
    assert wanted.metrics[2] > 0.05  # some ratios were clipped
    torch.testing.assert_close(other.vector, made.vector, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(found.change, wanted.change, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.metrics, wanted.metrics, rtol=1e-3, atol=1e-5)


def test_a_ratio_without_bound_leaves_no_hole():
    """An action that had no chance when nobody took it, and has one now."""
    made = towers(())
    config, told = PPOConfig(epochs=2, entropy=0.0), batch(made)
    bias = made.end_arrays()[0][0][1]
    bias[:] = [0.0, 0.0, -200.0]
    samples = told.samples._replace(action=told.samples.action % 2)
    updater = TableUpdater(made, ACTIONS, config)

    def jump(change):
        bias[2] = 0.0
        return torch.ones(HEADS)

    told = told._replace(samples=samples)
    outcome = updater.improve(told, jump, RATES, Draw.seeded(range(SAMPLES)))
    assert made.vector.isfinite().all()
    assert outcome.metrics.isfinite().all()


@pytest.mark.parametrize(
    ("space", "settings", "good"),
    [
        (Discrete(3), {}, True),
        (Discrete(3), {"kl_coefficient": 0.1}, True),
        (Discrete(3), {"minibatches": 2}, False),
        (Discrete(3), {"target_kl": 0.1}, False),
        (Discrete(3), {"value_clip": 0.1}, False),
        (MultiDiscrete([2, 2]), {}, False),
        (Box(-1.0, 1.0, (1,)), {}, False),
    ],
    ids=str,
)
def test_what_fits(space, settings, good):
    assert fits(distribution_of(space), PPOConfig(**settings)) is good


@pytest.mark.parametrize(("name", "in_tables"), [("Delivery-v0", True), ("Thermostat-v0", False)])
def test_finite_worlds_are_learned_in_tables(name, in_tables):
    world = make_dynamics(name)
    problem = Problem.of(world, mp.MaxMin(), "policy", None, None)
    trainer = Trainer(problem, PPOConfig(total_steps=1_000, num_copies=4), Streams(0))
    assert isinstance(trainer.updater, TableUpdater) is in_tables
