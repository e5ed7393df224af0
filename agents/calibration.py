"""Confidence sets against the truth: radii that are exactly large enough, and measured coverage.

For simulations, in which the parties' true rewards are known. What is learned from answers alone
uses `multiparty_envs.rewards.radii`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import LinearLearner
from multiparty_envs.rewards.confidence import metric
from multiparty_envs.rewards.errors import distances
from multiparty_envs.rewards.newton import DEFAULT_RIDGE
from multiparty_envs.rewards.radii import quantile_radius

Simulator = Callable[[int], Comparisons]
"""From the number of a repetition to answers of the same parties."""


def simulated_errors(
    simulate: Simulator,
    learner: LinearLearner,
    truth: np.ndarray,
    *,
    repetitions: int = 200,
    ridge: float = DEFAULT_RIDGE,
) -> np.ndarray:
    """Return [B, M], ||theta_hat - theta*||_{Sigma_m} of B simulated data sets.

    Args:
        simulate: makes the answers of repetition 0, 1, ….
        learner: is fitted to each.
        truth: [D, M], the parties' true rewards, in the units in which they answer.
        repetitions: B.
        ridge: of the metric, as in `ConfidenceSets.of`.
    """
    expect.integer(repetitions, name="repetitions", low=1)
    truth = expect.shape(expect.finite(truth, name="truth"), None, None, name="truth")

    def errors(answers: Comparisons) -> np.ndarray:
        return distances(metric(answers, ridge), learner.fit(answers).theta_ - truth)

    return np.array([errors(simulate(number)) for number in range(repetitions)])


def oracle_radius(
    simulate: Simulator,
    learner: LinearLearner,
    truth: np.ndarray,
    *,
    delta: float = 0.05,
    simultaneous: bool = True,
    repetitions: int = 200,
    ridge: float = DEFAULT_RIDGE,
) -> np.ndarray:
    """Return the radii [M] that simulated errors stay within with chance 1 - delta.

    Of all parties at once by default: the quantile of max_m ||theta_hat - theta*||_{Sigma_m}.
    """
    errors = simulated_errors(simulate, learner, truth, repetitions=repetitions, ridge=ridge)
    return quantile_radius(errors, delta, simultaneous)
