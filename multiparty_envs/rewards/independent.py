"""One fit per party, nothing shared."""

from __future__ import annotations

import warnings
from typing import final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import DEFAULT_RIDGE, TINY_RIDGE, maximise, ridge_prior


class SeparableWarning(UserWarning):
    """Some parties' answers fit perfectly, so that their maximum likelihood is at infinity."""


@final
class Independent(LinearLearner):
    """A reward fitted to each party's own answers ([Zhong2024] step 1 without sharing).

    A party never asked has theta 0 and a standard error that only the prior bounds.

    Args:
        ridge: weight of the prior N(0, .) in answers (see `Pooled`). 0 is maximum likelihood:
            a ridge of a millionth of an answer remains, so that separable answers end at
            a finite, large theta, of which a `SeparableWarning` tells.
    """

    def __init__(self, ridge: float = DEFAULT_RIDGE) -> None:
        self.ridge = expect.number(ridge, name="ridge", low=0.0)

    def _fit(self, choices: Choices) -> None:
        prior = ridge_prior(self.ridge, choices.scale, choices.num_features)
        best = maximise(Likelihood(choices), prior)
        self.theta_ = best.theta.T
        self.covariance_ = np.linalg.inv(best.information)
        if self.ridge < TINY_RIDGE:
            self._warn(choices)

    def _warn(self, choices: Choices) -> None:
        wrong = np.bincount(choices.party, ~choices.agree(self.theta_), choices.num_parties)
        separable = (wrong == 0) & (choices.counts > 0)
        if separable.any():
            warnings.warn(
                f"{separable.sum()} of {len(separable)} parties answer without contradiction: "
                "their rewards are large because nothing but a tiny ridge bounds them",
                SeparableWarning,
                stacklevel=4,
            )
