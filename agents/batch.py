"""A batch as the update wants it: samples, and parts of them for each gradient step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from multiparty_envs.streams import Draw


class Samples(NamedTuple):
    """B steps. Of U observations each stands for some of them, or, if `single`, for one in turn."""

    obs: Tensor  # [U, O] as the networks see them
    row: Tensor  # [B] which of them a step was taken from
    action: Tensor  # [B, *A]
    log_before: Tensor  # [B] log-probability under the policy that acted
    advantage: Tensor  # [B, H] less their mean; or [B], weighed already
    target: Tensor  # [B, H] of the critic, in its units
    value_before: Tensor  # [B, H] what the critic said then, in its units
    single: bool

    def take(self, index: Tensor) -> Samples:
        """Return the steps `index` [b]."""
        rest = [part.index_select(0, index) for part in self[2:7]]
        if self.single:
            return Samples(
                self.obs.index_select(0, index), self.row[: len(index)], *rest, single=True
            )
        seen, row = torch.unique(self.row.index_select(0, index), return_inverse=True)
        return Samples(self.obs.index_select(0, seen), row, *rest, single=False)

    def cut(self, size: int) -> Iterator[Samples]:
        """Yield single steps `size` by `size`, without a copy."""
        for start in range(0, len(self.row), size):
            end = min(start + size, len(self.row))
            rest = [part[start:end] for part in self[2:7]]
            yield Samples(self.obs[start:end], self.row[: end - start], *rest, single=True)


class Part(NamedTuple):
    """Steps for one gradient step, and sums over those with equal observations."""

    samples: Samples
    share: Tensor | float  # [U] of the steps, sums to one; or the same for all
    target: Tensor  # [U, H] mean target

    @classmethod
    def of(cls, samples: Samples) -> Part:
        """Return samples with their sums."""
        steps, rows = len(samples.row), len(samples.obs)
        if samples.single:
            return cls(samples, 1.0 / steps, samples.target)
        count = samples.target.new_zeros(rows)
        count.index_add_(0, samples.row, torch.ones_like(samples.log_before))
        total = samples.target.new_zeros(rows, samples.target.shape[1])
        total.index_add_(0, samples.row, samples.target)
        return cls(samples, count / steps, total / count.clamp_min(1.0)[:, None])


class Batch(NamedTuple):
    """What an update learns from."""

    samples: Samples
    spread: Tensor  # [H] standard deviation of the heads' advantages
    length: Tensor  # [] mean steps of an episode

    def change(self, samples: Samples, ratio: Tensor) -> Tensor:
        """Return by how much the heads' expected returns [H] rise under another policy.

        Args:
            samples: some or all of the batch.
            ratio: [B] of the other policy's probabilities to those that acted.

        Source: the difference of two policies' returns is the sum of the one's advantages under
        the other [Kakade2002], here under the states of the policy that acted.
        """
        return self.length / len(ratio) * ((ratio - 1.0) @ samples.advantage)

    def passes(self, epochs: int, parts: int, draw: Draw) -> Iterator[Part]:
        """Yield the parts of each of `epochs` passes.

        Args:
            epochs: passes over the batch.
            parts: of each pass, in an order of samples drawn anew; one part is the whole.
            draw: [B] draws the orders.
        """
        whole = Part.of(self.samples) if parts == 1 else None
        for _ in range(epochs):
            if whole is not None:
                yield whole
                continue
            order = torch.argsort(draw.uniform())
            size = -(-len(order) // parts)
            if self.samples.single:
                pieces = self.samples.take(order).cut(size)
            else:
                pieces = map(self.samples.take, order.split(size))
            yield from map(Part.of, pieces)
