"""Advantages and value targets of several parties at once."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, ended: Tensor, discount: float, decay: float
) -> tuple[Tensor, Tensor]:
    """Return generalised advantages and value targets [Schulman2016].

    Args:
        rewards: [T, N, M].
        values: [T + 1, N, M], of the states before each step and after the last.
        ended: [T, N] bool, whether the episode ended with the step: nothing is bootstrapped.
        discount: of later rewards.
        decay: lambda, of later temporal differences.

    Returns:
        advantages and targets, [T, N, M] both; their difference is `values[:-1]`.
    """
    going_on = (~ended)[..., None].to(rewards.dtype)  # [T, N, 1]
    differences = rewards + discount * going_on * values[1:] - values[:-1]
    keep = discount * decay * going_on
    advantages = torch.empty_like(differences)
    later = torch.zeros_like(differences[0])
    for t in reversed(range(len(rewards))):
        later = torch.addcmul(differences[t], keep[t], later, out=advantages[t])
    return advantages, advantages + values[:-1]
