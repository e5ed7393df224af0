"""Training of many networks at once, stopped when held-out answers are predicted no better."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from multiparty_envs.rewards.neural_adam import Adam
from multiparty_envs.rewards.neural_answers import Groups, Orders
from multiparty_envs.rewards.neural_inputs import Table
from multiparty_envs.rewards.neural_network import Layout
from multiparty_envs.rewards.neural_predictor import Batch, Predictor, surprise

WARM_UP = 200  # gradient steps before a network may say which kind a party is of


class Schedule(NamedTuple):
    """How to train."""

    learning_rate: float
    weight_decay: float
    batch_size: int
    max_epochs: int
    patience: int


class Data(NamedTuple):
    """What is learned from: the answers, the steps that they are about, and who reads which."""

    table: Table
    orders: Orders
    train: Groups
    watched: Groups  # held out; those of `train` where there are too few to hold any out


class Problem(NamedTuple):
    """What training takes."""

    layout: Layout
    data: Data
    initial: np.ndarray  # [E, n, P] first weights
    schedule: Schedule
    rng: np.random.Generator  # of the order of the answers
    device: str


class Trained(NamedTuple):
    """Where training ended."""

    weights: Tensor  # [E * n, P], each member's best
    trace: np.ndarray  # [T, E] mean log-likelihood of the watched answers after each epoch


class Training(ABC):
    """Adam on minibatches for all networks at once.

    Args:
        problem: what to fit, and how.
    """

    def __init__(self, problem: Problem) -> None:
        layout, self.data, initial, self._schedule, self._rng, self._device = problem
        self.predictor = Predictor(layout, self.data.table, self.data.orders, self._device)
        self.members, self.networks = initial.shape[:2]
        self.weights = torch.tensor(initial, device=self._device).flatten(0, 1)
        self._parts = layout.parts(self.weights)  # views
        schedule = self._schedule
        self._adam = Adam(self.weights, schedule.learning_rate, schedule.weight_decay)

    @abstractmethod
    def _begin(self, steps: int) -> None:
        """Get ready for an epoch after so many gradient steps."""

    @abstractmethod
    def _importance(self, party: Tensor) -> Tensor:
        """Return what answers of `party` [E, n, B] count, in a shape that broadcasts to theirs."""

    @abstractmethod
    def _judge(self, likelihood: Tensor) -> Tensor:
        """Return [E], the mean log-likelihood of watched answers, from that [E, n, T] of each."""

    @torch.no_grad()
    def step(self, batch: Batch) -> None:
        """Make one gradient step on a batch [E, n, B]: on the mean over B for each network."""
        seen = self.predictor.forward(self._parts, batch)
        size = self._importance(batch.party)[..., None] / -batch.party.shape[2]
        slope = size * surprise(seen.utility, batch)
        slopes = self.predictor.backward(self._parts, batch, seen, slope)
        self._adam.step(torch.cat([slope.flatten(1) for slope in slopes], dim=1))

    def epoch(self, number: int) -> int:
        """Go through the answers once; return the number of gradient steps."""
        rows = self.data.train.epoch(number, self._schedule.batch_size, self._rng)
        batches = self.predictor.look_up(torch.tensor(rows, device=self._device))
        for batch in zip(*batches, strict=True):
            self.step(Batch(*batch))
        return len(rows)

    def run(self) -> Trained:
        """Train until every member's patience has ended."""
        watched = torch.tensor(self.data.watched.all()[0], device=self._device)
        best = torch.full((self.members, 1, 1), -torch.inf, device=self._device)
        kept, waited = self.weights.clone(), torch.zeros_like(best)
        trace, steps = [], 0
        for number in range(self._schedule.max_epochs):
            self._begin(steps)
            steps += self.epoch(number)
            trace.append(self._judge(self.predictor.in_chunks(self.weights, watched)))
            now = trace[-1][:, None, None]
            better = now > best
            best = torch.where(better, now, best)
            waited = torch.where(better, 0.0, waited + 1.0)
            shape = (self.members, self.networks, -1)
            kept = torch.where(better, self.weights.view(shape), kept.view(shape))
            # the one thing that the device is asked, once an epoch
            if bool((waited >= self._schedule.patience).all()):
                break
        return Trained(kept.flatten(0, 1), torch.stack(trace).cpu().numpy())


@final
class PlainTraining(Training):
    """Every network learns from the answers that it reads, all of which count alike."""

    def _begin(self, steps: int) -> None:
        pass

    @cached_property
    def _asked(self) -> Tensor:
        """[n, 1], 0 for a network that has nothing to learn from."""
        return torch.tensor(self.data.train.count > 0, device=self._device)[:, None]

    @cached_property
    def _weight(self) -> Tensor:
        """[n, T] of the watched answers, which sum to one."""
        weight = self.data.watched.all()[1]
        return torch.tensor(weight / weight.sum(), device=self._device)

    def _importance(self, party: Tensor) -> Tensor:
        return self._asked

    def _judge(self, likelihood: Tensor) -> Tensor:
        return (self._weight * likelihood).sum(dim=(1, 2))


@final
class MixtureTraining(Training):
    """Expectation maximisation: network c learns from all, who count as far as they are of kind c.

    Args:
        start: [C, M] first responsibilities, kept while the networks are still untrained.
        asked: [M] bool, who answered.
    """

    def __init__(self, problem: Problem, start: np.ndarray, asked: np.ndarray) -> None:
        super().__init__(problem)
        every = torch.tensor(start, dtype=torch.float32, device=self._device)
        self.responsibilities = every.repeat(self.members, 1, 1)  # [E, C, M]
        self._asked = torch.tensor(asked, device=self._device)
        self._train, self._watched = (
            torch.tensor(groups.all()[0], device=self._device)
            for groups in (self.data.train, self.data.watched)
        )

    def expect(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return the responsibilities [E, C, M] that the answers `rows` [E, C, T] speak for."""
        likelihood = self.predictor.in_chunks(weights, rows)
        party = self.predictor.look_up(rows).party
        sums = torch.zeros_like(self.responsibilities).scatter_add(2, party, likelihood)
        return torch.softmax(sums + self._shares().log(), dim=1)

    def _shares(self) -> Tensor:
        """[E, C, 1]."""
        total = (self.responsibilities * self._asked).sum(dim=2, keepdim=True)
        return total / total.sum(dim=1, keepdim=True)

    def _begin(self, steps: int) -> None:
        if steps >= WARM_UP:
            self.responsibilities = self.expect(self.weights, self._train)

    def _importance(self, party: Tensor) -> Tensor:
        return self.responsibilities.gather(2, party)

    def _judge(self, likelihood: Tensor) -> Tensor:
        own = self._importance(self.predictor.look_up(self._watched).party)
        return torch.logsumexp(likelihood + own.log(), dim=1).mean(dim=1)
