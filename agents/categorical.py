"""Distributions over finitely many actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from agents.distribution import Chances, Distribution, Slopes
from multiparty_envs import expect
from multiparty_envs.streams import Draw


@final
class CategoricalChances(Chances):
    """Categorical distributions, one for each part of an action."""

    def __init__(self, outputs: Tensor, sizes: Sequence[int]) -> None:
        parts = outputs.split(list(sizes), dim=1) if len(sizes) > 1 else (outputs,)
        self.log = [torch.log_softmax(part, dim=1) for part in parts]  # [U, A] each

    def log_prob(self, row: Tensor, action: Tensor) -> Tensor:
        """Return the log-probabilities [B]: sums over the parts."""
        chosen = [
            log.flatten().index_select(0, place)
            for log, place in zip(self.log, self._places(row, action), strict=True)
        ]
        return chosen[0] if len(chosen) == 1 else torch.stack(chosen).sum(dim=0)

    def _places(self, row: Tensor, action: Tensor) -> list[Tensor]:
        columns = [action] if action.ndim == 1 else list(action.unbind(dim=1))
        return [row * log.shape[1] + column for log, column in zip(self.log, columns, strict=True)]

    def entropy(self) -> Tensor:
        """Return the entropies [U]: sums over the parts."""
        return -sum((log.exp() * log).sum(dim=1) for log in self.log)  # pyright: ignore

    def slopes(
        self, row: Tensor, action: Tensor, of_log: Tensor, of_entropy: Tensor | None
    ) -> Slopes:
        """Return the slopes: of a log-probability, one-hot minus chances."""
        found = [
            self._part(log, place, of_log, of_entropy)
            for log, place in zip(self.log, self._places(row, action), strict=True)
        ]
        outputs = found[0] if len(found) == 1 else torch.cat(found, dim=1)
        return Slopes(outputs, outputs.new_zeros(0))

    @staticmethod
    def _part(log: Tensor, place: Tensor, of_log: Tensor, of_entropy: Tensor | None) -> Tensor:
        chance = log.exp()
        pulled = torch.zeros_like(log)
        pulled.view(-1).index_add_(0, place, of_log)
        if of_entropy is None:
            return pulled.addcmul_(chance, pulled.sum(dim=1, keepdim=True), value=-1.0)
        weighted = chance * log
        # d entropy / d logit = -p (log p + entropy); the parts with a row's sum are joined
        inner = of_entropy[:, None] * weighted.sum(dim=1, keepdim=True)
        inner -= pulled.sum(dim=1, keepdim=True)
        pulled.addcmul_(chance, inner)
        return pulled.addcmul_(of_entropy[:, None], weighted, value=-1.0)


@final
class Categorical(Distribution):
    """For Discrete actions, and MultiDiscrete ones with a distribution for each part.

    Args:
        sizes: how many choices each part has.
        flat: whether actions have no axis of their own (Discrete).
    """

    kind = "categorical"

    def __init__(self, sizes: Sequence[int], flat: bool) -> None:
        self.sizes = tuple(expect.integer(size, name="sizes", low=1) for size in sizes)
        self.flat = flat
        self.num_outputs, self.num_free = sum(self.sizes), 0

    def chance(self, draw: Draw, steps: int) -> Tensor:
        """Return uniform numbers [T, N, parts]."""
        numbers = torch.as_tensor(draw.uniform(steps, len(self.sizes)))
        return numbers.movedim(0, 1).to(torch.float32)

    def chance_of(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return uniform numbers [N, parts]."""
        return rng.random((count, len(self.sizes)))

    def sample(self, outputs: Tensor, free: Tensor, chance: Tensor) -> Tensor:
        """Return actions [N] or [N, parts]: where the cumulative chances pass the number."""
        parts = outputs.split(list(self.sizes), dim=1) if len(self.sizes) > 1 else (outputs,)
        drawn = [_inverse(part, chance[:, place, None]) for place, part in enumerate(parts)]
        return drawn[0] if self.flat else torch.stack(drawn, dim=1)

    def borders(self, outputs: np.ndarray) -> np.ndarray:
        """Return the cumulative chances [B, A], where there is one part; see `sample`."""
        total = np.exp(outputs - outputs.max(axis=1, keepdims=True)).cumsum(axis=1)
        return total / total[:, -1:]

    def likeliest(self, outputs: Tensor) -> Tensor:
        """Return the likeliest action of each part."""
        parts = outputs.split(list(self.sizes), dim=1)
        best = [part.argmax(dim=1) for part in parts]
        return best[0] if self.flat else torch.stack(best, dim=1)

    def at(self, outputs: Tensor, free: Tensor) -> CategoricalChances:
        """Return softmax distributions."""
        return CategoricalChances(outputs, self.sizes)

    def settings(self) -> dict[str, Any]:
        """Return sizes and whether actions are flat."""
        return {"sizes": list(self.sizes), "flat": self.flat}


def _cumulative(logits: Tensor) -> Tensor:
    """Return the cumulative chances [N, A] of softmax(logits)."""
    # not softmax, whose kernel is slow for few columns
    total = (logits - logits.amax(dim=1, keepdim=True)).exp_().cumsum(dim=1)
    return total.div_(total[:, -1:].clone())


def _inverse(logits: Tensor, chance: Tensor) -> Tensor:
    """Return draws [N] from softmax(logits [N, A]) by uniform numbers [N, 1]."""
    reached = _cumulative(logits) < chance
    # the number may be one, by rounding
    return reached.sum(dim=1).clamp_max(logits.shape[1] - 1)
