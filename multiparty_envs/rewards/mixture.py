"""Parties of a few kinds, nobody knows which: expectation maximisation over clusters."""

from __future__ import annotations

import warnings
from typing import NamedTuple, final

import numpy as np
from scipy.special import logsumexp

from multiparty_envs import expect
from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.clusters import Clusters
from multiparty_envs.rewards.newton import DEFAULT_RIDGE, ConvergenceWarning, ridge_prior
from multiparty_envs.rewards.selection import best_size
from multiparty_envs.streams import Streams

TOLERANCE = 1e-7  # gain per answer at which EM stops
COARSE = 1e-5  # the same while restarts and sizes are compared
LARGEST = 8  # clusters tried when their number is not given


class _Fit(NamedTuple):
    """Where EM ended: C clusters, U units (parties, or answers)."""

    theta: np.ndarray  # [C, D]
    share: np.ndarray  # [C]
    weight: np.ndarray  # [C, U] responsibilities
    trace: list[float]
    converged: bool


@final
class Mixture(LinearLearner):
    """Every party belongs to one of C clusters with a reward each ([Chakraborty2024] Algorithm 2).

    Soft: maximum likelihood, each party shared out by its responsibilities. Hard: each party
    belongs to its likeliest cluster, the paper's algorithm. Rewards are refitted by one safeguarded
    Newton step an iteration, so that the objective never falls. The best of several restarts
    counts. A party's reward is the mean of the clusters' by its responsibilities; one never asked
    has the clusters' shares. The covariance adds what is not known of a cluster's reward and of
    the party's cluster. `predict_proba` averages the clusters' chances, not their rewards.

    Args:
        clusters: C; None takes the number that predicts held-out answers best (see `selection`).
        soft: whether responsibilities are chances or 0 and 1.
        restarts: how many starts, each from as many single parties.
        anonymous: whether nobody knows who answered. Then every answer is of a cluster of its
            own, party ids are ignored, and there is one column per *cluster*. Pairwise answers
            alone hardly identify such clusters; rankings do better.
        ridge: weight of the prior N(0, .) on each cluster's theta, in answers (see `Pooled`).
        max_iterations: after which a `ConvergenceWarning` is given.
        seed: of the restarts and of the answers held out.

    Attributes:
        clusters_: C.
        cluster_theta_: [D, C], sorted by falling share.
        share_: [C].
        responsibilities_: [M, C] (anonymous: [K, C]).
        lower_bounds_: the objective after each iteration: penalised log-likelihood.
        converged_: whether the gain of the last iteration was negligible.
    """

    clusters_: int
    cluster_theta_: np.ndarray
    share_: np.ndarray
    responsibilities_: np.ndarray
    lower_bounds_: np.ndarray
    converged_: bool

    def __init__(
        self,
        clusters: int | None = None,
        *,
        soft: bool = True,
        restarts: int = 5,
        anonymous: bool = False,
        ridge: float = DEFAULT_RIDGE,
        max_iterations: int = 500,
        seed: int = 0,
    ) -> None:
        self.clusters = (
            None if clusters is None else expect.integer(clusters, name="clusters", low=1)
        )
        self.soft = soft
        self.restarts = expect.integer(restarts, name="restarts", low=1)
        self.anonymous = anonymous
        self.ridge = expect.number(ridge, name="ridge", low=0.0)
        self.max_iterations = expect.integer(max_iterations, name="max_iterations", low=1)
        self.seed = seed

    def _fit(self, choices: Choices) -> None:
        problem = self._problem(choices)
        asked = int(problem.asked.sum())
        if self.clusters is None:
            sizes = range(1, min(LARGEST, asked) + 1)
            self.clusters_ = best_size(sizes, choices, self._score, self.seed)
        else:
            self.clusters_ = expect.integer(self.clusters, name="clusters", low=1, high=asked)
        fit = self._climb(problem, self._best(problem, self.clusters_), TOLERANCE)
        if not fit.converged:
            message = f"EM did not converge in {self.max_iterations} iterations"
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
        self._keep(fit, problem.derivatives(fit.theta, fit.weight)[1])

    def _keep(self, fit: _Fit, information: np.ndarray) -> None:
        order = np.argsort(-fit.share, kind="stable")
        theta, self.share_ = fit.theta[order], fit.share[order]
        self.responsibilities_ = fit.weight[order].T
        self.cluster_theta_ = theta.T
        self.lower_bounds_, self.converged_ = np.array(fit.trace), fit.converged
        member = np.eye(len(theta)) if self.anonymous else self.responsibilities_  # [M, C]
        self.theta_ = (member @ theta).T
        own = np.linalg.inv(information[order])
        off = theta - self.theta_.T[:, None]  # [M, C, D]
        between = np.einsum("mc,mcd,mce->mde", member, off, off)
        self.covariance_ = np.einsum("mc,cde->mde", member, own) + between

    def _chances(self, choices: Choices) -> np.ndarray:
        utility = np.einsum("npd,dc->cnp", choices.design, self.cluster_theta_)
        rest, chance = softmax.choose(utility, choices.available[None])
        each = np.concatenate([chance, np.exp(rest)[..., None]], axis=2)
        if self.anonymous:
            return np.tensordot(self.share_, each, axes=1)
        return np.einsum("nc,cnp->np", self.responsibilities_[choices.party], each)

    def _best(self, problem: Clusters, count: int) -> _Fit:
        """The restart that ends highest, every one climbed to a coarse tolerance."""
        streams, fits = Streams(self.seed), []
        for start in range(self.restarts if count > 1 else 1):
            theta = problem.seeds(count, streams.numpy(f"restart {start}"))
            fit = _Fit(theta, np.full(count, 1.0 / count), np.empty(0), [0.0], False)
            fits.append(self._climb(problem, fit, COARSE))
        return max(fits, key=lambda fit: fit.trace[-1])

    def _climb(self, problem: Clusters, start: _Fit, tolerance: float) -> _Fit:
        """Expectation maximisation from where `start` ended, whose last bound is found anew."""
        theta, share, trace = start.theta, start.share, start.trace[:-1]
        values = problem.values(theta)
        while True:
            weight, likelihood = self._expect(values, share, problem.asked)
            trace.append(likelihood + float(problem.penalty(theta).sum()))
            gain = trace[-1] - trace[-2] if len(trace) > 1 else np.inf
            converged = gain <= tolerance * problem.num_choices
            if converged or len(trace) == self.max_iterations:
                return _Fit(theta, share, weight, trace, converged)
            share = weight[:, problem.asked].mean(axis=1)
            theta, values = problem.improve(theta, values, weight)

    def _expect(
        self, values: np.ndarray, share: np.ndarray, asked: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Responsibilities [C, U] and the log-likelihood that they make a bound of."""
        if self.soft:
            with np.errstate(divide="ignore"):  # a cluster may die out
                joint = values + np.log(share)[:, None]
            total = logsumexp(joint, axis=0)
            return np.exp(joint - total), float(total.sum())
        weight = (values.argmax(axis=0) == np.arange(len(values))[:, None]).astype(np.float64)
        weight[:, ~asked] = share[:, None]
        return weight, float(values.max(axis=0).sum())

    def _score(self, count: int, train: Choices, test: Choices) -> np.ndarray:
        """[U], log-likelihood of held-out answers, given what the others say of each unit."""
        fit = self._best(self._problem(train), count)
        values = self._problem(test).values(fit.theta)
        return logsumexp(values, axis=0, b=fit.weight)

    def _problem(self, choices: Choices) -> Clusters:
        units = choices.anonymous() if self.anonymous else choices
        return Clusters(units, ridge_prior(self.ridge, choices.scale, choices.num_features))
