"""What people judge in a text: how positive it is and how short, looked up token by token."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from multiparty_envs.text.vocabulary import EOS, PAD, UNK

Array = Any

TRAITS = ("sentiment", "conciseness")


class Tally(NamedTuple):
    """What has been counted of texts, or what one token adds to it; arrays of one shape."""

    valence: Array  # float64, sum over words
    likelihood: Array  # float64, logarithm, sum over tokens, the end's included
    words: Array  # int64
    written: Array  # int64, tokens: words and the end

    def plus(self, other: Tally) -> Tally:
        """Return the sums."""
        return Tally(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Scorer(NamedTuple):
    """Tables and limits from which the traits of a text of V tokens are looked up."""

    valence: Array  # [V]
    strength: Array  # [V] added to the absolute valence of the next token
    turn: Array  # [V] factor on the valence of the next token
    likelihood: Array  # [V * V] log-probability of the second token after the first
    floor: float  # of the mean log-probability of a token, for conciseness
    shortest: int  # words, for conciseness
    limit: int  # words at which conciseness is zero
    saturation: float  # squared sum of valences at which sentiment is half-way to its limit

    def of(self, tokens: Array) -> Array:
        """Return the traits [..., 2] of whole texts, tokens [..., L + 1] from BOS on."""
        xp = array_namespace(tokens)
        before, after = tokens[..., :-1], tokens[..., 1:]
        over = xp.astype((before == EOS) | (before == PAD), xp.int64)
        # nothing counts after the first end, whatever stands there
        after = xp.where(xp.cumulative_sum(over, axis=-1) > 0, PAD * after, after)
        added = self.added(before, after)
        return self.traits(Tally(*(xp.sum(part, axis=-1) for part in added)))

    def added(self, before: Array, after: Array) -> Tally:
        """Return what tokens `after` add to a text that ends in `before`, of any shape."""
        xp = array_namespace(after)
        own = self.valence[after]
        said = self.turn[before] * (own + xp.sign(own) * self.strength[before])
        real = after != PAD
        chance = self.likelihood[before * len(self.valence) + after]
        words, written = (xp.astype(mask, xp.int64) for mask in (after >= UNK, real))
        return Tally(said, xp.where(real, chance, 0.0 * chance), words, written)

    def traits(self, tally: Tally) -> Array:
        """Return sentiment and conciseness [..., 2], each in [0, 1].

        Sentiment is s / sqrt(s^2 + saturation) of the summed valence s [Hutto2014], moved from
        -1 .. 1 to 0 .. 1. Conciseness is 1 - words / limit; shortness alone would make the empty
        text the best one, so that it is zero for texts of too few words and for such as are less
        likely than nearly all that the corpus holds.
        """
        xp = array_namespace(tally.valence)
        compound = tally.valence / xp.sqrt(tally.valence**2 + self.saturation)
        number = xp.astype(tally.words, xp.float64)
        written = xp.astype(tally.written, xp.float64)
        counts = (tally.words >= self.shortest) & (tally.likelihood >= self.floor * written)
        short = 1.0 - number / self.limit
        return xp.stack((0.5 + 0.5 * compound, xp.where(counts, short, 0.0 * short)), axis=-1)


def mean_likelihood(likelihood: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Return [K] the mean log-probability of a token in texts [K, L + 1]; likelihood [V, V]."""
    real = tokens[:, 1:] != PAD
    total = (likelihood[tokens[:, :-1], tokens[:, 1:]] * real).sum(axis=1)
    return total / np.maximum(real.sum(axis=1), 1)
