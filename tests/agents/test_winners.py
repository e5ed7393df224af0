"""Winners of matrix games, judged by linear programmes of others."""

import time

import numpy as np
import pytest
from scipy.optimize import linprog

from agents.equilibrium import equilibrium
from agents.games import exploitability, margins, party_margins, sure_value
from agents.regret_matching import regret_matching
from agents.winners import (
    fairest_winner,
    pessimistic_winners,
    quick_winner,
    von_neumann_winner,
    winners,
)
from multiparty_envs.rewards import PreferenceCounts


def mixed(actions, seed):
    """Eight Bradley-Terry parties and a cyclic part: few actions are in play."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=(8, actions))
    margin = sum(np.tanh(0.5 * (each[:, None] - each)) for each in worth) / 8
    noise = 0.1 * rng.normal(size=(actions, actions))
    return np.clip(margin + (noise - noise.T) / 2, -1, 1)


def dense(actions, seed):
    """Every margin at random: half of the actions are in play."""
    upper = np.triu(np.random.default_rng(seed).uniform(-1, 1, size=(actions, actions)), 1)
    return upper - upper.T


KINDS = {"mixed": mixed, "dense": dense}


def value_by_simplex(payoff):
    """The value of a game by the dual simplex method of HiGHS, from the columns' side."""
    rows, columns = payoff.shape
    found = linprog(
        c=np.append(np.zeros(columns), 1.0),
        A_ub=np.column_stack([payoff, -np.ones(rows)]),
        b_ub=np.zeros(rows),
        A_eq=np.append(np.ones(columns), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * columns + [(None, None)],
        method="highs-ds",
    )
    return found.fun


@pytest.mark.parametrize("kind", KINDS)
def test_winners_of_random_games_lose_nothing(kind):
    for seed in range(250):
        actions = 2 + seed % 49
        margin = KINDS[kind](actions, seed)
        chosen, value, bound = von_neumann_winner(margin)
        assert exploitability(chosen, margin) <= 1e-9
        assert (value, bound) == (pytest.approx(0.0, abs=1e-9), 0.0)


@pytest.mark.parametrize("seed", range(20))
def test_games_with_sides_that_differ_have_the_value_of_a_linear_programme(seed):
    rng = np.random.default_rng(seed)
    payoff = rng.normal(size=rng.integers(1, 30, size=2)) * 10.0 ** rng.integers(-3, 4)
    found, size = equilibrium(payoff), np.abs(payoff).max()
    assert found.gap <= 1e-9 * size
    assert found.low == pytest.approx(value_by_simplex(payoff), abs=1e-8 * size)
    for strategy in (found.row, found.column):
        assert strategy.sum() == pytest.approx(1.0)
        assert strategy.min() >= 0.0


def test_the_value_agrees_with_a_cone_programme():
    import cvxpy as cp

    payoff = np.random.default_rng(0).normal(size=(40, 25))
    p, value = cp.Variable(40), cp.Variable()
    rules = [payoff.T @ p >= value, cp.sum(p) == 1, p >= 0]
    cp.Problem(cp.Maximize(value), rules).solve(solver="CLARABEL")
    assert equilibrium(payoff).low == pytest.approx(value.value, abs=1e-7)


DEGENERATE = {
    "nothing": np.zeros((4, 4)),
    "one": np.zeros((1, 1)),
    "twins": np.kron(dense(5, 0), np.ones((2, 2))),
    "a favourite": np.sign(np.arange(6)[:, None] - np.arange(6)),
    "four in a circle": np.array([[0, 1, 0, -1], [-1, 0, 1, 0], [0, -1, 0, 1], [1, 0, -1, 0]]),
    "tiny": 1e-9 * dense(7, 1),
    "nearly a tie": 1e-7 * dense(7, 1) + np.sign(np.arange(7)[:, None] - np.arange(7)),
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_ties_and_twins_do_no_harm(case):
    margin = DEGENERATE[case].astype(float)
    assert exploitability(von_neumann_winner(margin).chances, margin) <= 1e-9
    assert exploitability(quick_winner(margin).chances, margin) <= 1e-3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("actions", [65, 150, 300])
def test_larger_games_are_solved_as_exactly(kind, actions):
    margin = KINDS[kind](actions, actions)
    assert exploitability(von_neumann_winner(margin).chances, margin) <= 1e-9
    lowered = margin - 0.3 * np.abs(KINDS["dense"](actions, 1))  # as pessimism lowers it
    found = von_neumann_winner(lowered)
    assert found.gap <= 1e-9
    assert found.value == pytest.approx(value_by_simplex(lowered), abs=1e-8)


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("found", [1e-2, 1e-6])
def test_what_is_not_exact_enough_is_left_to_linear_programmes(lowered, found, monkeypatch):
    margin = dense(40, 5) - 0.1 * lowered * np.abs(dense(40, 6))
    rough = regret_matching(margin, found)
    monkeypatch.setattr("agents.winners.equilibrium", lambda payoff: rough)
    winner = von_neumann_winner(margin)
    assert winner.gap <= 1e-9
    assert winner.value == pytest.approx(value_by_simplex(margin), abs=1e-8)


# Seeds at which an interior point alone ends some 1e-9 off, one game in thirty.
@pytest.mark.slow
@pytest.mark.parametrize("seed", [27, 42])
def test_games_that_an_interior_point_leaves_open_are_settled(seed):
    from baselines.races.winners import dense_game

    margin = dense_game(1000, seed)
    begun = time.perf_counter()
    assert von_neumann_winner(margin).gap <= 1e-12
    assert time.perf_counter() - begun < 15.0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_actions_are_exact_and_quick_to_three_digits(kind):
    times = []
    for seed in range(20):
        margin = KINDS[kind](1000, seed)
        begun = time.perf_counter()
        chosen = von_neumann_winner(margin).chances
        times.append(time.perf_counter() - begun)
        assert exploitability(chosen, margin) <= 1e-7
        assert exploitability(quick_winner(margin).chances, margin) <= 1e-3
    assert np.median(times) < 5.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4, 1e-6])
def test_regret_matching_keeps_its_certificate(kind, tolerance):
    margin = KINDS[kind](80, 3)
    chosen, value, bound = quick_winner(margin, tolerance)
    assert value == pytest.approx(sure_value(chosen, margin), abs=1e-12)
    assert -tolerance <= value <= bound == 0.0


@pytest.mark.parametrize("shape", [(30, 30), (20, 45), (45, 20)])
def test_regret_matching_solves_games_with_sides_that_differ(shape):
    payoff = np.random.default_rng(1).normal(size=shape)
    found, exact = regret_matching(payoff, 1e-4), equilibrium(payoff)
    assert found.low <= exact.high
    assert found.high >= exact.low
    assert found.gap <= 1e-4


def test_regret_matching_stops_where_it_is_told_to():
    margin = dense(50, 0)
    few, many = (regret_matching(margin, 1e-9, limit).gap for limit in (10, 1000))
    assert few > 10 * many > 1e-8


def test_everybodys_favourite_is_found_whatever_else_there_is():
    likes = np.arange(5) == 3
    sure = 0.5 + 0.5 * (likes[:, None].astype(float) - likes)
    assert von_neumann_winner(margins(sure[None])).chances == pytest.approx(likes.astype(float))


# Every party is sure of another favourite [Zhong2024, proposition 4].
@pytest.mark.parametrize("parties", [2, 3, 5])
def test_the_fairest_winner_of_sure_favourites_is_even_and_poor(parties):
    likes = np.eye(parties)  # [M, A]
    each = party_margins(0.5 + 0.5 * (likes[:, :, None] - likes[:, None, :]))
    chosen, value, bound = fairest_winner(each)
    assert chosen == pytest.approx(np.full(parties, 1 / parties))
    assert value == pytest.approx(-(parties - 1) / parties)
    assert bound == pytest.approx(value, abs=1e-9)
    assert sure_value(chosen, each).min() == pytest.approx(value)


def test_pessimism_leaves_what_was_hardly_compared():
    wins = np.zeros((1, 1, 3, 3))
    wins[0, 0, 0, 1], wins[0, 0, 1, 0] = 900, 100
    wins[0, 0, 2, 0] = 1  # the only answer about the two
    wins[0, 0, 1, 2], wins[0, 0, 2, 1] = 490, 510
    counts = PreferenceCounts(wins)
    assert winners(counts.mean_margin())[0] == pytest.approx([0, 0, 1], abs=1e-9)
    careful = pessimistic_winners(counts, "paper")
    game = counts.mean_margin()[0] - counts.bonus("paper")[0]
    assert sure_value(careful[0], game) == pytest.approx(value_by_simplex(game), abs=1e-9)
    # the other two could lose to each other by any margin
    assert careful[0].argmax() == 1
    assert careful[0, 1] > 0.8


@pytest.mark.parametrize(
    ("solve", "given", "words"),
    [
        (von_neumann_winner, np.zeros((2, 3)), "shape"),
        (von_neumann_winner, np.zeros((0, 0)), "an action at least"),
        (von_neumann_winner, np.full((2, 2), np.nan), "finite"),
        (quick_winner, np.zeros((2, 3)), "shape"),
        (winners, np.zeros((2, 2)), "shape"),
        (fairest_winner, np.zeros((2, 2)), "shape"),
        (fairest_winner, np.zeros((2, 2, 3)), "shape"),
        (lambda margin: quick_winner(margin, 0.0), np.zeros((2, 2)), "tolerance"),
        (lambda margin: regret_matching(margin, limit=0), np.zeros((2, 2)), "limit"),
    ],
)
def test_bad_games_are_refused(solve, given, words):
    with pytest.raises(ValueError, match=words):
        solve(given)
