"""Many small linear programmes over mixtures of actions, solved as few large ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

CHUNK = 128
"""Programmes solved as one: the solver's start costs more than a small programme."""


class Programmes(NamedTuple):
    """B problems: maximise worth @ q over mixtures q [A] whose profile is neither low nor high."""

    worth: np.ndarray  # [B, A]
    values: np.ndarray  # [B, A, M], the profile of a mixture is q @ values
    low: np.ndarray  # [B, M]
    high: np.ndarray  # [B, M], infinite where there is no limit


def best_mixtures(problems: Programmes) -> np.ndarray:
    """Return the best mixture `[B, A]` of each problem, all of which have one.

    Raises:
        RuntimeError: when the solver finds none.
    """
    count = len(problems.worth)
    parts = [slice(at, at + CHUNK) for at in range(0, count, CHUNK)]
    found = [_solve(Programmes(*(each[part] for each in problems))) for part in parts]
    return np.concatenate(found) if found else np.empty_like(problems.worth)


def _solve(problems: Programmes) -> np.ndarray:
    count, actions = problems.worth.shape
    # each party in a unit of its own at each state, so that one tolerance suits all
    unit = np.abs(problems.values).max(axis=1)  # [B, M]
    unit = np.where(unit > 0.0, unit, 1.0)
    rows = sparse.block_diag(list((problems.values / unit[:, None]).swapaxes(1, 2)), format="csr")
    low, high = (problems.low / unit).ravel(), (problems.high / unit).ravel()
    limited = np.isfinite(high)
    largest = np.abs(problems.worth).max(axis=1, keepdims=True)
    found = linprog(
        c=-(problems.worth / np.where(largest > 0.0, largest, 1.0)).ravel(),
        A_ub=sparse.vstack([-rows, rows[limited]]),
        b_ub=np.concatenate([-low, high[limited]]),
        A_eq=sparse.kron(sparse.eye(count), np.ones((1, actions)), format="csr"),
        b_eq=np.ones(count),
        method="highs",
    )
    if found.x is None:
        raise RuntimeError(f"no mixture was found: {found.message}")
    mixtures = np.maximum(found.x.reshape(count, actions), 0.0)
    return mixtures / mixtures.sum(axis=1, keepdims=True)
