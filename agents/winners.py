"""Choices that need no reward: von Neumann winners, exact or in milliseconds, and pessimistic.

The winner of a game is the mixed action that loses least against its worst opponent. It is sought
where it is likely to be: predictive regret matching tells which actions are in play; if they are
few, the game between them is solved exactly, and again with the actions that beat its solution
until there are none; if they are many, the whole game is solved by an interior point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agents.equilibrium import Equilibrium, checked, equilibrium
from agents.regret_matching import is_antisymmetric, mirrored, regret_matching
from multiparty_envs import expect
from multiparty_envs.rewards.preferences import PreferenceCounts

WHOLE = 64
"""Actions up to which the whole game is solved at once."""

_FEW = 0.25  # share of actions in play up to which only those are looked at
_ROUNDS = 40
_SETTLED = 1e-9  # gap above which a second solver is asked
_PLAYED, _NEARLY = 1e-8, 1e-6  # chance, and loss against the best, of actions that it looks at


class Winner(NamedTuple):
    """A mixed action, what it is sure of, and the proof that nothing is sure of more."""

    chances: np.ndarray  # [A]
    value: float  # against its worst opponent
    bound: float  # no mixed action can exceed this

    @property
    def gap(self) -> float:
        """How much could still be missing, at most."""
        return self.bound - self.value


def von_neumann_winner(margin: np.ndarray) -> Winner:
    """Return the mixed action that loses least against its worst opponent, max_p min_b (p @ N)_b.

    Of an antisymmetric margin the value is zero. Source: [Zhong2024] section 6; by linear
    programming there, here see the top of the module.

    Args:
        margin: `[A, A]`, how much a row beats a column.

    Raises:
        ValueError: when the matrix is not square or not finite.
    """
    margin = expect.finite(margin, name="margin")
    expect.shape(margin, None, len(margin), name="margin")
    if not len(margin):
        raise ValueError("margin should be of an action at least, has none")
    found = equilibrium(margin) if len(margin) <= WHOLE else _large(margin)
    return _winner(_settled(found, margin), margin)


def quick_winner(margin: np.ndarray, tolerance: float = 1e-3) -> Winner:
    """Return a mixed action that may lose `tolerance` more than the winner, in milliseconds.

    Raises:
        ValueError: when the matrix is not square or not finite.
    """
    margin = expect.finite(margin, name="margin")
    expect.shape(margin, None, len(margin), name="margin")
    return _winner(regret_matching(margin, tolerance), margin)


def winners(margins: np.ndarray) -> np.ndarray:
    """Return the winners' chances `[S, A]` of the games `[S, A, A]` of S states."""
    games = expect.shape(expect.finite(margins, name="margins"), None, None, None, name="margins")
    return np.stack([von_neumann_winner(game).chances for game in games])


def fairest_winner(margins: np.ndarray) -> Winner:
    """Return the mixed action whose value for the party that it serves worst is the largest.

    max_p min_m min_b (p @ N_m)_b: the worst opponent may also choose the party. It can be next to
    -1 whatever one does. Source: [Zhong2024], proposition 4.

    Args:
        margins: `[M, A, A]`, of each party.

    Raises:
        ValueError: when the shape does not fit, or an entry is not finite.
    """
    each = expect.shape(expect.finite(margins, name="margins"), None, None, None, name="margins")
    expect.shape(each, None, each.shape[2], None, name="margins")
    found = equilibrium(each.transpose(1, 0, 2).reshape(each.shape[1], -1))
    return Winner(found.row, found.low, found.high)


def pessimistic_winners(
    counts: PreferenceCounts, bonus: str = "paper", delta: float = 0.1
) -> np.ndarray:
    """Return `[S, A]`, in each state the winner of the lower bounds N - B of what people prefer.

    Source: [Zhong2024], algorithm 2.

    Args:
        counts: what people answered.
        bonus: a name in `multiparty_envs.rewards.preferences.BONUSES`; "none" trusts the counts.
        delta: chance that the bounds may fail.
    """
    return winners(counts.mean_margin() - counts.bonus(bonus, delta))


def _winner(found: Equilibrium, margin: np.ndarray) -> Winner:
    if is_antisymmetric(margin):
        best = mirrored(found)
        return Winner(best.row, best.low, 0.0)
    return Winner(found.row, found.low, found.high)


def _large(margin: np.ndarray) -> Equilibrium:
    """Solve the game between the actions in play, and let others in that beat its solution."""
    count = len(margin)
    start = regret_matching(margin, tolerance=1e-3, limit=1_000)
    rows, columns = (chances > 0.1 / count for chances in (start.row, start.column))
    best = start
    for _ in range(_ROUNDS):
        if max(rows.sum(), columns.sum()) > _FEW * count:
            return equilibrium(margin)
        found = _between(margin, np.flatnonzero(rows), np.flatnonzero(columns))
        best = min(best, found, key=lambda each: each.gap)
        better, worse = margin @ found.column, found.row @ margin
        if best.gap <= 1e-12:
            return best
        rows = rows | _beating(better)
        columns = columns | _beating(-worse)
    return equilibrium(margin)


def _beating(gains: np.ndarray) -> np.ndarray:
    """Return the actions `[A]` that gain most: one in a hundred."""
    few = max(1, len(gains) // 100)
    return gains >= np.partition(gains, -few)[-few]


def _between(margin: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Equilibrium:
    """Solve the game of some rows and columns, and say what that is worth in the whole game."""
    inner = equilibrium(margin[np.ix_(rows, columns)])
    row, column = np.zeros(len(margin)), np.zeros(len(margin))
    row[rows], column[columns] = inner.row, inner.column
    return checked(margin, row, column)


def _settled(found: Equilibrium, margin: np.ndarray) -> Equilibrium:
    """Return what was found, or what linear programmes find where that is not exact enough.

    First between the actions that are in play or nearly so, then between all.
    """
    size = max(1.0, float(np.abs(margin).max()))
    near = (
        (found.row > _PLAYED) | (margin @ found.column > found.high - _NEARLY * size),
        (found.column > _PLAYED) | (found.row @ margin < found.low + _NEARLY * size),
    )
    for rows, columns in (near, np.ones((2, len(margin)), dtype=bool)):
        if found.gap <= _SETTLED * size:
            break
        again = _by_programme(margin, np.flatnonzero(rows), np.flatnonzero(columns))
        found = min(found, again, key=lambda each: each.gap)
    return found


def _by_programme(margin: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Equilibrium:
    """Solve the linear programmes of the game of some rows and columns by HiGHS, one a side."""
    inner = margin[np.ix_(rows, columns)]
    row, column = np.zeros(len(margin)), np.zeros(len(margin))
    row[rows] = _best_sure(inner)
    same = is_antisymmetric(inner) and np.array_equal(rows, columns)
    column[columns] = row[rows] if same else _best_sure(-inner.T)
    return checked(margin, row, column)


def _best_sure(payoff: np.ndarray) -> np.ndarray:
    from scipy.optimize import linprog

    rows, columns = payoff.shape
    found = linprog(
        c=np.append(np.zeros(rows), -1.0),
        A_ub=np.column_stack([-payoff.T, np.ones(columns)]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * rows + [(None, None)],
        method="highs-ipm",  # with a crossover to a vertex
    )
    if found.x is None:
        raise RuntimeError(f"the linear programme of {rows} actions ended in: {found.message}")
    return found.x[:rows]
