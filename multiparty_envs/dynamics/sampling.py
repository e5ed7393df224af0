"""Drawing from many fixed distributions with one uniform number each."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
from typing_extensions import Self

from multiparty_envs.dynamics.arrays import cast, count_true, on_device, take, where

FEW = 4
"""Outcomes up to which comparing with each border is quicker than an alias table."""


class Sampler(ABC):
    """R distributions over K outcomes.

    Attributes:
        size: K.
    """

    size: int

    @abstractmethod
    def place(self, row: Any, uniform: Any) -> Any:
        """Return row * K + outcome [N] for the distributions `row` [N] and `uniform` [N]."""

    @abstractmethod
    def one(self) -> Callable[[int, float], int]:
        """Return a function that does the same for one row, quicker than NumPy."""

    @abstractmethod
    def to(self, device: Any) -> Self:
        """Return this sampler with torch tensors on `device`."""


def sampler_of(probabilities: np.ndarray) -> Sampler:
    """Return the quickest sampler of distributions [R, K], rows summing to one."""
    kind = Borders if probabilities.shape[1] <= FEW else AliasTable
    return kind(probabilities)


@final
class Borders(Sampler):
    """For few outcomes: the outcome is how many of the row's borders the number has reached."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.size = probabilities.shape[1]
        self._count = len(probabilities)
        borders = np.cumsum(probabilities, axis=1)[:, :-1]
        # rounding must not let a number slip past the last outcome that has a chance
        later = np.cumsum(probabilities[:, :0:-1], axis=1)[:, ::-1]
        borders = np.where(later > 0.0, borders, 1.0)
        same = bool((borders == borders[:1]).all())
        # [K - 1] of borders [R]; one number where all rows agree, which saves looking it up
        self._borders: list[Any] = [own[0].item() if same else own.copy() for own in borders.T]

    def place(self, row: Any, uniform: Any) -> Any:
        """Compare with each border."""
        place = row * self.size
        if self._borders:
            shared = isinstance(self._borders[0], float)
            borders = self._borders if shared else [take(border, row) for border in self._borders]
            place += count_true([uniform >= border for border in borders])
        return place

    def one(self) -> Callable[[int, float], int]:
        """Search the row's borders."""
        rows = np.empty((self._count, self.size - 1))
        for column, border in enumerate(self._borders):
            rows[:, column] = border
        return partial(_search, self.size, rows.tolist())

    def to(self, device: Any) -> Self:
        """Return these borders as torch tensors on `device`."""
        moved = copy.copy(self)
        moved._borders = [on_device(border, device) for border in self._borders]
        return moved


@final
class AliasTable(Sampler):
    """For many outcomes: the alias method, whose cost does not depend on K [Walker1977].

    A number times K picks a slot; its fraction says whether the slot's own outcome holds or its
    alias.
    """

    def __init__(self, probabilities: np.ndarray) -> None:
        count, self.size = probabilities.shape
        keep, alias = _robin_hood(probabilities)
        # [R * K] where, between slot and slot + 1, a slot stops keeping its own outcome
        self._bound = (np.arange(self.size) + keep).reshape(-1)
        # [R * K] the place, row * K + outcome, that it gives beyond
        self._alias = (alias + self.size * np.arange(count)[:, None]).reshape(-1)

    def place(self, row: Any, uniform: Any) -> Any:
        """Look the slot up."""
        scaled = uniform * self.size
        place = row * self.size + cast(scaled, row.dtype)
        return where(scaled < take(self._bound, place), place, take(self._alias, place))

    def one(self) -> Callable[[int, float], int]:
        """Look the slot up in lists."""
        bound: Any = self._bound.tolist()
        return partial(_slot, self.size, bound, self._alias.tolist())

    def to(self, device: Any) -> Self:
        """Return this table as torch tensors on `device`."""
        moved = copy.copy(self)
        moved._bound, moved._alias = on_device(self._bound, device), on_device(self._alias, device)
        return moved


def _search(size: int, borders: list[list[float]], row: int, number: float) -> int:
    return row * size + bisect_right(borders[row], number)


def _slot(size: int, bound: list[float], alias: list[int], row: int, number: float) -> int:
    scaled = number * size
    slot = row * size + int(scaled)
    return slot if scaled < bound[slot] else alias[slot]


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
