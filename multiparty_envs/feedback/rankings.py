"""Answers to "which of these do you like best?", with as many places ranked as were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from multiparty_envs.feedback.answers import Answers, whole
from multiparty_envs.feedback.panels import Panel, bank_of
from multiparty_envs.feedback.segments import Segments


@final
@dataclass(frozen=True, eq=False, repr=False)
class Rankings(Answers):
    """K answered k-wise queries over at most J alternatives each. Holds no true reward.

    Raises:
        ValueError: when a row names a missing segment or party, an absent alternative comes before
            a present one, or a depth ranks more places than there are alternatives.
    """

    ROWS: ClassVar = ("ordered", "depth", "party")
    POINTERS: ClassVar = ("ordered",)
    FORMAT: ClassVar = "multiparty-rankings"

    segments: Segments
    """The bank of G segments."""
    ordered: np.ndarray
    """[K, J] int64 places in the bank, best first, then the unranked, then -1 for the absent."""
    depth: np.ndarray
    """[K] int64, how many places are ranked: 1 is best of k, J or J - 1 a full order."""
    party: np.ndarray
    """[K] int64, who answered, 0..M-1."""
    num_parties: int
    """M, whether or not all of them answered."""
    names: tuple[str, ...] | None = None
    """[M] names of the parties, for people."""

    def __post_init__(self) -> None:
        self._check_parties()
        last = self.segments.num_segments - 1
        ordered = whole(self.ordered, len(self), None, name="ordered", low=-1, high=last)
        present = ordered >= 0
        if (present[:, 1:] & ~present[:, :-1]).any():
            raise ValueError("ordered should have its absent alternatives (-1) last in every row")
        size = present.sum(axis=1)
        if len(self) and size.min() < 2:
            row = int(np.argmin(size))
            raise ValueError(f"ordered should hold two segments or more, row {row} has {size[row]}")
        depth = whole(self.depth, len(self), name="depth", low=1)
        if (depth > size).any():
            row = int(np.argmax(depth > size))
            raise ValueError(f"depth should be in 1..{size[row]}, is {depth[row]} in row {row}")
        self._store("ordered", ordered)
        self._store("depth", depth)

    def option_sums(self) -> np.ndarray:
        """Feature sums of the alternatives in their order, [K, J, D]; zeros where absent."""
        sums = self.segments.feature_sums()[self.ordered]
        return np.where((self.ordered >= 0)[:, :, None], sums, 0.0)

    @classmethod
    def from_choices(cls, panel: Panel) -> Rankings:
        """Recorded choices of one of several alternatives, some perhaps unavailable."""
        bank, place = bank_of(panel)
        is_chosen = np.arange(place.shape[1]) == panel.chosen[:, None]
        # chosen first, then the others on offer in their order, then the absent
        order = np.argsort(
            np.where(is_chosen, 0, np.where(place >= 0, 1, 2)), axis=1, kind="stable"
        )
        return cls(
            segments=bank,
            ordered=np.take_along_axis(place, order, axis=1),
            depth=np.ones(len(place), dtype=np.int64),
            party=panel.person,
            num_parties=len(panel.people),
            names=panel.people,
        )
