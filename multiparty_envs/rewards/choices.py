"""Answers as multinomial choices between feature differences: the one form that is fitted.

A comparison is a choice of two, a ranking a sequence of choices among what is left
(Plackett–Luce [Plackett1975]). Utilities are differences to one alternative of the same
choice, which then has utility 0, so a comparison is a single row `features(first) -
features(second)` whose target is its label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings

CHUNK = 4_000_000  # numbers held at once


@final
@dataclass(frozen=True)
class Choices:
    """N choices among at most P + 1 alternatives each, made by M parties in K answers.

    Attributes:
        design: [N, P, D] feature differences to the reference alternative.
        target: [N, P] chance that this alternative is taken (the reference has the rest).
        available: [N, P] 1.0 where there is an alternative, 0.0 where there is none.
        party: [N] who chose.
        answer: [N] the answer that this choice is a part of, ascending in every party.
        num_parties: M.
        num_answers: K.
    """

    design: np.ndarray
    target: np.ndarray
    available: np.ndarray
    party: np.ndarray
    answer: np.ndarray
    num_parties: int
    num_answers: int

    @property
    def num_features(self) -> int:
        """D."""
        return self.design.shape[-1]

    @property
    def scale(self) -> float:
        """Mean square of a feature difference (1.0 if all are zero): the unit of every ridge."""
        total = float(np.vdot(self.design, self.design))
        return total / (max(self.available.sum(), 1.0) * self.num_features) or 1.0

    @property
    def counts(self) -> np.ndarray:
        """[M] choices made by each party."""
        return np.bincount(self.party, minlength=self.num_parties)

    def utilities(self, theta: np.ndarray) -> np.ndarray:
        """Return [N, P] under `theta` [D, M], each row with its own party's column."""
        return np.einsum("npd,nd->np", self.design, theta.T[self.party])

    def utility_covariance(self, covariance: np.ndarray) -> np.ndarray:
        """Return [N, P, P] under the `covariance` [M, D, D] of each party's theta."""
        out = np.empty((*self.design.shape[:2], self.design.shape[1]))
        step = max(1, CHUNK // covariance[0].size)
        for low in range(0, len(out), step):
            rows = slice(low, low + step)
            half = self.design[rows] @ covariance[self.party[rows]]
            out[rows] = half @ self.design[rows].swapaxes(1, 2)
        return out

    def agree(self, theta: np.ndarray) -> np.ndarray:
        """Return [N] bool, whether the one taken for sure is the best under `theta` [D, M]."""
        target = np.concatenate([self.target, 1.0 - self.target.sum(axis=1, keepdims=True)], axis=1)
        utility = np.pad(self.utilities(theta), ((0, 0), (0, 1)))
        present = np.pad(self.available, ((0, 0), (0, 1)), constant_values=1.0)
        taken = target == 1.0
        best = np.where(taken, utility, -np.inf).max(axis=1)
        return best > np.where((present > 0) & ~taken, utility, -np.inf).max(axis=1)

    def where(self, keep: np.ndarray) -> Choices:
        """Return the choices of the answers with `keep` [K] true; answers keep their numbers."""
        return self._rows(keep[self.answer], self.party, self.num_parties)

    def pooled(self) -> Choices:
        """Return the same choices as if one party had made them all."""
        return self._rows(slice(None), np.zeros_like(self.party), 1)

    def anonymous(self) -> Choices:
        """Return the same choices as if every answer came from a party of its own."""
        return self._rows(slice(None), self.answer, self.num_answers)

    def of_parties(self, parties: np.ndarray) -> Choices:
        """Return the choices of some `parties` (ascending) alone, who are numbered from 0."""
        rows = np.isin(self.party, parties)
        return self._rows(rows, np.searchsorted(parties, self.party), len(parties))

    def first_of_each(self) -> Choices:
        """Return the first choice of every answer, in the order of the answers."""
        first = np.unique(self.answer, return_index=True)[1]
        return self._rows(first, self.party, self.num_parties)

    def _rows(self, rows: Any, party: np.ndarray, num_parties: int) -> Choices:
        return Choices(
            design=self.design[rows],
            target=self.target[rows],
            available=self.available[rows],
            party=party[rows],
            answer=self.answer[rows],
            num_parties=num_parties,
            num_answers=self.num_answers,
        )

    def per_answer(self, values: np.ndarray) -> np.ndarray:
        """Sum `values` [N] over the choices of each answer -> [K]."""
        return np.bincount(self.answer, weights=values, minlength=self.num_answers)


def expect_answers(data: Comparisons | Rankings) -> Comparisons | Rankings:
    """Return `data` if it holds answers.

    Raises:
        TypeError: when `data` is neither comparisons nor rankings.
        ValueError: when it holds no answer.
    """
    if not isinstance(data, Comparisons | Rankings):
        raise TypeError(f"answers should be Comparisons or Rankings, are {type(data).__name__}")
    if not len(data):
        raise ValueError("a data set should hold one answer or more, this one is empty")
    return data


def choices_of(data: Comparisons | Rankings) -> Choices:
    """Turn answers into choices.

    Raises:
        TypeError: when `data` is neither comparisons nor rankings.
        ValueError: when it holds no answer, or features that are not finite.
    """
    data = expect_answers(data)
    choices = _of_comparisons(data) if isinstance(data, Comparisons) else _of_rankings(data)
    if not np.isfinite(choices.design.sum()):  # a look at each number only where it is needed
        expect.finite(choices.design, name="feature differences of the answers")
    return choices


def _of_comparisons(data: Comparisons) -> Choices:
    design = np.asarray(data.differences(), dtype=np.float64)[:, None, :]
    target = np.asarray(data.label, dtype=np.float64)[:, None]
    answer = np.arange(len(data))
    party = np.asarray(data.party, dtype=np.int64)
    return Choices(design, target, np.ones_like(target), party, answer, data.num_parties, len(data))


def _of_rankings(data: Rankings) -> Choices:
    """Stage s of a ranking: the one at place s is taken from all that are not placed before."""
    ordered, depth = np.asarray(data.ordered), np.asarray(data.depth)
    sums = np.asarray(data.segments.feature_sums(), dtype=np.float64)
    stages = []
    for place in range(ordered.shape[1] - 1):
        rest = np.full((len(ordered), ordered.shape[1] - 1), -1)
        rest[:, : ordered.shape[1] - 1 - place] = ordered[:, place + 1 :]
        # a stage with nothing left to reject is certain and carries no information
        rows = np.flatnonzero((place < depth) & (rest >= 0).any(axis=1))
        taken, rest = ordered[rows, place], rest[rows]
        present = (rest >= 0).astype(np.float64)
        # index -1 reads some segment; the factor `present` makes its row zero
        stages.append((rows, (sums[rest] - sums[taken][:, None]) * present[..., None], present))
    answer, design, available = (np.concatenate(parts) for parts in zip(*stages, strict=True))
    party = np.asarray(data.party, dtype=np.int64)[answer]
    target = np.zeros_like(available)
    return Choices(design, target, available, party, answer, data.num_parties, len(data))
