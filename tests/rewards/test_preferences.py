"""Preferences counted: by hand, against a plain loop, and how far bonuses reach."""

import numpy as np
import pytest

import multiparty_envs as mp
from multiparty_envs.envs.condorcet import condorcet
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards.preferences import BONUSES, PreferenceCounts


def test_wins_losses_and_ties_by_hand():
    counts = PreferenceCounts.of(
        state=[0, 0, 0, 1],
        first=[0, 1, 0, 2],
        second=[1, 0, 1, 1],
        party=[0, 0, 0, 1],
        label=[1.0, 1.0, 0.5, 0.25],
        shape=(2, 2, 3),
    )
    assert counts.answers[0, 0, 0, 1] == counts.answers[0, 0, 1, 0] == 3
    assert counts.answers.sum() == 2 * 4
    assert counts.wins[0, 0, 0, 1] == counts.wins[0, 0, 1, 0] == 1.5
    assert counts.margins()[1, 1, 2, 1] == pytest.approx(-0.5)
    assert counts.margins()[1, 1, 1, 2] == pytest.approx(0.5)
    assert counts.mean_margin()[1, 2, 1] == pytest.approx(-0.25)  # the other party said nothing
    assert not counts.margins()[0, 1].any()


def test_counts_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    sizes = {"state": 3, "first": 4, "second": 4, "party": 2}
    rows = {name: rng.integers(most, size=500) for name, most in sizes.items()}
    label = rng.choice([0.0, 0.5, 1.0], size=500)
    wins = np.zeros((3, 2, 4, 4))
    for s, a, b, m, y in zip(*rows.values(), label, strict=True):
        wins[s, m, a, b] += y
        wins[s, m, b, a] += 1 - y
    found = PreferenceCounts.of(**rows, label=label, shape=(3, 2, 4))
    assert found.wins == pytest.approx(wins)


@pytest.mark.parametrize("contexts", [1, 3])
def test_counts_of_answers_come_near_the_parties_preferences(contexts):
    world = condorcet(num_contexts=contexts, num_parties=2, num_actions=3)
    answers = mp.offline(world, 4000 * contexts, seed=0)
    counts = PreferenceCounts.from_comparisons(answers, world.observations, world.num_actions)
    assert counts.answers.sum() == 2 * len(answers)
    truth = 2.0 * world.population.choice.table - 1.0
    error = np.abs(counts.margins() - truth) * (1 - np.eye(3))
    # five standard errors of the pair with the fewest answers
    assert error.max() < 5.0 / np.sqrt(counts.answers[counts.answers > 0].min())


def test_bonuses_by_hand():
    wins = np.zeros((1, 2, 2, 2))
    wins[0, 0, 0, 1], wins[0, 1, 1, 0] = 50, 200
    counts = PreferenceCounts(wins)
    paper, averaged = (counts.bonus(kind, 0.1)[0] for kind in BONUSES[:2])
    assert paper[0, 1] == paper[1, 0] == pytest.approx(np.sqrt(2 * np.log(4 * 2 * 4 / 0.1) / 50))
    assert averaged[0, 1] == pytest.approx(
        np.sqrt(2 * np.log(4 * 4 / 0.1) * (1 / 50 + 1 / 200)) / 2
    )
    for bonus in (paper, averaged):
        assert (np.diag(bonus) == 0.0).all()
    assert not counts.bonus("none").any()
    nobody = PreferenceCounts(np.zeros((1, 2, 2, 2)))
    assert nobody.bonus("paper")[0, 0, 1] == pytest.approx(np.sqrt(2 * np.log(320)))


@pytest.mark.parametrize("kind", ["paper", "averaged"])
def test_bonuses_hold_as_often_as_they_say(kind):
    truth = np.random.default_rng(0).uniform(size=(1, 8, 4, 4))
    truth = np.triu(truth, 1) + np.tril(1 - truth.swapaxes(2, 3), -1)
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(200):
        wins = np.triu(rng.binomial(10, truth), 1)
        wins = wins + np.tril(10 - wins.swapaxes(2, 3), -1)
        counts = PreferenceCounts(wins)
        off = np.abs(counts.mean_margin() - (2 * truth - 1).mean(axis=1)) * (1 - np.eye(4))
        failed += (off > counts.bonus(kind, 0.1)).any()
    assert failed <= 20


def test_averaging_gains_the_root_of_the_parties():
    wins = np.full((1, 16, 3, 3), 25.0)
    counts = PreferenceCounts(wins)
    ratio = counts.bonus("paper")[0, 0, 1] / counts.bonus("averaged")[0, 0, 1]
    logs = np.log(4 * 16 * 9 / 0.1) / np.log(4 * 9 / 0.1)
    assert ratio == pytest.approx(4.0 * np.sqrt(logs))


def answers_of(world, **changes):
    answers = mp.offline(world, 10, seed=0)
    given = {name: getattr(answers, name) for name in ("segments", "first", "second", "party")}
    given |= {"label": answers.label, "num_parties": answers.num_parties}
    return Comparisons(**{**given, **changes})


def test_answers_that_cannot_be_counted_are_refused():
    world = condorcet(num_contexts=2, num_parties=2, num_actions=3)
    seen = world.observations
    count = PreferenceCounts.from_comparisons
    with pytest.raises(ValueError, match="compares steps of different states"):
        count(answers_of(world, first=np.zeros(20, int), second=np.full(20, 5)), seen, 3)
    with pytest.raises(ValueError, match="is no state's observation"):
        count(answers_of(world), seen + 1.0, 3)
    with pytest.raises(ValueError, match="only 1 can be told apart"):
        count(answers_of(world), np.zeros((2, 2)), 3)
    with pytest.raises(ValueError, match=r"in 0\.\.1"):
        count(answers_of(world), seen, 2)
    with pytest.raises(ValueError, match="numbers or more"):
        count(answers_of(world), np.eye(9), 3)
    long = mp.collect(mp.registration.make_dynamics("Delivery-v0"), mp.Feedback(), 5, 0)
    with pytest.raises(ValueError, match="one step each"):
        count(long, np.eye(3), 4)


@pytest.mark.parametrize(
    ("wins", "words"),
    [
        (np.zeros((2, 3, 3)), "shape"),
        (np.zeros((1, 2, 3, 4)), "shape"),
        (-np.ones((1, 1, 2, 2)), "0 or more"),
        (np.full((1, 1, 2, 2), np.nan), "finite"),
    ],
)
def test_what_are_no_counts_is_refused(wins, words):
    with pytest.raises(ValueError, match=words):
        PreferenceCounts(wins)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"state": [1]}, ValueError, "state should be in 0..0"),
        ({"party": [0.0]}, TypeError, "party should be whole"),
        ({"label": [1.5]}, ValueError, "label should be in"),
        ({"first": [0, 1]}, ValueError, "first should have shape"),
        ({"shape": (1, 0, 2)}, ValueError, "shape should be 1 or more"),
    ],
)
def test_bad_rows_are_named(change, error, words):
    good = {"state": [0], "first": [0], "second": [1], "party": [0], "label": [1.0]}
    with pytest.raises(error, match=words):
        PreferenceCounts.of(**{**good, "shape": (1, 1, 2), **change})


def test_bonuses_are_named_and_their_chance_is_one():
    counts = PreferenceCounts(np.zeros((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="Did you mean 'paper'"):
        counts.bonus("papers")
    with pytest.raises(ValueError, match="delta"):
        counts.bonus("paper", 0.0)
    with pytest.raises(ValueError, match="read-only"):
        counts.wins[:] = 1
