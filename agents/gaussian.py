"""Distributions over actions in a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from agents.distribution import Chances, Distribution, Slopes
from multiparty_envs import expect
from multiparty_envs.streams import Draw


@final
class GaussianChances(Chances):
    """Normal distributions with means [U, K] and one deviation for each component."""

    def __init__(self, mean: Tensor, log_std: Tensor) -> None:
        self.mean, self.log_std = mean, log_std

    def log_prob(self, row: Tensor, action: Tensor) -> Tensor:
        """Return the log-densities [B]."""
        surprise = self._standard(row, action).square().sum(dim=1)
        constant = 0.5 * math.log(2.0 * math.pi) * self.mean.shape[1]
        return -0.5 * surprise - self.log_std.sum() - constant

    def _standard(self, row: Tensor, action: Tensor) -> Tensor:
        return (action - self.mean.index_select(0, row)) * torch.exp(-self.log_std)

    def entropy(self) -> Tensor:
        """Return the entropies [U], all equal."""
        each = self.log_std.sum() + 0.5 * math.log(2.0 * math.pi * math.e) * self.mean.shape[1]
        return each.expand(len(self.mean))

    def slopes(
        self, row: Tensor, action: Tensor, of_log: Tensor, of_entropy: Tensor | None
    ) -> Slopes:
        """Return the slopes for means and log-deviations."""
        standard = self._standard(row, action)
        pulled = standard * torch.exp(-self.log_std) * of_log[:, None]
        outputs = torch.zeros_like(self.mean).index_add_(0, row, pulled)
        free = ((standard.square() - 1.0) * of_log[:, None]).sum(dim=0)
        return Slopes(outputs, free if of_entropy is None else free + of_entropy.sum())


@final
class Gaussian(Distribution):
    """For Box actions: normal, in units of the box's half width around its centre.

    What leaves the box is cut off by `playable` alone, so that its density is known. A side of
    the box that is endless has the unit one and is not cut off.

    Args:
        low: [K] lower ends of the box.
        high: [K] upper ends.
    """

    kind = "gaussian"

    def __init__(self, low: Sequence[float], high: Sequence[float]) -> None:
        self.low, self.high = (np.asarray(side, dtype=np.float32) for side in (low, high))
        expect.shape(self.low, None, name="low")
        expect.shape(self.high, len(self.low), name="high")
        self.num_outputs = self.num_free = len(self.low)
        bounded = np.isfinite(self.low) & np.isfinite(self.high)
        with np.errstate(invalid="ignore"):  # both ends of an endless side
            self._centre = np.where(bounded, (self.low + self.high) / 2, 0.0).astype(np.float32)
            self._half = np.where(bounded, (self.high - self.low) / 2, 1.0).astype(np.float32)
        self._placed: dict[Any, tuple[Tensor, ...]] = {}

    def units(self) -> tuple[Tensor, Tensor]:
        """Return the box's centre and half width [K], which stand for 0 and 1."""
        return torch.tensor(self._centre), torch.tensor(self._half)

    def chance(self, draw: Draw, steps: int) -> Tensor:
        """Return standard normal numbers [T, N, K]."""
        numbers = draw.normal(steps, self.num_outputs)
        return numbers.movedim(0, 1).to(torch.float32)

    def chance_of(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return standard normal numbers [N, K]."""
        return rng.standard_normal((count, self.num_outputs))

    def sample(self, outputs: Tensor, free: Tensor, chance: Tensor) -> Tensor:
        """Return actions [N, K] in the distribution's own units."""
        return torch.addcmul(outputs, torch.exp(free), chance)

    def likeliest(self, outputs: Tensor) -> Tensor:
        """Return the means."""
        return outputs

    def at(self, outputs: Tensor, free: Tensor) -> GaussianChances:
        """Return normal distributions."""
        return GaussianChances(outputs, free)

    def playable(self, action: Tensor) -> Tensor:
        """Return actions in the box [N, K]."""
        if action.device not in self._placed:  # once: a copy to a GPU would wait for it
            ends = (self._centre, self._half, self.low, self.high)
            self._placed[action.device] = tuple(torch.tensor(e, device=action.device) for e in ends)
        centre, half, low, high = self._placed[action.device]
        return torch.minimum(torch.maximum(centre + half * action, low), high)

    def settings(self) -> dict[str, Any]:
        """Return the ends of the box; endless ones as text, which JSON has no number for."""
        return {"low": [_json(x) for x in self.low], "high": [_json(x) for x in self.high]}


def _json(number: np.floating) -> float | str:
    return float(number) if np.isfinite(number) else str(number)
