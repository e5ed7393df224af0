"""Every knob of the Bradley–Terry–Luce answers against its closed form."""

import math

import numpy as np
import pytest
from scipy.stats import chisquare

from multiparty_envs.parties import Behaviour, BradleyTerryLuce, Population

DRAWS = 20_000
# rewards by step of the two segments; plain sums 1.0 and 0.4
FIRST, SECOND = [0.5, 0.7, -0.2], [0.9, -0.6, 0.1]


def sigma(x):
    return 1.0 / (1.0 + math.exp(-x))


def myopic(rewards, factor):
    return sum(r * factor ** (len(rewards) - 1 - t) for t, r in enumerate(rewards))


GAP = 0.6
MYOPIC_GAP = myopic(FIRST, 0.5) - myopic(SECOND, 0.5)
PLAIN = (sigma(GAP), 1 - sigma(GAP), 0, 0)
CASES = {
    "none": ({}, PLAIN),
    "beta": ({"beta": 3.0}, (sigma(3 * GAP), 1 - sigma(3 * GAP), 0, 0)),
    "lapse": (
        {"lapse": 0.2},
        (0.8 * sigma(GAP) + 0.2 * sigma(-GAP), 0.8 * sigma(-GAP) + 0.2 * sigma(GAP), 0, 0),
    ),
    "lapse of the rational": ({"beta": np.inf, "lapse": 0.1}, (0.9, 0.1, 0, 0)),
    "tie": ({"tie_margin": 0.61}, (0, 0, 1, 0)),
    "skip": ({"skip_margin": 1.0}, (0, 0, 0, 1)),
    "myopia": ({"myopia": 0.5}, (sigma(MYOPIC_GAP), 1 - sigma(MYOPIC_GAP), 0, 0)),
    "sign": ({"sign": -1}, (sigma(-GAP), sigma(GAP), 0, 0)),
    "all": (
        {"beta": 2.0, "lapse": 0.1, "myopia": 0.5, "sign": -1, "tie_margin": 0.59},
        (
            0.1 + 0.8 * sigma(-2 * MYOPIC_GAP),
            0.9 - 0.8 * sigma(-2 * MYOPIC_GAP),
            0,
            0,
        ),
    ),
}


def seen(rewards, count=1, length=None):
    """`count` copies of a segment whose only feature is the reward, padded with junk."""
    length = length or len(rewards)
    features = np.full((count, length, 1), 9.0)
    features[:, : len(rewards), 0] = rewards
    mask = np.zeros((count, length), dtype=bool)
    mask[:, : len(rewards)] = True
    return Behaviour(features, np.zeros((count, length), dtype=int), mask)


def chances(choice, first=FIRST, second=SECOND, scale=1.0, **kwargs):
    population = Population(np.ones((1, 1)), choice=choice)
    party = np.zeros(1, dtype=int)
    return choice.probabilities(
        population, seen(first), seen(second), party, np.array([scale]), **kwargs
    )[0]


@pytest.mark.parametrize(("settings", "expected"), CASES.values(), ids=list(CASES))
def test_closed_form(settings, expected):
    np.testing.assert_allclose(chances(BradleyTerryLuce(**settings)), expected, atol=1e-12)


@pytest.mark.parametrize(("settings", "expected"), CASES.values(), ids=list(CASES))
def test_answers_are_drawn_from_the_closed_form(settings, expected):
    choice = BradleyTerryLuce(**settings)
    population = Population(np.ones((1, 1)), choice=choice)
    labels = choice.answer(
        population,
        seen(FIRST, DRAWS),
        seen(SECOND, DRAWS),
        np.zeros(DRAWS, dtype=int),
        np.ones(1),
        rng=np.random.default_rng(1),
    )
    counts = np.array(
        [(labels == 1).sum(), (labels == 0).sum(), (labels == 0.5).sum(), np.isnan(labels).sum()]
    )
    possible = np.array(expected) > 0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert chisquare(counts[possible], DRAWS * np.array(expected)[possible]).pvalue > 1e-3
        # and the test has teeth: a coin would not pass it
        assert chisquare(counts[possible]).pvalue < 1e-6


def test_scale_divides_returns():
    np.testing.assert_allclose(chances(BradleyTerryLuce(), scale=0.2)[0], sigma(3.0))


def test_perfectly_rational_parties_toss_a_fair_coin_between_equals():
    np.testing.assert_allclose(
        chances(BradleyTerryLuce(beta=np.inf), first=[1.0], second=[1.0]), [0.5, 0.5, 0, 0]
    )


def test_a_tie_overrides_a_lapse_and_a_skip_overrides_a_tie():
    tied = BradleyTerryLuce(tie_margin=1.0, lapse=0.5)
    np.testing.assert_allclose(chances(tied), [0, 0, 1, 0])
    np.testing.assert_allclose(
        chances(BradleyTerryLuce(tie_margin=1.0, skip_margin=2.0)), [0, 0, 0, 1]
    )


def test_thresholds_ignore_myopia():
    # myopic sums differ by far more than the margin; the plain ones by 0.6
    assert abs(MYOPIC_GAP) < 0.59 < GAP
    assert chances(BradleyTerryLuce(myopia=0.5, tie_margin=0.59))[2] == 0


@pytest.mark.parametrize("answered", [0, 10])
def test_fatigue_lowers_beta_with_every_answer(answered):
    choice = BradleyTerryLuce(beta=2.0, drift=0.1)
    got = chances(choice, answered=np.array([answered]))
    np.testing.assert_allclose(got[0], sigma(2.0 * math.exp(-0.1 * answered) * GAP))


@pytest.mark.parametrize("myopia", [1.0, 0.5])
def test_padding_changes_nothing(myopia):
    choice = BradleyTerryLuce(myopia=myopia)
    population = Population(np.ones((1, 1)), choice=choice)
    got = choice.probabilities(
        population, seen(FIRST, length=7), seen(SECOND, length=7), np.array([0]), np.ones(1)
    )
    np.testing.assert_allclose(got[0], chances(choice))


def test_each_party_has_its_own_settings():
    choice = BradleyTerryLuce(beta=[1.0, 5.0], lapse=[0.0, 0.25], sign=[-1, 1])
    population = Population(np.array([[1.0, 2.0]]), choice=choice)
    party = np.array([1, 0])
    got = choice.probabilities(
        population, seen(FIRST, 2), seen(SECOND, 2), party, np.array([1.0, 4.0])
    )
    expected = [0.25 + 0.5 * sigma(5 * 2 * GAP / 4), sigma(-GAP)]
    np.testing.assert_allclose(got[:, 0], expected)


@pytest.mark.parametrize(("myopia", "additive"), [(1.0, True), ([1.0, 0.9], False)])
def test_only_myopic_parties_need_the_single_steps(myopia, additive):
    assert BradleyTerryLuce(myopia=myopia).additive is additive


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": -1.0}, r"beta should be in \[0, inf\], is -1"),
        ({"beta": np.nan}, "beta should be in"),
        ({"lapse": 0.6}, r"lapse should be in \[0, 0.5\], is 0.6"),
        ({"tie_margin": -0.1}, "tie_margin should be in"),
        ({"skip_margin": np.inf}, "skip_margin should be in"),
        ({"myopia": 0.0}, "myopia should be in"),
        ({"myopia": 1.1}, "myopia should be in"),
        ({"sign": 0.5}, "sign should be 1 or -1"),
        ({"drift": -1.0}, "drift should be in"),
        ({"beta": np.ones((2, 2))}, "beta should be one number or one per party"),
    ],
)
def test_knobs_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        BradleyTerryLuce(**settings)


def test_settings_must_fit_the_number_of_parties():
    with pytest.raises(ValueError, match=r"lapse should be one number or 2 \(num_parties\), has 3"):
        Population(np.ones((1, 2)), choice=BradleyTerryLuce(lapse=[0.1, 0.2, 0.3]))
