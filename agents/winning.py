"""A reward without a reward: how often an episode is preferred to the others of its batch."""

from __future__ import annotations

from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor

from agents.objective import Objective
from agents.rollout import Rollout
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces import segment_scale
from multiparty_envs.feedback.asking import unit_scale
from multiparty_envs.parties import Behaviour
from multiparty_envs.streams import Draw, Streams


class Preferring(Protocol):
    """Who says which of two episodes is better."""

    def wins(self, bank: Behaviour, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return how often episodes are preferred, and whether they can be compared at all.

        Args:
            bank: G episodes.
            first: [K] places in the bank.
            second: [K] places of what they are compared with.

        Returns:
            [K] wins and [K] answers, so that wins / answers is the chance of the first.
        """
        ...


@final
class Parties:
    """The parties of a world, each counting the same; a tie is half a win.

    Args:
        dynamics: whose parties judge.
        device: where the episodes are.
    """

    def __init__(self, dynamics: Dynamics, device: str = "cpu") -> None:
        self._population = dynamics.population.on(device)
        scale = unit_scale(segment_scale(dynamics, None), dynamics.population.num_parties)
        self._scale = torch.tensor(scale, device=device)

    def wins(self, bank: Behaviour, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return how often episodes are preferred, and answered about, over all parties."""
        count, parties = len(first), len(self._scale)
        party = torch.arange(parties, device=first.device).repeat(count)
        pairs = first.repeat_interleave(parties), second.repeat_interleave(parties)
        population = self._population
        chance = population.choice.compare(population, bank, pairs, party, self._scale)
        chance = chance.view(count, parties, -1).sum(dim=1)
        won, lost = chance[:, 0], chance[:, 1]
        if chance.shape[1] > 2:
            won, lost = won + 0.5 * chance[:, 2], lost + 0.5 * chance[:, 2]
        return won, won + lost


class _Steps(NamedTuple):
    """Steps of N copies, [T, N, ...] each."""

    obs: Tensor
    action: Tensor
    features: Tensor


@final
class WinRate(Objective):
    """One head, whose reward comes at the end: how often the episode beats others of its batch.

    The reward of self-play [Swamy2024]: the mean over others, drawn evenly, of the chance that
    the episode is preferred, less one half. It needs the features of steps in the place of the
    parties' rewards. Episodes that can be compared with none of those drawn get nothing.

    Args:
        preferring: who compares.
        opponents: others that each episode is compared with.
        horizon: the most steps of an episode.
        streams: draws the others.
    """

    heads = 1
    cut_is_end = True

    def __init__(
        self, preferring: Preferring, opponents: int, horizon: int, streams: Streams
    ) -> None:
        self._preferring, self._opponents = preferring, opponents
        self._horizon, self._key = horizon, streams.key("opponents")
        self._tail: _Steps | None = None  # the last steps of batches before
        self._begun = torch.zeros(0, dtype=torch.int64)  # [N] steps of running episodes
        self._batches = 0

    @torch.no_grad()
    def rewards(self, rollout: Rollout) -> Tensor:
        """Return the win rates [T, N, 1] at the last steps, 0 elsewhere."""
        steps = _Steps(rollout.obs[rollout.row[:-1]], rollout.action, rollout.rewards)
        time, copy = rollout.ended.nonzero(as_tuple=True)
        bank = self._episodes(steps, rollout.ended, time, copy)
        reward = torch.zeros_like(rollout.ended, dtype=torch.float32)
        reward[time, copy] = self._rate(bank).float()
        return reward[..., None]

    def _episodes(self, steps: _Steps, ended: Tensor, time: Tensor, copy: Tensor) -> Behaviour:
        """Return the E episodes that ended at `time` [E] of `copy` [E], [E, H, ...]."""
        if self._tail is None:
            self._tail = _Steps(*(_nothing(part, self._horizon) for part in steps))
            self._begun = time.new_zeros(ended.shape[1])
        whole = _Steps(*map(torch.cat, zip(self._tail, steps, strict=True)))
        length = _lengths(ended, self._begun)
        # the last H steps before each end, of which the episode is the last `length`
        back = torch.arange(1 - self._horizon, 1, device=time.device)
        mask = back > -length[time, copy, None]
        at = (time[:, None] + self._horizon + back, copy[:, None])
        self._tail = _Steps(*(part[-self._horizon :] for part in whole))
        self._begun = length[-1] * ~ended[-1]
        return Behaviour(
            features=whole.features[at].double(),
            action=whole.action[at],
            mask=mask,
            obs=whole.obs[at],
        )

    def _rate(self, bank: Behaviour) -> Tensor:
        """Return how often each episode [E] beats those drawn for it, less a half."""
        count = len(bank.mask)
        if count < 2:
            return bank.features.new_zeros(count)
        draw = Draw.seeded([self._key + self._batches], "opponents").to(bank.mask.device)
        self._batches += 1
        # a shift of 1..E-1 round the circle never comes back to the episode itself
        chance = torch.stack([draw.uniform()[0] for _ in range(self._opponents)])
        shift = 1 + (chance * (count - 1)).long()
        first = torch.arange(count, device=shift.device).expand(len(shift), -1)
        second = (first + shift[:, None]) % count
        won, told = self._preferring.wins(bank, first.flatten(), second.flatten())
        won, told = (part.view(len(shift), -1).sum(dim=0) for part in (won, told))
        return torch.where(told > 0.0, won / told.clamp_min(1e-12) - 0.5, 0.0)


def _nothing(steps: Tensor, horizon: int) -> Tensor:
    """Return `horizon` steps [H, N, ...] in which nothing is."""
    return steps.new_zeros((horizon, *steps.shape[1:]))


def _lengths(ended: Tensor, begun: Tensor) -> Tensor:
    """Return how many steps each copy's episode has at each step [T, N], that step included.

    Args:
        ended: [T, N] bool.
        begun: [N] steps of the running episodes before.
    """
    number = torch.arange(1, len(ended) + 1, device=ended.device)[:, None]
    # the step, counted from 1, after which the running episode began; before the batch: negative
    since = torch.where(ended, number, -begun.max() - 1)
    since = torch.cat([-begun[None], since[:-1]])
    return number - since.cummax(dim=0).values
