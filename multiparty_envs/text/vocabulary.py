"""Words and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from multiparty_envs import expect

PAD, BOS, EOS, UNK = range(4)
MARKS = ("<pad>", "<bos>", "<eos>", "<unk>")
"""Nothing any more, the beginning, the end, and a word that is not in the vocabulary."""

Sentences = Sequence[Sequence[str]]


@final
@dataclass(frozen=True)
class Vocabulary:
    """V tokens: four marks, then words.

    Raises:
        ValueError: when a word occurs twice, is empty, or looks like a mark.
    """

    words: tuple[str, ...]
    """[V - 4], token 4 on."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        twice = [word for word, count in Counter(self.words).items() if count > 1]
        if twice or "" in self.words or set(MARKS) & set(self.words):
            raise ValueError(
                f"words should differ from each other, from '' and from {', '.join(MARKS)}; "
                f"twice: {twice[:3]}"
            )

    @classmethod
    def of(cls, sentences: Sentences, size: int) -> Vocabulary:
        """Return the most frequent words, equally frequent ones by the alphabet.

        Args:
            sentences: lists of words.
            size: the most tokens, marks included; all words if there are fewer.

        Raises:
            ValueError: when there is no room for a word.
        """
        expect.integer(size, name="size", low=len(MARKS) + 1)
        count = Counter(word for sentence in sentences for word in sentence)
        ranked = sorted(count, key=lambda word: (-count[word], word))
        return cls(tuple(ranked[: size - len(MARKS)]))

    @property
    def size(self) -> int:
        """V."""
        return len(MARKS) + len(self.words)

    @cached_property
    def tokens(self) -> dict[str, int]:
        """Word to token."""
        return {word: token for token, word in enumerate(self.words, start=len(MARKS))}

    def encode(self, sentences: Sentences, length: int) -> np.ndarray:
        """Return [K, length + 1] int64: BOS, the words, EOS, and PAD to the end.

        Sentences of more than `length` words are cut, those of `length` or more have no EOS.
        """
        expect.integer(length, name="length", low=1)
        tokens = np.full((len(sentences), length + 1), PAD, dtype=np.int64)
        tokens[:, 0] = BOS
        known = self.tokens
        for row, sentence in zip(tokens, sentences, strict=True):
            written = [*(known.get(word, UNK) for word in sentence), EOS][:length]
            row[1 : len(written) + 1] = written
        return tokens

    def decode(self, tokens: np.ndarray) -> list[str]:
        """Return the words [L + 1] of one text, from after BOS to EOS or PAD."""
        row = expect.shape(np.asarray(tokens), None, name="tokens").astype(np.int64).tolist()
        expect.integer(max(row, default=0), name="token", high=self.size - 1)
        expect.integer(min(row, default=0), name="token")
        row = row[row[:1] == [BOS] :]
        ends = [place for place, token in enumerate(row) if token in (PAD, EOS)]
        every = (*MARKS, *self.words)
        return [every[token] for token in row[: min(ends, default=len(row))]]
