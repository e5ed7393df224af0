"""The published way of learning a network from comparisons, written plainly from its description.

Preference-based reward learning after [Christiano2017] as the libraries of the field train it:
the fragments of a pair are passed through the network one after the other, pair after pair.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

THRESHOLD = 50.0  # differences of returns are cut to this before the exponential


class Fragment(NamedTuple):
    """Steps of one episode."""

    obs: np.ndarray  # [L, O] float32
    action: np.ndarray  # [L] int64


class Pair(NamedTuple):
    """Two fragments, and the chance that the first is preferred."""

    first: Fragment
    second: Fragment
    label: float


@final
class PairByPair:
    """Cross entropy on differences of returns, one Adam step a batch.

    Args:
        obs_size: O.
        num_actions: actions, which the network reads as zeros and a one.
        hidden: widths of its hidden layers.
        learning_rate: of Adam.
    """

    def __init__(
        self, obs_size: int, num_actions: int, hidden: tuple[int, ...], learning_rate: float = 1e-3
    ) -> None:
        layers: list[nn.Module] = []
        width = obs_size + num_actions
        for next_ in hidden:
            layers += [nn.Linear(width, next_), nn.ReLU()]
            width = next_
        self.network = nn.Sequential(*layers, nn.Linear(width, 1))
        self._num_actions = num_actions
        self._optimiser = torch.optim.Adam(self.network.parameters(), lr=learning_rate)

    def step(self, batch: list[Pair]) -> float:
        """Make one gradient step; return the loss."""
        chances = torch.empty(len(batch))
        for row, pair in enumerate(batch):
            chances[row] = self._chance(self._rewards(pair.first), self._rewards(pair.second))
        labels = torch.tensor([pair.label for pair in batch], dtype=torch.float32)
        loss = nn.functional.binary_cross_entropy(chances, labels)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return loss.item()

    def _rewards(self, fragment: Fragment) -> Tensor:
        """[L]."""
        action = nn.functional.one_hot(torch.as_tensor(fragment.action), self._num_actions)
        inputs = torch.cat([torch.as_tensor(fragment.obs), action.float()], dim=1)
        return self.network(inputs).squeeze(1)

    def _chance(self, first: Tensor, second: Tensor) -> Tensor:
        """Scalar, that the first is preferred."""
        difference = (second - first).sum().clip(-THRESHOLD, THRESHOLD)
        return 1.0 / (1.0 + difference.exp())
