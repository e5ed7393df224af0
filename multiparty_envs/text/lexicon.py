"""How words are meant: valence, and the words before them that strengthen, weaken or turn it."""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multiparty_envs import expect
from multiparty_envs.text import words
from multiparty_envs.text.vocabulary import Vocabulary

LEXICONS = ("builtin", "vader")

# constants of [Hutto2014]
STRENGTH = 0.293  # that a word such as "very" adds to the next one's valence, away from zero
TURN = -0.74  # times the valence after "not"
REACH = 3  # words that "not" turns

VADER = ("vaderSentiment", "vaderSentiment/vader_lexicon.txt", "pip install vaderSentiment")


class Lexicon(NamedTuple):
    """What each token of a vocabulary says, and does to tokens after it."""

    valence: np.ndarray  # [V]
    strength: np.ndarray  # [V] added to the absolute valence of the next token
    negates: np.ndarray  # [V] bool, whether it turns the next `REACH` tokens

    @classmethod
    def of(cls, vocabulary: Vocabulary, name: str = "builtin") -> Lexicon:
        """Look a vocabulary's words up.

        Args:
            vocabulary: V tokens.
            name: "builtin", the words of opinion of the built-in corpus, or "vader", the 7,500
                of [Hutto2014], an extra.

        Raises:
            ValueError: when there is no such lexicon.
            ModuleNotFoundError: when it is not installed, saying how to.
        """
        known = valences(name)
        valence, strength = np.zeros(vocabulary.size), np.zeros(vocabulary.size)
        negates = np.zeros(vocabulary.size, dtype=bool)
        louder, softer, turning = (
            set(text.split()) for text in (words.LOUDER, words.SOFTER, words.NEGATIONS)
        )
        for word, token in vocabulary.tokens.items():
            # words that strengthen or turn others have no say of their own
            if word in louder | softer:
                strength[token] = STRENGTH if word in louder else -STRENGTH
            elif word in turning or word.endswith("n't"):
                negates[token] = True
            else:
                valence[token] = known.get(word, 0.0)
        return cls(valence, strength, negates)


@cache
def valences(name: str) -> dict[str, float]:
    """Return a lexicon, word to valence, -4 .. 4; see `Lexicon.of`."""
    if expect.choice(name, LEXICONS, name="lexicon") == "builtin":
        return words.valences()
    lines = installed(*VADER).read_text(encoding="utf-8").splitlines()
    return {word: float(mean) for word, mean, *_ in (line.split("\t") for line in lines if line)}


def installed(distribution: str, file: str, remedy: str) -> Path:
    """Return the path of a file of an installed distribution, without importing it.

    Raises:
        ModuleNotFoundError: when it is not installed, with what to do about it.
    """
    try:
        path = Path(str(metadata.distribution(distribution).locate_file(file)))
    except metadata.PackageNotFoundError:
        raise ModuleNotFoundError(f"{distribution} is not installed: {remedy}") from None
    if not path.is_file():
        raise ModuleNotFoundError(f"{distribution} should have brought {file}: {remedy}")
    return path
