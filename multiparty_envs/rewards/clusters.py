"""Likelihood of every unit's answers under every cluster's reward, and steps that raise it."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np

from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import SHORTEST_STEP, Prior, maximise

SEED_UNITS = 512  # units looked at for starting points


@final
class Clusters:
    """C rewards that share the rows of U units, which are parties or single answers.

    Args:
        choices: rows whose `party` is the unit.
        prior: of each cluster's theta.
    """

    def __init__(self, choices: Choices, prior: Prior) -> None:
        self._choices, self._prior = choices, prior
        self.asked: np.ndarray = choices.counts > 0  # [U]
        self.num_choices = len(choices.party)
        self._flat = choices.design.reshape(-1, choices.num_features)  # [N * P, D]

    def values(self, theta: np.ndarray) -> np.ndarray:
        """Return [C, U], the log-likelihood of each unit's answers at `theta` [C, D]."""
        utility = self._utility(theta)
        rest, _ = softmax.choose(utility, self._choices.available[None])
        rows = (self._choices.target * utility).sum(axis=-1) + rest
        units = self._choices.num_parties
        return np.stack([np.bincount(self._choices.party, row, units) for row in rows])

    def penalty(self, theta: np.ndarray) -> np.ndarray:
        """Return [C], the log-prior of `theta` [C, D] up to a constant."""
        off = theta - self._prior.mean
        return -0.5 * ((off @ self._prior.precision) * off).sum(axis=1)

    def derivatives(self, theta: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient [C, D] and information [C, D, D], units weighted by `weight` [C, U]."""
        chance = softmax.choose(self._utility(theta), self._choices.available[None])[1]
        rows = weight[:, self._choices.party, None]  # [C, N, 1]
        gradient = (rows * (self._choices.target - chance)).reshape(len(theta), -1) @ self._flat
        information = np.stack([self._bend(*parts) for parts in zip(chance, rows, strict=True)])
        gradient -= (theta - self._prior.mean) @ self._prior.precision
        return gradient, information + self._prior.precision

    def _bend(self, chance: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """[D, D], sum of weight (X' diag(p) X - X'p p'X) over choices; [N, P], [N, 1]."""
        mean = np.einsum("np,npd->nd", chance, self._choices.design)
        rows = (weight * chance).reshape(-1, 1) * self._flat
        return rows.T @ self._flat - (weight * mean).T @ mean

    def improve(
        self, theta: np.ndarray, values: np.ndarray, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return theta [C, D] after a Newton step each, halved until no weighted value falls.

        Args:
            theta: [C, D].
            values: [C, U] at theta.
            weight: [C, U] of the units.

        Returns:
            the new theta and its values.
        """
        gradient, information = self.derivatives(theta, weight)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        before = (weight * values).sum(axis=1) + self.penalty(theta)
        size = np.ones((len(theta), 1))
        while True:
            new = theta + size * step
            new_values = self.values(new)
            worse = (weight * new_values).sum(axis=1) + self.penalty(new) < before
            if not worse.any():
                return new, new_values
            size[worse] *= 0.5
            # at the optimum to the last digit rounding decides, so those clusters stay
            size[worse & (size[:, 0] < SHORTEST_STEP)] = 0.0

    def seeds(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return [count, D] starting points: single units' rewards, far from each other.

        Drawn as by k-means++ [Arthur2007] from some units' own estimates around the pooled one.
        """
        units = np.sort(rng.permutation(np.flatnonzero(self.asked))[:SEED_UNITS])
        points = _estimates(self._choices.of_parties(units), self._pooled)
        chosen = [points[rng.integers(len(points))]]
        for _ in range(count - 1):
            square = ((points[:, None] - np.stack(chosen)) ** 2).sum(axis=2).min(axis=1)
            total = square.sum()
            chance = square / total if total > 0 else np.full(len(points), 1.0 / len(points))
            chosen.append(points[rng.choice(len(points), p=chance)])
        return np.stack(chosen)

    @cached_property
    def _pooled(self) -> np.ndarray:
        """[D]."""
        return maximise(Likelihood(self._choices.pooled()), self._prior).theta[0]

    def _utility(self, theta: np.ndarray) -> np.ndarray:
        """[C, N, P]."""
        shape = (len(theta), *self._choices.target.shape)
        return (theta @ self._flat.T).reshape(shape)


def _estimates(choices: Choices, center: np.ndarray) -> np.ndarray:
    """[U, D], each unit's reward by one Newton step from `center` under a prior of one answer."""
    start = np.tile(center, (choices.num_parties, 1))
    terms = Likelihood(choices).terms(start)
    precision = choices.scale * np.eye(len(center))
    return start + np.linalg.solve(terms.information + precision, terms.gradient[..., None])[..., 0]
