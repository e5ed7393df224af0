"""What PPO is to raise: a welfare of the parties at one of three levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor

from agents.rollout import Rollout
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import Scale
from multiparty_envs.wrappers.weighting import Weighting


class Objective(ABC):
    """Rewards for the critic's H heads, and the weights that make one advantage of theirs.

    Attributes:
        heads: H.
        cut_is_end: whether an episode that was cut counts as ended, and its return is what was
            got, discounted already.
    """

    heads: int
    cut_is_end = False

    @abstractmethod
    def rewards(self, rollout: Rollout) -> Tensor:
        """Return what the heads are to predict the returns of, [T, N, H]."""

    def weights(self, change: Tensor) -> Tensor:
        """Return weights [H], if the policy changed the heads' expected returns by `change` [H]."""
        return torch.ones_like(change)

    @property
    def steady(self) -> bool:
        """Whether the weights do not depend on the change."""
        return True

    def measure(self, rollout: Rollout) -> None:  # noqa: B027 - only weights that move need it
        """Take note of the returns of a batch, before the policy changes."""

    def predict(self, change: Tensor) -> None:  # noqa: B027
        """Take note of the change that the policy has made."""

    def tensors(self) -> dict[str, Tensor]:
        """Return what has been taken note of, by name."""
        return {}

    def put(self, tensors: dict[str, Tensor]) -> None:  # noqa: B027
        """Go on from what `tensors` returned."""


@final
class PolicyLevel(Objective):
    """W(E[G]): one head a party, weighted by the welfare's gradient at the expected returns.

    The gradient is taken at every step of the update, at the returns which the advantages predict
    for the policy as it then is. Weights fixed for a whole batch would be stale at its end,
    and policy and weights would chase each other. Between batches the estimate of the returns is
    the prediction, corrected by what was measured: it neither lags nor has a single batch's noise.

    Args:
        scale: the parties' units.
        weighting: of the welfare.
        memory: share of the prediction in the estimate.
        like: a tensor on the device.
    """

    def __init__(self, scale: Scale, weighting: Weighting, memory: float, like: Tensor) -> None:
        self.heads = len(scale.unit)
        self._scale, self._weighting, self._memory = scale, weighting, memory
        self._returns = like.new_zeros(self.heads, dtype=torch.float64)  # estimate, scaled
        self._known = like.new_zeros((), dtype=torch.float64)  # batches with returns in them
        weighting.begin(self._returns)

    @property
    def steady(self) -> bool:
        """Whether the weights do not depend on the change."""
        return self._weighting.steady

    def rewards(self, rollout: Rollout) -> Tensor:
        """Return the scaled rewards."""
        return self._scale.rewards(rollout.rewards)

    def measure(self, rollout: Rollout) -> None:
        """Correct the estimate and let the weights settle."""
        mean, count = rollout.mean_return()
        trust = torch.where(self._known > 0, 1.0 - self._memory, 1.0) * (count > 0)
        self._known = self._known + (count > 0)
        self._returns = self._returns + trust * (self._scale.returns(mean) - self._returns)
        self._weighting.settle(self._returns)

    def weights(self, change: Tensor) -> Tensor:
        """Return the weights at the predicted returns."""
        return self._weighting.weights(self._returns + change).to(change.dtype)

    def predict(self, change: Tensor) -> None:
        """Move the estimate."""
        self._returns = self._returns + change

    def tensors(self) -> dict[str, Tensor]:
        """Return the estimate and the weights' memory."""
        memory = {f"weighting.{name}": value for name, value in self._weighting.memory.items()}
        return {"returns": self._returns, "known": self._known, **memory}

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `tensors` returned."""
        self._returns, self._known = tensors["returns"], tensors["known"]
        for name in self._weighting.memory:
            self._weighting.memory[name] = tensors[f"weighting.{name}"]


@final
class StepLevel(Objective):
    """E[W(r)]: one head, whose reward is the welfare of each step's rewards."""

    heads = 1

    def __init__(self, welfare: Welfare, scale: Scale) -> None:
        self._welfare, self._scale = welfare, scale

    def rewards(self, rollout: Rollout) -> Tensor:
        """Return W(r) [T, N, 1]."""
        return self._welfare.value(self._scale.rewards(rollout.rewards))[..., None]


@final
class EpisodeLevel(Objective):
    """E[W(G)]: one head, whose reward comes at the end, the welfare of the episode's returns."""

    heads = 1
    cut_is_end = True

    def __init__(self, welfare: Welfare, scale: Scale) -> None:
        self._welfare, self._scale = welfare, scale

    def rewards(self, rollout: Rollout) -> Tensor:
        """Return W(G) [T, N, 1] at the last steps, 0 elsewhere."""
        welfare = self._welfare.value(self._scale.returns(rollout.gained))
        return torch.where(rollout.ended, welfare, 0.0)[..., None]
