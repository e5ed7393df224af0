"""Log-likelihood of choices, its gradient and information, for all parties at once.

Rows are sorted by party and cut into blocks of one party each, padded to one length, so that
everything is a batched matrix product and no party with many answers makes the others pay.
"""

from __future__ import annotations

import copy
from typing import NamedTuple, final

import numpy as np
from typing_extensions import Self

from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.choices import Choices

LONGEST_BLOCK = 256  # rows; more would leave the cache


class Terms(NamedTuple):
    """Log-likelihood of each party at its theta, with derivatives."""

    value: np.ndarray  # [M]
    gradient: np.ndarray  # [M, D]
    information: np.ndarray  # [M, D, D], the negative of the second derivative


@final
class Likelihood:
    """The choices of M parties, laid out for batched evaluation.

    Args:
        choices: what was answered.
    """

    def __init__(self, choices: Choices) -> None:
        self.num_parties, self.num_features = choices.num_parties, choices.num_features
        self.num_choices, self.counts = len(choices.party), choices.counts
        order = np.argsort(choices.party, kind="stable")
        place, self._party = _blocks(choices.counts)
        rows = order[np.maximum(place, 0)]  # [Q, B] row of every place; -1 marks padding
        self._weight = (place >= 0).astype(np.float64)  # [Q, B]
        self._available = choices.available[rows] * self._weight[..., None]  # [Q, B, P]
        self._target = choices.target[rows] * self._available
        self._design = choices.design[rows]  # [Q, B, P, D]
        self._design[place < 0] = 0.0
        self._flat = self._design.reshape(len(rows), -1, self.num_features)  # [Q, B * P, D]
        self._asked, self._starts = np.unique(self._party, return_index=True)

    def single(self, unit: float) -> Self:
        """Return the same in single precision: half the bytes, for values that need not be exact.

        Args:
            unit: of the features; those of the twin are divided by it, so that none overflows.
        """
        twin = copy.copy(self)
        for name in ("_weight", "_available", "_target"):
            setattr(twin, name, getattr(self, name).astype(np.float32))
        twin._design = self._design.astype(np.float32)
        twin._design /= np.float32(unit)
        twin._flat = twin._design.reshape(self._flat.shape)
        return twin

    def gradient(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return [M] log-likelihoods and [M, D] gradients at `theta` [M, D]."""
        utility = self._utility(theta)
        log_rest, chance = softmax.choose(utility, self._available)
        value = self._value(utility, log_rest)
        return self._per_party(value), self._per_party(self._slopes(chance))

    def terms(self, theta: np.ndarray, covariance: np.ndarray | None = None) -> Terms:
        """Return log-likelihood, gradient and information at `theta` [M, D].

        Args:
            theta: [M, D].
            covariance: [M, D, D]; if given, all three are averages over N(theta, covariance).
        """
        utility = self._utility(theta)
        if covariance is None:
            chosen = softmax.moments(utility, self._available)
        else:
            chosen = softmax.averaged(utility, self._spread(covariance), self._available)
        value = self._value(utility, chosen.log_rest)
        sums = (value, self._slopes(chosen.chance), self._information(chosen.curvature))
        return Terms(*map(self._per_party, sums))

    def at_zero(self) -> tuple[np.ndarray, np.ndarray]:
        """Return [M, D] gradients at theta = 0, and [D, D] the information of all together."""
        flat = self._flat.reshape(-1, self.num_features)
        if self._target.shape[-1] == 1:
            chance = 0.5 * self._available
            information = 0.25 * (flat.T @ flat)  # every curvature is a quarter
        else:
            chosen = softmax.moments(np.zeros_like(self._target), self._available)
            chance = chosen.chance
            information = self._bent(chosen.curvature).reshape(flat.shape).T @ flat
        return self._per_party(self._slopes(chance)), information

    def second_moments(self) -> np.ndarray:
        """Return [M, D, D], the sum over a party's choices of the mean of x x' over all pairs.

        x is the difference of two alternatives' features; two alternatives are one pair.
        """
        others = self._available.sum(axis=-1, keepdims=True)  # [Q, B, 1], the reference left out
        pairs = np.maximum(others * (others + 1) / 2, 1.0)[..., None]
        both = self._available[..., :, None] * self._available[..., None, :]
        # the pairs with the reference and those among the others, from sums over alternatives
        centred = (others + 1)[..., None] * both * np.eye(both.shape[-1]) - both
        return self._per_party(self._information(centred / pairs))

    def _utility(self, theta: np.ndarray) -> np.ndarray:
        """[Q, B, P]."""
        each = theta.astype(self._flat.dtype, copy=False)[self._party]
        return (self._flat @ each[..., None]).reshape(self._target.shape)

    def _spread(self, covariance: np.ndarray) -> np.ndarray:
        """[Q, B, P, P], covariance of the utilities of each choice."""
        moved = (self._flat @ covariance[self._party]).reshape(self._design.shape)
        return moved @ self._design.swapaxes(-1, -2)

    def _value(self, utility: np.ndarray, log_rest: np.ndarray) -> np.ndarray:
        value = (self._target * utility).sum(axis=-1) + log_rest
        return (self._weight * value).sum(axis=-1, dtype=np.float64)

    def _slopes(self, chance: np.ndarray) -> np.ndarray:
        error = self._target - chance
        return (error.reshape(len(error), 1, -1) @ self._flat)[:, 0]

    def _information(self, curvature: np.ndarray) -> np.ndarray:
        return self._bent(curvature).swapaxes(1, 2) @ self._flat

    def _bent(self, curvature: np.ndarray) -> np.ndarray:
        """[Q, B * P, D], the design multiplied by the curvature of each choice."""
        two = curvature.shape[-1] == 1
        # a product of numbers, not of matrices: several times faster
        bent = curvature * self._design if two else curvature @ self._design
        return bent.reshape(self._flat.shape)

    def _per_party(self, blocks: np.ndarray) -> np.ndarray:
        """Sum [Q, ...] over the blocks of each party -> [M, ...]; zeros for the never asked."""
        if len(blocks) == len(self._asked) == self.num_parties:
            return blocks
        sums = np.zeros((self.num_parties, *blocks.shape[1:]))
        sums[self._asked] = np.add.reduceat(blocks, self._starts, axis=0)
        return sums


def _blocks(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut runs of `counts` [M] rows into blocks -> places [Q, B] (-1 padding), party [Q]."""
    asked = counts[counts > 0]
    length = int(min(np.ceil(asked.mean()), LONGEST_BLOCK))
    blocks = -(-counts // length)
    party = np.repeat(np.arange(len(counts)), blocks)
    number = np.arange(len(party)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    place = (number * length)[:, None] + np.arange(length)
    start = np.cumsum(counts) - counts
    inside = place < counts[party][:, None]
    return np.where(inside, start[party][:, None] + place, -1), party
