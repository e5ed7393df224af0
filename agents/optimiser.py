"""Adam over whole networks as one vector each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

BETAS = (0.9, 0.999)
EPSILON = 1e-5  # as in PPO's reference implementations


class Moments(NamedTuple):
    """A network as one vector, its gradient, and Adam's memory of it."""

    vector: Tensor
    gradient: Tensor
    first: Tensor  # running mean of the gradients
    second: Tensor  # and of their squares


@final
class FlatAdam:
    """Adam [Kingma2015] on flat vectors, with each network's gradient cut to a length.

    A network's parameters become views of one vector, and their gradients of another: clipping
    and Adam then take a few calls a step instead of several for each layer.

    Args:
        networks: each is cut to length on its own, so that a critic's error does not slow an
            actor down.
        max_norm: the length.
    """

    def __init__(self, networks: Sequence[nn.Module], max_norm: float) -> None:
        self.max_norm = max_norm
        self.moments = [_flatten(network) for network in networks]
        self._count = 0

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Descend the gradient of `loss`."""
        for part in self.moments:
            part.gradient.zero_()
        loss.backward()
        self._count += 1
        # the memory starts from zero; these undo that
        unbiased, scale = (1.0 - beta**self._count for beta in BETAS)
        for vector, gradient, first, second in self.moments:
            norm = torch.linalg.vector_norm(gradient)
            gradient.mul_((self.max_norm / (norm + 1e-6)).clamp_max(1.0))
            first.lerp_(gradient, 1.0 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
            size = second.sqrt().div_(math.sqrt(scale)).add_(EPSILON)
            vector.addcdiv_(first, size, value=-learning_rate / unbiased)


@final
class RunningMean:
    """The mean of a vector over the moments at which it was added [Polyak1992]."""

    def __init__(self, vector: Tensor) -> None:
        self._vector = vector
        self._mean = torch.zeros_like(self._vector)
        self._count = 0

    def add(self) -> None:
        """Add the vector as it is now."""
        self._count += 1
        self._mean += (self._vector - self._mean) / self._count

    def put(self) -> None:
        """Set the vector to its mean; where none was added, leave it."""
        if self._count:
            self._vector.copy_(self._mean)


def _flatten(network: nn.Module) -> Moments:
    """Let a network's parameters be views of one vector, and their gradients of another."""
    parameters = list(network.parameters())
    vector = torch.cat([p.detach().flatten() for p in parameters])
    part = Moments(vector, *(torch.zeros_like(vector) for _ in range(3)))
    sizes = [p.numel() for p in parameters]
    pieces = zip(parameters, vector.split(sizes), part.gradient.split(sizes), strict=True)
    for parameter, values, gradient in pieces:
        parameter.data = values.view_as(parameter)
        parameter.grad = gradient.view_as(parameter)
    return part
