"""Traits of whole texts, against counting word by word."""

import math
from itertools import pairwise

import numpy as np
import pytest

from multiparty_envs.envs.review import review
from multiparty_envs.streams import Streams
from multiparty_envs.text import EOS, TRAITS, UNK, words

VALENCE = words.valences()
LOUDER, SOFTER, NOT = (set(t.split()) for t in (words.LOUDER, words.SOFTER, words.NEGATIONS))


@pytest.fixture(scope="module")
def world():
    return review()


def said(text):
    """The summed valence of a text, counted as it is told in the docstrings."""
    total, before = 0.0, None
    for place, word in enumerate(text):
        own = VALENCE.get(word, 0.0)
        if own and word not in text[:place]:
            louder = 0.293 * ((before in LOUDER) - (before in SOFTER))
            own += math.copysign(louder, louder * own)
            total += own * (-0.74 if NOT & set(text[max(place - 3, 0) : place]) else 1.0)
        before = word
    return total


def slow_traits(world, text, ended):
    total = said(text)
    sentiment = 0.5 + 0.5 * total / math.sqrt(total**2 + 60.0)
    tokens = [1, *(world.vocabulary.tokens[word] for word in text)] + [EOS] * ended
    table = world.scorer.likelihood.reshape(world.vocabulary.size, -1)
    chances = [table[pair] for pair in pairwise(tokens)]
    whole = (
        ended
        and len(set(text)) >= 4
        and np.mean(chances) >= world.scorer.floor
        and chances[-1] >= world.scorer.last
    )
    return sentiment, (1.0 - len(text) / 24) if whole else 0.0


def test_traits_are_those_counted_word_by_word(world):
    rng = Streams(0).numpy("texts")
    texts = [world.vocabulary.decode(row) for row in world.corpus_tokens[:400]]
    # and some that repeat themselves, in another order
    texts += [list(rng.choice(text, size=min(2 * len(text), 24))) for text in texts]
    tokens = world.vocabulary.encode(texts, 24)
    wanted = [slow_traits(world, text, len(text) < 24) for text in texts]
    assert world.traits(tokens) == pytest.approx(np.array(wanted))


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("the film is brilliant", 3.0),
        ("the film is very good", 1.293),
        ("the film is slightly dull", -1.707),
        ("the film is very dull", -2.293),
        ("the film is not good", -0.74),
        ("it is not a very good film", -0.74 * 1.293),
        ("it is not the film that is good", 1.0),
        ("never not dull", 0.74 * 2.0),
        ("it is good and good and good", 1.0),
        ("the film", 0.0),
        ("", 0.0),
    ],
)
def test_valence_is_strengthened_and_turned(world, text, total):
    tokens = world.vocabulary.encode([text.split()], 24)
    sentiment = world.traits(tokens)[0, 0]
    assert sentiment == pytest.approx(0.5 + 0.5 * total / math.sqrt(total**2 + 60.0))
    assert said(text.split()) == pytest.approx(total)


def test_saturation_is_the_square_of_where_praise_is_at_its_root():
    world = review(saturation=4.0)
    tokens = world.vocabulary.encode([["great"]], 24)
    assert world.traits(tokens)[0, 0] == pytest.approx(0.5 + 0.5 / math.sqrt(2.0))


def test_more_praise_is_better_however_long(world):
    praise = [word for word, valence in VALENCE.items() if valence == 2.0][:12]
    tokens = world.vocabulary.encode([praise[:count] for count in range(13)], 24)
    assert (np.diff(world.traits(tokens)[:, 0]) > 0.0).all()


def test_traits_lie_between_zero_and_one_whatever_is_written(world):
    rng = Streams(0).numpy("noise")
    tokens = rng.integers(0, world.vocabulary.size, size=(3, 200, 25))
    traits = world.traits(tokens)
    assert traits.shape == (3, 200, len(TRAITS))
    assert ((traits >= 0.0) & (traits <= 1.0)).all()


def test_unknown_words_are_words(world):
    tokens = world.vocabulary.encode([["the", "film", "is", "moving"]], 24)
    known, no = world.traits(tokens), np.array([False])
    tokens[0, 2] = UNK
    assert world.scorer.added(tokens[:, 1], tokens[:, 2], no, no).words == 1
    # the built-in corpus has none: a text with one is unlikely
    assert known[0, 1] > 0.0
    assert world.traits(tokens)[0, 1] == 0.0
