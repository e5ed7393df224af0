"""What a network reads of a step, and the distinct steps of a bank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from multiparty_envs import expect
from multiparty_envs.feedback.segments import Segments, Steps

INPUTS = ("features", "obs")
"""What networks may read: features, or observations and actions."""


@final
@dataclass(frozen=True)
class Reader:
    """Turns steps into a network's inputs, on the device of the steps.

    Args:
        inputs: "features", or "obs" for the observation followed by the action.
        obs_shape: O.
        action_shape: A.
        num_actions: values an integer action may take, each an input that is 0 or 1 (a larger
            one, never seen in training, is none of them); 0 for actions that are numbers.
        num_features: D.
    """

    inputs: str
    obs_shape: tuple[int, ...]
    action_shape: tuple[int, ...]
    num_actions: int
    num_features: int

    @classmethod
    def of(cls, inputs: str, bank: Segments) -> Reader:
        """Return the reader of a bank's steps."""
        action = bank.action
        discrete = not np.issubdtype(action.dtype, np.floating) and action.size > 0
        num_actions = int(action.max()) + 1 if discrete else 0
        return cls(inputs, bank.obs.shape[2:], action.shape[2:], num_actions, bank.num_features)

    def read(self, steps: Steps) -> tuple[Tensor, torch.dtype]:
        """Return [..., I] float32, and the floating-point dtype to answer in.

        Raises:
            ValueError: when the steps have another shape than those of the bank.
            TypeError: when features are not floating-point numbers.
        """
        if self.inputs == "features":
            features = _tensor(steps.features)
            expect.shape(
                features, *([None] * (features.ndim - 1)), self.num_features, name="features"
            )
            if not features.is_floating_point():
                raise TypeError(f"features should be floating-point numbers, are {features.dtype}")
            return features.float(), features.dtype
        seen = _tensor(steps.obs)
        obs = _flat(seen, self.obs_shape, "obs").float()
        action = _flat(_tensor(steps.action), self.action_shape, "action")
        if self.num_actions:
            values = torch.arange(self.num_actions, device=action.device)
            action = (action[..., None] == values).flatten(-2)
        dtype = seen.dtype if seen.is_floating_point() else torch.float32
        return torch.cat([obs, action.float()], dim=-1), dtype


class Table(NamedTuple):
    """The steps of G segments as places in a table of U distinct ones."""

    inputs: np.ndarray  # [U, I] float32
    place: np.ndarray  # [G, L] int64, 0 where there is no step
    mask: np.ndarray  # [G, L] float32, 1 where there is a step

    @property
    def unit(self) -> float:
        """What outputs are multiplied by, so that returns are of order one for any length."""
        return float(self.mask.sum(axis=1).mean()) ** -0.5

    def counts(self) -> np.ndarray:
        """Return how often each step occurs, [U]."""
        return np.bincount(self.place[self.mask > 0], minlength=len(self.inputs))

    def standardised(self) -> tuple[Table, np.ndarray, np.ndarray]:
        """Return the table in units of the steps' spread, their mean [I] and spread [I]."""
        share = self.counts() / self.mask.sum()
        mean = share @ self.inputs
        std = np.sqrt(share @ (self.inputs - mean) ** 2)
        mean = mean.astype(np.float32)
        # what never varies keeps its unit
        std = np.where(std > 1e-6 * np.abs(mean), std, 1.0).astype(np.float32)
        return self._replace(inputs=(self.inputs - mean) / std), mean, std


def tabulate(reader: Reader, bank: Segments) -> Table:
    """Return the distinct steps of a bank: worlds with few of them are evaluated once for each."""
    rows = np.ascontiguousarray(reader.read(bank.steps())[0].numpy()[bank.mask])
    if not np.isfinite(rows).all():
        expect.finite(rows, name=f"{reader.inputs} of the segments")
    place = np.zeros(bank.mask.shape, dtype=np.int64)
    if rows.shape[1] == 0:
        return Table(rows[:1], place, bank.mask.astype(np.float32))
    # as bytes, which sort several times faster than rows of numbers
    key = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    place[bank.mask] = inverse.reshape(-1)
    return Table(rows[first], place, bank.mask.astype(np.float32))


def _tensor(array: Any) -> Tensor:
    # a copy of NumPy's arrays, which may be read-only
    return array if isinstance(array, torch.Tensor) else torch.tensor(np.asarray(array))


def _flat(array: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    lead = array.ndim - len(shape)
    expect.shape(array, *([None] * max(lead, 0)), *shape, name=name)
    return array.reshape(*array.shape[:lead], -1)
