"""Newton's method for many small concave problems at once, with a line search for each."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from multiparty_envs.rewards.likelihood import Likelihood, Terms

TINY_RIDGE = 1e-6  # answers; what "no ridge" means, so that separable answers have an optimum
DEFAULT_RIDGE = 0.3  # answers; between what is best for parties of few answers and of many
MAX_ITERATIONS = 100
SHORTEST_STEP = 1e-9  # part of Newton's step, below which only rounding is left to gain


class ConvergenceWarning(UserWarning):
    """A fit stopped before it reached its tolerance."""


class Prior(NamedTuple):
    """theta of each party ~ N(mean, precision^-1)."""

    mean: np.ndarray  # [D]
    precision: np.ndarray  # [D, D]

    def posterior(self, theta: np.ndarray, terms: Terms) -> Terms:
        """Return `terms` at `theta` [M, D] with the log-density added, up to a constant."""
        pull = (theta - self.mean) @ self.precision
        value = terms.value - 0.5 * (pull * (theta - self.mean)).sum(axis=1)
        return Terms(value, terms.gradient - pull, terms.information + self.precision)


class Optimum(NamedTuple):
    """Where each party's penalised likelihood is greatest."""

    theta: np.ndarray  # [M, D]
    information: np.ndarray  # [M, D, D], prior included
    value: np.ndarray  # [M] log-likelihood, prior included


def ridge_prior(ridge: float, scale: float, num_features: int) -> Prior:
    """Return the prior that counts as `ridge` answers whose mean squared feature is `scale`."""
    return Prior(np.zeros(num_features), max(ridge, TINY_RIDGE) * scale * np.eye(num_features))


def maximise(
    likelihood: Likelihood, prior: Prior, tol: float = 1e-5, start: np.ndarray | None = None
) -> Optimum:
    """Return each party's maximum of log-likelihood plus log-prior.

    Args:
        likelihood: of M parties.
        prior: proper, so that the maximum exists and is one.
        tol: on what Newton's next step would gain, relative to a party's log-likelihood.
        start: [M, D] where to begin; default the prior's mean.
    """
    shape = (likelihood.num_parties, likelihood.num_features)
    theta = np.broadcast_to(prior.mean if start is None else start, shape).copy()
    terms = prior.posterior(theta, likelihood.terms(theta))
    for _ in range(MAX_ITERATIONS):
        step = np.linalg.solve(terms.information, terms.gradient[..., None])[..., 0]
        gain = (terms.gradient * step).sum(axis=1)
        if (gain <= tol * (1.0 + np.abs(terms.value))).all():
            # this last step squares the error; information is that just before it
            return Optimum(theta + step, terms.information, terms.value)
        theta, terms = _search(likelihood, prior, (theta, terms), step)
    message = f"Newton did not converge in {MAX_ITERATIONS} steps"
    warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return Optimum(theta, terms.information, terms.value)


def _search(
    likelihood: Likelihood, prior: Prior, start: tuple[np.ndarray, Terms], step: np.ndarray
) -> tuple[np.ndarray, Terms]:
    """Move every party along its step, halved until its value does not fall."""
    theta, before = start
    size = np.ones((len(theta), 1))
    allowed = 1e-12 * (1.0 + np.abs(before.value))  # rounding may cost the last digits
    while True:
        new = theta + size * step
        terms = prior.posterior(new, likelihood.terms(new))
        worse = terms.value < before.value - allowed
        if not worse.any() or size.min() < SHORTEST_STEP:
            return new, terms
        size[worse] *= 0.5
