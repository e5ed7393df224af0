"""The joint problem: likelihood of all parties' answers when their rewards share a subspace.

Inside, theta is in units of the features' scale, so that the search is the same in any.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import TINY_RIDGE, ridge_prior

SHRINKAGE = 4.0  # answers that say nothing, counted with each party's at the start
FLATTEST = 1e-4  # part of a square feature that counts as known in any direction at the start


class Factors(NamedTuple):
    """Rewards center + basis alpha_m, in scaled units."""

    center: np.ndarray  # [D]
    basis: np.ndarray  # [D, R], orthonormal columns
    alpha: np.ndarray  # [M, R]

    @property
    def deviation(self) -> np.ndarray:
        """[M, D], what is penalised by the ridge."""
        return self.alpha @ self.basis.T


class Slopes(NamedTuple):
    """Objective, and its derivatives by each party's reward and by the common part."""

    value: float
    party: np.ndarray  # [M, D], by the deviation, ridge included
    center: np.ndarray  # [D], zero where there is no common part


class Curvature(NamedTuple):
    """Slopes with the second derivative of each party's likelihood, ridge not included."""

    slopes: Slopes
    information: np.ndarray  # [M, D, D]


@final
class JointProblem:
    """Negative log-likelihood plus penalties, to be minimised over `Factors`.

    Args:
        choices: what was answered.
        rank: R.
        ridge: weight of the prior on deviations, in answers.
        mean: whether there is a common part, free but for a tiny ridge.
        weights: [M], how much each party's likelihood counts; None: all alike.
    """

    def __init__(
        self,
        choices: Choices,
        rank: int,
        ridge: float,
        *,
        mean: bool = False,
        weights: np.ndarray | None = None,
    ) -> None:
        self._likelihood = Likelihood(choices)
        self._weights = np.ones(choices.num_parties) if weights is None else weights
        self.unit = float(np.sqrt(choices.scale))
        self.rank, self.mean = rank, mean
        self.shape = (choices.num_parties, choices.num_features)
        self.count: int = self._likelihood.num_choices
        self.ridge = max(ridge, TINY_RIDGE)

    def start(self) -> Factors:
        """Return a Newton step of every party from zero, cut to the rank.

        All parties' answers together say what the step is divided by: those of one may be few.
        """
        gradient, inverse_step = self._at_zero
        counts = self._likelihood.counts
        each = gradient / (counts + SHRINKAGE)[:, None]
        theta = np.linalg.solve(inverse_step, each.T).T
        center = theta.mean(axis=0) * self.mean
        loud = (theta - center) * np.sqrt(self._weights * counts)[:, None]
        basis = np.linalg.eigh(loud.T @ loud)[1][:, -self.rank :]
        return Factors(center, basis, (theta - center) @ basis)

    def scale(self) -> np.ndarray:
        """Return [D, D], the root of the inverse of all parties' information for each choice.

        In its coordinates the parties together know as much in any direction.
        """
        lower = np.linalg.cholesky(self._at_zero[1])
        return np.linalg.inv(lower).T

    @cached_property
    def _rough(self) -> Likelihood:
        """In single precision and scaled units."""
        return self._likelihood.single(self.unit)

    @cached_property
    def _at_zero(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradients [M, D] at zero, and the mean information [D, D] of a choice, scaled."""
        gradient, information = self._rough.at_zero()
        inverse_step = information / self.count
        # features that hardly differ should not begin far away
        return gradient, inverse_step + FLATTEST * np.eye(len(information))

    def slopes(self, at: Factors) -> Slopes:
        """Return the objective and its slopes."""
        value, gradient = self._likelihood.gradient(self.theta(at))
        return self._slopes(at, value, gradient / self.unit)

    def rough_slopes(self, at: Factors) -> Slopes:
        """Return the same to about seven digits, in half the time."""
        return self._slopes(at, *self._rough.gradient(at.center + at.deviation))

    def curvature(self, at: Factors) -> Curvature:
        """Return the objective, its slopes and the parties' information."""
        terms = self._likelihood.terms(self.theta(at))
        bend = terms.information * (self._weights / self.unit**2)[:, None, None]
        return Curvature(self._slopes(at, terms.value, terms.gradient / self.unit), bend)

    def norm(self, at: Factors, slopes: Slopes) -> float:
        """Return the gradient's norm, per choice, by center and by balanced factors.

        Of all factors with this product, the balanced ones have left' left = right' right; the
        norm is the same for all of these. The basis need not be orthonormal here.
        """
        basis, triangle = np.linalg.qr(at.basis)
        alpha = at.alpha @ triangle.T
        turn, size, _ = np.linalg.svd(alpha.T @ alpha)
        root = np.maximum(size, 1e-300) ** 0.25
        by_left = slopes.party.T @ (alpha @ (turn / root))
        by_right = slopes.party @ (basis @ (turn * root))
        total = (by_left**2).sum() + (by_right**2).sum() + (slopes.center**2).sum()
        return float(np.sqrt(total)) / self.count

    def theta(self, at: Factors) -> np.ndarray:
        """Return [M, D], the rewards in the features' own units."""
        return (at.center + at.deviation) / self.unit

    def information(self, at: Factors) -> np.ndarray:
        """Return [M, D, D] in the features' own units, the ridge included."""
        bend = self._likelihood.terms(self.theta(at)).information
        prior = ridge_prior(self.ridge, self.unit**2, self.shape[1])
        return bend * self._weights[:, None, None] + prior.precision

    def _slopes(self, at: Factors, value: np.ndarray, gradient: np.ndarray) -> Slopes:
        down = gradient * -self._weights[:, None]
        deviation = at.deviation
        penalty = self.ridge * np.vdot(deviation, deviation)
        penalty += TINY_RIDGE * (at.center @ at.center)
        by_center = (down.sum(axis=0) + TINY_RIDGE * at.center) * self.mean
        total = 0.5 * penalty - self._weights @ value
        return Slopes(float(total), down + self.ridge * deviation, by_center)
