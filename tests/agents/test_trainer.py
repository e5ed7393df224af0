"""A training batch by batch: exact short cuts, nothing that waits, stopping and going on."""

import dataclasses

import numpy as np
import pytest
import torch

from agents.config import PPOConfig
from agents.problem import Problem
from agents.rollout import StepCollector
from agents.trainer import Trainer
from multiparty_envs.faces import TensorEnv
from multiparty_envs.registration import ENVS, make_dynamics
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Scale, Utilitarian

QUICK = PPOConfig(total_steps=6 * 64, num_copies=16, num_steps=4, epochs=2, averaging=0.5)
OPTIONS = {
    "plain": {},
    "parts": {"minibatches": 3},
    "cut": {"max_episode_steps": 3},
    "normalised": {"normalise_observations": True},
    "clipped": {"value_clip": 0.2, "target_kl": 1e-4, "clip_schedule": "linear"},
    "near a reference": {"kl_coefficient": 0.1, "kl_target": 0.5},
    "raw": {"normalise_rewards": False, "normalise_advantages": False, "schedule": "constant"},
    "per-sample": {"max_min": "per-sample"},
    "argmin": {"max_min": "argmin"},
}
every_option = pytest.mark.parametrize("option", OPTIONS)


def trainer(world, welfare=None, level="policy", seed=0, **settings):
    config = dataclasses.replace(QUICK, **settings)
    problem = Problem.of(world, welfare or MaxMin(), level, None, None)
    return Trainer(problem, config, Streams(seed))


def step_by_step(trainer):
    """The same experience as a trainer's own, without tables."""
    problem, config, streams = trainer.problem, trainer.config, trainer.streams
    horizon = problem.dynamics.horizon
    env = TensorEnv(
        problem.dynamics,
        config.copies(horizon),
        rewards=problem.rewards,
        seed=streams.key("world"),
        max_episode_steps=config.max_episode_steps,
    )
    return StepCollector(env, config.steps_per_copy(horizon), streams.key("policy"))


@pytest.fixture(scope="module")
def world(make_grid):
    return make_grid(slip=0.2, starts=(0, 5), terminal=(15,), horizon=5, discount=0.9)


@every_option
def test_distinct_states_are_a_short_cut_and_nothing_else(option, world):
    """Networks evaluated once per distinct state learn what they learn step by step."""
    short, long = (trainer(world, **OPTIONS[option]) for _ in range(2))
    long._collector = step_by_step(long)
    for _ in range(3):
        short.iterate()
        long.iterate()
    # another order of sums; Adam makes the least gradients as large as others
    apart = (short.agent.towers.vector - long.agent.towers.vector).abs()
    assert apart.quantile(0.9) < 1e-4
    assert apart.max() < 5e-3


@every_option
@pytest.mark.parametrize("level", ["policy", "step", "episode"])
def test_going_on_from_a_store_is_never_having_stopped(option, level, world):
    settings = {"level": level, **OPTIONS[option]}
    whole, first, second = (trainer(world, **settings) for _ in range(3))
    for _ in range(6):
        whole.iterate()
    for _ in range(3):
        first.iterate()
    second.put({name: value.clone() for name, value in first.tensors().items()})
    for _ in range(3):
        second.iterate()
    wanted, found = whole.tensors(), second.tensors()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    obs = world.observations_at(1)
    seen = (
        np.concatenate([obs, np.zeros((len(obs), 3), np.float32)], 1) if level == "episode" else obs
    )
    np.testing.assert_array_equal(
        whole.policy().probabilities(seen), second.policy().probabilities(seen)
    )


@every_option
def test_tensors_stay_in_their_place(option, world):
    """So a recorded batch can be replayed: it reads and writes the same memory each time."""
    made = trainer(world, **OPTIONS[option])
    made.iterate()
    places = {name: value.data_ptr() for name, value in made.tensors().items()}
    for _ in range(2):
        made.iterate()
    assert {name: value.data_ptr() for name, value in made.tensors().items()} == places


@pytest.mark.parametrize("level", ["policy", "step", "episode"])
@pytest.mark.parametrize("name", sorted(ENVS))
def test_a_batch_runs_where_there_are_no_values(name, level):
    """On "meta" nothing can be asked for: so nothing waits for the device."""
    made = trainer(make_dynamics(name), Nash(), level, device="meta", minibatches=2)
    for _ in range(2):
        made.iterate()
    tensors = made.tensors()
    assert {value.device.type for value in tensors.values()} == {"meta"}
    assert tensors["agent.vector"].ndim == 1


@every_option
@pytest.mark.parametrize("welfare", [MaxMin(), Leximin()], ids=repr)
def test_no_option_waits_for_the_device(option, welfare, drift):
    trainer(drift, welfare, device="meta", **OPTIONS[option]).iterate()


@every_option
def test_boxes_are_trained_in(option, drift):
    made = trainer(drift, Utilitarian(), **OPTIONS[option])
    made.run()
    told = made.progress()
    assert told.steps == 6 * 64
    assert np.isfinite([*told.returns, *told.weights, *told.metrics.values()]).all()
    actions = made.policy().act(np.zeros((5, 2)), np.random.default_rng(0))
    assert actions.shape == (5, 1)
    assert all(drift.action_space.contains(action) for action in actions)


def test_cut_episodes_are_bootstrapped(make_grid):
    """A reward of one a step for ever: what a cut leaves out, the critic should know of."""
    world = make_grid(
        features=np.ones((16, 4, 1)),
        population=make_grid().population.__class__(np.ones((1, 1))),
        horizon=100_000,
        discount=0.9,
    )
    settings = {"max_episode_steps": 4, "total_steps": 60 * 64, "epochs": 10}
    made = trainer(world, Utilitarian(), **settings)
    made.run()
    start = torch.tensor(world.observations_at(0)[:1])
    value = made.agent.towers.values(start) * made.agent.unit
    assert value.item() == pytest.approx(1.0 / (1.0 - 0.9), rel=0.05)  # 3.4 without bootstrapping


def test_other_rewards_are_taken_up(make_grid, told):
    world = make_grid()
    made = trainer(world, Utilitarian(), total_steps=100_000, seed=1)
    for _ in range(2):
        made.iterate()
    before = made.agent.towers.vector.clone()
    made.relabel(told([[2.0, -1.0, 0.0], [1.0, 1.0, 1.0]]), Scale.none(3), "again")
    assert torch.equal(made.agent.towers.vector, before)
    made.iterate()
    assert made.iteration == 3
    with pytest.raises(ValueError, match="rewards should be of 3 parties, are of 2"):
        made.relabel(told([[2.0, -1.0], [1.0, 1.0]]), Scale.none(2), "again")


@pytest.mark.parametrize("limit", [1e-6, None])
def test_a_batch_is_left_when_the_policy_is_far_from_where_it_was(limit, world):
    made = trainer(world, target_kl=limit, epochs=30, learning_rate=0.01)
    made.iterate()
    # one step has been taken when there is something to measure
    assert (made.progress().metrics["kl"] > 0.02) == (limit is None)
