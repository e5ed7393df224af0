"""Plackett–Luce, ratings and preference matrices against their closed forms."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

from multiparty_envs.parties import (
    Behaviour,
    PlackettLuce,
    Population,
    PreferenceMatrices,
    Ratings,
)

DRAWS = 20_000
RETURNS = np.array([0.3, -0.5, 1.1])


def order_chance(order, values):
    """Plackett–Luce by hand: repeated choice among those left."""
    weights = np.exp(values)
    left, chance = list(range(len(values))), 1.0
    for pick in order:
        chance *= weights[pick] / weights[left].sum()
        left.remove(pick)
    return chance


def repeated(row, count=DRAWS):
    return np.tile(row, (count, 1)), np.zeros(count, dtype=int)


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_orders_are_drawn_from_the_closed_form(beta):
    returns, party = repeated(RETURNS)
    drawn = PlackettLuce(beta).order(returns, party, rng=np.random.default_rng(2))
    orders = list(permutations(range(3)))
    counts = [(drawn == order).all(axis=1).sum() for order in orders]
    expected = [order_chance(order, beta * RETURNS) for order in orders]
    assert chisquare(counts, DRAWS * np.array(expected)).pvalue > 1e-3


@pytest.mark.parametrize("beta", [1.0, np.inf])
def test_absent_alternatives_come_last_and_change_nothing_else(beta):
    returns, party = repeated(np.array([0.3, 99.0, -0.5, 1.1]))
    available = np.tile([True, False, True, True], (DRAWS, 1))
    model = PlackettLuce(beta)
    drawn = model.order(returns, party, rng=np.random.default_rng(3), available=available)
    assert (drawn[:, 3] == 1).all()
    counts = np.bincount(drawn[:, 0], minlength=4)
    expected = model.probabilities(returns[:1], party[:1], available[:1])[0]
    assert expected[1] == 0
    possible = expected > 0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert chisquare(counts[possible], DRAWS * expected[possible]).pvalue > 1e-3


def test_perfectly_rational_rankings_are_sorted_and_equals_share_the_chance():
    returns, party = repeated(np.array([1.0, 2.0, 2.0]))
    drawn = PlackettLuce(np.inf).order(returns, party, rng=np.random.default_rng(4))
    assert (drawn[:, 2] == 0).all()
    assert chisquare(np.bincount(drawn[:, 0], minlength=3)[1:]).pvalue > 1e-3


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_log_probability_is_the_logarithm_of_the_product(depth):
    model = PlackettLuce(1.7)
    ordered = RETURNS[[2, 0, 1]]
    got = model.log_probability(ordered[None], np.array([depth]), np.array([0]))
    weights = np.exp(1.7 * ordered)
    factors = [weights[j] / weights[j:].sum() for j in range(depth)]
    np.testing.assert_allclose(got, np.log(factors).sum())


def test_log_probability_of_the_rational_is_zero_or_minus_infinity():
    got = PlackettLuce(np.inf).log_probability(
        np.array([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0]]), np.array([3, 3]), np.array([0, 0])
    )
    np.testing.assert_array_equal(got, [0.0, -np.inf])


@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_ratings_are_drawn_from_the_closed_form(beta):
    model = Ratings([-1.0, 0.0, 1.0], beta=beta)
    returns = np.full(DRAWS, 0.4)
    party = np.zeros(DRAWS, dtype=int)
    below = 1 / (1 + np.exp(-beta * (np.array([-1.0, 0.0, 1.0]) - 0.4)))
    expected = np.diff(np.concatenate([[0.0], below, [1.0]]))
    np.testing.assert_allclose(model.probabilities(returns[:1], party[:1])[0], expected)
    drawn = model.answer(returns, party, rng=np.random.default_rng(5))
    counts = np.bincount(drawn, minlength=model.num_levels)
    assert chisquare(counts, DRAWS * expected).pvalue > 1e-3


def test_perfectly_rational_ratings_follow_the_borders():
    model = Ratings([-1.0, 1.0], beta=np.inf)
    got = model.probabilities(np.array([-2.0, 0.0, 3.0, 1.0]), np.zeros(4, dtype=int))
    np.testing.assert_allclose(got, [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0.5, 0.5]])


CYCLE = np.array([[0.5, 0.9, 0.2], [0.1, 0.5, 0.8], [0.8, 0.2, 0.5]])


def acted(*segments, obs=None):
    """Segments given by their actions, padded; one feature that nobody looks at."""
    length = max(len(actions) for actions in segments)
    action = np.zeros((len(segments), length), dtype=np.int64)
    mask = np.zeros(action.shape, dtype=bool)
    for row, actions in enumerate(segments):
        action[row, : len(actions)] = actions
        mask[row, : len(actions)] = True
    return Behaviour(np.zeros((*action.shape, 1)), action, mask, obs)


def judged(choice, first, second, party):
    population = Population(np.zeros((1, choice.table.shape[1])), choice=choice)
    return choice.probabilities(population, first, second, np.array(party), np.ones(1))


@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 2), (2, 0), (1, 1)])
def test_single_actions_are_judged_by_the_matrix(a, b):
    model = PreferenceMatrices(np.stack([CYCLE, CYCLE.T]))
    got = judged(model, acted([a], [a]), acted([b], [b]), [0, 1])
    np.testing.assert_allclose(got[:, 0], [CYCLE[a, b], CYCLE[b, a]])
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_longer_segments_are_judged_by_the_mean_over_pairs_of_steps():
    got = judged(PreferenceMatrices(CYCLE[None]), acted([0, 1, 2]), acted([1, 2]), [0])
    np.testing.assert_allclose(got[0, 0], CYCLE[np.ix_([0, 1, 2], [1, 2])].mean())


def test_matrix_parties_answer_by_chance():
    model = PreferenceMatrices(CYCLE[None])
    population = Population(np.zeros((1, 1)), choice=model)
    labels = model.answer(
        population,
        acted(*[[0]] * DRAWS),
        acted(*[[1]] * DRAWS),
        np.zeros(DRAWS, dtype=int),
        np.ones(1),
        rng=np.random.default_rng(6),
    )
    counts = [(labels == 1).sum(), (labels == 0).sum()]
    assert chisquare(counts, [0.9 * DRAWS, 0.1 * DRAWS]).pvalue > 1e-3


def test_only_steps_of_the_same_context_are_compared():
    model = PreferenceMatrices(np.stack([CYCLE[None], CYCLE.T[None]]))  # [S=2, M=1, A, A]
    where = np.array([[[1.0, 0.0, 0.7], [0.0, 1.0, 0.7]]])  # contexts 0, 1; last number: time left
    here = np.array([[[0.0, 1.0, 0.7]]])
    got = judged(model, acted([0, 0], obs=where), acted([1], obs=here), [0])
    np.testing.assert_allclose(got[0, 0], CYCLE[1, 0])
    elsewhere = judged(model, acted([0], obs=where[:, :1]), acted([1], obs=here), [0])
    np.testing.assert_allclose(elsewhere, [[0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PlackettLuce(-1.0), "beta should be in"),
        (lambda: Ratings([1.0, 1.0]), "thresholds should be one or more and rise"),
        (lambda: Ratings([]), "thresholds should be one or more"),
        (lambda: Ratings([0.0], beta=-1), "beta should be in"),
        (lambda: PreferenceMatrices(np.full((1, 2, 2), 0.6)), r"P\(a, b\) \+ P\(b, a\) = 1"),
        (lambda: PreferenceMatrices([[[0.5, 1.2], [-0.2, 0.5]]]), "should hold chances"),
        (lambda: PreferenceMatrices(np.full((2, 2), 0.5)), r"matrices should be \[M, A, A\]"),
        (lambda: PreferenceMatrices(np.full((1, 2, 3), 0.5)), "matrices should have shape"),
        (
            lambda: Population(np.ones((1, 2)), choice=PreferenceMatrices(CYCLE[None])),
            r"for 2 parties \(num_parties\), are for 1",
        ),
        (lambda: PlackettLuce([1.0, 2.0]).check(3), "beta should be one number or 3"),
        (lambda: Ratings([0.0], beta=[1.0, 2.0]).check(3), "beta should be one number or 3"),
        (
            lambda: judged(PreferenceMatrices(CYCLE[None]), acted([3]), acted([0]), [0]),
            r"action should be in 0..2, is in 3..3",
        ),
        (
            lambda: judged(PreferenceMatrices(np.stack([CYCLE[None]] * 2)), *[acted([0])] * 2, [0]),
            "obs should begin with 2 numbers that tell the context",
        ),
    ],
)
def test_bad_settings(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_actions_that_are_no_whole_numbers():
    seen = acted([0])._replace(action=np.zeros((1, 1, 2)))
    with pytest.raises(TypeError, match="action should be whole numbers"):
        judged(PreferenceMatrices(CYCLE[None]), seen, seen, [0])
