"""Words and their numbers."""

import numpy as np
import pytest

from multiparty_envs.text import BOS, EOS, PAD, UNK, Vocabulary

SENTENCES = [["a", "film"], ["a", "good", "film", "a"], ["bad", "b"]]


def test_frequent_words_come_first_and_ties_are_by_the_alphabet():
    vocabulary = Vocabulary.of(SENTENCES, 100)
    assert vocabulary.words == ("a", "film", "b", "bad", "good")
    assert vocabulary.size == 9
    assert Vocabulary.of(SENTENCES, 6).words == ("a", "film")


def test_sentences_are_encoded_and_read_again():
    vocabulary = Vocabulary.of(SENTENCES, 7)  # a, film, b
    tokens = vocabulary.encode([["a", "film"], ["a", "good", "b"], [], list("abab")], 4)
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [
        [BOS, 4, 5, EOS, PAD],
        [BOS, 4, UNK, 6, EOS],
        [BOS, EOS, PAD, PAD, PAD],
        [BOS, 4, 6, 4, 6],  # full: no place for an end
    ]
    assert vocabulary.decode(tokens[1]) == ["a", "<unk>", "b"]
    assert vocabulary.decode(tokens[2]) == []
    assert vocabulary.decode(tokens[3]) == list("abab")
    assert vocabulary.decode(tokens[1][1:3]) == ["a", "<unk>"]


def test_too_long_a_sentence_is_cut():
    vocabulary = Vocabulary(("a",))
    assert vocabulary.encode([["a"] * 9], 3).tolist() == [[BOS, 4, 4, 4]]


@pytest.mark.parametrize("words", [("a", "a"), ("",), ("a", "<eos>")])
def test_words_that_could_be_mistaken_are_refused(words):
    with pytest.raises(ValueError, match="words should differ"):
        Vocabulary(words)


@pytest.mark.parametrize("token", [-1, 5])
def test_tokens_out_of_range_are_refused(token):
    with pytest.raises(ValueError, match="token should be"):
        Vocabulary(("a",)).decode(np.array([BOS, token]))


@pytest.mark.parametrize("size", [0, 4])
def test_a_vocabulary_has_room_for_a_word(size):
    with pytest.raises(ValueError, match="size should be 5 or more"):
        Vocabulary.of(SENTENCES, size)
