"""How well answers cover what decides: against enumeration, simulation, and known instances."""

import itertools

import numpy as np
import pytest

from agents.coverage import (
    comparison_covariance,
    coverage,
    least_favourable,
    step_optimum,
    trajectory_covariance,
)
from agents.planning import best_response
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.parties import Population
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import MaxMin, Nash, Utilitarian

ZHU = np.array([[1.0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 1, 0]])


def four_actions(n):
    """The bandit of [Zhu2023] theorem 3.9, with one of n comparisons of the rare pair."""
    world = linear_bandit(features=ZHU[None], theta=np.array([[-1.0], [0.1], [0.9]]))
    pairs = np.zeros((4, 4))
    pairs[0, 1], pairs[1, 2] = 1 - 1 / n, 1 / n
    return world, comparison_covariance(ZHU[None], pairs)


def episodes(mdp):
    """Every episode under the behaviour policy: (chance, start, feature sum)."""
    starts = [(p, s, s, np.zeros(mdp.num_features)) for s, p in enumerate(mdp.initial_table)]
    for _ in range(mdp.horizon):
        longer = []
        for chance, start, cell, total in starts:
            if cell is None:
                longer.append((chance, start, None, total))
                continue
            for a, k in itertools.product(range(mdp.num_actions), range(mdp.successors.shape[2])):
                follows = mdp.successors[cell, a, k]
                p = chance * mdp.behaviour[cell, a] * mdp.probabilities[cell, a, k]
                over = None if mdp.terminal[follows] else follows
                longer.append((p, start, over, total + mdp.feature_table[cell, a]))
        starts = [each for each in longer if each[0] > 0]
    return starts


@pytest.mark.parametrize("same_start", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_covariance_of_trajectories_is_that_of_all_pairs(random_world, seed, same_start):
    mdp = random_world(seed, states=3, actions=2, horizon=2)
    chance, start, _, total = map(
        np.array, zip(*[(p, s, 0, f) for p, s, _, f in episodes(mdp)], strict=True)
    )
    weight = chance[:, None] * chance[None]
    if same_start:
        weight = weight * (start[:, None] == start) / mdp.initial_table[start]
    difference = total[:, None] - total[None]
    expected = np.einsum("ij,ijd,ije->de", weight, difference, difference)
    assert trajectory_covariance(mdp, same_start=same_start) == pytest.approx(expected)


def test_the_covariance_of_comparisons_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    features, states = rng.normal(size=(3, 4, 2)), rng.dirichlet(np.ones(3))
    pairs = rng.dirichlet(np.ones(16), 3).reshape(3, 4, 4)
    expected = np.zeros((2, 2))
    for s, a, b in itertools.product(range(3), range(4), range(4)):
        x = features[s, a] - features[s, b]
        expected += states[s] * pairs[s, a, b] * np.outer(x, x)
    assert comparison_covariance(features, pairs, states) == pytest.approx(expected)


def test_in_a_bandit_whole_episodes_are_comparisons():
    world = linear_bandit(num_contexts=5, coverage=0.2)
    pairs = world.behaviour[:, :, None] * world.behaviour[:, None]
    expected = comparison_covariance(world.feature_table, pairs)
    assert trajectory_covariance(world) == pytest.approx(expected)


@pytest.mark.parametrize("n", [4, 100])
def test_the_four_action_bandit_is_covered_but_for_its_worst_action(n):
    world, sigma = four_actions(n)
    third = np.eye(4)[[2]]
    found = coverage(world, sigma, Utilitarian(), reference=third)
    # the best action differs from the third by (0, 1, 0), of which n - 1 in n comparisons tell
    assert found.shifted == pytest.approx(1 / np.sqrt(1 - 1 / n))
    # the worst one, the second, by (1, 0, 0), of which one in n tells
    found = coverage(world, sigma, MaxMin(), reference=third)
    assert found.shifted == pytest.approx(np.sqrt(n))
    assert found.policies == ("optimal", "worst")
    assert found.shifted_norms.shape == (2, 1)


def test_what_answers_never_see_is_covered_infinitely_badly():
    world = linear_bandit(features=ZHU[None], theta=np.array([[-1.0], [0.1], [0.9]]))
    pairs = np.zeros((4, 4))
    pairs[1, 2] = 1.0
    found = coverage(world, comparison_covariance(ZHU[None], pairs), Utilitarian())
    assert np.isinf(found.raw)


def test_only_the_raw_measure_sees_what_all_actions_share():
    world = linear_bandit(num_contexts=3)
    sigma = trajectory_covariance(world)
    moved = linear_bandit(
        num_contexts=3, features=world.feature_table + 5.0, theta=np.asarray(world.population.theta)
    )
    before, after = (coverage(each, sigma, Nash()) for each in (world, moved))
    assert after.shifted == pytest.approx(before.shifted)
    assert after.raw > 1.5 * before.raw


@pytest.mark.parametrize(("welfare", "grows"), [(Utilitarian(), False), (Nash(), True)])
def test_a_rare_arm_counts_where_it_is_somebody_s_worst(welfare, grows):
    found = []
    for share in (1.0, 0.1, 0.01):
        world = linear_bandit(num_contexts=1, num_features=4, coverage=share, seed=1)
        assert (world.party_table[0].argmin(axis=0) == 4).any()
        sigma = trajectory_covariance(world)
        found.append(coverage(world, sigma, welfare, reference=np.eye(5)[:1]).shifted)
    assert found[0] == pytest.approx(np.sqrt(5))  # evenly covered in all four dimensions
    assert found == sorted(found, reverse=not grows)


def test_the_least_favourable_theta_is_not_beaten_by_any_other():
    rng = np.random.default_rng(0)
    features, visits = rng.normal(size=(4, 3, 3)), rng.dirichlet(np.ones(12)).reshape(4, 3)
    root = rng.normal(size=(2, 3, 3))
    sigma = root @ root.swapaxes(1, 2) + 0.1 * np.eye(3)
    sets = ConfidenceSets(rng.normal(size=(3, 2)), sigma, [0.5, 2.0])

    def gain(theta):
        reward = features @ theta  # [S, A, M]
        return np.einsum("sa,sam->m", visits, reward) - visits.sum(1) @ reward.min(axis=1)

    least = least_favourable(sets, features, visits)
    assert (sets.distance(least) <= sets.radius * (1.0 + 1e-6)).all()
    drawn = np.array([gain(theta) for theta in sets.sample(5_000, rng, boundary=True)])
    assert (drawn >= gain(least) - 1e-6).all()
    assert drawn.min(axis=0) == pytest.approx(gain(least), abs=0.1)


def test_the_least_favourable_theta_adds_a_policy():
    world = linear_bandit(num_contexts=3)
    sigma = np.tile(trajectory_covariance(world), (6, 1, 1))
    sets = ConfidenceSets(world.population.theta, sigma, 0.3)
    found = coverage(world, sigma, Nash(), sets=sets)
    assert found.policies == ("optimal", "worst", "pessimistic worst")
    assert found.shifted >= coverage(world, sigma, Nash()).shifted


def test_the_optimum_of_one_party_is_its_best_response(random_world):
    mdp = random_world(2, parties=1, states=5, horizon=3)
    # from a zero that moves with the state the returns differ; where it does not, they agree
    flat = FiniteMDP(
        successors=np.broadcast_to(np.arange(3)[:, None, None], (3, 2, 1)),
        probabilities=np.ones((3, 2, 1)),
        features=np.random.default_rng(0).normal(size=(3, 2, 2)),
        initial=np.full(3, 1 / 3),
        population=Population(np.array([[1.0], [0.5]])),
        horizon=1,
    )
    expected, _ = best_response(flat, np.ones(1))
    assert (step_optimum(flat, Utilitarian()) == expected).all()
    assert step_optimum(mdp, Nash()).sum() == mdp.horizon * mdp.num_states


@pytest.mark.parametrize(
    ("sigma", "message"),
    [(np.eye(3), "sigma should have shape"), (np.full((8, 8), np.nan), "sigma should be finite")],
)
def test_metrics_that_do_not_fit_are_refused(sigma, message):
    with pytest.raises(ValueError, match=message):
        coverage(linear_bandit(), sigma, Nash())
