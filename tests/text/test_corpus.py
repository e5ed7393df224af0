"""Corpora: the grammar's sentences, and the critics' where they are installed."""

from collections import Counter

import numpy as np
import pytest

from multiparty_envs.text import corpus as module
from multiparty_envs.text import grammar, sentences, words
from multiparty_envs.text.lexicon import installed


def _has_reviews():
    try:
        return installed(*module.REVIEWS).is_file()
    except ModuleNotFoundError:
        return False


needs_reviews = pytest.mark.skipif(not _has_reviews(), reason="the reviews are an extra")


def test_grammar_has_many_different_sentences_of_every_length():
    found = sentences()
    assert len(found) == 10_000
    assert len(set(found)) > 9_500
    length = np.array([len(sentence) for sentence in found])
    assert set(length) == set(range(3, 25))
    assert length.mean() == pytest.approx(8.7, abs=0.05)


def test_grammar_has_several_hundred_words_and_uses_some_more_than_others():
    count = Counter(word for sentence in sentences() for word in sentence)
    assert len(count) == 641
    assert min(count.values()) >= 3
    times = sorted(count.values(), reverse=True)
    assert sum(times[:50]) > 0.4 * sum(times)


def test_grammar_is_the_same_whatever_is_asked_for():
    assert grammar.write(50) == grammar.write(120)[:50]
    assert grammar.write(50) == [list(sentence) for sentence in sentences()[:50]]


def test_every_word_of_every_list_is_written():
    written = {word for sentence in sentences() for word in sentence}
    listed = {
        word for lists in words.LISTS.values() for text in lists.values() for word in text.split()
    }
    assert len(listed - written) < 5  # rare ones may be missed by chance


def test_rules_and_lists_are_all_used_and_known():
    parts = {
        part for rule in grammar.RULES for choice in grammar._alternatives(rule) for part in choice
    }
    capitals = {part for part in parts if part.isupper()}
    assert capitals == (set(grammar.RULES) | set(words.LISTS)) - {"S"}


def test_rules_weigh_their_sides():
    sides = grammar._alternatives("DEGREE")
    assert sides == [["LOUDER"]] * 5 + [["SOFTER"]] * 3
    assert grammar._alternatives("BUT")[-1] == ["even", "if"]


def test_a_word_is_meant_in_one_way():
    meant = {}
    for lists in words.LISTS.values():
        for valence, text in lists.items():
            for word in text.split():
                assert meant.setdefault(word, valence) == valence, word
    assert not set(words.NEGATIONS.split()) & set(words.valences())


def test_articles_fit():
    for sentence in sentences():
        for word, following in zip(sentence, [*sentence[1:], "."], strict=True):
            assert word not in ("a", "an") or (word == "an") == (following[0] in "aeiou")


def test_praise_and_blame_are_graded_and_independent_of_length():
    valence = words.valences()
    total = np.array([sum(valence.get(w, 0.0) for w in s) for s in sentences()])
    length = np.array([len(sentence) for sentence in sentences()])
    assert abs(total.mean()) < 0.3
    assert (total >= 4).mean() > 0.05
    assert (total <= -4).mean() > 0.05
    assert 0.1 < (np.abs(total) < 0.5).mean() < 0.5
    assert abs(np.corrcoef(total, length)[0, 1]) < 0.1


@needs_reviews
def test_reviews_are_read_where_they_are_installed():
    found = sentences("reviews")
    assert len(found) == 13_628
    length = np.array([len(sentence) for sentence in found])
    assert (length.min(), length.max()) == (3, 24)
    assert length.mean() == pytest.approx(12.8, abs=0.05)
    assert len({word for sentence in found for word in sentence}) == 17_702
    letters = set("".join(word for sentence in found for word in sentence))
    assert letters <= set("abcdefghijklmnopqrstuvwxyz0123456789'")


def test_what_is_missing_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(module, "REVIEWS", ("no-such-package", "a.csv", "pip install this"))
    with pytest.raises(ModuleNotFoundError, match="no-such-package is not installed: pip install"):
        module._reviews()
    with pytest.raises(ModuleNotFoundError, match=r"numpy should have brought nothing\.txt"):
        installed("numpy", "nothing.txt", "")


def test_another_file_than_expected_is_refused(monkeypatch, tmp_path):
    import bz2

    path = tmp_path / "file.bz2"
    path.write_bytes(bz2.compress(b"a,b\n1,2\n"))
    monkeypatch.setattr(module, "installed", lambda *_: path)
    with pytest.raises(ValueError, match="should have columns category and text"):
        module._reviews()


def test_reviews_are_split_at_stops_and_lists_of_plots_left_out(monkeypatch, tmp_path):
    import bz2

    text = (
        "category,text\n"
        'fresh,"A film \u2014 Bob\u2019s best one yet; see it now! Good."\n'
        'rotten,"A film \u2014 Bob\u2019s best one yet; see it now! Good."\n'
        "plot,A man meets a woman\n"
    )
    path = tmp_path / "file.bz2"
    path.write_bytes(bz2.compress(text.encode()))
    monkeypatch.setattr(module, "installed", lambda *_: path)
    assert module._reviews() == [["bob's", "best", "one", "yet"], ["see", "it", "now"]]


def test_an_unknown_corpus_is_refused():
    with pytest.raises(ValueError, match="corpus should be one of grammar, reviews"):
        sentences("books")
