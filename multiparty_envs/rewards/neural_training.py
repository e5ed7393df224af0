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


class Pass(NamedTuple):
    """What a forward pass leaves for the backward pass."""

    utility: Tensor  # [E, n, B, J], the returns of the segments of each answer
    layers: list[Tensor]  # [E * n, S, width] each, the inputs first
    steps: Tensor | None  # [E * n, B * J * L] which of S distinct steps; None: they are in turn
    mask: Tensor | None  # [E, n, B, J, L, 1], 0 where a segment has ended; None: they all are long
    returns: Tensor  # [E, n, B, J, Z]
    heads: Tensor | None  # [E, 1, B, 1, Z]


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

    def forward(self, parts: list[Tensor], batch: Batch) -> Pass:
        """Evaluate networks whose weights are `parts` at the segments of each answer."""
        segments = batch.place.flatten()
        steps = self._place.index_select(0, segments).view(len(parts[0]), -1)
        # with fewer distinct steps than steps in the batch, each is evaluated once, and its outputs
        # are copied to where it occurs
        copied = len(self.inputs) <= steps.shape[1]
        layers = self._layers(parts, None if copied else steps)
        mask = None
        if self._ragged:
            mask = self._mask.index_select(0, segments).view(*batch.place.shape, -1, 1)
        out = layers[-1]
        if copied:
            out = out.gather(1, steps[..., None].expand(-1, -1, out.shape[2]))
        out = out.view(*batch.place.shape, -1, out.shape[2])
        returns = (out if mask is None else out * mask).sum(dim=-2) * self._unit
        heads = self._heads(parts, batch) if self.layout.heads else None
        utility = returns[..., 0] if heads is None else (returns * heads).sum(dim=-1)
        if self._absent:
            utility = torch.where(batch.present, utility, FAR)
        return Pass(utility, layers, steps if copied else None, mask, returns, heads)

    def backward(
        self, parts: list[Tensor], batch: Batch, seen: Pass, slope: Tensor
    ) -> list[Tensor]:
        """Return the slopes of `parts` by those of the utilities [E, n, B, J]."""
        if self._absent:
            slope = slope * batch.present
        of_returns, of_heads = slope[..., None], []
        if seen.heads is not None:
            of_heads = [self._head_slope(parts, batch, (slope[..., None] * seen.returns))]
            of_returns = of_returns * seen.heads
        of_returns = (self._unit * of_returns)[..., None, :]
        length = self._place.shape[1]
        if seen.mask is None:
            of_out = of_returns.expand(*slope.shape, length, -1)
        else:
            of_out = of_returns * seen.mask
        last = seen.layers[-1]
        of_out = of_out.reshape(len(last), -1, last.shape[2])
        if seen.steps is not None:
            place = seen.steps[..., None].expand(-1, -1, last.shape[2])
            of_out = torch.zeros_like(last).scatter_add_(1, place, of_out)
        return self.layout.backward(parts, seen.layers, of_out) + of_heads

    def log_likelihood(self, parts: list[Tensor], batch: Batch) -> Tensor:
        """Return [E, n, B] under networks whose weights are `parts`."""
        utility = self.forward(parts, batch).utility
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

    def _heads(self, parts: list[Tensor], batch: Batch) -> Tensor:
        """[E, 1, B, 1, Z], the head of the party of each answer."""
        heads = self.layout.head(parts).transpose(1, 2)  # [E, M, Z]
        party = batch.party.flatten(1)
        own = heads.gather(1, party[..., None].expand(-1, -1, heads.shape[2]))
        return own[:, None, :, None, :]

    def _head_slope(self, parts: list[Tensor], batch: Batch, each: Tensor) -> Tensor:
        """The slope of the heads [E, Z, 1 + M], from that [E, 1, B, J, Z] of each use of one."""
        own = each.sum(dim=(1, 3))  # [E, B, Z]
        party = batch.party.flatten(1)[..., None].expand_as(own)
        zero = own.new_zeros(len(own), self.layout.heads, own.shape[2])
        of_heads = zero.scatter_add_(1, party, own).transpose(1, 2)
        return torch.cat([of_heads.sum(dim=2, keepdim=True), of_heads], dim=2)

    def _layers(self, parts: list[Tensor], steps: Tensor | None) -> list[Tensor]:
        """Evaluate at places [E * n, S] in the table of steps; None: at each distinct step once."""
        if steps is None:
            own = self.inputs.expand(len(parts[0]), -1, -1)
        else:
            own = self.inputs.index_select(0, steps.flatten()).view(*steps.shape, -1)
        return self.layout.layers(parts, own)


def surprise(utility: Tensor, batch: Batch) -> Tensor:
    """Return the slope of the log-likelihood in the utilities [..., J]: credit less its chance."""
    slope = batch.credit.clone()
    for stage in range(batch.stages.shape[-1]):
        chance = torch.softmax(utility[..., stage:], dim=-1)
        slope[..., stage:] -= batch.stages[..., stage, None] * chance
    return slope


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
