"""A shared subspace, and what each party wants beyond it."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.low_rank import LowRank, shared_covariance
from multiparty_envs.rewards.newton import DEFAULT_RIDGE, TINY_RIDGE, Prior, maximise
from multiparty_envs.rewards.selection import FOLDS, hold_out

STRENGTHS = tuple(float(strength) for strength in 0.3 * 10.0 ** np.arange(0.0, 4.6, 0.5))
"""Residual ridges that are tried, in answers: from nearly `Independent` to nearly `LowRank`."""


class _Ridges(NamedTuple):
    """Weights of the two priors, in answers."""

    inner: float  # on U alpha_m
    outer: float  # on e_m


class _Fold(NamedTuple):
    """Answers to fit and answers held out, with the subspace of the former."""

    shared: LowRank
    scale: float
    learned: Likelihood
    asked: Likelihood


@final
class LowRankResidual(LinearLearner):
    """theta_m = U alpha_m + e_m: `LowRank` whose assumption may be violated, at a price.

    U is that of `LowRank`. Then every party's alpha_m and e_m are fitted to its own answers under
    two ridges, one on alpha_m and a stronger one on e_m, which is zero for a party that wants
    nothing beyond what is shared. How strong, answers held out say. Where [Zhong2024],
    assumption 2, holds this is `LowRank`, and where nothing is shared `Independent`.

    The covariance is that of the linear model with these two priors: what a party's own answers
    leave open, and what is not known of the shared part, as far as the party follows it.

    Args:
        rank: R, as in `LowRank`.
        ridge: weight of the prior N(0, .) on U alpha_m, in answers (see `Pooled`); at least, where
            the next is None: then up to ten times as much, if held-out answers ask for it.
        residual_ridge: the same of e_m, above 0; None takes the one near to `STRENGTHS` that
            predicts held-out answers best.
        mean: whether to estimate a common part outside of the subspace, as in `LowRank`.
        seed: of the answers held out.

    Attributes:
        basis_: [D, R], U.
        coefficients_: [R, M], alpha.
        residual_: [D, M], e.
        mean_: [D], zero without `mean`.
        rank_: R.
        ridge_: what alpha was fitted with.
        residual_ridge_: what e was fitted with.
    """

    basis_: np.ndarray
    coefficients_: np.ndarray
    residual_: np.ndarray
    mean_: np.ndarray
    rank_: int
    ridge_: float
    residual_ridge_: float

    def __init__(
        self,
        rank: int | None = None,
        ridge: float = DEFAULT_RIDGE,
        residual_ridge: float | None = None,
        mean: bool = False,
        seed: int = 0,
    ) -> None:
        self.rank = None if rank is None else expect.integer(rank, name="rank", low=1)
        self.ridge = expect.number(ridge, name="ridge", low=0.0)
        self.residual_ridge = residual_ridge
        if residual_ridge is not None:
            expect.number(residual_ridge, name="residual_ridge", low=TINY_RIDGE)
        self.mean = mean
        self.seed = seed

    def _fit(self, choices: Choices) -> None:
        shared = self._subspace(choices, self.rank)
        self.basis_, self.mean_, self.rank_ = shared.basis_, shared.mean_, shared.rank_
        inner = max(self.ridge, TINY_RIDGE)
        given = None if self.residual_ridge is None else _Ridges(inner, self.residual_ridge)
        ridges = given or self._chosen(choices, inner)
        self.ridge_, self.residual_ridge_ = ridges
        prior = _prior(shared, choices.scale, ridges)
        best = maximise(Likelihood(choices), prior)
        self.theta_ = best.theta.T
        # of what lies inside the subspace, each ridge lets through the inverse of its strength
        inside = self.basis_.T @ (self.theta_ - self.mean_[:, None])
        self.coefficients_ = inside * ridges.outer / (ridges.outer + ridges.inner)
        self.residual_ = self.theta_ - self.mean_[:, None] - self.basis_ @ self.coefficients_
        self.covariance_ = self._covariance(best.information - prior.precision, choices.scale)

    def _subspace(self, choices: Choices, rank: int | None) -> LowRank:
        shared = LowRank(rank, self.ridge, self.mean, self.seed)
        shared._fit(choices)
        return shared

    def _chosen(self, choices: Choices, inner: float) -> _Ridges:
        """The ridges under which held-out answers are likeliest, fold by fold."""
        folds = [self._fold(choices, number) for number in range(FOLDS)]
        rough = _likeliest(folds, [_Ridges(inner, outer) for outer in STRENGTHS])
        return _likeliest(folds, _around(rough))

    def _fold(self, choices: Choices, number: int) -> _Fold:
        train, test = hold_out(choices, self.seed, "the residual_ridge", number)
        shared = self._subspace(train, self.rank_)
        return _Fold(shared, train.scale, Likelihood(train), Likelihood(test))

    def _covariance(self, information: np.ndarray, scale: float) -> np.ndarray:
        """[M, D, D] from the `information` [M, D, D] of each party's answers."""
        own = self.residual_ridge_ * scale * np.eye(len(self.basis_))
        left_open = np.linalg.inv(information + own)
        # how theta follows the shared part, and what the answers say of that, since e is free
        follow = left_open @ own
        told = information @ follow + self.ridge_ * scale * np.eye(len(own))
        told = 0.5 * (told + told.swapaxes(1, 2))
        frame = np.linalg.qr(self.basis_, mode="complete")[0]
        frame[:, : self.rank_] = self.basis_  # QR may turn a sign
        shared = shared_covariance(told, frame, self.coefficients_, self.mean)
        return left_open + follow @ shared @ follow.swapaxes(1, 2)


def _prior(shared: LowRank, scale: float, ridges: _Ridges) -> Prior:
    """The prior of a party's theta: the sum of alpha's and e's has the sum of their variances."""
    inside = ridges.inner * ridges.outer / (ridges.inner + ridges.outer)
    square = shared.basis_ @ shared.basis_.T
    outside = np.eye(len(square)) - square
    return Prior(shared.mean_, scale * (ridges.outer * outside + inside * square))


def _around(ridges: _Ridges) -> list[_Ridges]:
    """A finer grid about some ridges; a subspace that says little deserves a stronger one too."""
    outers = [ridges.outer * factor for factor in (10.0**-0.25, 1.0, 10.0**0.25)]
    return [
        _Ridges(ridges.inner * factor, outer)
        for factor in (1.0, 3.0, 10.0)
        for outer in outers
        if factor == 1.0 or ridges.inner * factor <= outer
    ]


def _likeliest(folds: list[_Fold], tried: list[_Ridges]) -> _Ridges:
    """Of the ridges tried, those under which the folds' held-out answers are likeliest."""
    scores = np.zeros(len(tried))
    for fold in folds:
        theta = fold.shared.theta_.T
        for place in reversed(range(len(tried))):
            prior = _prior(fold.shared, fold.scale, tried[place])
            theta = maximise(fold.learned, prior, start=theta).theta
            scores[place] += fold.asked.gradient(theta)[0].sum()
    return tried[int(scores.argmax())]
