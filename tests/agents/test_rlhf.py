"""The loop: the same answers in all, learned rewards alone, stopping and going on."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from agents import checkpoint, ppo, rlhf
from agents.config import PPOConfig
from agents.evaluation import tabulate
from agents.planning import party_scale, policy_returns, solve
from agents.rlhf import LoopConfig
from multiparty_envs.feedback import Feedback
from multiparty_envs.parties import BradleyTerryLuce, Population
from multiparty_envs.registration import make_dynamics
from multiparty_envs.rewards import Independent, LowRank, Mixture, Pooled, make_learner
from multiparty_envs.welfare import MaxMin, Nash, Utilitarian

QUICK = LoopConfig(
    labels=120,
    rounds=3,
    ppo=PPOConfig(total_steps=9 * 96, num_copies=16, num_steps=6, epochs=2),
)


@pytest.fixture(scope="module")
def world(make_grid):
    return make_grid(slip=0.2, starts=(0, 5))


def bits(learned):
    return [
        *(p.detach().numpy() for p in learned.policy.actor.parameters()),
        learned.learner.theta_,
        *learned.answers.arrays().values(),
    ]


def same(one, other):
    return all(map(np.array_equal, bits(one), bits(other)))


@pytest.mark.parametrize(
    ("labels", "rounds", "first", "wanted"),
    [
        (100, 1, 0.5, [100]),
        (100, 3, 0.5, [50, 25, 25]),
        (7, 4, 0.5, [4, 1, 1, 1]),
        (4, 4, 0.9, [1, 1, 1, 1]),
        (10, 4, 0.01, [1, 3, 3, 3]),
    ],
)
def test_answers_are_spread_over_the_rounds(labels, rounds, first, wanted):
    config = LoopConfig(labels=labels, rounds=rounds, first=first)
    assert [config.count(number) for number in range(rounds)] == wanted


@pytest.mark.parametrize("learner", [Pooled, Independent, lambda: LowRank(1), lambda: Mixture(2)])
def test_every_learner_hears_as_many_answers(learner, world):
    found = rlhf.train(world, learner(), welfare=MaxMin(), config=QUICK)
    assert len(found.answers) == 120
    assert found.learner.theta_.shape == (2, 3)
    assert found.policy.probabilities(world.observations_at(0)).shape == (16, 4)


@pytest.mark.parametrize("level", ["policy", "step", "episode"])
@pytest.mark.parametrize("stop", [2, 5, 9])
def test_going_on_from_a_folder_is_never_having_stopped(level, stop, world, tmp_path, monkeypatch):
    monkeypatch.setattr(rlhf, "Keeper", eager)
    settings = {"welfare": Nash(), "level": level, "config": QUICK}
    whole = rlhf.train(world, Independent(), **settings)
    part = rlhf.train(
        world,
        Independent(),
        **settings,
        folder=tmp_path,
        callback=lambda progress: progress.iteration < stop,
    )
    assert stop == 9 or not same(whole, part)
    told = []
    again = rlhf.train(world, Independent(), **settings, folder=tmp_path, callback=told.append)
    assert [progress.iteration for progress in told] == list(range(stop + 1, 10))
    assert same(whole, again)


def eager(save):
    return lambda over: save()


def test_the_same_seed_gives_the_same_bytes(world):
    settings = {"welfare": MaxMin(), "config": QUICK}
    one, same_, other = (rlhf.train(world, Pooled(), seed=s, **settings) for s in (1, 1, 2))
    assert same(one, same_)
    assert not same(one, other)


def test_only_answers_tell_of_the_truth(make_grid):
    """People who answer alike and get other amounts teach the same."""
    theta = np.array([[1.0, -0.5], [0.2, 1.5]])
    worlds = [make_grid(slip=0.2, population=Population(size * theta)) for size in (1.0, 64.0)]
    one, other = (rlhf.train(w, Independent(), welfare=MaxMin(), config=QUICK) for w in worlds)
    assert same(one, other)


@pytest.mark.parametrize("name", ["Thermostat-v0", "Reservoir-v0", "Condorcet-v0"])
def test_other_worlds_are_listened_in(name):
    world = make_dynamics(name)
    config = dataclasses.replace(
        QUICK,
        feedback=Feedback(segment_length=5),
        ppo=PPOConfig(total_steps=3 * 256, num_copies=16, num_steps=16, epochs=1),
    )
    found = rlhf.train(world, Independent(), welfare=Utilitarian(), config=config)
    assert len(found.answers) == 120
    assert found.answers.segments.length == min(5, world.horizon)


@pytest.mark.parametrize("name", ["neural-shared", "neural-pooled"])
def test_networks_learn_in_the_loop(name, world, tmp_path):
    learner = make_learner(name, max_epochs=3, members=2)
    settings = {"welfare": MaxMin(), "config": QUICK, "folder": tmp_path}
    found = rlhf.train(world, learner, **settings)
    again = rlhf.train(world, make_learner(name, max_epochs=3, members=2), **settings)
    obs = world.observations_at(0)
    np.testing.assert_array_equal(found.policy.probabilities(obs), again.policy.probabilities(obs))


def test_the_loop_serves_the_worst_off():
    """A fifth of the people wants the opposite: one reward for all leaves them with nothing."""
    world = make_dynamics("Delivery-v0")
    config = LoopConfig(labels=2_000, ppo=PPOConfig(total_steps=60_000))
    scale = party_scale(world, "range")
    worst = []
    for learner in (Mixture(2), Pooled()):
        found = rlhf.train(world, learner, welfare=MaxMin(), config=config)
        returns = policy_returns(world, tabulate(found.policy, world))
        worst.append(scale.returns(returns).min())
    assert worst[0] > 0.85 * solve(world, MaxMin(), scale=scale).welfare
    assert worst[1] < 0.1


def test_people_who_always_skip_are_given_up(make_grid):
    choice = BradleyTerryLuce(skip_margin=1e9)
    world = make_grid(population=Population(np.ones((2, 1)), choice=choice))
    with pytest.raises(RuntimeError, match="they gave 0 of 60"):
        rlhf.train(world, Pooled(), welfare=Utilitarian(), config=QUICK)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": 2}, "labels should be 3 or more"),
        ({"rounds": 0}, "rounds"),
        ({"first": 1.0}, "first"),
        ({"normalisation": "rank"}, "normalisation"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(QUICK, **settings)


@pytest.fixture
def start(world, tmp_path):
    """A function from "ppo" or "rlhf" to one that trains in a folder, and returns the policy."""

    def plain(seed=0, **settings):
        config = dataclasses.replace(QUICK.ppo, **settings)
        return ppo.train(world, welfare=Nash(), config=config, seed=seed, folder=tmp_path)

    def loop(seed=0, **settings):
        config = dataclasses.replace(QUICK, ppo=dataclasses.replace(QUICK.ppo, **settings))
        given = {"config": config, "seed": seed, "folder": tmp_path}
        return rlhf.train(world, Pooled(), welfare=Nash(), **given).policy

    return {"ppo": plain, "rlhf": loop}.get


@pytest.mark.parametrize("module", ["ppo", "rlhf"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: next(folder.glob("weights-*")).unlink(), "incomplete"),
        (lambda folder: next(folder.glob("weights-*")).write_bytes(b"x"), "damaged"),
        (lambda folder: (folder / "checkpoint.json").write_text("{"), "damaged"),
        (lambda folder: change(folder, format="other"), "is not a multiparty-checkpoint"),
        (lambda folder: change(folder, version=9), "version 9"),
    ],
)
def test_damaged_folders_are_refused(module, spoil, words, start, tmp_path):
    run = start(module)
    run()
    spoil(tmp_path)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        run()


def change(folder, **entries):
    index = folder / "checkpoint.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **entries}))


@pytest.mark.parametrize("module", ["ppo", "rlhf"])
def test_another_training_is_refused_by_what_differs(module, world, start):
    run = start(module)
    first = run()
    for settings, words in (
        ({"seed": 5}, r"seed \d+ there, \d+ here"),
        ({"epochs": 7}, "epochs 2 there, 7 here"),
    ):
        with pytest.raises(ValueError, match=words):
            run(**settings)
    obs = world.observations_at(0)
    np.testing.assert_array_equal(run().probabilities(obs), first.probabilities(obs))


def test_a_training_is_gone_on_with(world, tmp_path, monkeypatch):
    monkeypatch.setattr(ppo, "Keeper", eager)
    settings = {"welfare": MaxMin(), "config": QUICK.ppo, "seed": 3}
    whole = ppo.train(world, **settings)
    ppo.train(world, **settings, folder=tmp_path, callback=lambda told: told.iteration < 4)
    assert checkpoint.exists(tmp_path)
    again = ppo.train(world, **settings, folder=tmp_path)
    pairs = zip(whole.actor.parameters(), again.actor.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
