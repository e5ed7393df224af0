"""Which pairs, who is asked, and what is written down."""

import numpy as np
import pytest
from scipy.stats import chisquare

from multiparty_envs.feedback import Segments, ask, rank
from multiparty_envs.feedback.answers import order_within
from multiparty_envs.feedback.queries import (
    disagreement,
    guided_pairs,
    information,
    uniform_pairs,
)
from multiparty_envs.parties import BradleyTerryLuce, PlackettLuce, Population

VALUES = np.array([0.0, 1.0, 2.5])
RNG = np.random.default_rng


def bank_of(values=VALUES, length=2):
    """Segments whose rewards by step are equal and sum to `values`."""
    count = len(values)
    return Segments(
        obs=np.zeros((count, length, 1)),
        action=np.zeros((count, length), dtype=int),
        features=np.repeat(np.asarray(values)[:, None, None] / length, length, axis=1),
        mask=np.ones((count, length), dtype=bool),
    )


@pytest.mark.parametrize("segments", [2, 3, 5])
def test_uniform_pairs_are_all_equally_likely_and_never_of_one_segment(segments):
    first, second = uniform_pairs(20_000, segments, RNG(0))
    counts = np.zeros((segments, segments))
    np.add.at(counts, (first, second), 1)
    off = ~np.eye(segments, dtype=bool)
    assert counts[~off].sum() == 0
    assert chisquare(counts[off]).pvalue > 1e-3


def test_disagreement_and_information_by_hand():
    chances = np.array([[0.9, 0.5, 0.7], [0.1, 0.5, 0.7]])
    np.testing.assert_allclose(disagreement(chances), [0.4, 0.0, 0.0], atol=1e-12)
    entropy = -0.9 * np.log(0.9) - 0.1 * np.log(0.1)
    np.testing.assert_allclose(information(chances), [np.log(2) - entropy, 0, 0], atol=1e-12)


@pytest.mark.parametrize("criterion", ["disagreement", "information"])
def test_guided_pairs_suit_the_party_that_is_asked(criterion):
    # the members disagree about segment 0 for party 0, about segment 1 for party 1
    predictions = np.zeros((2, 40, 2))
    predictions[:, 0, 0] = predictions[:, 1, 1] = [4.0, -4.0]
    party = np.repeat([0, 1], 500)
    first, second = guided_pairs(party, predictions, criterion, RNG(0))
    about = [((first == s) | (second == s)) for s in (0, 1)]
    for wanted in (0, 1):
        assert about[wanted][party == wanted].mean() > 0.4
        assert about[wanted][party != wanted].mean() < 0.15


@pytest.mark.parametrize("myopia", [1.0, 0.999999])
def test_answers_follow_the_population(myopia):
    # with and without the short cut through feature sums
    people = Population(np.array([[1.0, 2.0]]), choice=BradleyTerryLuce(myopia=myopia))
    count = 20_000
    answers = ask(
        people,
        bank_of(),
        np.full(count, 2),
        np.full(count, 1),
        np.arange(count) % 2,
        scale=np.array([1.0, 4.0]),
        rng=RNG(1),
    )
    for party, gap in ((0, 1.5), (1, 1.5 * 2 / 4)):
        wins = answers.label[answers.party == party]
        chance = 1 / (1 + np.exp(-gap))
        counts = [wins.sum(), len(wins) - wins.sum()]
        assert chisquare(counts, np.array([chance, 1 - chance]) * len(wins)).pvalue > 1e-3


def test_skips_leave_no_row():
    people = Population(np.ones((1, 1)), choice=BradleyTerryLuce(np.inf, skip_margin=1.5))
    answers = ask(
        people,
        bank_of(),
        np.array([0, 0, 2]),
        np.array([1, 2, 1]),
        np.zeros(3, dtype=int),
        scale=np.ones(1),
        rng=RNG(0),
    )
    np.testing.assert_array_equal(answers.first, [0, 2])
    np.testing.assert_array_equal(answers.label, [0.0, 1.0])


def test_parties_whose_returns_never_vary_are_left_unscaled():
    people = Population(np.zeros((1, 2)))
    answers = ask(people, bank_of(), [0, 1], [1, 2], [0, 1], scale=np.array([0.0, 1.0]), rng=RNG(0))
    assert len(answers) == 2


def test_tired_parties_answer_at_random():
    people = Population(np.ones((1, 1)), choice=BradleyTerryLuce(100.0, drift=1.0))
    rows = np.zeros(4000, dtype=int)
    tired = ask(people, bank_of(), rows + 1, rows, rows, scale=np.ones(1), rng=RNG(0))
    fresh = ask(
        people, bank_of(), rows + 1, rows, rows, scale=np.ones(1), rng=RNG(0), answered=rows
    )
    assert fresh.label.mean() == 1.0
    assert abs(tired.label.mean() - 0.5) < 0.05


@pytest.mark.parametrize("depth", [1, 2, 4])
@pytest.mark.parametrize("identity", ["party", "cluster", "none"])
def test_rankings(depth, identity):
    people = Population(np.array([[1.0, -1.0, -1.0]]), cluster=[0, 1, 1])
    options = np.array([[0, 1, 2], [2, -1, 1], [0, 1, 2]])
    answers = rank(
        people,
        bank_of(),
        options,
        np.array([0, 1, 2]),
        scale=np.ones(3),
        rng=RNG(0),
        model=PlackettLuce(np.inf),
        depth=depth,
        identity=identity,
    )
    np.testing.assert_array_equal(answers.ordered, [[2, 1, 0], [1, 2, -1], [0, 1, 2]])
    np.testing.assert_array_equal(answers.depth, np.minimum(depth, [3, 2, 3]))
    expected = {"party": [0, 1, 2], "cluster": [0, 1, 1], "none": [0, 0, 0]}[identity]
    np.testing.assert_array_equal(answers.party, expected)


def test_two_alternatives_are_a_comparison():
    people = Population(np.ones((1, 1)), choice=BradleyTerryLuce(2.0))
    count = 20_000
    options, party = np.tile([1, 0], (count, 1)), np.zeros(count, dtype=int)
    ranked = rank(
        people, bank_of(), options, party, scale=np.ones(1), rng=RNG(0), model=PlackettLuce(2.0)
    )
    wins = (ranked.ordered[:, 0] == 1).sum()
    chance = 1 / (1 + np.exp(-2.0))
    assert chisquare([wins, count - wins], [chance * count, (1 - chance) * count]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": [3]}, r"first should be in 0..2, is 3"),
        ({"party": [1]}, r"party should be in 0..0, is 1"),
        ({"scale": np.ones(2)}, "scale should have shape"),
        ({"identity": "nobody"}, "identity should be one of"),
    ],
)
def test_bad_questions(change, message):
    question = {"first": [0], "second": [1], "party": [0], "scale": np.ones(1), "rng": RNG(0)}
    with pytest.raises(ValueError, match=message):
        ask(Population(np.ones((1, 1))), bank_of(), **{**question, **change})


def test_order_within():
    np.testing.assert_array_equal(order_within(np.array([2, 0, 2, 2, 0])), [0, 0, 1, 2, 1])
    assert order_within(np.zeros(0, dtype=int)).shape == (0,)
