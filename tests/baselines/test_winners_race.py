"""The peers of the races of winners do what they should."""

import pytest

from agents.games import exploitability
from agents.regret_matching import is_antisymmetric
from agents.winners import quick_winner, von_neumann_winner
from baselines.races import peers_winners, winners


@pytest.mark.parametrize("make", [winners.mixed_game, winners.dense_game])
def test_peers_find_what_we_find(make):
    game = make(60, 1)
    assert is_antisymmetric(game)
    assert abs(game).max() <= 1.0
    ours, theirs = von_neumann_winner(game).chances, peers_winners.by_programme(game)
    assert theirs == pytest.approx(ours, abs=1e-8)
    slow = peers_winners.multiplicative_weights(game)
    assert slow.sum() == pytest.approx(1.0)
    assert 1e-3 < exploitability(slow, game) < 0.03


def test_few_are_in_play_in_one_game_and_half_in_the_other():
    shares = [
        (von_neumann_winner(make(200, 0)).chances > 1e-9).mean()
        for make in (winners.mixed_game, winners.dense_game)
    ]
    assert shares[0] < 0.1
    assert 0.3 < shares[1] < 0.7


def test_the_quick_race_is_to_the_digits_it_names():
    game = winners.mixed_game(300, 0)
    assert exploitability(quick_winner(game, winners.DIGITS).chances, game) <= winners.DIGITS


def test_the_races_run(monkeypatch):
    monkeypatch.setattr(winners, "MANY", 80)
    monkeypatch.setattr(winners, "FEW", 70)
    for race in (winners.winners, winners.dense_winners, winners.quick_winners):
        made = race()
        assert made.ours() > 0.0
        assert made.theirs() > 0.0
