"""HardBandit: the instance of the theory, and the answers that make it hard."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agents.planning import solve
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.faces import offline
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import Independent
from multiparty_envs.welfare import Utilitarian


def shape_of(world):
    return world.num_states, world.num_actions, world.num_parties


@pytest.mark.parametrize("rank", [3, 6, 12])
def test_features_are_those_of_the_theorem(rank):
    world = hard_bandit(rank=rank)
    assert shape_of(world) == (rank // 3, 4, 4)
    unit = np.eye(rank)
    for s in range(rank // 3):
        one, two = unit[3 * s], unit[3 * s + 1]
        assert_allclose(world.feature_table[s], [one - two, one, 0 * one, two])


def test_rewards_are_those_of_the_two_blocks():
    margin, rank = 0.3, 12
    world = hard_bandit(rank=rank, margin=margin, seed=1)
    theta = np.asarray(world.population.theta).reshape(4, 3, 4)  # [S, 3, M]
    minus = [1 / rank, 1 / rank + margin, -2 / rank - margin]
    plus = [1 / rank + 2 * margin, 1 / rank + margin, -2 / rank - 3 * margin]
    kinds = np.array([minus, plus])
    near = np.abs(theta[:, None].transpose(0, 3, 1, 2) - kinds).max(axis=-1) < 1e-12  # [S, M, 2]
    assert (near.sum(axis=-1) == 1).all()
    assert_allclose(theta.sum(axis=1), 0.0, atol=1e-12)
    best = world.party_table.argmax(axis=1)
    assert (best == np.where(near[..., 1], 1, 3)).all()
    two = np.sort(world.party_table, axis=1)[:, -2:]
    # what a wrong sign costs
    assert_allclose(np.where(near[..., 1], two[:, 1] - two[:, 0], margin), margin)


@pytest.mark.parametrize("coverage", [2.0, 4.0, 8.0])
def test_pairs_and_margin_follow_coverage_and_answers(coverage):
    world = hard_bandit(coverage=coverage, answers=500)
    assert_allclose(world.pairs[:, 0, 1], 1 - 2 / coverage**2)
    assert_allclose(world.pairs[:, 1, 2], 2 / coverage**2)
    assert_allclose(world.pairs.sum(axis=(1, 2)), 1.0)
    margin = coverage * np.sqrt(4 / 500)
    assert_allclose(-world.party_table[:, 0].min(), margin)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rank", [3, 6, 9, 12, 18, 24])
def test_distinct_parties_have_the_rank_of_the_contexts(rank, seed):
    population = hard_bandit(rank=rank, num_parties=rank // 3 + 1, seed=seed).population
    assert np.linalg.matrix_rank(np.asarray(population.theta)) == rank // 3
    assert population.basis.shape[1] == rank // 3
    assert_allclose(population.basis @ population.coefficients, population.theta, atol=1e-12)


def test_the_same_parties_are_those_of_the_theorem():
    theta = np.asarray(hard_bandit(distinct=False, seed=2).population.theta)
    assert_allclose(theta, theta[:, :1] @ np.ones((1, 4)))


def four_action(**knobs):
    return hard_bandit(block="four-action", rank=3, distinct=False, **knobs)


def test_the_four_action_block_is_the_published_one():
    world = four_action(num_parties=2)
    assert_allclose(world.feature_table[0], [[1, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert_allclose(world.population.theta, np.array([[-1.0, 0.1, 0.9]] * 2).T)
    assert_allclose(world.party_table[0, :, 0], [-0.9, -1.0, 0.0, 0.1])
    assert solve(world, Utilitarian()).returns[0] == pytest.approx(0.1)


def test_in_the_four_action_block_one_answer_is_about_the_rare_pair():
    answers = offline(four_action(answers=200, num_parties=3), 200, 0, drawn=False)
    rare = answers.segments.action[answers.first, 0] == 1
    assert np.bincount(answers.party, rare).tolist() == [1, 1, 1]


@pytest.mark.parametrize("answers", [100, 3_000])
def test_greedy_choice_fails_however_many_answers_there_are(answers):
    world = four_action(num_parties=400, answers=answers)
    data = offline(world, answers, 1, drawn=False)
    learned = (
        Independent(ridge=1e-4).fit(data).rewards(Steps(None, None, world.feature_table[0]))
    )  # [4, M]
    regret = 0.1 - world.party_table[0, learned.argmax(axis=0), 0]
    # the lone answer is the wrong one with chance logistic(-1) = 0.27, and then costs 1
    assert regret.mean() >= 0.1
    flipped = data.label[data.segments.action[data.first, 0] == 1] == 1
    assert flipped.mean() == pytest.approx(0.27, abs=0.07)
    assert (regret[flipped] >= 1.0 - 1e-9).all()
    assert (regret[~flipped] <= 0.1 + 1e-9).all()


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"rank": 7}, "multiple of 3"),
        ({"rank": 0}, "rank"),
        ({"coverage": 1.5}, "coverage"),
        ({"num_parties": 0}, "num_parties"),
        ({"answers": 1}, "answers"),
        ({"margin": 0.0}, "margin"),
        ({"block": "five-action"}, "four-action"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises(ValueError, match=message):
        hard_bandit(**knobs)
