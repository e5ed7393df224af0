"""Staying near a reference policy, at a price for each nat away from it."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from agents.networks import NetworkPolicy

_STEP, _MOST = 0.1, 0.2  # how far the price moves in a batch, after [Ziegler2019]


@final
class Reference:
    """The reward of one more head: minus the log-ratio of the policy to the reference.

    Its expected return is minus the divergence over an episode, so that the welfare of the
    parties less `price` times it is raised, as RLHF has it ([Chakraborty2024] eq. 14).

    Args:
        policy: the reference, for the same observations and actions.
        price: of a nat, in units of the welfare.
        target: nats of an episode that the price aims at; None: the price stays.
        like: a tensor on the device.
    """

    def __init__(
        self, policy: NetworkPolicy, price: float, target: float | None, like: Tensor
    ) -> None:
        self._policy, self._target = policy, target
        self._price = like.new_tensor(price)

    @property
    def price(self) -> Tensor:
        """[] of a nat."""
        return self._price

    @torch.no_grad()
    def log_ratio(self, obs: Tensor, row: Tensor, action: Tensor, log_now: Tensor) -> Tensor:
        """Return log(policy / reference) [B] of actions [B, *A] in rows of raw obs [U, O]."""
        chances = self._policy.distribution.at(self._policy.outputs(obs), self._policy.free)
        return log_now - chances.log_prob(row, action)

    def aim(self, nats: Tensor) -> None:
        """Move the price towards the target, given the nats of an episode []."""
        if self._target is None:
            return
        error = (nats / self._target - 1.0).clamp(-_MOST, _MOST)
        self._price = self._price * (1.0 + _STEP * error).to(self._price.dtype)

    def tensors(self) -> dict[str, Tensor]:
        """Return the price."""
        return {"price": self._price}

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what `tensors` returned."""
        self._price = tensors["price"]
