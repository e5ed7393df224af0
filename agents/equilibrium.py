"""Equilibria of two-player zero-sum matrix games to machine precision, by an interior point."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

_STEPS = 80  # Newton steps; 10 to 25 are usual
_NEAR = 0.995  # how far to go towards the boundary
_LOOK = 1e-5  # complementarity from where supports may be told
_OTHERS = (-1, 1, -2, 2, -3, 3)  # actions more or less that are tried at the end
_UNEVEN = 200  # actions on both sides from which supports are taken to be of the same size
_SLOW = 0.9  # share of it that is left after a step from which rounding has won


class Equilibrium(NamedTuple):
    """Mixed strategies for both sides of a game, and what they guarantee."""

    row: np.ndarray  # [A], of who wants the payoff to be large
    column: np.ndarray  # [B], of who wants it to be small
    low: float  # what the rows get at least
    high: float  # what the columns give at most

    @property
    def gap(self) -> float:
        """How far the two are from the value of the game together, at most."""
        return self.high - self.low


def checked(payoff: np.ndarray, row: np.ndarray, column: np.ndarray) -> Equilibrium:
    """Return the strategies, made distributions, with what they guarantee."""
    p, q = np.maximum(row, 0.0), np.maximum(column, 0.0)
    p, q = p / p.sum(), q / q.sum()
    return Equilibrium(p, q, float((p @ payoff).min()), float((payoff @ q).max()))


def equilibrium(payoff: np.ndarray, tolerance: float = 1e-12) -> Equilibrium:
    """Return an equilibrium of a payoff `[A, B]`, its gap at most `tolerance` where rounding lets.

    A primal-dual interior-point method with a predictor and a corrector [Mehrotra1992] comes so
    near that one can tell which actions are played; those then follow from linear equations.
    Every Newton step is one dense factorisation, so that a game of 1,000 actions, all in play,
    takes a sixth of the time of a sparse solver. Of many equilibria it finds one in the middle.

    Args:
        payoff: finite numbers.
        tolerance: of the gap, in units of the largest payoff.
    """
    size = float(np.abs(payoff).max(initial=0.0)) or 1.0
    path = _Path(payoff / size)
    best = path.here()
    for _ in range(_STEPS):
        if path.left <= _LOOK:
            best = _least(best, path.here(), path.rounded())
        if best.gap <= tolerance or not path.step():
            break
    # where rounding has won, an action or two may still be on the wrong side
    for more in _OTHERS:
        if best.gap > tolerance:
            best = _least(best, path.here(), path.rounded(more))
    return checked(payoff, best.row, best.column)


def _least(*found: Equilibrium) -> Equilibrium:
    return min(found, key=lambda each: each.gap)


class _Move(NamedTuple):
    """A direction in strategies, in what keeps actions from being played, and in the values."""

    p: np.ndarray
    q: np.ndarray
    r: np.ndarray
    s: np.ndarray


@final
class _Path:
    """Interior points of max v: p @ payoff = v + s, and min u: payoff @ q = u - r, all positive.

    Attributes:
        left: complementarity p @ r + q @ s, which is u - v.
    """

    def __init__(self, payoff: np.ndarray) -> None:
        self._payoff = payoff
        rows, columns = payoff.shape
        p, q = np.full(rows, 1.0 / rows), np.full(columns, 1.0 / columns)
        gain, loss = p @ payoff, payoff @ q
        self._at = _Move(p, q, loss.max() + 0.1 - loss, gain - gain.min() + 0.1)
        self.left = self._complementarity(self._at)

    def here(self) -> Equilibrium:
        """Return the present strategies."""
        return checked(self._payoff, self._at.p, self._at.q)

    def rounded(self, more: int = 0) -> Equilibrium:
        """Return strategies on the likely supports that make the other side indifferent.

        Args:
            more: actions that each side plays beyond those that are more likely than not.
        """
        p, q, r, s = self._at
        counts = [int((play > bar).sum()) + more for play, bar in ((p, r), (q, s))]
        if sum(counts) > _UNEVEN:
            counts[1] = counts[0]  # many equations can only be solved where they are as many
        if not (0 < counts[0] <= len(p) and 0 < counts[1] <= len(q)):
            return self.here()
        rows, columns = _largest(p / r, counts[0]), _largest(q / s, counts[1])
        inner, row, column = self._payoff[np.ix_(rows, columns)], 0.0 * p, 0.0 * q
        row[rows], column[columns] = _indifferent(inner), _indifferent(inner.T)
        if row.max() <= 0.0 or column.max() <= 0.0:
            return self.here()
        return checked(self._payoff, row, column)

    def step(self) -> bool:
        """Go on by one Newton step; return whether there is any way left that can be gone."""
        try:
            newton = _Newton(self._payoff, self._at)
        except LinAlgError:
            return False
        p, q, r, s = self._at
        mean = self.left / (len(p) + len(q))
        guess = newton.move(-p * r, -q * s)
        reached = self._complementarity(self._moved(guess))
        aim = mean * (reached / self.left) ** 3
        move = newton.move(aim - p * r - guess.p * guess.r, aim - q * s - guess.q * guess.s)
        before, self._at = self.left, self._moved(move)
        self.left = self._complementarity(self._at)
        return self.left > 0.0 and (self.left > _LOOK or self.left < _SLOW * before)

    def _moved(self, move: _Move) -> _Move:
        """Return where `move` leads, or nearly to the first border that it meets on either side."""
        p, q, r, s = (float((-by / at).max()) for at, by in zip(self._at, move, strict=True))
        # the rows' strategy has to do with s alone, and that of the columns with r
        rows, columns = _NEAR / max(_NEAR, p, s), _NEAR / max(_NEAR, q, r)
        lengths = (rows, columns, columns, rows)
        return _Move(*(at + t * by for at, t, by in zip(self._at, lengths, move, strict=True)))

    @staticmethod
    def _complementarity(at: _Move) -> float:
        return float(at.p @ at.r + at.q @ at.s)


@final
class _Newton:
    """The linear equations of a step, in the columns' strategy alone, and factorised."""

    def __init__(self, payoff: np.ndarray, at: _Move) -> None:
        self._payoff, self._at = payoff, at
        self._ease = at.p / at.r
        half = np.sqrt(self._ease)[:, None] * payoff
        matrix = half.T @ half  # one array with itself: half the work
        matrix[np.diag_indices(len(matrix))] += at.s / at.q
        # scaled to a unit diagonal: its entries are many powers of ten apart near the end
        self._unit = 1.0 / np.sqrt(matrix.diagonal())
        matrix *= self._unit[:, None]
        matrix *= self._unit
        matrix[np.diag_indices(len(matrix))] += 1e-15
        self._factor = cho_factor(matrix, overwrite_a=True, check_finite=False)

    def move(self, of_rows: np.ndarray, of_columns: np.ndarray) -> _Move:
        """Return the step that changes the products p r and q s by so much, to first order."""
        payoff, at, ease = self._payoff, self._at, self._ease
        a, b = of_rows / at.r, of_columns / at.q
        sides = np.stack([b - a @ payoff, ease @ payoff, np.ones(len(b))], axis=1)
        by = self._solve(sides)  # [B, 3]: constant, per change of u, per change of v
        answer = payoff @ by
        weighed = ease @ answer
        # both strategies go on summing to one
        sums = np.array([by[:, 1:].sum(axis=0), weighed[1:] - [ease.sum(), 0.0]])
        u, v = np.linalg.solve(sums, [-by[:, 0].sum(), -a.sum() - weighed[0]])
        weights = np.array([1.0, u, v])
        dq, loss = by @ weights, answer @ weights
        dp = a + ease * (loss - u)
        return _Move(dp, dq, u - loss, dp @ payoff - v)

    def _solve(self, sides: np.ndarray) -> np.ndarray:
        unit = self._unit[:, None]
        return unit * cho_solve(self._factor, unit * sides, check_finite=False)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` largest values, in order."""
    return np.sort(np.argpartition(values, -count)[-count:])


def _indifferent(payoff: np.ndarray) -> np.ndarray:
    """Return weights `[A]`, sum one, that give every column the same; else as nearly as can be."""
    rows, columns = payoff.shape
    matrix = np.ones((columns + 1, rows + 1))
    matrix[:-1, :-1], matrix[:-1, -1], matrix[-1, -1] = payoff.T, -1.0, 0.0
    goal = np.append(np.zeros(columns), 1.0)
    if rows == columns:
        try:
            return np.linalg.solve(matrix, goal)[:-1]
        except np.linalg.LinAlgError:
            pass  # singular: of many solutions, or none, least squares takes the shortest
    return np.linalg.lstsq(matrix, goal, rcond=None)[0][:-1]
