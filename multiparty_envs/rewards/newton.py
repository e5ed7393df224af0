"""Newton's method for many small concave problems at once, with a line search for each."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from multiparty_envs.rewards.likelihood import Likelihood

TINY_RIDGE = 1e-6  # answers; what "no ridge" means, so that separable answers have an optimum
MAX_ITERATIONS = 100
HALVINGS = 30


class ConvergenceWarning(UserWarning):
    """A fit stopped before it reached its tolerance."""


class Prior(NamedTuple):
    """theta of each party ~ N(mean, precision^-1)."""

    mean: np.ndarray  # [D] or [M, D]
    precision: np.ndarray  # [D, D]

    def value(self, theta: np.ndarray) -> np.ndarray:
        """Return [M], the log-density at `theta` [M, D] up to a constant."""
        off = theta - self.mean
        return -0.5 * np.einsum("md,de,me->m", off, self.precision, off)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Return [M, D]."""
        return -(theta - self.mean) @ self.precision


class Optimum(NamedTuple):
    """Where each party's penalised likelihood is greatest."""

    theta: np.ndarray  # [M, D]
    information: np.ndarray  # [M, D, D], prior included
    value: np.ndarray  # [M] log-likelihood, prior not included


def ridge_prior(ridge: float, scale: float, num_features: int) -> Prior:
    """Return the prior that counts as `ridge` answers whose mean squared feature is `scale`."""
    return Prior(np.zeros(num_features), max(ridge, TINY_RIDGE) * scale * np.eye(num_features))


def maximise(
    likelihood: Likelihood, prior: Prior, start: np.ndarray | None = None, tol: float = 1e-10
) -> Optimum:
    """Return each party's maximum of log-likelihood plus log-prior.

    Args:
        likelihood: of M parties.
        prior: proper, so that the maximum exists and is one.
        start: [M, D], default the prior's mean.
        tol: on the Newton decrement, in units of log-likelihood per party.
    """
    shape = (likelihood.num_parties, likelihood.num_features)
    theta = np.broadcast_to(prior.mean if start is None else start, shape).copy()
    for _ in range(MAX_ITERATIONS):
        terms = likelihood.terms(theta)
        information = terms.information + prior.precision
        gradient = terms.gradient + prior.gradient(theta)
        step = np.linalg.solve(information, gradient[..., None])[..., 0]
        gain = np.einsum("md,md->m", gradient, step)  # twice the improvement Newton expects
        if gain.max() <= tol * (1.0 + np.abs(terms.value).max()):
            return Optimum(theta, information, terms.value)
        theta = _search(likelihood, prior, theta, step, terms.value + prior.value(theta))
    warnings.warn(f"Newton did not converge in {MAX_ITERATIONS} steps", ConvergenceWarning, 2)
    return Optimum(theta, information, terms.value)


def _search(
    likelihood: Likelihood, prior: Prior, theta: np.ndarray, step: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Move every party along its step, halved until its value does not fall."""
    size = np.ones((len(theta), 1))
    allowed = 1e-12 * (1.0 + np.abs(value))  # rounding may cost the last digits
    for _ in range(HALVINGS):
        new = theta + size * step
        worse = likelihood.value(new) + prior.value(new) < value - allowed
        if not worse.any():
            return new
        size[worse] *= 0.5
    return np.where(worse[:, None], theta, new)
