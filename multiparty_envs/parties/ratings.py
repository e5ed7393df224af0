"""Ratings: a party says how good one segment was, on a scale of a few levels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.parties.choice import check_length, draw_columns, knob, logistic, of_rows


@final
@dataclass(frozen=True, eq=False)
class Ratings:
    """P(rating <= j) = logistic(beta (threshold_j - S)): ordered logit on the standardised return.

    S is the segment's true return divided by the party's `scale`. Source: [McCullagh1980].
    """

    thresholds: ArrayLike
    """[Q - 1] rising borders between the Q levels, in units of the spread of returns."""
    beta: ArrayLike = 1.0
    """Rationality, one number or [M]: 0 ignores the return, inf rates exactly by the borders."""

    def __post_init__(self) -> None:
        thresholds = expect.finite(self.thresholds, name="thresholds")
        expect.shape(thresholds, None, name="thresholds")
        if not thresholds.size or (np.diff(thresholds) <= 0.0).any():
            raise ValueError(f"thresholds should be one or more and rise, are {thresholds}")
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "beta", knob(self.beta, name="beta", low=0.0, high=np.inf))

    @property
    def num_levels(self) -> int:
        """Q."""
        return len(np.asarray(self.thresholds)) + 1

    def check(self, num_parties: int) -> None:
        """Raise `ValueError` when beta is neither a scalar nor [num_parties]."""
        check_length(num_parties, beta=np.asarray(self.beta))

    def probabilities(self, returns: np.ndarray, party: np.ndarray) -> np.ndarray:
        """Chances [K, Q] of the levels from standardised returns [K] of the parties [K]."""
        gap = np.asarray(self.thresholds) - np.asarray(returns)[:, None]
        beta = np.broadcast_to(of_rows(np.asarray(self.beta), party), len(gap))[:, None]
        # at a border an infinite beta is a fair coin, not NaN
        margin = np.multiply(beta, gap, out=np.zeros_like(gap), where=gap != 0.0)
        below = np.pad(logistic(margin), ((0, 0), (1, 1)), constant_values=(0.0, 1.0))
        below[:, 0] = 0.0
        return np.diff(below, axis=1)

    def answer(
        self, returns: np.ndarray, party: np.ndarray, *, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw ratings [K] in 0..Q-1, one uniform number a row."""
        return draw_columns(self.probabilities(returns, party), rng)
