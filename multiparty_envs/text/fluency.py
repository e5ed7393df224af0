"""How likely a text is: smoothed pairs of words of a corpus, which tell sentences from garbage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiparty_envs import expect
from multiparty_envs.text.vocabulary import BOS, EOS, PAD, UNK

SMOOTHING = 0.01
"""k: little, as most pairs are never seen and are to count as unlikely."""
NEVER = 1e-30
"""Instead of a count of zero, so that logarithms stay finite."""
UNLIKELY, ODD_ENDINGS = 0.2, 0.05
"""Shares of unseen sentences of the corpus that are below the floors."""


class Floors(NamedTuple):
    """What a sentence should reach; logarithms of probabilities."""

    token: float  # mean over its tokens, the end included
    ending: float  # of the end after its last word


def bigrams(
    tokens: np.ndarray, size: int, rare: int = 1, smoothing: float = SMOOTHING
) -> np.ndarray:
    """Return log-probabilities [V, V] of the second token after the first, by add-k smoothing.

    PAD and BOS are never written. UNK stands for many rare words, each of which gets its part:
    otherwise it would be the most likely word of all.

    Args:
        tokens: [K, L + 1], encoded sentences.
        size: V.
        rare: how many words UNK stands for.
        smoothing: k, added to the count of every pair.

    Raises:
        ValueError: when a token is out of range, `rare` is not 1 or more or `smoothing` not
            above 0.
    """
    expect.number(smoothing, name="smoothing", low=0.0, high=np.inf, open_=True)
    expect.integer(rare, name="rare", low=1)
    expect.integer(int(tokens.min()), name="token")
    expect.integer(int(tokens.max()), name="token", high=size - 1)
    before, after = tokens[:, :-1].reshape(-1), tokens[:, 1:].reshape(-1)
    pair = (before * size + after)[after != PAD]
    count = np.bincount(pair, minlength=size * size).reshape(size, size) + smoothing
    count[:, [PAD, BOS]] = NEVER
    chance = count / count.sum(axis=1, keepdims=True)
    chance[:, UNK] /= rare
    return np.log(chance)


def likelihoods(table: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return of texts [K, L + 1] the mean over tokens [K], and of the end [K], -inf without one.

    Args:
        table: [V, V] log-probabilities.
        tokens: from BOS on, PAD after the end.
    """
    after = tokens[:, 1:]
    found = table[tokens[:, :-1], after]
    written = (after != PAD).sum(axis=1)
    mean = np.where(after != PAD, found, 0.0).sum(axis=1) / np.maximum(written, 1)
    return mean, np.where(after == EOS, found, -np.inf).max(axis=1)


def floors(tokens: np.ndarray, size: int, rare: int = 1) -> Floors:
    """Return what all but a few sentences reach by pairs counted in others.

    Every other sentence is judged by the rest, and the other way round: by its own pairs each
    would look likely.

    Args:
        tokens: [K, L + 1], encoded sentences, at least 2.
        size: V.
        rare: see `bigrams`.
    """
    halves = tokens[::2], tokens[1::2]
    found = [
        likelihoods(bigrams(other, size, rare), half)
        for half, other in zip(halves, halves[::-1], strict=True)
    ]
    mean, ending = map(np.concatenate, zip(*found, strict=True))
    ended = ending[np.isfinite(ending)]
    return Floors(
        float(np.quantile(mean, UNLIKELY)),
        float(np.quantile(ended, ODD_ENDINGS)) if len(ended) else 0.0,
    )
