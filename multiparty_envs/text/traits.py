"""What people judge in a text: how positive it is and how short, looked up token by token."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from multiparty_envs.text.lexicon import REACH, TURN
from multiparty_envs.text.vocabulary import EOS, PAD, UNK

Array = Any

TRAITS = ("sentiment", "conciseness")


class Tally(NamedTuple):
    """What has been counted of texts, or what one token adds; arrays of one shape."""

    valence: Array  # float64, of words
    likelihood: Array  # float64, logarithm, of all tokens
    ending: Array  # float64, logarithm, of the end; 0 without one
    words: Array  # int64
    different: Array  # int64, words that had not been used before

    def plus(self, other: Tally) -> Tally:
        """Return the sums."""
        return Tally(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Scorer(NamedTuple):
    """Tables and limits by which the traits of a text of V tokens are looked up."""

    valence: Array  # [V]
    strength: Array  # [V] added to the absolute valence of the next token
    negates: Array  # [V] bool, whether it turns the valence of the next tokens
    likelihood: Array  # [V * V] log-probability of the second token after the first
    floor: float  # of the mean log-probability of a token
    last: float  # floor of the log-probability of the end
    shortest: int  # different words
    limit: int  # words at which conciseness is zero
    saturation: float

    def of(self, tokens: Array) -> Array:
        """Return the traits [..., 2] of whole texts, tokens [..., L + 1] from BOS on.

        What stands after the first end does not count.
        """
        xp = array_namespace(tokens)
        before, after = tokens[..., :-1], tokens[..., 1:]
        stopped = xp.astype((before == EOS) | (before == PAD), xp.int64)
        after = xp.where(xp.cumulative_sum(stopped, axis=-1) > 0, PAD * after, after)
        same = after[..., :, None] == after[..., None, :]  # [..., L, L]
        place = xp.arange(after.shape[-1], device=after.device)
        used = xp.any(same & (place[None, :] < place[:, None]), axis=-1)
        added = self.added(before, after, used, self._turned(before))
        return self.traits(Tally(*(xp.sum(part, axis=-1) for part in added)))

    def _turned(self, before: Array) -> Array:
        """Return [..., L] bool, whether one of the latest `REACH` tokens negates."""
        xp = array_namespace(before)
        negates = self.negates[before]
        turned, never = negates, xp.zeros_like(negates)
        for back in range(1, min(REACH, before.shape[-1])):
            earlier = (never[..., :back], negates[..., :-back])
            turned = turned | xp.concat(earlier, axis=-1)
        return turned

    def added(self, before: Array, after: Array, used: Array, turned: Array) -> Tally:
        """Return what tokens add to texts.

        Args:
            before: [...] int64, the token before.
            after: [...] int64, the token; PAD adds nothing.
            used: [...] bool, whether the text has that token already.
            turned: [...] bool, whether one of the latest `REACH` tokens negates.
        """
        xp = array_namespace(after)
        word = after >= UNK
        fresh = xp.astype(word & ~used, xp.int64)
        own = self.valence[after]
        said = own + xp.sign(own) * self.strength[before]
        chance = self.likelihood[before * self.valence.shape[0] + after]
        nothing = 0.0 * chance
        return Tally(
            # who says a word again says nothing new
            xp.where(turned, TURN * said, said) * fresh,
            xp.where(after != PAD, chance, nothing),
            xp.where(after == EOS, chance, nothing),
            xp.astype(word, xp.int64),
            fresh,
        )

    def traits(self, tally: Tally) -> Array:
        """Return sentiment and conciseness [..., 2], each in [0, 1].

        Sentiment: s / sqrt(s^2 + saturation) of the summed valence s [Hutto2014], moved from
        -1 .. 1 to 0 .. 1. Conciseness: 1 - words / limit, for whole sentences only. Else the best
        text would be the empty one, and after it garbage: it takes `shortest` different words,
        tokens that are as likely as those of most sentences, and an end where sentences end.
        """
        xp = array_namespace(tally.valence)
        compound = tally.valence / xp.sqrt(tally.valence**2 + self.saturation)
        number = xp.astype(tally.words, xp.float64)
        # a text without an end has an ending of 0, and never counts
        ended = (tally.ending < 0.0) & (tally.ending >= self.last)
        likely = tally.likelihood >= self.floor * (number + 1.0)
        whole = ended & likely & (tally.different >= self.shortest)
        short = xp.where(whole, 1.0 - number / self.limit, 0.0 * number)
        return xp.stack((0.5 + 0.5 * compound, short), axis=-1)
