"""The usual ways to solve a game, to measure against."""

from __future__ import annotations

import numpy as np

ROUNDS = 3_000
"""Of multiplicative weights, after which what it finds can still be exploited by a hundredth."""


def by_programme(margin: np.ndarray) -> np.ndarray:
    """Return the winner [A] by scipy's linear programming with HiGHS, which chooses its method."""
    from scipy.optimize import linprog

    count = len(margin)
    found = linprog(
        c=np.append(np.zeros(count), -1.0),
        A_ub=np.column_stack([-margin.T, np.ones(count)]),
        b_ub=np.zeros(count),
        A_eq=np.append(np.ones(count), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0.0, None)] * count + [(None, None)],
        method="highs",
    )
    return found.x[:count]


def multiplicative_weights(margin: np.ndarray, rounds: int = ROUNDS) -> np.ndarray:
    """Return the mean play [A] of multiplicative weights against itself, at the best fixed step."""
    count = len(margin)
    step = np.sqrt(8.0 * np.log(count) / rounds)
    score, total = np.zeros(count), np.zeros(count)
    for _ in range(rounds):
        play = np.exp(step * (score - score.max()))
        play /= play.sum()
        total += play
        score += margin @ play
    return total / rounds
