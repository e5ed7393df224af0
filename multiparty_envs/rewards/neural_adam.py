"""Adam on the weights of many networks in one array."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@final
class Adam:
    """Adam [Kingma2015] with weight decay that does not pass through its memory.

    By hand, because the first of torch's own optimisers that is made imports a compiler for
    three seconds, longer than most fits take.

    Args:
        weights: changed in place.
        learning_rate: a step's usual size.
        weight_decay: weights shrink by this times the learning rate a step.
    """

    def __init__(self, weights: Tensor, learning_rate: float, weight_decay: float) -> None:
        self._weights = weights
        self._learning_rate, self._decay = learning_rate, learning_rate * weight_decay
        self._first, self._second = torch.zeros_like(weights), torch.zeros_like(weights)
        self._count = 0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> None:
        """Descend `gradient`."""
        self._count += 1
        # the memory starts from zero; these undo that
        unbiased, scale = (1.0 - beta**self._count for beta in BETAS)
        self._first.lerp_(gradient, 1.0 - BETAS[0])
        self._second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1.0 - BETAS[1])
        size = self._second.sqrt().div_(math.sqrt(scale)).add_(EPSILON)
        self._weights.mul_(1.0 - self._decay)
        self._weights.addcdiv_(self._first, size, value=-self._learning_rate / unbiased)
