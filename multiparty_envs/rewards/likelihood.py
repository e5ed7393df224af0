"""Log-likelihood of choices, its gradient and information, for all parties at once.

Rows are sorted by party and cut into blocks of one party each, padded to one length, so that
everything is a batched matrix product and no party with many answers makes the others pay.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy.special import expit

from multiparty_envs.rewards.choices import Choices

LONGEST_BLOCK = 256  # rows; more would leave the cache


class Terms(NamedTuple):
    """Log-likelihood of each party at its theta, with derivatives."""

    value: np.ndarray  # [M]
    gradient: np.ndarray  # [M, D]
    information: np.ndarray  # [M, D, D], the negative of the second derivative


def log_probabilities(utility: np.ndarray, available: np.ndarray) -> np.ndarray:
    """Return [N, P + 1] log-probabilities of the alternatives, the reference (utility 0) last."""
    full = np.concatenate([np.where(available > 0, utility, -np.inf), 0 * utility[:, :1]], axis=1)
    top = full.max(axis=1, keepdims=True)
    return full - top - np.log(np.exp(full - top).sum(axis=1, keepdims=True))


@final
class Likelihood:
    """The choices of M parties, laid out for batched evaluation.

    Args:
        choices: what was answered.
    """

    def __init__(self, choices: Choices) -> None:
        self.num_parties, self.num_features = choices.num_parties, choices.num_features
        self.num_choices = len(choices.party)
        order = np.argsort(choices.party, kind="stable")
        place, self._party = _blocks(choices.counts)
        rows = order[np.maximum(place, 0)]  # [Q, B] row of every place; -1 marks padding
        self._weight = (place >= 0).astype(np.float64)  # [Q, B]
        self._target = choices.target[rows]  # [Q, B, P]
        self._available = choices.available[rows] * self._weight[..., None]
        flat = choices.design[rows] * self._available[..., None]
        self._design = flat.reshape(len(rows), -1, self.num_features)  # [Q, B * P, D]
        self._asked, self._starts = np.unique(self._party, return_index=True)

    def value(self, theta: np.ndarray) -> np.ndarray:
        """Return [M] log-likelihoods at `theta` [M, D]."""
        return self._per_party(self._chances(theta)[0])

    def gradient(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return [M] log-likelihoods and [M, D] gradients at `theta` [M, D]."""
        value, chance = self._chances(theta)
        return self._per_party(value), self._per_party(self._slopes(chance))

    def terms(self, theta: np.ndarray) -> Terms:
        """Return log-likelihood, gradient and information at `theta` [M, D]."""
        value, chance = self._chances(theta)
        sums = (value, self._slopes(chance), self._curvature(chance))
        return Terms(*map(self._per_party, sums))

    def _chances(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of each block [Q] and chance of each alternative [Q, B, P]."""
        utility = (self._design @ theta[self._party][..., None]).reshape(self._target.shape)
        if utility.shape[-1] == 1:
            chance = expit(utility)
            log_rest = -np.logaddexp(0.0, utility[..., 0])
        else:
            top = np.maximum(np.where(self._available > 0, utility, 0.0).max(axis=-1), 0.0)
            power = self._available * np.exp(utility - top[..., None])
            total = power.sum(axis=-1) + np.exp(-top)
            chance, log_rest = power / total[..., None], -top - np.log(total)
        value = (self._target * utility).sum(axis=-1) + log_rest
        return (self._weight * value).sum(axis=-1), chance

    def _slopes(self, chance: np.ndarray) -> np.ndarray:
        error = (self._target - chance) * self._available
        return (error.reshape(len(error), 1, -1) @ self._design)[:, 0]

    def _curvature(self, chance: np.ndarray) -> np.ndarray:
        chance = chance * self._available
        if chance.shape[-1] == 1:
            return _gram(self._design, chance * (1.0 - chance))
        shape = (*chance.shape, self.num_features)
        mean = np.einsum("qbp,qbpd->qbd", chance, self._design.reshape(shape))
        return _gram(self._design, chance) - _gram(mean, self._weight)

    def _per_party(self, blocks: np.ndarray) -> np.ndarray:
        """Sum [Q, ...] over the blocks of each party -> [M, ...]; zeros for the never asked."""
        sums = np.zeros((self.num_parties, *blocks.shape[1:]))
        sums[self._asked] = np.add.reduceat(blocks, self._starts, axis=0)
        return sums


def _gram(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """X' diag(weight) X of every block: [Q, B, D], [Q, B...] -> [Q, D, D]."""
    return (rows * weight.reshape(len(rows), -1, 1)).swapaxes(1, 2) @ rows


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
