"""Pairs of words: counted by hand, and what the floors let through."""

import math

import numpy as np
import pytest

from multiparty_envs.streams import Streams
from multiparty_envs.text import BOS, EOS, PAD, UNK, Vocabulary, bigrams, sentences
from multiparty_envs.text.fluency import floors, likelihoods

TOKENS = np.array([[BOS, 4, 5, EOS, PAD], [BOS, 4, 4, 5, 4], [BOS, UNK, EOS, PAD, PAD]])
SIZE = 6


@pytest.mark.parametrize("smoothing", [0.01, 0.5])
def test_pairs_are_counted(smoothing):
    table = np.exp(bigrams(TOKENS, SIZE, rare=3, smoothing=smoothing))
    follows = {BOS: [4, 4, UNK], 4: [5, 4, 5], 5: [EOS, 4], UNK: [EOS]}
    for before, after in follows.items():
        total = len(after) + smoothing * (SIZE - 2)  # PAD and BOS follow nothing
        for token in (EOS, UNK, 4, 5):
            chance = (after.count(token) + smoothing) / total
            # an unknown word is any of three
            assert table[before, token] == pytest.approx(chance / (3 if token == UNK else 1))
    assert (table[:, [PAD, BOS]] < 1e-20).all()


def test_chances_sum_to_one_over_all_words():
    table = np.exp(bigrams(TOKENS, SIZE, rare=5))
    assert table.sum(axis=1) + 4 * table[:, UNK] == pytest.approx(np.ones(SIZE))


def test_likelihood_is_a_mean_over_tokens():
    table = bigrams(TOKENS, SIZE)
    mean, ending = likelihoods(table, TOKENS)
    assert mean[0] == pytest.approx((table[BOS, 4] + table[4, 5] + table[5, EOS]) / 3)
    assert mean[1] == pytest.approx((table[BOS, 4] + table[4, 4] + table[4, 5] + table[5, 4]) / 4)
    assert ending[0] == table[5, EOS]
    assert ending[1] == -math.inf


def test_floors_are_what_most_unseen_sentences_reach():
    found = sentences()
    vocabulary = Vocabulary.of(found, 2048)
    tokens = vocabulary.encode(found, 24)
    known, unseen = tokens[:5000], tokens[5000:]
    limit = floors(known, vocabulary.size)
    mean, ending = likelihoods(bigrams(known, vocabulary.size), unseen)
    # counted on twice as many sentences as the floors were, a few more are above
    assert 0.8 <= (mean >= limit.token).mean() < 0.9
    assert 0.94 < (ending[np.isfinite(ending)] >= limit.ending).mean() < 0.99
    rng = Streams(0).numpy("any words")
    garbage = np.where(unseen > UNK, rng.integers(4, vocabulary.size, unseen.shape), unseen)
    mean, _ = likelihoods(bigrams(known, vocabulary.size), garbage)
    assert (mean >= limit.token).mean() < 0.002


@pytest.mark.parametrize(
    ("knobs", "text"),
    [({"smoothing": 0.0}, "smoothing"), ({"rare": 0}, "rare"), ({"size": 5}, "token should be")],
)
def test_knobs_out_of_range_are_refused(knobs, text):
    with pytest.raises(ValueError, match=text):
        bigrams(TOKENS, **{"size": SIZE, **knobs})
