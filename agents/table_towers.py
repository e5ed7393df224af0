"""Actor and critic on NumPy arrays, for observations few enough to be in the cache.

The same networks as `towers`, in the same memory. There torch's calls take longer than what they
compute. Columns are observations here, so that whatever goes over the outputs of an observation
runs along memory.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from agents.towers import Towers


class TablePass(NamedTuple):
    """What a forward pass leaves for the backward pass."""

    layers: list[np.ndarray]  # [O, U], then [2, width, U] each
    outputs: np.ndarray  # [K, U] of the actor
    values: np.ndarray  # [H, U] of the critic


@final
class TableTowers:
    """Forward and backward passes of `towers`, which are on a CPU.

    Args:
        towers: whose parameters are read, and whose gradient is written.
    """

    def __init__(self, towers: Towers) -> None:
        self._hidden, self._slopes = towers.hidden_arrays()
        self._ends, self._end_slopes = towers.end_arrays()

    def forward(self, obs: np.ndarray) -> TablePass:
        """Return what both towers give for obs [O, U]."""
        layers = [obs]
        for weight, bias in self._hidden:
            above = weight.swapaxes(1, 2) @ layers[-1]
            above += bias.swapaxes(1, 2)
            layers.append(np.tanh(above, out=above))
        outputs, values = (
            weight.T @ _tower(layers[-1], tower) + bias[:, None]
            for tower, (weight, bias) in enumerate(self._ends)
        )
        return TablePass(layers, outputs, values)

    def backward(self, seen: TablePass, of_outputs: np.ndarray, of_values: np.ndarray) -> None:
        """Set the gradient from the slopes of a loss for outputs [K, U] and values [H, U].

        Source: the chain rule; tanh' = 1 - tanh^2.
        """
        top, down = seen.layers[-1], []
        for tower, slope in enumerate((of_outputs, of_values)):
            weight, bias = self._end_slopes[tower]
            np.matmul(_tower(top, tower), slope.T, out=weight)
            np.sum(slope, axis=1, out=bias)
            down.append(self._ends[tower][0] @ slope)
        delta = np.stack(down)
        for layer in reversed(range(len(self._hidden))):
            above, below = seen.layers[layer + 1], seen.layers[layer]
            delta *= 1.0 - above * above
            weight, bias = self._slopes[layer]
            np.matmul(below, delta.swapaxes(1, 2), out=weight)
            np.sum(delta, axis=2, out=bias[:, 0])
            if layer:
                delta = self._hidden[layer][0] @ delta


def _tower(layer: np.ndarray, tower: int) -> np.ndarray:
    """One tower's part of a layer; the observations are of both."""
    return layer if layer.ndim == 2 else layer[tower]
