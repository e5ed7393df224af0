"""LinearBandit: the assumptions of the theory hold in what is drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from multiparty_envs.envs.linear_bandit import linear_bandit


def pair_covariance(world):
    """E[x x^T] over pairs of actions from the behaviour policy, [D, D]."""
    table, policy = world.feature_table, world.behaviour
    gap = table[:, :, None] - table[:, None]
    weight = world.initial_table[:, None, None] * policy[:, :, None] * policy[:, None]
    return np.einsum("sab,sabd,sabe->de", weight, gap, gap)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rank", [1, 2, 4])
def test_tastes_have_the_rank(seed, rank):
    population = linear_bandit(rank=rank, seed=seed).population
    assert np.linalg.matrix_rank(population.theta) == rank
    assert_allclose(population.basis.T @ population.basis, np.eye(rank), atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_assumptions_of_the_theory(seed):
    world = linear_bandit(seed=seed)
    theta = np.asarray(world.population.theta)
    assert_allclose(np.linalg.norm(world.feature_table, axis=-1), 1.0)
    assert_allclose(np.linalg.norm(theta, axis=0), 1.0)
    assert np.linalg.eigvalsh(pair_covariance(world)).min() > 0.01
    assert np.linalg.svd(theta)[1][1] ** 2 / world.num_parties > 0.01


def spread(world):
    """Mean distance between the tastes of two parties."""
    theta = np.asarray(world.population.theta)
    return np.linalg.norm(theta[:, :, None] - theta[:, None], axis=0).mean()


def test_conflict_raises_disagreement():
    spreads = [spread(linear_bandit(conflict=level)) for level in (0.0, 0.3, 0.6, 1.0)]
    assert spreads[0] == pytest.approx(0.0, abs=1e-12)
    assert spreads == sorted(spreads)


@pytest.mark.parametrize(("share", "few"), [(0.0, 0), (0.2, 2), (0.01, 1), (0.5, 5)])
def test_a_minority_has_a_taste_of_its_own(share, few):
    population = linear_bandit(num_parties=10, minority_share=share).population
    theta, cluster = np.asarray(population.theta), np.asarray(population.cluster)
    assert cluster.sum() == few
    assert len(np.unique(theta, axis=1).T) == 1 + (few > 0)
    assert population.share[cluster == 1].sum() == pytest.approx(share)
    assert_allclose(theta, population.basis @ population.coefficients)


@pytest.mark.parametrize("coverage", [0.0, 0.1, 1.0])
def test_coverage_is_how_often_the_last_arm_is_taken(coverage):
    behaviour = linear_bandit(coverage=coverage, num_actions=4).behaviour
    assert_allclose(behaviour[:, -1], coverage * behaviour[:, 0])
    assert_allclose(behaviour.sum(axis=1), 1.0)


def test_slips_pull_an_arm_at_random():
    firm, loose = linear_bandit(), linear_bandit(slipperiness=1.0)
    mean = firm.feature_table.mean(axis=1, keepdims=True)
    assert_allclose(loose.feature_table, np.broadcast_to(mean, loose.feature_table.shape))


@pytest.mark.parametrize("seed", [0, 7])
def test_seed_decides_the_instance(seed):
    same = linear_bandit(seed=seed).party_table
    np.testing.assert_array_equal(same, linear_bandit(seed=seed).party_table)
    assert (same != linear_bandit(seed=seed + 1).party_table).any()


def test_more_parties_leave_the_features_alone():
    few, many = linear_bandit(num_parties=3), linear_bandit(num_parties=30)
    np.testing.assert_array_equal(few.feature_table, many.feature_table)


def test_given_tables_are_used():
    features = np.arange(12.0).reshape(2, 3, 2)
    theta = np.array([[1.0, 0.0], [0.0, 1.0]])
    world = linear_bandit(features=features, theta=theta)
    np.testing.assert_array_equal(world.party_table, features)
    assert (world.num_states, world.num_actions) == (2, 3)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_contexts": 0}, "num_contexts"),
        ({"num_actions": 0}, "num_actions"),
        ({"num_features": 0}, "num_features"),
        ({"num_parties": 0}, "num_parties"),
        ({"rank": 9}, "rank"),
        ({"conflict": 1.5}, "conflict"),
        ({"coverage": -0.5}, "coverage"),
        ({"minority_share": 0.6}, "minority_share"),
        ({"slipperiness": 2.0}, "slipperiness"),
        ({"beta": -1.0}, "beta"),
        ({"seed": -1}, "seed"),
        ({"features": np.zeros((2, 3))}, "features"),
        ({"features": np.full((1, 2, 3), np.nan)}, "features"),
        ({"theta": np.zeros((5, 2))}, "theta"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises(ValueError, match=message):
        linear_bandit(**knobs)
