"""What an actor's outputs mean: a distribution over actions, with its slopes written out.

Written out, because a small network's update is mostly the overhead of its many small steps, and
closed forms need half as many as automatic differentiation. Tests compare them with it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from multiparty_envs.streams import Draw


class Slopes(NamedTuple):
    """Derivatives of a sum over rows, with respect to what a distribution is made of."""

    outputs: Tensor  # [U, K]
    free: Tensor  # [F]


class Chances(ABC):
    """A distribution for each of U rows; P of B samples may share a row."""

    @abstractmethod
    def log_prob(self, row: Tensor, action: Tensor) -> Tensor:
        """Return the log-probabilities (or log-densities) [B] of actions [B, *A] in `row` [B]."""

    @abstractmethod
    def entropy(self) -> Tensor:
        """Return the entropies [U]."""

    @abstractmethod
    def slopes(
        self, row: Tensor, action: Tensor, of_log: Tensor, of_entropy: Tensor | None
    ) -> Slopes:
        """Return the slopes of sum(of_log * log_prob) + sum(of_entropy * entropy).

        Args:
            row: [B].
            action: [B, *A].
            of_log: [B].
            of_entropy: [U]; None: nothing.
        """


class Distribution(ABC):
    """A kind of distribution over the actions of a space.

    Attributes:
        kind: its name in `KINDS`.
        num_outputs: K, numbers that an actor gives for one observation.
        num_free: F, parameters that depend on no observation.
    """

    kind: ClassVar[str]
    num_outputs: int
    num_free: int

    @abstractmethod
    def chance(self, draw: Draw, steps: int) -> Tensor:
        """Return the random numbers [T, N, ...] for `steps` actions of each of N copies."""

    @abstractmethod
    def chance_of(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return such numbers [N, ...] for one action of each of `count` copies."""

    @abstractmethod
    def sample(self, outputs: Tensor, free: Tensor, chance: Tensor) -> Tensor:
        """Return actions [N, *A] by random numbers [N, ...] of `chance`."""

    @abstractmethod
    def likeliest(self, outputs: Tensor) -> Tensor:
        """Return the likeliest actions [N, *A]."""

    @abstractmethod
    def at(self, outputs: Tensor, free: Tensor) -> Chances:
        """Return the distributions of outputs [U, K] and free parameters [F]."""

    def playable(self, action: Tensor) -> Tensor:
        """Return actions [N, *A] as the space has them."""
        return action

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what makes the same distribution, as JSON values."""
