"""Recorded choices of real people as a bank of one-step segments."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from multiparty_envs.feedback.segments import Segments


class Panel(Protocol):
    """What is needed of a choice panel: K tasks, each with J alternatives, of several people."""

    @property
    def person(self) -> np.ndarray:
        """[K] who chose, a place in `people`."""
        ...

    @property
    def features(self) -> np.ndarray:
        """[K, J, D] the alternatives."""
        ...

    @property
    def available(self) -> np.ndarray:
        """[K, J] bool, whether an alternative was on offer."""
        ...

    @property
    def chosen(self) -> np.ndarray:
        """[K] the alternative chosen."""
        ...

    @property
    def people(self) -> tuple[str, ...]:
        """[M] names."""
        ...


def bank_of(panel: Panel) -> tuple[Segments, np.ndarray]:
    """One segment of one step for each distinct alternative, and their places [K, J] in the bank.

    Observations and actions have zero width: of an alternative only the features are known.
    Unavailable alternatives have place -1.
    """
    rows, inverse = np.unique(panel.features[panel.available], axis=0, return_inverse=True)
    place = np.full(panel.available.shape, -1, dtype=np.int64)
    place[panel.available] = inverse.reshape(-1)
    count = len(rows)
    bank = Segments(
        obs=np.zeros((count, 1, 0), dtype=np.float32),
        action=np.zeros((count, 1, 0), dtype=np.int64),
        features=rows[:, None, :],
        mask=np.ones((count, 1), dtype=bool),
    )
    return bank, place
