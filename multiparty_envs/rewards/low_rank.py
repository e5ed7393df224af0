"""All parties' rewards in one subspace of few dimensions."""

from __future__ import annotations

import warnings
from typing import final

import numpy as np
from scipy.optimize import minimize

from multiparty_envs import expect
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import (
    DEFAULT_RIDGE,
    TINY_RIDGE,
    ConvergenceWarning,
    ridge_prior,
)
from multiparty_envs.rewards.selection import best_size

MAX_ITERATIONS = 2000


@final
class LowRank(LinearLearner):
    """theta_m = U alpha_m by joint maximum likelihood ([Zhong2024] A2 and step 1).

    With `mean=True`, theta_m = mean + U alpha_m: what all have in common costs no rank. Solved
    over both factors at once by L-BFGS from the leading singular vectors of each party's first
    Newton step; the gradient is analytic. The covariance is the inverse expected information
    on the manifold of rank-R matrices, so that it counts what a party borrows from the others.
    A party never asked has alpha 0 and the covariance that the ridge leaves it.

    Assumes that parties differ in few directions; where they differ in all, as the travellers
    of `data.load("train")` do, low ranks are biased and the full rank is `Independent`.

    Args:
        rank: R, at most the number of features and of parties; None takes the one
            that predicts held-out answers best (see `selection`).
        ridge: weight of the prior N(0, .) on U alpha_m, in answers (see `Pooled`).
        mean: whether to estimate a common part outside of the subspace.
        seed: of the answers held out when `rank` is None.

    Attributes:
        basis_: [D, R], U with orthonormal columns, the one that explains most first.
        coefficients_: [R, M], alpha.
        mean_: [D], zero without `mean`.
        rank_: R.
    """

    basis_: np.ndarray
    coefficients_: np.ndarray
    mean_: np.ndarray
    rank_: int

    def __init__(
        self,
        rank: int | None = None,
        ridge: float = DEFAULT_RIDGE,
        mean: bool = False,
        seed: int = 0,
    ) -> None:
        self.rank = None if rank is None else expect.integer(rank, name="rank", low=1)
        self.ridge = expect.number(ridge, name="ridge", low=0.0)
        self.mean = mean
        self.seed = seed

    def _fit(self, choices: Choices) -> None:
        largest = min(choices.num_features, choices.num_parties)
        if self.rank is None:
            self.rank_ = best_size(range(1, largest + 1), choices, self._score, self.seed)
        else:
            self.rank_ = expect.integer(self.rank, name="rank", low=1, high=largest)
        fit = _Factors(choices, self.rank_, self.ridge, self.mean)
        self.mean_, theta = fit.mean, fit.theta
        left, size, right = np.linalg.svd((theta - fit.mean).T, full_matrices=True)
        self.basis_ = left[:, : self.rank_]
        self.coefficients_ = size[: self.rank_, None] * right[: self.rank_]
        self.theta_ = theta.T
        self.covariance_ = _covariance(fit.information(), left, self.coefficients_, self.mean)

    def _score(self, rank: int, train: Choices, test: Choices) -> np.ndarray:
        fit = _Factors(train, rank, self.ridge, self.mean)
        return Likelihood(test).gradient(fit.theta)[0]


@final
class _Factors:
    """The joint fit: mean [D], left [D, R] and right [M, R] with theta = mean + right left'.

    Inside, theta is in units of the features' scale, so that the search is the same in any.
    """

    def __init__(self, choices: Choices, rank: int, ridge: float, mean: bool) -> None:
        self._likelihood = Likelihood(choices)
        self._unit = np.sqrt(choices.scale)
        self._rank, self._shape = rank, (choices.num_parties, choices.num_features)
        self._ridge = max(ridge, TINY_RIDGE)
        self._has_mean = mean
        options = {"maxiter": MAX_ITERATIONS, "maxfun": 2 * MAX_ITERATIONS}
        options |= {"ftol": 1e-12, "gtol": 1e-6, "maxcor": 20}
        found = minimize(
            self._objective, self._start(), jac=True, method="L-BFGS-B", options=options
        )
        if found.status == 1:
            message = f"the joint fit did not converge in {MAX_ITERATIONS} steps"
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        center, left, right = self._split(found.x)
        if mean:
            center = center + right.mean(axis=0) @ left.T
            right = right - right.mean(axis=0)
        self.mean: np.ndarray = center / self._unit
        self.theta: np.ndarray = (center + right @ left.T) / self._unit

    def information(self) -> np.ndarray:
        """Return [M, D, D] at the optimum, the ridge included."""
        prior = ridge_prior(self._ridge, self._unit**2, self._shape[1])
        return self._likelihood.terms(self.theta).information + prior.precision

    def _start(self) -> np.ndarray:
        """A Newton step of every party from zero, cut to the rank."""
        zero = np.zeros(self._shape)
        terms = self._likelihood.terms(zero)
        prior = ridge_prior(max(1.0, self._ridge), self._unit**2, self._shape[1])
        inverse_step = terms.information + prior.precision
        theta = np.linalg.solve(inverse_step, terms.gradient[..., None])[..., 0] * self._unit
        center = theta.mean(axis=0) * self._has_mean
        left, size, right = np.linalg.svd((theta - center).T, full_matrices=False)
        # never exactly zero: at left = right = 0 the gradient vanishes
        root = np.sqrt(size[: self._rank] + 1e-3)
        parts = (center, left[:, : self._rank] * root, right[: self._rank].T * root)
        return np.concatenate([part.ravel() for part in parts])

    def _split(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        parties, features = self._shape
        center, left, right = np.split(x, [features, features * (1 + self._rank)])
        return center, left.reshape(features, -1), right.reshape(parties, -1)

    def _objective(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative penalised log-likelihood per choice, and its gradient."""
        center, left, right = self._split(x)
        deviation = right @ left.T
        value, gradient = self._likelihood.gradient((center + deviation) / self._unit)
        penalty = self._ridge * np.vdot(deviation, deviation) + TINY_RIDGE * (center @ center)
        slope = gradient / self._unit
        of_center = (slope.sum(axis=0) - TINY_RIDGE * center) * self._has_mean
        slope -= self._ridge * deviation
        parts = (of_center, slope.T @ right, slope @ left)
        count = self._likelihood.num_choices
        flat = np.concatenate([part.ravel() for part in parts])
        return (0.5 * penalty - value.sum()) / count, -flat / count


def _covariance(
    information: np.ndarray, frame: np.ndarray, alpha: np.ndarray, mean: bool
) -> np.ndarray:
    """[M, D, D] covariance of theta_m = U alpha_m from each party's `information` [M, D, D].

    Tangent directions are d alpha_m and dU = V K, where `frame` [D, D] = [U, V] is orthonormal;
    alpha_m is eliminated from the joint information, which leaves sum_m B_m kron alpha_m alpha_m'
    for K. A mean moves along V alone (along U it is part of alpha): one more column of K.
    """
    rank = len(alpha)
    inside, outside = frame[:, :rank], frame[:, rank:]
    own = np.linalg.inv(inside.T @ information @ inside)  # [M, R, R]
    covariance = inside @ own @ inside.T
    if outside.shape[1] == 0:
        return covariance
    weights = np.concatenate([alpha, np.ones((1, alpha.shape[1]))]) if mean else alpha
    # how theta_m moves with V K weights_m when alpha_m gives way
    move = outside - inside @ own @ (inside.T @ information @ outside)  # [M, D, D - R]
    left_over = outside.T @ information @ move
    size = outside.shape[1] * len(weights)
    shared = np.einsum("mij,am,bm->iajb", left_over, weights, weights, optimize=True)
    inverse = np.linalg.pinv(shared.reshape(size, size), hermitian=True).reshape(shared.shape)
    # E[weights weights'], so that a party whose alpha is uncertain does not seem known outside U
    second = np.einsum("am,bm->mab", weights, weights)
    second[:, :rank, :rank] += own
    basis = np.einsum("iajb,mab->mij", inverse, second, optimize=True)
    return covariance + move @ basis @ move.swapaxes(1, 2)
