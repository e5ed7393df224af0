"""Answers to "which of these two do you prefer?"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.answers import Answers, whole
from multiparty_envs.feedback.panels import Panel, bank_of
from multiparty_envs.feedback.segments import Segments


@final
@dataclass(frozen=True, eq=False, repr=False)
class Comparisons(Answers):
    """K answered queries; a skipped query has no row. Holds no true reward.

    Raises:
        ValueError: when a row names a missing segment or party, or a label is outside [0, 1].
    """

    ROWS: ClassVar = ("first", "second", "party", "label")
    POINTERS: ClassVar = ("first", "second")
    FORMAT: ClassVar = "multiparty-comparisons"

    segments: Segments
    """The bank of G segments."""
    first: np.ndarray
    """[K] int64, place in the bank of the first segment."""
    second: np.ndarray
    """[K] int64, place of the second."""
    party: np.ndarray
    """[K] int64, who answered, 0..M-1."""
    label: np.ndarray
    """[K] float64 in [0, 1], chance that the first is preferred: 1, 0, or 0.5 for a tie."""
    num_parties: int
    """M, whether or not all of them answered."""
    names: tuple[str, ...] | None = None
    """[M] names of the parties, for people."""

    def __post_init__(self) -> None:
        self._check_parties()
        last = self.segments.num_segments - 1
        for name in self.POINTERS:
            place = whole(getattr(self, name), len(self), name=name, high=last)
            self._store(name, place)
        label = expect.shape(expect.finite(self.label, name="label"), len(self), name="label")
        if len(label) and (label.min() < 0.0 or label.max() > 1.0):
            row = int(np.argmax((label < 0.0) | (label > 1.0)))
            raise ValueError(f"label should be in [0, 1], is {label[row]} in row {row}")
        self._store("label", label)

    def differences(self) -> np.ndarray:
        """Feature sums of the first segment minus those of the second, [K, D]."""
        sums = self.segments.feature_sums()
        return sums[self.first] - sums[self.second]

    @classmethod
    def from_choices(cls, panel: Panel) -> Comparisons:
        """Recorded choices between two alternatives; the first alternative comes first.

        Raises:
            ValueError: when a task has not exactly two alternatives.
        """
        if panel.features.shape[1] != 2 or not panel.available.all():
            raise ValueError(
                "every task should have two alternatives; Rankings.from_choices takes any number"
            )
        bank, place = bank_of(panel)
        return cls(
            segments=bank,
            first=place[:, 0],
            second=place[:, 1],
            party=panel.person,
            label=(panel.chosen == 0).astype(np.float64),
            num_parties=len(panel.people),
            names=panel.people,
        )
