"""Adam over whole networks as one vector each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn


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
        self.vectors = [_flatten(network) for network in networks]
        # eps as in PPO's reference implementations
        self._adam = torch.optim.Adam(self.vectors, lr=0.0, eps=1e-5, fused=True)

    def step(self, loss: Tensor, learning_rate: float) -> None:
        """Descend the gradient of `loss`."""
        for vector in self.vectors:
            assert vector.grad is not None
            vector.grad.zero_()
        loss.backward()
        for vector in self.vectors:
            assert vector.grad is not None
            norm = torch.linalg.vector_norm(vector.grad)
            vector.grad.mul_((self.max_norm / (norm + 1e-6)).clamp_max(1.0))
        self._adam.param_groups[0]["lr"] = learning_rate
        self._adam.step()


@final
class RunningMean:
    """The mean of a vector over the moments at which it was added [Polyak1992]."""

    def __init__(self, vector: Tensor) -> None:
        self._vector = vector.detach()
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


def _flatten(network: nn.Module) -> nn.Parameter:
    """Let a network's parameters be views of one vector, and return it."""
    parameters = list(network.parameters())
    vector = nn.Parameter(torch.cat([p.detach().flatten() for p in parameters]))
    vector.grad = torch.zeros_like(vector)
    sizes = [p.numel() for p in parameters]
    pieces = zip(parameters, vector.detach().split(sizes), vector.grad.split(sizes), strict=True)
    for parameter, values, gradient in pieces:
        parameter.data = values.view_as(parameter)
        parameter.grad = gradient.view_as(parameter)
    return vector
