"""Adam over a vector of parameters, and the mean of a vector over time."""

from __future__ import annotations

from functools import cached_property
from typing import final

import numpy as np
import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-5  # as in PPO's reference implementations


@final
class FlatAdam:
    """Adam [Kingma2015] on one vector, the gradient of each part of it cut to a length.

    Args:
        vector: [P], is changed in place.
        gradient: [P], is read.
        split: where the second part begins. Each is cut on its own, so that a critic's error does
            not slow an actor down.
        max_norm: the length.
    """

    def __init__(self, vector: Tensor, gradient: Tensor, split: int, max_norm: float) -> None:
        self._vector, self._gradient = vector, gradient
        self._parts = [gradient[:split], gradient[split:]]
        self._max_norm = max_norm
        self._first, self._second = torch.zeros_like(vector), torch.zeros_like(vector)
        self._betas = vector.new_tensor(BETAS, dtype=torch.float64)
        self._powers = torch.ones_like(self._betas)  # betas to the number of steps taken

    def step(self, learning_rate: Tensor, going: Tensor | None = None) -> None:
        """Descend the gradient.

        Args:
            learning_rate: [].
            going: [] float, 1; or 0 to leave everything as it is. None: 1.
        """
        for part in self._parts:
            norm = torch.linalg.vector_norm(part)
            part.mul_(self._max_norm / norm.clamp_min_(self._max_norm))
        if going is None:
            self._powers.mul_(self._betas)
            self._first.lerp_(self._gradient, 1.0 - BETAS[0])
            self._second.mul_(BETAS[1])
            self._second.addcmul_(self._gradient, self._gradient, value=1.0 - BETAS[1])
        else:
            self._powers.mul_(self._betas**going)
            self._first.lerp_(self._gradient, going * (1.0 - BETAS[0]))
            self._second.lerp_(self._gradient * self._gradient, going * (1.0 - BETAS[1]))
            learning_rate = going * learning_rate
        # the memory starts from zero; these undo that. They are zero while no step was taken.
        unbiased, scale = (1.0 - self._powers).clamp_min_(1e-9).unbind()
        size = (self._second / scale).sqrt_().add_(EPSILON)
        self._vector.sub_((self._first / size).mul_(learning_rate / unbiased))

    def step_on_arrays(self, learning_rate: float) -> None:
        """Do what `step` does on a CPU, by NumPy, whose calls are shorter for a short vector."""
        gradient, first, second = self._arrays
        for part in self._part_arrays:
            norm = float(np.sqrt(part @ part))
            if norm > self._max_norm:
                np.multiply(part, self._max_norm / norm, out=part)
        self._powers *= self._betas
        unbiased, scale = (1.0 - self._powers).tolist()
        first += (1.0 - BETAS[0]) * (gradient - first)
        second *= BETAS[1]
        second += (1.0 - BETAS[1]) * (gradient * gradient)
        size = np.sqrt(second * (1.0 / scale))
        size += EPSILON
        self._vector_array -= (learning_rate / unbiased) * (first / size)

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._gradient.numpy(), self._first.numpy(), self._second.numpy()

    @cached_property
    def _part_arrays(self) -> list[np.ndarray]:
        return [part.numpy() for part in self._parts]

    @cached_property
    def _vector_array(self) -> np.ndarray:
        return self._vector.numpy()

    def tensors(self) -> dict[str, Tensor]:
        """Return what it remembers, by name; changed in place by `step`."""
        return {"first": self._first, "second": self._second, "powers": self._powers}


@final
class RunningMean:
    """The mean of a vector over the moments at which it was added [Polyak1992]."""

    def __init__(self, vector: Tensor) -> None:
        self._vector = vector
        self._mean = torch.zeros_like(vector)
        self._count = vector.new_zeros(())

    def add(self, going: Tensor) -> None:
        """Add the vector as it is now, where `going` [] is 1 and not 0."""
        self._count += going
        self._mean.lerp_(self._vector, going / self._count.clamp_min(1.0))

    def value(self) -> Tensor:
        """Return the mean [P]; where none was added, the vector."""
        return torch.where(self._count > 0, self._mean, self._vector)

    def tensors(self) -> dict[str, Tensor]:
        """Return what it remembers, by name; changed in place by `add`."""
        return {"mean": self._mean, "count": self._count}
