"""The published way to get answers, rewritten: it answers by the chances it should."""

import numpy as np
from scipy.stats import binomtest, chisquare

from baselines.races.feedback import LENGTH, PARTIES, answers_in_rollouts
from baselines.races.peers_feedback import Episode, random_fragments, synthetic_answers


def episode(steps, reward=0.0):
    time = np.arange(steps + 1)
    return Episode(time[:, None], time[:-1], np.full(steps, reward), True)


def test_fragments_are_stretches_drawn_by_length():
    pairs = random_fragments(
        [episode(3), episode(5), episode(10), episode(2)], 3, 3000, np.random.default_rng(0)
    )
    starts = [fragment.action[0] for pair in pairs for fragment in pair]
    for one, _ in pairs[:50]:
        assert (np.diff(one.action) == 1).all()
        assert (len(one.obs), len(one.action), len(one.rewards)) == (4, 3, 3)
    # by hand: episodes by 3, 5 and 10 of 18 steps, with 1, 3 and 8 starts
    chance = np.zeros(8)
    for steps, count in ((3, 1), (5, 3), (10, 8)):
        chance[:count] += steps / 18 / count
    assert chisquare(np.bincount(starts, minlength=8), len(starts) * chance).pvalue > 1e-3


def test_answers_follow_the_returns():
    pair = (episode(2, reward=0.5), episode(2, reward=0.1))
    answers = synthetic_answers([pair] * 5000, np.random.default_rng(0))
    chance = 1 / (1 + np.exp(-0.8))
    assert binomtest(int(answers.sum()), 5000, chance).pvalue > 1e-3


def test_the_race_runs():
    race = answers_in_rollouts()
    assert str(LENGTH) in race.what
    assert str(PARTIES) in race.what
    assert "imitation 1.0.1" in race.peer
    assert race.ours() > race.theirs() > 0
