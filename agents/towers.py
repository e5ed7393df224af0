"""Actor and critic side by side in one vector, with the backward pass written out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn


class Pass(NamedTuple):
    """What a forward pass leaves for the backward pass."""

    layers: list[Tensor]  # [2, B, width] each, the observations first
    outputs: Tensor  # [B, K] of the actor
    values: Tensor  # [B, H] of the critic


Arrays = tuple[np.ndarray, np.ndarray]
"""Weights and biases of a layer."""


class _Place(NamedTuple):
    """Where a layer's weights and biases begin, and its widths."""

    start: int
    before: int
    after: int

    @property
    def end(self) -> int:
        return self.start + (self.before + 1) * self.after


@final
class Towers:
    """Two networks of equal hidden widths: the actor's outputs, the critic's values.

    Both are evaluated together, layer by layer, in one batched product; tanh between. All
    parameters are views of `vector`, first the actor's (then those that depend on no observation)
    and then the critic's, and the gradient has the same layout: clipping and Adam are a few calls.

    Args:
        inputs: O.
        hidden: widths of the hidden layers.
        num_outputs: K.
        num_free: F.
        num_values: H.
        generator: of the first weights, orthogonal as PPO's references have them, on a CPU.
        device: where they are then put.

    Attributes:
        vector: [P] float32.
        gradient: [P] float32.
        split: where the critic's parameters begin.
    """

    def __init__(
        self,
        *,
        inputs: int,
        hidden: Sequence[int],
        num_outputs: int,
        num_free: int,
        num_values: int,
        generator: torch.Generator,
        device: Any = "cpu",
    ) -> None:
        places, start = [], 0
        for before, after in itertools.pairwise((inputs, *hidden)):
            places.append(_Place(start, before, after))
            start = places[-1].end
        self._places, width = places, (inputs, *hidden)[-1]
        self._last = [_Place(start, width, num_outputs)]
        self.split = self._last[0].end + num_free
        self._last.append(_Place(self.split + start, width, num_values))
        self.vector = torch.zeros(self._last[1].end)
        for tower, gain in ((0, 0.01), (1, 1.0)):
            for place in places:
                self._draw(place, tower * self.split, math.sqrt(2.0), generator)
            self._draw(self._last[tower], 0, gain, generator)
        self.vector = self.vector.to(device)
        self.gradient = torch.zeros_like(self.vector)
        self._hidden = [self._both(self.vector, place) for place in places]
        self._slopes = [self._both(self.gradient, place) for place in places]
        self._ends = [_one(self.vector, place) for place in self._last]
        self._end_slopes = [_one(self.gradient, place) for place in self._last]
        # the way back goes through the same weights, transposed
        self._back = (
            [weight.T for weight, _ in self._ends],
            [weight.transpose(1, 2) for weight, _ in self._hidden],
        )
        free = slice(self._last[0].end, self.split)
        self.free, self._free_slope = self.vector[free], self.gradient[free]

    def _draw(self, place: _Place, shift: int, gain: float, generator: torch.Generator) -> None:
        weight, _ = _one(self.vector, place._replace(start=place.start + shift))
        first = torch.empty(place.after, place.before)
        weight.copy_(nn.init.orthogonal_(first, gain, generator=generator).T)

    def _both(self, vector: Tensor, place: _Place) -> tuple[Tensor, Tensor]:
        """Views of one layer of both towers: weights [2, before, after], biases [2, 1, after]."""
        _, before, after = place
        weight = vector.as_strided((2, before, after), (self.split, after, 1), place.start)
        start = place.start + before * after
        return weight, vector.as_strided((2, 1, after), (self.split, after, 1), start)

    def forward(self, obs: Tensor) -> Pass:
        """Return what both towers give for obs [B, O]."""
        layers = [obs.expand(2, *obs.shape)]
        for weight, bias in self._hidden:
            layers.append(_tanh(torch.baddbmm, bias, layers[-1], weight))
        outputs, values = (
            torch.addmm(bias, layers[-1][tower], weight)
            for tower, (weight, bias) in enumerate(self._ends)
        )
        return Pass(layers, outputs, values)

    def outputs(self, obs: Tensor) -> Tensor:
        """Return the actor's outputs [B, K] for obs [B, O]."""
        return self._tower(obs, 0)

    def actor_now(self) -> Callable[[Tensor], Tensor]:
        """Return a function that does what `outputs` does, as long as no parameter changes.

        It is quicker on a CPU: there tanh(x) is 2 sigmoid(2x) - 1, whose factors and summand are
        moved into the layers around it once.
        """
        if self.vector.is_cuda:
            return self.outputs
        layers = [(weight[0], bias[0, 0]) for weight, bias in self._hidden]
        layers = [*layers, self._ends[0]]
        folded = []
        for place, (weight, bias) in enumerate(layers):
            size = 2.0 if place < len(self._hidden) else 1.0
            below = (weight, bias) if place == 0 else (2.0 * weight, bias - weight.sum(dim=0))
            folded.append((size * below[0], size * below[1]))
        return partial(_sigmoids, folded)

    def actor_on_arrays(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that does what `outputs` does on NumPy's arrays, on a CPU."""
        layers = [(weight[0], bias[0, 0]) for weight, bias in _arrays(self._hidden)]
        return partial(_tanhs, layers, *_arrays(self._ends[:1]))

    def values(self, obs: Tensor) -> Tensor:
        """Return the critic's values [B, H] for obs [B, O]."""
        return self._tower(obs, 1)

    def _tower(self, obs: Tensor, tower: int) -> Tensor:
        for weight, bias in self._hidden:
            obs = _tanh(torch.addmm, bias[tower, 0], obs, weight[tower])
        weight, bias = self._ends[tower]
        return torch.addmm(bias, obs, weight)

    def backward(self, seen: Pass, of_outputs: Tensor, of_values: Tensor, of_free: Tensor) -> None:
        """Set `gradient` from the slopes of a loss for outputs [B, K], values [B, H] and free [F].

        Source: the chain rule; tanh' = 1 - tanh^2.
        """
        if len(of_free):
            self._free_slope.copy_(of_free)
        top = seen.layers[-1]
        delta = torch.empty_like(top)
        for tower, slope in enumerate((of_outputs, of_values)):
            weight, bias = self._end_slopes[tower]
            torch.mm(top[tower].T, slope, out=weight)
            torch.sum(slope, dim=0, out=bias)
            if self._hidden:
                torch.mm(slope, self._back[0][tower], out=delta[tower])
        for layer in reversed(range(len(self._hidden))):
            above, below = seen.layers[layer + 1], seen.layers[layer]
            delta = torch.ops.aten.tanh_backward(delta, above)
            weight, bias = self._slopes[layer]
            torch.bmm(below.transpose(1, 2), delta, out=weight)
            torch.sum(delta, dim=1, keepdim=True, out=bias)
            if layer:
                delta = torch.bmm(delta, self._back[1][layer])

    def hidden_arrays(self) -> tuple[list[Arrays], list[Arrays]]:
        """Return weights [2, before, after] and biases [2, 1, after] of the hidden layers.

        Then their gradients; all of them NumPy's views of the same memory, on a CPU.
        """
        return _arrays(self._hidden), _arrays(self._slopes)

    def end_arrays(self) -> tuple[list[Arrays], list[Arrays]]:
        """Return weights [before, after] and biases [after] of the last layers, and gradients."""
        return _arrays(self._ends), _arrays(self._end_slopes)

    def actor(self, vector: Tensor) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Return the actor's layers and free parameters, views of a vector [P] of its layout.

        A layer is weights [before, after] and biases [after].
        """
        layers = [_one(vector, place) for place in (*self._places, self._last[0])]
        return layers, vector[self._last[0].end : self.split]


def _arrays(layers: Sequence[tuple[Tensor, Tensor]]) -> list[Arrays]:
    return [(weight.numpy(), bias.numpy()) for weight, bias in layers]


def _tanh(product: Any, bias: Tensor, below: Tensor, weight: Tensor) -> Tensor:
    """Return tanh(bias + below @ weight); on a CPU by the sigmoid, whose kernel is faster there."""
    if below.is_cuda:
        return product(bias, below, weight).tanh_()
    doubled = product(bias, below, weight, beta=2.0, alpha=2.0)
    return doubled.sigmoid_().mul_(2.0).sub_(1.0)  # the same function


def _sigmoids(layers: Sequence[tuple[Tensor, Tensor]], obs: Tensor) -> Tensor:
    for weight, bias in layers[:-1]:
        obs = torch.addmm(bias, obs, weight).sigmoid_()
    weight, bias = layers[-1]
    return torch.addmm(bias, obs, weight)


def _tanhs(layers: Sequence[Arrays], last: Arrays, obs: np.ndarray) -> np.ndarray:
    for weight, bias in layers:
        obs = obs @ weight
        obs += bias
        np.tanh(obs, out=obs)
    weight, bias = last
    return obs @ weight + bias


def _one(vector: Tensor, place: _Place) -> tuple[Tensor, Tensor]:
    """Views of one layer: weights [before, after] and biases [after]."""
    weights, biases = vector[place.start : place.end].split(
        (place.before * place.after, place.after)
    )
    return weights.view(place.before, place.after), biases
