"""Writing, a word at a time: how a text grows, and what is counted of it on the way."""

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
from multiparty_envs.text.traits import Scorer, Tally
from multiparty_envs.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary

if TYPE_CHECKING:
    from typing_extensions import Self

Array = Any


class Page(NamedTuple):
    """What N copies have written."""

    tokens: Array  # [N, L + 1] int64, BOS first, PAD where nothing is written yet
    tally: Tally  # [N] each
    last: Array  # [N] int64, the token written last
    time: Array  # [N] int64, tokens written, a prompt's not counted


@final
class Writing(Dynamics):
    """A text of up to L tokens, judged when it ends.

    Attributes:
        vocabulary: V tokens.
        length: L.
        corpus_tokens: [K, L + 1] int64, the sentences that the language is learned from.
        scorer: what is judged.
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
        words = corpus_tokens[:, 1 : self.prompt + 2]
        # a prompt is the beginning of a sentence that goes on
        self._prompts = corpus_tokens[(words >= UNK).all(axis=1), : self.prompt + 1]
        if not len(self._prompts):
            raise ValueError(f"prompt should leave a sentence of more words, is {prompt}")

    def initial(self, count: int, draw: Draw) -> Page:
        """Begin with nothing, or with the first words of a sentence of the corpus."""
        zero = draw.key * 0
        xp = array_namespace(zero)
        tokens = xp.zeros((count, self.length + 1), dtype=xp.int64, device=device_of(zero)) + PAD
        tokens[:, 0] = BOS
        if self.prompt:
            tokens[:, : self.prompt + 1] = take(self._prompts, draw.integers(len(self._prompts)))
        nothing = xp.astype(zero, xp.float64)
        tally = Tally(nothing, nothing, zero, zero)
        for place in range(self.prompt):
            tally = tally.plus(self.scorer.added(tokens[:, place], tokens[:, place + 1]))
        return Page(tokens, tally, tokens[:, self.prompt] + 0, zero)

    def transition(self, state: Page, action: Array, draw: Draw) -> Page:
        """Write a token where the text goes on."""
        xp = array_namespace(state.tokens)
        ended = self.terminated(state)
        # who writes what is no word writes an unknown one
        token = xp.where(action < EOS, UNK + 0 * action, action)
        token = xp.where(ended, PAD * token, token)
        place = xp.arange(self.length + 1, device=device_of(token))
        here = (place == (state.time + 1 + self.prompt)[:, None]) & ~ended[:, None]
        return Page(
            xp.where(here, token[:, None], state.tokens),
            state.tally.plus(self.scorer.added(state.last, token)),
            xp.where(ended, state.last, token),
            state.time + xp.astype(~ended, xp.int64),
        )

    def observe(self, state: Page) -> Array:
        """Return the tokens as float32, which holds them exactly."""
        xp = array_namespace(state.tokens)
        return xp.astype(state.tokens, xp.float32)

    def features(self, state: Page, action: Array, next_state: Page) -> Array:
        """Return the traits of a text that has just ended, else zeros."""
        xp = array_namespace(state.tokens)
        finished = self.terminated(next_state) & ~self.terminated(state)
        traits = self.scorer.traits(next_state.tally)
        return xp.where(finished[:, None], traits, 0.0 * traits)

    def terminated(self, state: Page) -> Array:
        """Return whether the text is finished, or the page full."""
        return (state.last == EOS) | (state.time >= self.horizon)

    def traits(self, tokens: Array) -> Array:
        """Return sentiment and conciseness [..., 2] of texts [..., L + 1]."""
        return self.scorer.of(tokens)

    def behaviour(self, state: Page, rng: np.random.Generator) -> np.ndarray:
        """Draw the next words [N] as the corpus's pairs of words have them."""
        place = np.searchsorted(self._chances, state.last + rng.random(len(state.last)), "right")
        return place - state.last * self.vocabulary.size

    @cached_property
    def _chances(self) -> np.ndarray:
        """Row after row [V * V], the cumulative chances of the next token, plus the row's number."""
        size = self.vocabulary.size
        chance = np.exp(self.scorer.likelihood).reshape(size, size)
        chance[:, [PAD, BOS, UNK]] = 0.0
        total = chance.cumsum(axis=1)
        return (total / total[:, -1:] + np.arange(size)[:, None]).reshape(-1)

    def to(self, device: Any) -> Self:
        """Return a copy whose arrays, the tables of the traits included, are on a torch device."""
        self._chances  # of NumPy, and not to be made from tensors
        moved = super().to(device)
        moved.scorer = Scorer(*(on_device(part, device) for part in self.scorer))
        return moved
