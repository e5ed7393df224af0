"""Drawing from many fixed distributions with one uniform number each, in constant time."""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np

from multiparty_envs.dynamics.arrays import cast, on_device, take, where


@final
class AliasTable:
    """R distributions over K outcomes, by the alias method [Walker1977].

    A uniform number times K picks a slot; its fraction says whether the slot's own outcome
    holds or its alias. The cost does not depend on K.

    Args:
        probabilities: [R, K], rows sum to one.
    """

    def __init__(self, probabilities: np.ndarray) -> None:
        count, self.size = probabilities.shape
        keep, alias = _robin_hood(probabilities)
        # [R * K] where, between slot and slot + 1, a slot stops keeping its own outcome
        self.bound = (np.arange(self.size) + keep).reshape(-1)
        # [R * K] the place, row * K + outcome, that it gives beyond
        self.alias = (alias + self.size * np.arange(count)[:, None]).reshape(-1)

    def place(self, row: Any, uniform: Any) -> Any:
        """Return row * K + outcome [N] for the distributions `row` [N] and `uniform` [N]."""
        scaled = uniform * self.size
        place = row * self.size + cast(scaled, row.dtype)
        return where(scaled < take(self.bound, place), place, take(self.alias, place))

    def to(self, device: Any) -> AliasTable:
        """Return this table as torch tensors on `device`."""
        moved = copy.copy(self)
        moved.bound, moved.alias = on_device(self.bound, device), on_device(self.alias, device)
        return moved


def _robin_hood(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill the poorest slot from the richest, K - 1 times, in all rows at once."""
    count, size = probabilities.shape
    mass = probabilities * size
    keep = np.ones((count, size))
    alias = np.tile(np.arange(size), (count, 1))
    # open: neither filled nor closed yet; the richest always has enough, as the mean is one
    open_ = np.ones((count, size), dtype=bool)
    rows = np.arange(count)
    for _ in range(size - 1):
        poor = np.where(open_, mass, np.inf).argmin(axis=1)
        rich = np.where(open_, mass, -np.inf).argmax(axis=1)
        keep[rows, poor] = mass[rows, poor]
        alias[rows, poor] = rich
        mass[rows, rich] -= 1.0 - mass[rows, poor]
        open_[rows, poor] = False
    return keep, alias
