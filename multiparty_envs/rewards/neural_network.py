"""Many small networks of one shape, evaluated at once by batched matrix products."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Layout:
    """How the weights of a network lie in one row of numbers.

    A network is linear layers with rectifiers between them, from I inputs to Z outputs. With
    `heads`, M linear heads follow: each is the head that all share plus one of its own, and those
    of their own start at zero, so that a head which nobody trains stays the shared one.

    Args:
        widths: I, the hidden widths, Z.
        heads: M, or 0 for none.
    """

    widths: tuple[int, ...]
    heads: int = 0

    @property
    def size(self) -> int:
        """P, the weights of a network."""
        return sum(math.prod(shape) for shape in self._shapes)

    @property
    def _shapes(self) -> list[tuple[int, int]]:
        """Of every layer's weights, then its biases; last the heads, the shared one first."""
        layers = itertools.pairwise(self.widths)
        shapes = [shape for wide, next_ in layers for shape in ((wide, next_), (1, next_))]
        return shapes + [(self.widths[-1], 1 + self.heads)] * bool(self.heads)

    def initial(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return the first weights [count, P] float32 of as many networks."""
        parts = []
        for place, (wide, next_) in enumerate(self._shapes):
            is_bias = place % 2 == 1
            fan_in = self._shapes[place - is_bias][0]
            # rectifiers halve the square of what they pass on, so layers before them double it
            gain = 2.0 if place // 2 < len(self.widths) - 2 else 1.0
            draw = rng.normal(size=(count, wide, next_)) * math.sqrt(gain / fan_in)
            parts.append(draw * (0.1 if is_bias else 1.0))
        if self.heads:
            parts[-1][:, :, 1:] = 0.0
        return np.concatenate([p.reshape(count, -1) for p in parts], axis=1, dtype=np.float32)

    def parts(self, weights: Tensor) -> list[Tensor]:
        """Return views of `weights` [N, P]: each layer's, its biases, and last the heads."""
        sizes = [math.prod(shape) for shape in self._shapes]
        split = weights.split(sizes, dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(split, self._shapes, strict=True)]

    def layers(self, parts: list[Tensor], inputs: Tensor) -> list[Tensor]:
        """Return what each layer of N networks gives, [N, B, width], the `inputs` first."""
        passed = [inputs]
        for layer in range(len(self.widths) - 1):
            passed.append(torch.baddbmm(parts[2 * layer + 1], passed[-1], parts[2 * layer]))
            if layer < len(self.widths) - 2:
                torch.relu_(passed[-1])
        return passed

    def outputs(self, parts: list[Tensor], inputs: Tensor) -> Tensor:
        """Return [N, B, Z] of N networks, whose weights are `parts`, at `inputs` [N, B, I]."""
        return self.layers(parts, inputs)[-1]

    def backward(self, parts: list[Tensor], passed: list[Tensor], slope: Tensor) -> list[Tensor]:
        """Return the slopes of the layers' `parts` by those of the outputs [N, B, Z].

        Written out, which takes three quarters of the time of automatic differentiation.

        Args:
            parts: the weights.
            passed: what `layers` returned.
            slope: of the outputs.
        """
        found = []
        for layer in reversed(range(len(self.widths) - 1)):
            found.append(slope.sum(dim=1, keepdim=True))
            found.append(torch.bmm(passed[layer].transpose(1, 2), slope))
            if layer:
                below = torch.bmm(slope, parts[2 * layer].transpose(1, 2))
                slope = torch.ops.aten.threshold_backward(below, passed[layer], 0.0)
        return found[::-1]

    def head(self, parts: list[Tensor]) -> Tensor:
        """Return the heads [N, Z, M]."""
        heads = parts[-1]
        return heads[:, :, :1] + heads[:, :, 1:]

    def shifted(self, weights: Tensor, shift: Tensor, scale: float) -> Tensor:
        """Return weights [N, P] of the networks whose outputs are (old + shift [N, 1, Z]) scale."""
        parts = [part.clone() for part in self.parts(weights)]
        place = 2 * (len(self.widths) - 2)
        parts[place] = parts[place] * scale
        parts[place + 1] = (parts[place + 1] + shift) * scale
        return torch.cat([part.flatten(1) for part in parts], dim=1)
