"""One reward for everybody."""

from __future__ import annotations

from typing import final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import DEFAULT_RIDGE, maximise, ridge_prior


@final
class Pooled(LinearLearner):
    """One reward fitted to all answers, whoever gave them: the usual way, the thing to beat.

    What it learns is the mixture of the parties weighted by their shares of the answers
    ([Chakraborty2024] Lemma 3). Every party gets the same column, one never asked too; the
    standard error is that of the common theta and knows nothing of how the parties differ.

    Args:
        ridge: weight of the prior N(0, .) in answers: the penalty is ridge / 2 times the mean
            squared feature difference times |theta|^2.
    """

    def __init__(self, ridge: float = DEFAULT_RIDGE) -> None:
        self.ridge = expect.number(ridge, name="ridge", low=0.0)

    def _fit(self, choices: Choices) -> None:
        prior = ridge_prior(self.ridge, choices.scale, choices.num_features)
        best = maximise(Likelihood(choices.pooled()), prior)
        everybody = (choices.num_parties, choices.num_features, choices.num_features)
        self.theta_ = np.repeat(best.theta.T, choices.num_parties, axis=1)
        self.covariance_ = np.broadcast_to(np.linalg.inv(best.information), everybody).copy()
