"""What words say, and what they do to the next one; VADER's own analyser where installed."""

import numpy as np
import pytest

from multiparty_envs.envs.review import review
from multiparty_envs.text import UNK, Lexicon, Vocabulary, words
from multiparty_envs.text.lexicon import STRENGTH, valences


def test_words_say_what_the_lists_say():
    vocabulary = Vocabulary(("film", "brilliant", "dull", "very", "slightly", "not", "can't"))
    lexicon = Lexicon.of(vocabulary)
    assert lexicon.valence[4:].tolist() == [0.0, 3.0, -2.0, 0.0, 0.0, 0.0, 0.0]
    assert lexicon.strength[4:].tolist() == [0.0, 0.0, 0.0, STRENGTH, -STRENGTH, 0.0, 0.0]
    assert lexicon.negates[4:].tolist() == [False] * 5 + [True] * 2
    assert not any(table[:4].any() for table in lexicon)  # marks say nothing


def test_builtin_lexicon_is_balanced():
    found = np.array(list(valences("builtin").values()))
    assert len(found) > 150
    assert set(found) == {-3.0, -2.0, -1.0, 1.0, 2.0, 3.0}
    assert abs((found > 0).mean() - 0.5) < 0.1


def test_an_unknown_lexicon_is_refused():
    with pytest.raises(ValueError, match="lexicon should be one of builtin, vader"):
        valences("all")


@pytest.fixture(scope="module")
def vader():
    analyser = pytest.importorskip("vaderSentiment.vaderSentiment")
    return analyser.SentimentIntensityAnalyzer()


def test_vader_is_read_as_its_own_package_reads_it(vader):
    assert valences("vader") == vader.lexicon


@pytest.mark.parametrize(("corpus", "agreement"), [("grammar", 0.97), ("reviews", 0.93)])
def test_sentiment_agrees_with_vader(vader, corpus, agreement):
    """VADER also strengthens from afar, and knows "but", "least" and idioms."""
    try:
        world = review(corpus=corpus, lexicon="vader", saturation=15.0)
    except ModuleNotFoundError:
        pytest.skip("the reviews are an extra")
    tokens = world.corpus_tokens[(world.corpus_tokens != UNK).all(axis=1)][:2000]
    ours = 2.0 * world.traits(tokens)[:, 0] - 1.0
    texts = [" ".join(world.vocabulary.decode(row)) for row in tokens]
    theirs = np.array([vader.polarity_scores(text)["compound"] for text in texts])
    assert np.corrcoef(ours, theirs)[0, 1] > agreement


def test_builtin_words_have_the_sign_that_vader_gives_them(vader):
    both = {word: vader.lexicon[word] for word in words.valences() if word in vader.lexicon}
    agree = [np.sign(words.valences()[word]) == np.sign(theirs) for word, theirs in both.items()]
    assert len(both) > 100
    assert np.mean(agree) > 0.97
