"""Observations shifted and scaled by their running mean and spread."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

LIMIT = 10.0
"""Normalised observations are cut off at so many spreads, as PPO's references do."""


@final
class Normaliser:
    """Running mean and spread of each entry of the observations, on one device.

    Args:
        size: O.
        device: where they are.
    """

    def __init__(self, size: int, device: Any = "cpu") -> None:
        self._count = torch.zeros((), dtype=torch.float64, device=device)
        self._mean = torch.zeros(size, dtype=torch.float64, device=device)
        self._square = torch.ones(size, dtype=torch.float64, device=device)

    def apply(self, obs: Tensor) -> Tensor:
        """Return obs [..., O] normalised; as they are before the first `update`."""
        spread = (self._square.sqrt() + 1e-8).to(obs.dtype)
        return ((obs - self._mean.to(obs.dtype)) / spread).clamp(-LIMIT, LIMIT)

    def update(self, obs: Tensor, share: Tensor, count: int) -> None:
        """Take in observations [U, O] that stand for `share` [U] of `count` observations.

        Source: the pairwise update of means and variances [Chan1983].
        """
        weight, seen = share.double()[:, None], obs.double()
        mean = (weight * seen).sum(dim=0)
        square = (weight * (seen - mean).square()).sum(dim=0)
        total = self._count + count
        part = count / total
        apart = mean - self._mean
        # before anything was seen the variance of one stands for nothing
        kept = torch.where(self._count > 0, self._square, 0.0)
        square = (1.0 - part) * kept + part * square + part * (1.0 - part) * apart.square()
        self.put({"count": total, "mean": self._mean + part * apart, "square": square})

    def tensors(self) -> dict[str, Tensor]:
        """Return count [], mean [O] and variance [O] by name."""
        return {"count": self._count, "mean": self._mean, "square": self._square}

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Take over what `tensors` returned."""
        self._count, self._mean, self._square = (tensors[n] for n in ("count", "mean", "square"))

    def to(self, device: Any) -> None:
        """Move to a device."""
        self.put({name: value.to(device) for name, value in self.tensors().items()})

    @classmethod
    def pop(cls, arrays: dict[str, Tensor], prefix: str) -> Normaliser | None:
        """Take what was saved under `prefix` out of `arrays`; None where nothing was."""
        names = [name for name in arrays if name.startswith(prefix)]
        if not names:
            return None
        made = cls(1)
        made.put({name.removeprefix(prefix): arrays.pop(name) for name in names})
        return made
