"""Review: sentences about films, written word by word for people who like praise or brevity."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from multiparty_envs import expect
from multiparty_envs.envs.kinds import majority_and_minority
from multiparty_envs.envs.writing import Writing
from multiparty_envs.parties import BradleyTerryLuce, Population
from multiparty_envs.text.corpus import sentences
from multiparty_envs.text.fluency import bigrams
from multiparty_envs.text.lexicon import Lexicon
from multiparty_envs.text.traits import Scorer, mean_likelihood
from multiparty_envs.text.vocabulary import MARKS, Vocabulary

GROUPS = {
    # weights of (sentiment, conciseness), of the majority and of the minority
    "conflict": ((1.0, 0.0), (0.0, 1.0)),
    "shared": ((0.0, 1.0), (0.7, 0.3)),
}
UNLIKELY = 0.05
"""Share of the corpus's sentences that are less likely than the floor."""


def review(
    *,
    corpus: str = "grammar",
    lexicon: str = "builtin",
    vocabulary: int = 2048,
    length: int = 24,
    prompt: int = 0,
    groups: str = "conflict",
    num_parties: int = 5,
    minority_share: float = 0.2,
    shortest: int = 4,
    saturation: float = 15.0,
    beta: float = 1.0,
) -> Writing:
    """Build the world of a writer of one-sentence film reviews.

    Description:
        A text is written token by token.
    Parties:
        A majority and a minority.
    Action:
        Discrete(V): the next token.
    Observation:
        Box [25]: the tokens.
    Reward per party:
        0 until the text ends, then the traits weighted.
    Start:
        Nothing is written.
    End:
        With the token EOS, or after 24 tokens.
    Known optimum:
        Not known exactly.
    Source:
        [Chakraborty2024], section 5.
    Versions:
        v0: first.

    Args:
        corpus: "grammar" or "reviews".
        lexicon: "builtin" or "vader".
        vocabulary: most tokens, V.
        length: most tokens of a text.
        prompt: words that are given.
        groups: "conflict" or "shared".
        num_parties: M, at least 2.
        minority_share: of the parties.
        shortest: words for conciseness.
        saturation: of the sentiment.
        beta: rationality of the answers, see `BradleyTerryLuce`.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.integer(length, name="length", low=2)
    expect.integer(shortest, name="shortest", low=1, high=length)
    expect.number(saturation, name="saturation", low=0.0, high=np.inf, open_=True)
    language = _language(corpus, vocabulary, length)
    lexical = Lexicon.of(language.vocabulary, lexicon)
    scorer = Scorer(*lexical, language.likelihood, language.floor, shortest, length, saturation)
    kinds = majority_and_minority(num_parties, minority_share)
    weights = np.array(GROUPS[expect.choice(groups, GROUPS, name="groups")])  # [2, D]
    population = Population(
        theta=weights[kinds.cluster].T,
        cluster=kinds.cluster,
        share=kinds.share,
        choice=BradleyTerryLuce(beta=beta),
    )
    return Writing(population, language.vocabulary, language.tokens, scorer, prompt)


class Language(NamedTuple):
    """What a corpus says about words."""

    vocabulary: Vocabulary
    tokens: np.ndarray  # [K, L + 1]
    likelihood: np.ndarray  # [V * V]
    floor: float


@lru_cache(maxsize=4)
def _language(corpus: str, size: int, length: int) -> Language:
    """Return what worlds on the same corpus share."""
    found = sentences(corpus)
    vocabulary = Vocabulary.of(found, size)
    tokens = vocabulary.encode(found, length)
    kinds = len({word for sentence in found for word in sentence})
    likelihood = bigrams(tokens, vocabulary.size, rare=kinds - vocabulary.size + len(MARKS))
    floor = np.quantile(mean_likelihood(likelihood, tokens), UNLIKELY)
    for array in (tokens, likelihood):
        array.setflags(write=False)
    return Language(vocabulary, tokens, likelihood.reshape(-1), float(floor))
