"""Equilibria of large matrix games to a few digits, in milliseconds: predictive regret matching.

Both sides play against each other by turns, each in proportion to what it regrets not to have
played, and what it expects to regret next: predictive regret matching+ with alternation and
averages weighted by the square of time [Farina2021]. Regrets are kept positive, so that few
actions are played where few are good, and a turn then costs a few rows of the game.
"""

from __future__ import annotations

from typing import final

import numpy as np

from agents.equilibrium import Equilibrium, checked
from multiparty_envs import expect

_SINGLE = 1e-5  # from this tolerance on single precision will do
_SPARSE = 0.125  # share of actions in play below which their rows are gathered


def regret_matching(
    payoff: np.ndarray, tolerance: float = 1e-3, limit: int = 100_000
) -> Equilibrium:
    """Return strategies whose gap is at most `tolerance`, or what `limit` turns have reached.

    Of an antisymmetric payoff, whose value is known to be zero, the better strategy is returned
    for both sides, and what it can lose, half of the gap, is at most `tolerance`.

    Args:
        payoff: `[A, B]`, what the rows get from the columns.
        tolerance: in the payoff's units.
        limit: turns of each side.

    Raises:
        ValueError: when the payoff is not finite, or the settings are out of range.
    """
    payoff = expect.shape(expect.finite(payoff, name="payoff"), None, None, name="payoff")
    expect.number(tolerance, name="tolerance", low=0.0, open_=True)
    expect.integer(limit, name="limit", low=1)
    exact = tolerance < _SINGLE * max(1.0, float(np.abs(payoff).max(initial=0.0)))
    own = payoff if exact else payoff.astype(np.float32)
    symmetric = is_antisymmetric(payoff)
    rows = _Side(own)
    columns = rows.mirrored() if symmetric else _Side(np.ascontiguousarray(-own.T))
    goal = tolerance if exact else 0.98 * tolerance  # and the rest for rounding
    _play(rows, columns, goal, limit, symmetric)
    found = checked(payoff, rows.average(), columns.average())
    return mirrored(found) if symmetric else found


def is_antisymmetric(payoff: np.ndarray) -> bool:
    """Return whether what one gets, the other loses, whoever plays which side."""
    return payoff.shape[0] == payoff.shape[1] and bool(np.array_equal(payoff, -payoff.T))


def mirrored(found: Equilibrium) -> Equilibrium:
    """Return the better strategy of an antisymmetric game on both sides."""
    if -found.low <= found.high:
        return Equilibrium(found.row, found.row, found.low, -found.low)
    return Equilibrium(found.column, found.column, -found.high, found.high)


def _play(rows: _Side, columns: _Side, goal: float, limit: int, symmetric: bool) -> None:
    columns.face(rows.against())
    for turn in range(1, limit + 1):
        rows.face(columns.against())
        rows.act()
        columns.face(rows.against())
        columns.act()
        for side in (rows, columns):
            side.remember(float(turn) ** 2)
        losses = rows.most(), columns.most()  # what the other side can get from each average
        if (min(losses) if symmetric else sum(losses)) <= goal:
            return


@final
class _Side:
    """One player: what it played, what it got, and what it regrets.

    Args:
        payoff: `[A, B]`, what it gets.
    """

    def __init__(self, payoff: np.ndarray) -> None:
        self._payoff = payoff
        count = len(payoff)
        self._play = np.full(count, 1.0 / count, dtype=payoff.dtype)
        self._regret = np.zeros_like(self._play)
        self._total, self._weight = np.zeros(count), 0.0
        self._given = np.zeros(payoff.shape[1])  # what the other got from the weighed plays
        self._offer: np.ndarray | None = None  # [B], what the other gets from the present play
        self._faced = self._regret

    def mirrored(self) -> _Side:
        """Return the other player of an antisymmetric game."""
        return _Side(self._payoff)

    def against(self) -> np.ndarray:
        """Return what each action of the other side gets from the present play, `[B]`."""
        if self._offer is None:
            self._offer = -_product(self._play, self._payoff)
        return self._offer

    def face(self, gains: np.ndarray) -> None:
        """Take note of what each action would have got `[A]`."""
        self._faced = gains - gains @ self._play
        self._regret += self._faced
        np.maximum(self._regret, 0.0, out=self._regret)

    def act(self) -> None:
        """Choose the next play, expecting to face the same again."""
        hope = np.maximum(self._regret + self._faced, 0.0)
        total = hope.sum()
        if total > 0.0:
            self._play, self._offer = hope / total, None

    def remember(self, weight: float) -> None:
        """Let the present play count in the average."""
        self._weight += weight
        self._total += weight * self._play
        self._given += weight * self.against()

    def average(self) -> np.ndarray:
        """Return the weighed mean of the plays `[A]`."""
        return self._total / self._weight

    def most(self) -> float:
        """Return what the other side can get at most from the average."""
        return float(self._given.max()) / self._weight


def _product(weights: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return weights @ matrix, from the rows alone whose weight is not zero if they are few."""
    played = np.flatnonzero(weights)
    if len(played) > _SPARSE * len(weights):
        return weights @ matrix
    return weights[played] @ matrix[played]
