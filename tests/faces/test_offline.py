"""Offline answers about single actions, and comparisons of episodes from the same start."""

import gymnasium as gym
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import chisquare

from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.faces import collect, offline
from multiparty_envs.faces.offline import pair_chances
from multiparty_envs.feedback import Feedback
from multiparty_envs.feedback.queries import alike_pairs
from multiparty_envs.registration import make_dynamics


def cells(data, world):
    """State, first and second action of every answer, from what was recorded."""
    seen = data.segments.obs[:, 0, :-1].argmax(axis=1)
    assert (seen[data.first] == seen[data.second]).all()
    action = data.segments.action[:, 0]
    place = seen[data.first] * world.num_actions + action[data.first]
    return place * world.num_actions + action[data.second]


@pytest.mark.parametrize("world", [hard_bandit(coverage=3.0), linear_bandit(num_contexts=4)])
def test_pairs_come_up_as_often_as_the_world_says(world):
    data = offline(world, 6_000, 0)
    chance = (world.initial_table[:, None, None] * pair_chances(world)).ravel()
    counts = np.bincount(cells(data, world), minlength=len(chance))
    assert not counts[chance == 0].any()
    on = chance > 0
    assert chisquare(counts[on], len(data) * chance[on]).pvalue > 1e-3
    assert (data.counts == 6_000).all()


def test_answers_follow_raw_rewards():
    world = hard_bandit(num_parties=2, margin=1.5, coverage=2.0)
    data = offline(world, 20_000, 0)
    difference = (data.differences() * np.asarray(world.population.theta).T[data.party]).sum(1)
    for value in np.unique(np.round(difference, 9)):
        here = np.abs(difference - value) < 1e-6
        spread = np.sqrt(0.25 / here.sum())
        assert data.label[here].mean() == pytest.approx(expit(value), abs=4 * spread)


def test_not_drawn_each_pair_has_its_share():
    world = hard_bandit(coverage=4.0)
    data = offline(world, 1_001, 3, drawn=False)
    counts = np.bincount(cells(data, world), minlength=4 * 16).reshape(4, 4, 4)
    exact = 4 * 1_001 * world.initial_table[:, None, None] * world.pairs
    assert np.abs(counts - exact).max() <= 4.0
    assert counts.sum() == 4 * 1_001


def test_other_pairs_may_be_asked_about():
    world = linear_bandit(num_contexts=2, num_actions=3)
    pairs = np.zeros((2, 3, 3))
    pairs[:, 2, 0] = 1.0
    data = offline(world, 50, 0, pairs=pairs)
    assert (data.segments.action[data.first, 0] == 2).all()
    assert (data.segments.action[data.second, 0] == 0).all()


def test_the_same_seed_gives_the_same_answers():
    world = hard_bandit()
    one, same, other = (offline(world, 200, seed) for seed in (0, 0, 1))
    assert_allclose(one.label, same.label)
    assert (one.label != other.label).any()


@pytest.mark.parametrize("episodes", ["single", "vector", "offline"])
def test_delivery_compares_whole_episodes_from_the_same_start(episodes):
    """The features of a comparison are the summed differences over both whole episodes."""
    settings = {"segment_length": None, "pairs": "same-start"}
    world = make_dynamics("Delivery-v0")
    data = collect(world, settings, 60, 0) if episodes == "offline" else None
    if episodes == "vector":
        envs = gym.make_vec("multiparty/Delivery-v0", num_envs=16, feedback=settings)
        data = next_answers(envs, envs.action_space.sample)
    if episodes == "single":
        env = gym.make("multiparty/Delivery-v0", feedback=settings)
        data = next_answers(env, env.action_space.sample)
    bank = data.segments
    assert bank.mask.all()
    assert bank.length == world.horizon
    start = world.observations_at(0)[world.start]
    assert (bank.obs[:, 0] == start).all()
    sums = replayed(world, bank)
    assert_allclose(data.differences(), sums[data.first] - sums[data.second])
    assert np.abs(data.differences()).max() > 0


def next_answers(env, act):
    env.reset(seed=0)
    env.action_space.seed(0)
    while True:
        *_, ended, cut, info = env.step(act())
        if "comparisons" in info:
            return info["comparisons"]
        if not hasattr(env, "num_envs") and (ended or cut):
            env.reset()


def replayed(world, bank):
    """[G, D] features of each episode, looked up in the tables from what was seen and done."""
    cell = {row.tobytes(): number for number, row in enumerate(world.observations)}
    visited = np.array([[cell[seen.tobytes()] for seen in run[:, :-1]] for run in bank.obs])
    return world.feature_table[visited, bank.action].sum(axis=1)


def test_in_a_bandit_the_same_start_is_the_same_context():
    world = linear_bandit(num_contexts=5)
    data = collect(world, Feedback(pairs="same-start"), 300, 0)
    cells(data, world)
    plain = collect(world, Feedback(), 300, 0)
    seen = plain.segments.obs[:, 0, :-1].argmax(axis=1)
    assert (seen[plain.first] != seen[plain.second]).any()


def test_alike_pairs_are_all_equally_likely_within_their_kind():
    kind = np.array([0, 1, 0, 2, 1, 0])
    first, second = alike_pairs(30_000, kind, np.random.default_rng(0))
    assert (first != second).all()
    assert (kind[first] == kind[second]).all()
    counts = np.zeros((6, 6))
    np.add.at(counts, (first, second), 1)
    others = np.where(kind == 0, 2, 1)
    wanted = (kind[:, None] == kind) & ~np.eye(6, dtype=bool) & (kind != 2)[:, None]
    chance = (wanted / others[:, None] / 5)[wanted]  # five segments have another of their kind
    assert chisquare(counts[wanted], 30_000 * chance).pvalue > 1e-3


def test_without_two_alike_nobody_is_asked():
    first, second = alike_pairs(5, np.arange(4), np.random.default_rng(0))
    assert len(first) == len(second) == 0
    world = linear_bandit(num_contexts=2_000)
    env = gym.make(
        "multiparty/LinearBandit-v0",
        num_contexts=2_000,
        feedback={"pairs": "same-start", "every": 2, "queries": 1, "window": 2},
    )
    for episode in range(8):
        env.reset(seed=0 if episode == 0 else None)
        *_, info = env.step(0)
        assert "comparisons" not in info
    assert world.num_states == 2_000


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: offline(make_dynamics("Delivery-v0"), 10, 0), "one decision"),
        (lambda: offline(hard_bandit(), 0, 0), "answers"),
        (lambda: offline(hard_bandit(), 5, 0, pairs=np.ones((4, 4, 4))), "pairs"),
        (lambda: offline(hard_bandit(), 5, 0, pairs=np.ones((4, 4))), "pairs"),
        (lambda: offline(linear_bandit(num_actions=1), 5, 0), "always taken"),
    ],
)
def test_what_cannot_be_asked_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
