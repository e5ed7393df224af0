"""Condorcet: preferences with cycles, and win rates in place of rewards."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from multiparty_envs.envs.condorcet import condorcet

ROCK_PAPER_SCISSORS = np.array([[0.5, 0.0, 1.0], [1.0, 0.5, 0.0], [0.0, 1.0, 0.5]])


def matrices(world):
    return world.view.matrices[0]


def has_winner(table):
    """Whether some option is preferred to every other, for one party's [A, A]."""
    options = len(table)
    return ((table > 0.5).sum(axis=1) == options - 1).any()


@pytest.mark.parametrize("options", [3, 4, 5, 8])
@pytest.mark.parametrize("intransitivity", [0.0, 0.5, 1.0])
def test_chances_add_up(options, intransitivity):
    table = matrices(condorcet(num_actions=options, intransitivity=intransitivity))
    assert_allclose(table + table.swapaxes(1, 2), 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_intransitivity_goes_from_rankings_to_cycles(seed):
    ranked = matrices(condorcet(intransitivity=0.0, seed=seed))
    cyclic = matrices(condorcet(intransitivity=1.0, seed=seed))
    assert all(has_winner(table) for table in ranked)
    assert not any(has_winner(table) for table in cyclic)
    for table in ranked:  # a ranking: the numbers of options beaten are all different
        assert sorted((table > 0.5).sum(axis=1)) == list(range(len(table)))


def test_conflict_zero_is_one_mind():
    table = matrices(condorcet(conflict=0.0))
    assert_allclose(table, np.broadcast_to(table[:1], table.shape))


def test_conflict_raises_disagreement():
    levels = [matrices(condorcet(conflict=c)).std(axis=0).mean() for c in (0.0, 0.3, 0.6, 1.0)]
    assert levels == sorted(levels)


@pytest.mark.parametrize("contexts", [1, 3])
def test_rewards_are_win_rates_against_the_reference(contexts):
    world = condorcet(num_contexts=contexts)
    table = world.view.matrices  # [S, M, A, A]
    expected = np.einsum("sb,smab->sam", world.behaviour, table)
    assert_allclose(world.party_table, expected)


def test_a_pure_cycle_has_equal_win_rates():
    world = condorcet(matrices=ROCK_PAPER_SCISSORS[None])
    assert_allclose(world.party_table, 0.5)


@pytest.mark.parametrize("slip", [0.3, 1.0])
def test_slips_take_an_option_at_random(slip):
    firm, loose = matrices(condorcet()), matrices(condorcet(slipperiness=slip))
    rng, draws = np.random.default_rng(0), 200_000
    first, second = (
        np.where(rng.random(draws) < slip, rng.integers(0, 5, draws), chosen) for chosen in (1, 3)
    )
    assert_allclose(loose[:, 1, 3], firm[:, first, second].mean(axis=1), atol=3e-3)
    assert_allclose(loose + loose.swapaxes(1, 2), 1.0)


def test_rewards_are_still_win_rates_where_one_slips():
    world = condorcet(slipperiness=0.4, num_contexts=2)
    assert_allclose(world.party_table, world.view.matrices.mean(axis=-1).swapaxes(1, 2))


@pytest.mark.parametrize(("share", "few"), [(0.0, 0), (0.2, 2), (0.01, 1), (0.5, 5)])
def test_a_minority_has_a_matrix_of_its_own(share, few):
    world = condorcet(num_parties=10, minority_share=share, conflict=1.0)
    table, cluster = matrices(world), np.asarray(world.population.cluster)
    assert cluster.sum() == few
    assert len(np.unique(table.reshape(10, -1), axis=0)) == 1 + (few > 0)
    assert world.population.share[cluster == 1].sum() == pytest.approx(share)
    assert_allclose(table[0], matrices(condorcet(num_parties=10, conflict=1.0))[0])


def test_strength_zero_is_a_coin():
    assert_allclose(matrices(condorcet(strength=0.0)), 0.5)


@pytest.mark.parametrize("contexts", [1, 2])
def test_answers_follow_the_matrices(contexts):
    world = condorcet(num_contexts=contexts, num_actions=3, num_parties=2)
    table = world.view.matrices
    context, first, second, party = contexts - 1, 0, 2, 1
    chances = world.population.choice.probabilities(
        world.population,
        seen(world, context, first),
        seen(world, context, second),
        np.array([party]),
        np.ones(2),
    )
    assert_allclose(chances[0, 0], table[context, party, first, second])


def seen(world, context, action):
    from multiparty_envs.parties import Behaviour

    return Behaviour(
        features=world.feature_table[context, action][None, None],
        action=np.array([[action]]),
        mask=np.ones((1, 1), dtype=bool),
        obs=world.observations_at(0)[context][None, None],
    )


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_actions": 1}, "num_actions"),
        ({"num_parties": 0}, "num_parties"),
        ({"num_contexts": 0}, "num_contexts"),
        ({"intransitivity": 1.1}, "intransitivity"),
        ({"conflict": -1.0}, "conflict"),
        ({"strength": -1.0}, "strength"),
        ({"slipperiness": 1.5}, "slipperiness"),
        ({"minority_share": 0.6}, "minority_share"),
        ({"minority_share": 0.2, "num_parties": 1}, "num_parties"),
        ({"seed": -1}, "seed"),
        ({"matrices": np.full((1, 3, 3), 0.7)}, "matrices"),
        ({"matrices": np.full((1, 3, 2), 0.5)}, "matrices"),
        ({"matrices": np.full((3, 3), 0.5)}, "matrices"),
        ({"matrices": np.full((1, 3, 3), np.nan)}, "matrices"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises(ValueError, match=message):
        condorcet(**knobs)
