"""Choices that need no reward: the von Neumann winner of a preference game."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect


def margins(preferences: np.ndarray) -> np.ndarray:
    """Return the mean margin `[A, A]`, 2 P(a over b) - 1, of parties' preferences `[M, A, A]`.

    Source: [Zhong2024] section 6. The diagonal, an action against itself, is zero.

    Raises:
        ValueError: when entries are no chances, or P(a over b) and P(b over a) do not sum to one.
    """
    chance = expect.shape(
        expect.finite(preferences, name="preferences"), None, None, None, name="preferences"
    )
    expect.shape(chance, None, chance.shape[2], chance.shape[2], name="preferences")
    if not np.allclose(chance + chance.transpose(0, 2, 1), 1.0, atol=1e-8):
        raise ValueError("preferences should sum to one with their transposes")
    if chance.min() < 0.0:
        raise ValueError(f"preferences should be chances, hold {chance.min():g}")
    return (2.0 * chance - 1.0).mean(axis=0)


def von_neumann_winner(margin: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the mixed action `[A]` that loses least against its worst opponent, and its value.

    max over p of min_b (p @ margin)_b, by linear programming. Of an antisymmetric margin the
    value is zero.

    Args:
        margin: `[A, A]`, how much a row beats a column.

    Raises:
        ValueError: when the matrix is not square or not finite.
    """
    from scipy.optimize import linprog

    margin = expect.finite(margin, name="margin")
    expect.shape(margin, None, len(margin), name="margin")
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
    chosen = np.maximum(found.x[:count], 0.0)
    chosen = chosen / chosen.sum()
    return chosen, float((chosen @ margin).min())
