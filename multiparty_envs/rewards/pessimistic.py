"""Any learner, lowered by what it does not know."""

from __future__ import annotations

from typing import Any, final

import array_api_compat
import numpy as np
from typing_extensions import Self

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Steps
from multiparty_envs.rewards.base import RewardLearner


@final
class Pessimistic(RewardLearner):
    """Rewards minus `kappa` standard errors, after the confidence sets of [Zhong2024] step 3.

    Answers fix a reward only up to a constant, so how uncertain a step's reward is depends on
    what it is compared with: `reference`, the features of a step whose reward counts as known,
    for instance the mean step of the reference policy ([Zhu2023], the vector v).

    Each step's reward is lowered by itself. `ConfidenceSets` hold for all directions and parties at
    once, with a radius that is calibrated, and serve policies that optimise over them.

    Args:
        learner: any learner; fitted by `fit`.
        kappa: how many standard errors; negative is optimism.
        reference: [D], default zero.
    """

    def __init__(
        self, learner: RewardLearner, kappa: float = 1.0, reference: np.ndarray | None = None
    ) -> None:
        if not isinstance(learner, RewardLearner):
            raise TypeError(f"learner should be a RewardLearner, is {type(learner).__name__}")
        self.learner = learner
        self.kappa = expect.number(kappa, name="kappa", low=-1e6, high=1e6)
        self.reference = reference
        if reference is not None:
            expect.shape(expect.finite(reference, name="reference"), None, name="reference")

    def fit(self, comparisons: Comparisons | Rankings) -> Self:
        """Fit the learner inside."""
        self.learner.fit(comparisons)
        return self

    def rewards(self, steps: Steps) -> Any:
        """Return the learner's rewards minus kappa standard errors, [..., M]."""
        return self.learner.rewards(steps) - self.kappa * self.stderr(steps)

    def stderr(self, steps: Steps) -> Any:
        """Return the standard error of the reward beyond that of the reference, [..., M]."""
        if self.reference is None:
            return self.learner.stderr(steps)
        features = steps.features
        xp = array_api_compat.array_namespace(features)
        device = array_api_compat.device(features)
        reference = xp.asarray(self.reference, dtype=features.dtype, device=device)
        return self.learner.stderr(steps._replace(features=features - reference))
