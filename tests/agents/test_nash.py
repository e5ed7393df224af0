"""Nash mirror descent against a plain fixed point, and at both ends of its price."""

import numpy as np
import pytest

from agents.games import exploitability
from agents.nash import nash_mirror_descent


def game(seed, actions=6):
    upper = np.triu(np.random.default_rng(seed).uniform(-1, 1, size=(actions, actions)), 1)
    return upper - upper.T


def fixed_point(margin, reference, tau):
    """The policy that is its own best answer; where tau is large enough, iterating finds it."""
    p = reference
    for _ in range(2_000):
        answer = reference * np.exp(0.5 * (margin @ p) / tau)
        p = 0.5 * p + 0.5 * answer / answer.sum()
    return p


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tau", [0.3, 1.0])
def test_it_is_its_own_best_answer(seed, tau):
    margin = game(seed)
    reference = np.random.default_rng(seed).dirichlet(np.ones(6))
    found = nash_mirror_descent(margin, reference, tau)
    assert found.chances == pytest.approx(fixed_point(margin, reference, tau), abs=1e-3)
    assert -1e-12 <= found.exploitability < 1e-5


def test_the_last_policy_comes_nearer_with_every_round():
    few, many = (nash_mirror_descent(game(0), np.full(6, 1 / 6), 0.1, n) for n in (100, 10_000))
    assert many.exploitability < 1e-2 * few.exploitability


def test_a_low_price_gives_the_winner_and_a_high_one_the_reference():
    margin, reference = game(1), np.full(6, 1 / 6)
    cheap = nash_mirror_descent(margin, reference, 0.003, rounds=50_000).chances
    assert exploitability(cheap, margin) < 0.02 < exploitability(reference, margin)
    dear = nash_mirror_descent(margin, reference, 100.0).chances
    assert dear == pytest.approx(reference, abs=1e-2)


def test_what_the_best_answer_wins_is_no_less_than_any_other():
    margin, reference, tau = game(2), np.full(6, 1 / 6), 0.2
    p, told = nash_mirror_descent(margin, reference, tau, rounds=3)
    rng = np.random.default_rng(0)

    def kl(q):
        return (q * np.log(q / reference)).sum()

    for q in rng.dirichlet(np.ones(6), 500):
        assert 0.5 * (q @ margin @ p) - tau * kl(q) + tau * kl(p) <= told + 1e-12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": np.ones((2, 2))}, "antisymmetric"),
        ({"margin": np.zeros((2, 3))}, "shape"),
        ({"reference": np.array([1.0, 0.0])}, "positive chance"),
        ({"reference": np.array([0.5, 0.6])}, "reference"),
        ({"tau": 0.0}, "tau"),
        ({"rounds": 0}, "rounds"),
    ],
)
def test_bad_games_are_named(change, words):
    good = {"margin": np.zeros((2, 2)), "reference": np.full(2, 0.5), "tau": 1.0}
    with pytest.raises(ValueError, match=words):
        nash_mirror_descent(**{**good, **change})
