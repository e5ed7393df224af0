"""How likely a text is: a smoothed bigram model of a corpus, which tells text from garbage."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect
from multiparty_envs.text.vocabulary import BOS, PAD, UNK

NEVER = 1e-30
"""Instead of a count of zero, so that logarithms stay finite."""


def bigrams(tokens: np.ndarray, size: int, rare: int = 1, smoothing: float = 0.02) -> np.ndarray:
    """Return log-probabilities [V, V] of the second token after the first, by add-k smoothing.

    PAD and BOS are never written. UNK stands for many rare words, each of which gets its part.

    Args:
        tokens: [K, L + 1], encoded sentences.
        size: V.
        rare: how many words UNK stands for.
        smoothing: k, added to the count of every pair, above 0.

    Raises:
        ValueError: when a token is out of range or `smoothing` is not above 0.
    """
    expect.number(smoothing, name="smoothing", low=0.0, high=np.inf, open_=True)
    expect.integer(int(tokens.max()), name="token", high=size - 1)
    before, after = tokens[:, :-1].reshape(-1), tokens[:, 1:].reshape(-1)
    pair = (before * size + after)[after != PAD]
    count = np.bincount(pair, minlength=size * size).reshape(size, size) + smoothing
    count[:, [PAD, BOS]] = NEVER
    chance = count / count.sum(axis=1, keepdims=True)
    chance[:, UNK] /= max(rare, 1)
    return np.log(chance)
