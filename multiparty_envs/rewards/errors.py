"""How far learned rewards are from given ones, in the norms of [Zhong2024].

All are functions of arrays: a learner never sees the truth, so whoever has it brings it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.rewards.choices import Choices, choices_of
from multiparty_envs.rewards.likelihood import Likelihood


class Diversity(NamedTuple):
    """In how many directions parties differ, and how evenly ([Zhong2024], assumption 4)."""

    nu: float
    """The R-th largest eigenvalue of theta' theta / M; 0 where fewer directions are spanned."""
    kappa: float
    """The largest eigenvalue divided by `nu`; infinite where that is 0."""


class DesignBounds(NamedTuple):
    """Extreme eigenvalues of an expected data covariance ([Zhong2024], assumption 3)."""

    lowest: float
    """C_min."""
    highest: float
    """C_max."""


def data_covariance(answers: Comparisons | Rankings | Choices) -> np.ndarray:
    """Return Sigma_m = mean of x x' over party m's feature differences, [M, D, D].

    In a choice among more than two, x runs over the pairs of alternatives that were there
    ([Zhu2023]). A party never asked has zeros.

    Raises:
        TypeError: when these are no answers.
        ValueError: when there are none, or features are not finite.
    """
    choices = answers if isinstance(answers, Choices) else choices_of(answers)
    counts = np.maximum(choices.counts, 1)
    return Likelihood(choices).second_moments() / counts[:, None, None]


def error_norms(
    theta_hat: np.ndarray, theta_star: np.ndarray, sigma: np.ndarray, ridge: float = 0.0
) -> np.ndarray:
    """Return |theta_hat_m - theta_star_m| in the norm of sigma_m + ridge I, [M].

    With the data covariance, it is the root mean square error of the difference of returns over
    the queries that party m was asked: the left side of [Zhong2024], theorem 1.

    Args:
        theta_hat: [D, M] learned.
        theta_star: [D, M] true.
        sigma: [M, D, D] positive semidefinite, one a party.
        ridge: lambda, which makes a norm of a singular sigma.

    Raises:
        ValueError: when shapes do not fit, or entries are not finite.
    """
    truth, learned = (
        expect.shape(expect.finite(value, name=name), None, None, name=name)
        for name, value in (("theta_star", theta_star), ("theta_hat", theta_hat))
    )
    features, parties = expect.shape(learned, *truth.shape, name="theta_hat").shape
    inner = expect.finite(sigma, name="sigma")
    expect.shape(inner, parties, features, features, name="sigma")
    expect.number(ridge, name="ridge", low=0.0)
    return distances(inner + ridge * np.eye(features), learned - truth)


def distances(sigma: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """Return ||difference||_sigma of each party, [M, D, D] and [..., D, M] -> [..., M]."""
    square = np.einsum("...im,mij,...jm->...m", difference, sigma, difference, optimize=True)
    return np.sqrt(np.maximum(square, 0.0))


def diversity(theta: np.ndarray, rank: int) -> Diversity:
    """Return nu and kappa of rewards `theta` [D, M] that are said to have `rank`.

    Raises:
        ValueError: when the rank is larger than D or M.
    """
    given = expect.shape(expect.finite(theta, name="theta"), None, None, name="theta")
    expect.integer(rank, name="rank", low=1, high=min(given.shape))
    size = np.linalg.svd(given / np.sqrt(given.shape[1]), compute_uv=False)
    # what only rounding keeps from zero
    spanned = size[rank - 1] > size[0] * max(given.shape) * np.finfo(np.float64).eps
    nu = float(size[rank - 1] ** 2) if spanned else 0.0
    return Diversity(nu, float(size[0] ** 2) / nu if spanned else np.inf)


def design_bounds(covariance: np.ndarray) -> DesignBounds:
    """Return C_min and C_max of an expected data `covariance` [D, D].

    Raises:
        ValueError: when it is not symmetric.
    """
    matrix = expect.finite(covariance, name="covariance")
    expect.shape(matrix, None, matrix.shape[0], name="covariance")
    if not np.allclose(matrix, matrix.T):
        raise ValueError(
            f"covariance should be symmetric, differs from its transpose by "
            f"{np.abs(matrix - matrix.T).max():g}"
        )
    values = np.linalg.eigvalsh(matrix)
    return DesignBounds(float(values[0]), float(values[-1]))
