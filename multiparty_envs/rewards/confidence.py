"""Where each party's reward may be: an ellipsoid around what was learned.

{theta : ||theta - theta_m||_{Sigma_m} <= radius_m}, with Sigma_m the mean outer product of the
feature differences that the party was shown, plus a ridge ([Zhong2024] section 4, step 2; for one
party [Zhu2023]). How large a radius must be is another matter: `multiparty_envs.rewards.radii`
has the formula of the theory and the bootstrap; where the truth may be seen, `agents.calibration`
measures it.

`Pessimistic` lowers a reward by standard errors that belong to one step at a time and come from the
learner's own approximation of its likelihood. These sets hold for all directions at once and for
all parties at once, whatever the learner, which is what policies that optimise over them need.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices, choices_of
from multiparty_envs.rewards.errors import data_covariance, distances
from multiparty_envs.rewards.newton import DEFAULT_RIDGE


@final
@dataclass(frozen=True, eq=False)
class ConfidenceSets:
    """One ellipsoid a party. Arrays are read-only.

    Raises:
        ValueError: when shapes do not fit, something is not finite, or a sigma is not symmetric
            positive definite.
    """

    theta: np.ndarray
    """[D, M], the centres."""
    sigma: np.ndarray
    """[M, D, D], the metrics; the larger, the better known."""
    radius: np.ndarray
    """[M]; negative is optimism: what is a lower bound then is an upper one."""
    whitening: np.ndarray = field(init=False, repr=False)
    """[M, D, D], W with W' W = sigma^-1: the width in direction x is radius * |W x|."""

    def __post_init__(self) -> None:
        theta = expect.shape(expect.finite(self.theta, name="theta"), None, None, name="theta")
        features, parties = theta.shape
        sigma = expect.finite(self.sigma, name="sigma")
        expect.shape(sigma, parties, features, features, name="sigma")
        radius = np.asarray(expect.finite(self.radius, name="radius"))
        radius = np.full(parties, radius) if radius.ndim == 0 else radius
        expect.shape(radius, parties, name="radius")
        if not np.allclose(sigma, sigma.swapaxes(1, 2), rtol=1e-8, atol=0.0):
            raise ValueError("sigma should be symmetric")
        try:
            root = np.linalg.cholesky(sigma)
        except np.linalg.LinAlgError as error:
            raise ValueError("sigma should be positive definite; give a ridge") from error
        whiten = np.linalg.solve(root, np.broadcast_to(np.eye(features), sigma.shape))
        arrays = {"theta": theta, "sigma": sigma, "radius": radius, "whitening": whiten}
        for name, array in arrays.items():
            own = np.array(array)
            own.setflags(write=False)
            object.__setattr__(self, name, own)

    @classmethod
    def of(
        cls,
        learner: LinearLearner,
        answers: Comparisons,
        radius: Any = 0.0,
        ridge: float = DEFAULT_RIDGE,
    ) -> ConfidenceSets:
        """Return the sets around a fitted learner.

        Args:
            learner: is fitted to `answers`.
            answers: to comparisons.
            radius: one number, or one a party.
            ridge: in answers, as the learners' (see `metric`).
        """
        return cls(learner.fitted, metric(answers, ridge), radius)

    @property
    def num_features(self) -> int:
        """D."""
        return self.theta.shape[0]

    @property
    def num_parties(self) -> int:
        """M."""
        return self.theta.shape[1]

    def with_radius(self, radius: Any) -> ConfidenceSets:
        """Return the same ellipsoids in another size, one number or [M]."""
        return replace(self, radius=radius)

    def scaled(self, multiplier: float) -> ConfidenceSets:
        """Return the sets with all radii multiplied; 0 is the plug-in, below it is optimism."""
        return replace(self, radius=expect.number(multiplier, name="multiplier") * self.radius)

    def distance(self, theta: np.ndarray) -> np.ndarray:
        """Return ||theta - centre||_sigma, [..., D, M] -> [..., M]."""
        return distances(self.sigma, np.asarray(theta, dtype=np.float64) - self.theta)

    def contains(self, theta: np.ndarray) -> np.ndarray:
        """Return whether each party's theta is in its set, [..., D, M] -> [..., M] bool."""
        # the boundary belongs to the set, up to rounding
        return self.distance(theta) <= self.radius * (1.0 + 1e-9)

    def norm(self, direction: np.ndarray) -> np.ndarray:
        """Return ||x||_{sigma^-1} of directions, [..., D] -> [..., M]."""
        seen = np.einsum("mij,...j->...mi", self.whitening, direction)
        return np.sqrt((seen**2).sum(axis=-1))

    def bounds(self, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and the greatest theta @ x over each set, [..., D] -> two [..., M]."""
        middle, width = direction @ self.theta, self.radius * self.norm(direction)
        return middle - width, middle + width

    def worst(self, direction: np.ndarray) -> np.ndarray:
        """Return [D, M], the element of each set that gives `direction` [D] the least."""
        seen = np.einsum("mij,j->mi", self.whitening, direction)
        size = np.sqrt((seen**2).sum(axis=1, keepdims=True))
        seen = np.divide(seen, size, out=np.zeros_like(seen), where=size > 0)
        return self.theta - self.radius * np.einsum("mij,mi->jm", self.whitening, seen)

    def sample(self, count: int, rng: np.random.Generator, *, boundary: bool = False) -> np.ndarray:
        """Return [count, D, M] draws, uniform in each set, or on its boundary.

        On the boundary the directions from the centre are uniform in the metric.
        """
        expect.integer(count, name="count", low=1)
        drawn = rng.standard_normal((count, self.num_parties, self.num_features))
        drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
        if not boundary:
            drawn *= rng.random((count, self.num_parties, 1)) ** (1.0 / self.num_features)
        moved = np.einsum("mij,nmi->njm", self.whitening, drawn)
        return self.theta + np.abs(self.radius) * moved


def metric(answers: Comparisons, ridge: float = DEFAULT_RIDGE) -> np.ndarray:
    """Return Sigma_m plus a ridge, [M, D, D].

    Args:
        answers: to comparisons.
        ridge: in answers of mean squared feature; spread over a party's answers, so that it fades
            with them. A party never asked has nothing but one answer's share of it.

    Raises:
        TypeError: when the answers are no comparisons.
    """
    choices = _pairs(answers)
    expect.number(ridge, name="ridge", low=0.0)
    share = ridge * choices.scale / np.maximum(choices.counts, 1)
    return data_covariance(choices) + share[:, None, None] * np.eye(choices.num_features)


def _pairs(answers: Comparisons) -> Choices:
    if not isinstance(answers, Comparisons):
        raise TypeError(f"answers should be Comparisons, are {type(answers).__name__}")
    return choices_of(answers)
