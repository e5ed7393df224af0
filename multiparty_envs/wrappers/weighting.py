"""Weights of the parties while a policy improves: the gradient of a welfare of its returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import array_api_compat

from multiparty_envs import expect
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.ranked import Leximin, MaxMin

Array = Any


class Weighting(ABC):
    """Weights w such that a policy for which sum_m w_m J_m rises has a rising W(J).

    Works on NumPy arrays and torch tensors alike, and waits for no device.
    """

    @abstractmethod
    def weights(self, returns: Array) -> Array:
        """Return the weights [M] at `returns` [M], which are in the welfare's units."""

    def settle(self, returns: Array) -> None:  # noqa: B027 - most weights have no memory
        """Take note of what a policy got, once each time that the policy has changed."""


def weighting(welfare: Welfare, rate: float = 3.0, sharpness: float = 30.0) -> Weighting:
    """Return the weights that belong to `welfare` at the level of the policy.

    Args:
        welfare: of the expected returns.
        rate: of `Adversary`, where the welfare looks at the worst-off alone.
        sharpness: of `Adversary`.
    """
    if isinstance(welfare, MaxMin | Leximin):
        return Adversary(rate, sharpness)
    return Gradient(welfare)


@final
class Gradient(Weighting):
    """The welfare's own supergradient at the returns [Agarwal2022]."""

    def __init__(self, welfare: Welfare) -> None:
        self.welfare = welfare

    def weights(self, returns: Array) -> Array:
        """Return dW/du [M]."""
        return self.welfare.weights(returns)


@final
class Adversary(Weighting):
    """The other player of the game that max-min is: exponentiated gradient, damped.

    The minimum's own gradient jumps from one party to another, so that a policy that follows it
    runs to and fro. Here w is a softmin of the present returns times `sharpness` plus all settled
    returns times `rate`. The second term is the exponentiated gradient, which finds
    the weights at which nobody can be helped without hurting others as badly off
    ([Chakraborty2024] section 4, as a game); alone it would circle around them. The first one
    damps it, as the proportional term does in the control of multipliers [Stooke2020].
    Leximin is led by the same weights: of its solution they find the first term.

    Args:
        rate: how far one settled return moves the logits of the weights.
        sharpness: inverse temperature of the softmin of the present.
    """

    def __init__(self, rate: float = 3.0, sharpness: float = 30.0) -> None:
        self.rate = expect.number(rate, name="rate", low=0.0)
        self.sharpness = expect.number(sharpness, name="sharpness", low=0.0)
        self._settled: Array = 0.0

    def weights(self, returns: Array) -> Array:
        """Return the softmin [M]; it sums to one."""
        xp: Any = array_api_compat.array_namespace(returns)
        logits = self._settled - self.sharpness * returns
        odds = xp.exp(logits - xp.max(logits))
        return odds / xp.sum(odds)

    def settle(self, returns: Array) -> None:
        """Add the returns [M] to those that the weights remember."""
        xp: Any = array_api_compat.array_namespace(returns)
        self._settled = self._settled - self.rate * (returns - xp.mean(returns))
