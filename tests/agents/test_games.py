"""What mixed actions are sure of, orders, coverage, by hand and by brute force."""

import itertools

import numpy as np
import pytest

from agents.audits.efficiency import dominated_in, ex_post
from agents.games import (
    exploitability,
    is_transitive,
    margins,
    party_margins,
    sure_value,
    unilateral_coverage,
    winner_bound,
    worst_value,
)
from agents.winners import von_neumann_winner
from multiparty_envs.envs.condorcet import condorcet

CYCLE = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])


def test_sure_values_are_those_against_every_opponent():
    rng = np.random.default_rng(0)
    chances, games = rng.dirichlet(np.ones(4), 3), rng.uniform(-1, 1, size=(3, 4, 4))
    for p, game, value in zip(chances, games, sure_value(chances, games), strict=True):
        assert value == pytest.approx(
            min(sum(p[a] * game[a, b] for a in range(4)) for b in (0, 1, 2, 3))
        )
    assert exploitability(chances, games) == pytest.approx(-sure_value(chances, games))
    each = sure_value(chances[0], games)  # one mixed action, three parties
    assert each == pytest.approx([sure_value(chances[0], game) for game in games])


def test_the_worst_opponent_of_a_policy_chooses_in_each_state():
    rng = np.random.default_rng(1)
    chances, games = rng.dirichlet(np.ones(3), 2), rng.uniform(-1, 1, size=(2, 3, 3))
    here = np.array([0.3, 0.7])
    policies = itertools.product(range(3), repeat=2)
    worst = min(
        sum(here[s] * chances[s] @ games[s][:, b] for s, b in enumerate(nu)) for nu in policies
    )
    assert worst_value(chances, games, here) == pytest.approx(worst)


def test_margins_of_states_are_those_of_each():
    table = condorcet(num_contexts=3, num_parties=4).population.choice.table
    assert margins(table) == pytest.approx(np.stack([margins(each) for each in table]))
    assert margins(table) == pytest.approx(party_margins(table).mean(axis=1))


def obeys(game):
    """The condition word by word."""
    every = range(len(game))
    return all(
        game[x, z] >= game[y, z]
        for x, y, z in itertools.product(every, repeat=3)
        if game[x, y] >= 0
    )


def test_orders_are_told_from_circles():
    rng = np.random.default_rng(2)
    worth = rng.normal(size=(20, 5))
    ranked = np.tanh(worth[:, :, None] - worth[:, None])
    assert is_transitive(ranked).all()
    random = rng.uniform(-1, 1, size=(200, 3, 3))
    random -= random.swapaxes(1, 2)
    found = is_transitive(random)
    assert found.tolist() == [obeys(game) for game in random]
    assert 0 < found.sum() < len(found)
    assert not is_transitive(CYCLE)


# Transitivity is needed for efficiency [Zhong2024, theorem 9].
def test_a_common_circle_is_mixed_evenly_and_nothing_in_it_is_efficient():
    chances = von_neumann_winner(CYCLE).chances
    assert chances == pytest.approx(np.full(3, 1 / 3))
    preferences = np.stack([0.5 + 0.5 * CYCLE] * 4)[None]
    dominated = dominated_in(preferences)
    assert dominated.all()
    assert ex_post(dominated, chances[None]) == pytest.approx([1 / 3])


def test_winners_of_parties_with_orders_never_take_what_is_dominated():
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(50):
        worth = rng.normal(size=(2, 6))
        table = 0.5 + 0.5 * np.tanh(worth[:, :, None] - worth[:, None])
        dominated = dominated_in(table[None])
        seen += int(dominated.sum())
        chances = von_neumann_winner(margins(table)).chances
        assert ex_post(dominated, chances[None]) == pytest.approx([0.0], abs=1e-9)
    assert seen > 50


def test_coverage_is_the_rarest_pair_that_the_winner_may_meet():
    pairs = np.zeros((1, 3, 3))
    pairs[0, 0, 1], pairs[0, 1, 0], pairs[0, 2, 0], pairs[0, 1, 2] = 0.4, 0.2, 0.1, 0.3
    winner = np.array([[0.5, 0.5, 0.0]])
    # by hand: action 0 meets 1 in 0.6 and 2 in 0.1 of the queries, action 1 meets 2 in 0.3
    assert unilateral_coverage(winner, pairs) == pytest.approx([0.5 / 0.1])
    assert unilateral_coverage(np.array([[0.0, 1.0, 0.0]]), pairs) == pytest.approx([1 / 0.3])
    pairs[0, 2, 0] = 0.0
    assert unilateral_coverage(winner, pairs) == [np.inf]
    assert unilateral_coverage(np.array([[0.0, 1.0, 0.0]]), pairs) == pytest.approx([1 / 0.3])


def test_the_bound_of_the_theorem_by_hand():
    # 8 * 5 * log(4 * 2 * 1 * 25 / 0.1) * sqrt(10 / 1000)
    assert winner_bound(1000, 10.0, shape=(1, 2, 5)) == pytest.approx(40 * np.log(2000) * 0.1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sure_value(np.full(3, 0.5), np.zeros((3, 3))), "probabilities"),
        (lambda: sure_value(np.full(2, 0.5), np.zeros((3, 3))), "margin should end"),
        (lambda: worst_value(np.full((1, 2), 0.5), np.zeros((1, 2, 2)), np.ones(2) / 2), "initial"),
        (lambda: unilateral_coverage(np.full((1, 2), 0.5), np.zeros((1, 3, 3))), "pairs"),
        (lambda: unilateral_coverage(np.full((1, 2), 0.5), -np.ones((1, 2, 2))), "pairs"),
        (lambda: winner_bound(0.0, 1.0, shape=(1, 1, 2)), "answers"),
        (lambda: winner_bound(1.0, 1.0, shape=(1, 1, 2), delta=1.0), "delta"),
        (lambda: party_margins(np.full((3, 3), 0.5)), "shape"),
    ],
)
def test_what_does_not_fit_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
