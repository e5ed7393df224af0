"""Each party shrunk to the population, as far as the answers of all of them say."""

from __future__ import annotations

import warnings
from typing import final

import numpy as np
from scipy.optimize import minimize

from multiparty_envs import expect
from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import (
    TINY_RIDGE,
    ConvergenceWarning,
    Prior,
    maximise,
    ridge_prior,
)
from multiparty_envs.rewards.variational import Posterior, posteriors

EM_STEPS = 5  # enough to find the units of the problem, in which L-BFGS then works
MAX_ITERATIONS = 500
REACH = 1.0  # log of how far a standard deviation may move in one round
ROUNDS = 12


@final
class Hierarchical(LinearLearner):
    """theta of each party ~ N(mean, spread), both by maximum marginal likelihood.

    The mixed logit model [ReveltTrain1998] with normal, fully correlated part-worths. Party by
    party the posterior is approximated by the normal distribution that maximises a lower bound on
    the marginal likelihood (see `variational`), and the sum of the bounds is maximised over the
    population's mean and covariance. `theta_` is the posterior mean. `predict_proba` and
    `log_likelihood` average over the posterior instead of plugging the mean in, since a
    party of few answers is known badly. A party never asked is expected to be like the
    population: `theta_` is its mean and the covariance its spread. With a single party the
    spread tends to zero and the fit is that of `Pooled`.

    A full covariance asks much of a few parties: the likelihood alone would stretch it along their
    differences, errors included. So the spread is shrunk, as if by `shrinkage` imagined parties
    for each feature, to a multiple of the one that is alike in all directions (inverse Wishart
    prior whose scale is fitted too; "alike" in units in which features vary alike). The covariance
    of a party counts what is not known of the population's mean but takes its spread as known.

    Args:
        shrinkage: imagined parties for each feature; 0 is the marginal likelihood alone.
        ridge: weight, in answers, of a prior N(0, .) in whose eyes an average party lives; keeps
            the population finite where nobody ever contradicts himself.
        tol: relative gain of the bound at which to stop.

    Attributes:
        mean_: [D] of the population.
        spread_: [D, D], its covariance.
        bound_: the lower bound on the log marginal likelihood of all answers.
    """

    mean_: np.ndarray
    spread_: np.ndarray
    bound_: float

    def __init__(self, shrinkage: float = 1.0, ridge: float = 0.01, tol: float = 1e-6) -> None:
        self.shrinkage = expect.number(shrinkage, name="shrinkage", low=0.0)
        self.ridge = expect.number(ridge, name="ridge", low=0.0)
        self.tol = expect.number(tol, name="tol", low=0.0)

    def _fit(self, choices: Choices) -> None:
        problem = _MarginalLikelihood(choices, self.ridge, self.shrinkage)
        options = {"ftol": self.tol, "maxiter": MAX_ITERATIONS}
        for _ in range(ROUNDS):
            start = np.zeros(problem.size)
            found = minimize(
                problem, start, jac=True, method="L-BFGS-B", bounds=problem.bounds, options=options
            )
            if not problem.restart(found.x):
                break
        else:
            message = f"the population's spread still moves after {ROUNDS} rounds"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        self.mean_, self.spread_ = problem.mean, problem.factor @ problem.factor.T
        self.theta_ = problem.posterior.mean.T
        self.covariance_ = _with_mean(
            problem.posterior, self.spread_, max(self.ridge, TINY_RIDGE) * choices.scale
        )
        self.bound_ = float(problem.posterior.bound.sum())

    def _chances(self, choices: Choices) -> np.ndarray:
        covariance = choices.utility_covariance(self.covariance_)
        utility = choices.utilities(self.theta_)
        chosen = softmax.averaged(utility, covariance, choices.available)
        reference = 1.0 - chosen.chance.sum(axis=1, keepdims=True)
        return np.concatenate([chosen.chance, reference], axis=1)


@final
class _MarginalLikelihood:
    """The (negative, per-party) bound as a function of the population, and its gradient.

    The population is mean + factor @ a with covariance factor T T' factor', where T is lower
    triangular with the logarithm of its diagonal as a parameter, so that x = 0 is the start and
    the search does not depend on the units of the features.
    """

    def __init__(self, choices: Choices, ridge: float, shrinkage: float) -> None:
        self._likelihood = Likelihood(choices)
        self._features, self._parties = choices.num_features, choices.num_parties
        self._penalty = 0.5 * ridge * choices.scale
        self._imagined = shrinkage * self._features
        self._alike = np.linalg.inv(_second_moment(choices))
        self._below = np.tril_indices(self._features, -1)
        self.size = 2 * self._features + len(self._below[0])
        self._start(choices)

    def _start(self, choices: Choices) -> None:
        """A few steps of EM from a population around the pooled fit."""
        prior = ridge_prior(1.0, choices.scale, self._features)
        pooled = maximise(Likelihood(choices.pooled()), prior)
        # as wide as what one answer alone would leave open
        spread = len(choices.party) * np.linalg.inv(pooled.information[0])
        mean, posterior = pooled.theta[0], None
        for _ in range(EM_STEPS):
            prior = Prior(mean, np.linalg.inv(spread))
            posterior = posteriors(self._likelihood, prior, posterior)
            mean = posterior.mean.mean(axis=0)
            spread = _scatter(posterior, mean) / self._parties
        assert posterior is not None
        self.posterior: Posterior = posterior
        self.mean, self.factor = mean, np.linalg.cholesky(spread)

    @property
    def bounds(self) -> list[tuple[float | None, float | None]]:
        """Of every parameter, for L-BFGS-B: no standard deviation may leap out of sight."""
        free: list[tuple[float | None, float | None]] = [(None, None)] * self.size
        free[self._features : 2 * self._features] = [(-REACH, REACH)] * self._features
        return free

    def restart(self, x: np.ndarray) -> bool:
        """Make the population at `x` the new x = 0; return whether it lay at a bound."""
        self(x)
        self.mean, inner = self._unpack(x)
        self.factor = self.factor @ inner
        return bool(np.abs(x[self._features : 2 * self._features]).max() > 0.99 * REACH)

    def _unpack(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean [D], and T [D, D]."""
        d = self._features
        inner = np.diag(np.exp(x[d : 2 * d]))
        inner[self._below] = x[2 * d :]
        return self.mean + self.factor @ x[:d], inner

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        mean, inner = self._unpack(x)
        factor = self.factor @ inner
        precision = np.linalg.inv(factor @ factor.T)
        self.posterior = posteriors(self._likelihood, Prior(mean, precision), self.posterior)
        value = self.posterior.bound.sum() - self._penalty * (mean @ mean + np.vdot(factor, factor))
        # At the best posteriors the bound moves with the population alone (envelope theorem).
        scatter = _scatter(self.posterior, mean)
        bend = precision @ scatter @ precision - self._parties * precision
        # The inverse Wishart prior at its most likely scale, which is D / width.
        width = np.vdot(precision, self._alike)
        value -= self._imagined * (_log_det(factor) + 0.5 * self._features * np.log(width))
        toward = self._features / width * precision @ self._alike @ precision
        bend += self._imagined * (toward - precision)
        of_mean = precision @ (self.posterior.mean - mean).sum(axis=0) - 2 * self._penalty * mean
        of_inner = self.factor.T @ (bend @ factor - 2 * self._penalty * factor)
        diagonal = np.diag(of_inner) * np.diag(inner)
        gradient = np.concatenate([self.factor.T @ of_mean, diagonal, of_inner[self._below]])
        return -value / self._parties, -gradient / self._parties


def _scatter(posterior: Posterior, mean: np.ndarray) -> np.ndarray:
    """[D, D], the sum over parties of E[(theta - mean) (theta - mean)']."""
    off = posterior.mean - mean
    return off.T @ off + posterior.covariance.sum(axis=0)


def _with_mean(posterior: Posterior, spread: np.ndarray, ridge: float) -> np.ndarray:
    """[M, D, D], the posteriors' covariances and what the uncertain population mean adds.

    A party's posterior mean follows the population's by the share V_m Sigma^-1, and its
    answers tell (Sigma + I_m^-1)^-1 = Sigma^-1 - Sigma^-1 V_m Sigma^-1 of it; the prior, `ridge`.
    """
    precision = np.linalg.inv(spread)
    follow = posterior.covariance @ precision
    told = (precision - precision @ follow).sum(axis=0) + ridge * np.eye(len(precision))
    return posterior.covariance + follow @ np.linalg.inv(told) @ follow.swapaxes(1, 2)


def _second_moment(choices: Choices) -> np.ndarray:
    """[D, D] of the feature differences, a little of it alike in all directions."""
    rows = choices.design.reshape(-1, choices.num_features)
    return rows.T @ rows / len(rows) + 0.01 * choices.scale * np.eye(choices.num_features)


def _log_det(factor: np.ndarray) -> float:
    return float(np.log(np.diag(factor)).sum())
