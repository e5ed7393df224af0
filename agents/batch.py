"""A batch as the update wants it: what was learned about each state, and each action in it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from agents.rollout import Rollout


class Part(NamedTuple):
    """Some copies' share of a batch, summed up over equal observations and actions.

    Of U observations, P pairs of an observation and an action occurred. Sums over steps become
    sums over pairs, so that an update costs by states and not by copies.
    """

    obs: Tensor  # [U, O]
    share: Tensor  # [U] of the steps, sums to one
    target: Tensor  # [U, H] mean value target
    pair: Tensor  # [P] observation * A + action
    advantage: Tensor  # [P, H] sum of the advantages over the number of steps
    log_before: Tensor  # [P] log-probability under the policy that acted


class Batch(NamedTuple):
    """What an update learns from."""

    parts: list[Part]
    spread: Tensor  # [H] standard deviation of the heads' advantages
    length: Tensor  # [] mean steps of an episode

    def change(self, part: Part, log_now: Tensor) -> Tensor:
        """Return by how much the heads' expected returns [H] rise under the policy `log_now`.

        Args:
            part: a part of the batch.
            log_now: [P] log-probabilities of its pairs.

        Source: the difference of two policies' returns is the sum of the one's advantages under
        the other [Kakade2002], here under the states of the policy that acted.
        """
        ratio = torch.exp(log_now - part.log_before)
        return self.length * ((ratio - 1.0) @ part.advantage)


@torch.no_grad()
def divide(
    rollout: Rollout, advantages: Tensor, targets: Tensor, actor: nn.Module, parts: int
) -> Batch:
    """Return the batch in `parts` parts of whole copies.

    Args:
        rollout: the batch.
        advantages: [T, N, H].
        targets: [T, N, H], of the critic's heads.
        actor: the network that acted, [U, O] -> [U, A].
        parts: how many, at most N.
    """
    log_before = torch.log_softmax(actor(rollout.obs), dim=-1)  # [U, A]
    row, centred = rollout.row[:-1], advantages - advantages.flatten(0, 1).mean(dim=0)
    spread = centred.flatten(0, 1).square().mean(dim=0).sqrt()
    result = []
    for column in torch.arange(row.shape[1], device=row.device).chunk(parts):
        chosen = (row[:, column], rollout.action[:, column])
        learned = (centred[:, column].flatten(0, 1), targets[:, column].flatten(0, 1))
        result.append(_sum_up(rollout.obs, log_before, chosen, learned))
    return Batch(result, spread, rollout.mean_length())


def _sum_up(
    obs: Tensor, log_before: Tensor, chosen: tuple[Tensor, Tensor], learned: tuple[Tensor, Tensor]
) -> Part:
    """Sum `learned` (advantages, targets) up over the `chosen` (rows, actions)."""
    (row, action), (advantage, target) = chosen, learned
    steps, actions = row.numel(), log_before.shape[1]
    seen, place = torch.unique(row.flatten(), return_inverse=True)
    pair, member = torch.unique(place * actions + action.flatten(), return_inverse=True)
    count = target.new_zeros(len(seen)).index_add_(0, place, torch.ones_like(target[:, 0]))
    total = target.new_zeros(len(seen), target.shape[1]).index_add_(0, place, target)
    gain = advantage.new_zeros(len(pair), advantage.shape[1]).index_add_(0, member, advantage)
    return Part(
        obs=obs[seen],
        share=count / steps,
        target=total / count[:, None],
        pair=pair,
        advantage=gain / steps,
        log_before=log_before[seen].flatten()[pair],
    )
