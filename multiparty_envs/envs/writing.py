"""Writing, a token at a time: how a text grows, and what is counted of it on the way."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from array_api_compat import array_namespace
from array_api_compat import device as device_of
from gymnasium.spaces import Box, Discrete

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import on_device, take
from multiparty_envs.parties import Population
from multiparty_envs.streams import Draw
from multiparty_envs.text import BOS, EOS, PAD, UNK, Scorer, Tally, Vocabulary
from multiparty_envs.text.lexicon import REACH

if TYPE_CHECKING:
    from typing_extensions import Self

Array = Any


class Page(NamedTuple):
    """What N copies have written."""

    tokens: Array  # [N, L + 1] int64: BOS, a prompt, what was written, PAD to the end
    tally: Tally  # [N] each, of the same
    last: Array  # [N] int64, the latest token
    since: Array  # [N] int64, tokens since a negation, `REACH` or more without one in reach
    time: Array  # [N] int64, tokens written


@final
class Writing(Dynamics):
    """A text of up to L tokens that is judged when it ends.

    The traits come from tables and a running tally, so that a step costs the same however long
    the text is, but for the look whether a word was used before.

    Attributes:
        vocabulary: V tokens.
        length: L.
        corpus_tokens: [K, L + 1] int64, the sentences that the language is learned from.
        scorer: how a text is judged.

    Args:
        population: the parties, who judge `text.TRAITS`.
        vocabulary: as above.
        corpus_tokens: as above.
        scorer: as above.
        prompt: P, tokens that are given.

    Raises:
        ValueError: when no sentence of the corpus has more than P words, or P is not below L.
    """

    def __init__(
        self,
        population: Population,
        vocabulary: Vocabulary,
        corpus_tokens: np.ndarray,
        scorer: Scorer,
        prompt: int = 0,
    ) -> None:
        self.population = population
        self.vocabulary = vocabulary
        self.corpus_tokens = corpus_tokens
        self.scorer = scorer
        self.length = corpus_tokens.shape[1] - 1
        self.prompt = expect.integer(prompt, name="prompt", high=self.length - 1)
        self.horizon = self.length - self.prompt
        self.action_space = Discrete(vocabulary.size)
        shape = (self.length + 1,)
        self.observation_space = Box(0.0, vocabulary.size - 1.0, shape, np.float32)
        # a prompt is the beginning of a sentence that goes on
        goes_on = (corpus_tokens[:, 1 : self.prompt + 2] >= UNK).all(axis=1)
        self._prompts = corpus_tokens[goes_on, : self.prompt + 1]
        if not len(self._prompts):
            raise ValueError(f"prompt should be less than a sentence of the corpus, is {prompt}")

    def initial(self, count: int, draw: Draw) -> Page:
        """Begin with nothing, or with the first words of a sentence of the corpus."""
        none = draw.key * 0
        xp = array_namespace(none)
        shape = (count, self.length + 1)
        tokens = xp.full(shape, PAD, dtype=xp.int64, device=device_of(none))
        tokens[:, 0] = BOS
        if self.prompt:
            tokens[:, : self.prompt + 1] = take(self._prompts, draw.integers(len(self._prompts)))
        zero = xp.astype(none, xp.float64)
        tally = Tally(zero, zero, zero, none, none)
        page = Page(tokens, tally, tokens[:, 0] + 0, none + REACH, none)
        for place in range(1, self.prompt + 1):
            page = self._counted(page, tokens[:, :place], tokens[:, place])
        return page

    def transition(self, state: Page, action: Array, draw: Draw) -> Page:
        """Write a token where the text has not ended; marks other than EOS are unknown words."""
        xp = array_namespace(state.tokens)
        ended = self.terminated(state)
        token = xp.where(action < EOS, UNK + 0 * action, action)
        token = xp.where(ended, PAD * token, token)
        places = xp.arange(self.length + 1, device=device_of(token))
        next_place = state.time + self.prompt + 1
        here = (places == next_place[:, None]) & ~ended[:, None]
        counted = self._counted(state, state.tokens, token)
        return counted._replace(
            tokens=xp.where(here, token[:, None], state.tokens),
            last=xp.where(ended, state.last, token),
            time=state.time + xp.astype(~ended, xp.int64),
        )

    def _counted(self, page: Page, text: Array, token: Array) -> Page:
        """Return a page of which one more token [N] after `text` [N, ...] is counted."""
        xp = array_namespace(text)
        used = xp.any(text == token[:, None], axis=1)
        added = self.scorer.added(page.last, token, used, page.since < REACH)
        since = xp.where(self.scorer.negates[token], 0 * page.since, page.since + 1)
        return page._replace(tally=page.tally.plus(added), last=token, since=since)

    def observe(self, state: Page) -> Array:
        """Return the tokens as float32, which holds them exactly."""
        xp = array_namespace(state.tokens)
        return xp.astype(state.tokens, xp.float32)

    def features(self, state: Page, action: Array, next_state: Page) -> Array:
        """Return the traits of texts that have just ended, zeros for others."""
        xp = array_namespace(state.tokens)
        finished = self.terminated(next_state) & ~self.terminated(state)
        traits = self.scorer.traits(next_state.tally)
        return xp.where(finished[:, None], traits, 0.0 * traits)

    def terminated(self, state: Page) -> Array:
        """Return whether a text has its end, or the page is full."""
        return (state.last == EOS) | (state.time >= self.horizon)

    def traits(self, tokens: Array) -> Array:
        """Return sentiment and conciseness [..., 2] of whole texts, tokens [..., L + 1] int64."""
        return self.scorer.of(tokens)

    def behaviour(self, state: Page, rng: np.random.Generator) -> np.ndarray:
        """Draw the next tokens [N] as pairs of words of the corpus follow each other."""
        place = np.searchsorted(self._chances, state.last + rng.random(len(state.last)), "right")
        return place - state.last * self.vocabulary.size

    @cached_property
    def _chances(self) -> np.ndarray:
        """Cumulative chances of the next token, each row plus its number: [V * V], rising."""
        size = self.vocabulary.size
        chance = np.exp(self.scorer.likelihood).reshape(size, size)
        chance[:, [PAD, BOS, UNK]] = 0.0
        total = chance.cumsum(axis=1)
        return (total / total[:, -1:] + np.arange(size)[:, None]).reshape(-1)

    def to(self, device: Any) -> Self:
        """Return a copy whose arrays, those of the scorer too, are on a torch device."""
        moved = super().to(device)
        moved.scorer = Scorer(*(on_device(part, device) for part in self.scorer))
        vars(moved).pop("_chances", None)  # behaviour is for NumPy
        return moved
