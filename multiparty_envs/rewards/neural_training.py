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

CHUNK = 1 << 22  # numbers that one layer may hold while answers are predicted
WARM_UP = 200  # gradient steps before a network may say which kind a party is of
FAR = -1e30  # utility of what is not on offer


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


class Batch(NamedTuple):
    """`Orders` of some answers, in any leading shape, on a device."""

    place: Tensor  # [..., J]
    present: Tensor  # [..., J]
    credit: Tensor  # [..., J]
    stages: Tensor  # [..., J - 1]
    party: Tensor  # [...]


class Trained(NamedTuple):
    """Where training ended."""

    weights: Tensor  # [E * n, P], each member's best
    trace: np.ndarray  # [T, E] mean log-likelihood of the watched answers after each epoch


@final
class Predictor:
    """Log-likelihoods of answers under E x n networks, which lie in rows [E * n, P].

    Args:
        layout: of the networks.
        table: steps of the segments.
        orders: answers about them.
        device: where to compute.
    """

    def __init__(self, layout: Layout, table: Table, orders: Orders, device: str) -> None:
        self.layout = layout
        self.inputs, self._place, self._mask = (torch.tensor(a, device=device) for a in table)
        self._orders = Batch(*(torch.tensor(a, device=device) for a in orders))
        # known before anything runs on the device, which need not be asked then
        self._ragged = bool((table.mask == 0.0).any())
        self._absent = not bool(orders.present.all())
        self._unit = table.unit

    def look_up(self, rows: Tensor) -> Batch:
        """Return the answers `rows` [...], for many steps at once."""
        return Batch(*(column[rows] for column in self._orders))

    def log_likelihood(self, parts: list[Tensor], batch: Batch) -> Tensor:
        """Return [E, n, B] under networks whose weights are `parts`."""
        utility = self._utilities(parts, batch)
        if self._absent:
            utility = torch.where(batch.present, utility, FAR)
        value = (batch.credit * utility).sum(dim=-1)
        total = utility[..., -1]
        for stage in reversed(range(batch.stages.shape[-1])):
            total = torch.logaddexp(total, utility[..., stage])
            value = value - batch.stages[..., stage] * total
        return value

    @torch.no_grad()
    def in_chunks(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return the same [E, n, T] of many rows, without gradients and with bounded memory."""
        longest = self._place.shape[1] * self._orders.place.shape[1] * max(self.layout.widths)
        size, parts = max(1, CHUNK // (len(weights) * longest)), self.layout.parts(weights)
        chunks = [self.log_likelihood(parts, self.look_up(own)) for own in rows.split(size, dim=2)]
        return torch.cat(chunks, dim=2)

    def _utilities(self, parts: list[Tensor], batch: Batch) -> Tensor:
        """[E, n, B, J], the returns of the segments that each answer is about."""
        segments = batch.place.flatten()
        steps = self._place.index_select(0, segments).view(len(parts[0]), -1)
        out = self._outputs(parts, steps)
        out = out.view(*batch.place.shape, -1, out.shape[2])
        if self._ragged:
            out = out * self._mask.index_select(0, segments).view(*out.shape[:-1], 1)
        returns = out.sum(dim=-2) * self._unit
        if not self.layout.heads:
            return returns[..., 0]
        heads = self.layout.head(parts).transpose(1, 2)  # [E, M, Z]
        party = batch.party.flatten(1)
        own = heads.gather(1, party[..., None].expand(-1, -1, heads.shape[2]))
        return (returns * own[:, None, :, None, :]).sum(dim=-1)

    def _outputs(self, parts: list[Tensor], steps: Tensor) -> Tensor:
        """[E * n, B] places in the table of steps -> [E * n, B, Z]."""
        if len(self.inputs) > steps.shape[1]:
            own = self.inputs.index_select(0, steps.flatten())
            return self.layout.outputs(parts, own.view(*steps.shape, -1))
        # fewer distinct steps than steps in the batch: each is evaluated once
        every = self.layout.outputs(parts, self.inputs.expand(len(steps), -1, -1))
        return every.gather(1, steps[..., None].expand(-1, -1, every.shape[2]))


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
        # views, so that a gradient passes through nothing on its way to one array
        self._parts = [part.detach().requires_grad_() for part in layout.parts(self.weights)]
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

    def step(self, batch: Batch) -> None:
        """Make one gradient step on a batch [E, n, B]."""
        likelihood = self.predictor.log_likelihood(self._parts, batch)
        loss = -(self._importance(batch.party) * likelihood).mean(dim=-1).sum()
        slopes = torch.autograd.grad(loss, self._parts)
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
