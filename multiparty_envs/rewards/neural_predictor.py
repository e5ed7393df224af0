"""Many networks' likelihoods of answers at once, and how they change with the weights."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from multiparty_envs.rewards.neural_answers import Orders
from multiparty_envs.rewards.neural_inputs import Table
from multiparty_envs.rewards.neural_network import Layout

CHUNK = 1 << 22  # numbers that one layer may hold while answers are predicted
FAR = -1e30  # utility of what is not on offer


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
            of_heads = [self._head_slope(batch, slope[..., None] * seen.returns)]
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

    def _head_slope(self, batch: Batch, each: Tensor) -> Tensor:
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
