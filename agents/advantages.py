"""Advantages and value targets of several parties at once."""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    rewards: Tensor,
    values: Tensor,
    following: Tensor,
    ended: Tensor,
    *,
    discount: float,
    decay: float,
) -> tuple[Tensor, Tensor]:
    """Return generalised advantages and value targets [Schulman2016].

    Args:
        rewards: [T, N, H].
        values: [T, N, H], of the states before each step.
        following: [T, N, H], of the states after each step: 0 where the problem ended, the value
            of the last state where the episode was only cut.
        ended: [T, N] bool, whether the step was the last of its episode, ended or cut.
        discount: of later rewards.
        decay: lambda, of later temporal differences.

    Returns:
        advantages and targets, [T, N, H] both; their difference is `values`.
    """
    advantages = torch.add(rewards, following, alpha=discount).sub_(values)
    keep = (~ended)[..., None].to(rewards.dtype).mul_(discount * decay)  # [T, N, 1]
    each, kept = advantages.unbind(), keep.unbind()  # views, made at once
    for t in reversed(range(len(rewards) - 1)):
        each[t].addcmul_(kept[t], each[t + 1])
    return advantages, advantages + values
