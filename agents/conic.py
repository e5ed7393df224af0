"""Cone programmes by the interior-point method Clarabel [Goulart2024]."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse


def clarabel() -> Any:
    """Return the solver's module, a compiled one, which type checkers cannot look into."""
    return import_module("clarabel")


def settings(tolerance: float) -> Any:
    """Return settings with which results do not depend on the machine's cores."""
    chosen = clarabel().DefaultSettings()
    chosen.verbose = False
    chosen.max_threads = 1
    chosen.presolve_enable = False
    chosen.tol_gap_abs = chosen.tol_gap_rel = tolerance
    chosen.tol_feas = 1e-10
    return chosen


def minimise(
    cost: np.ndarray, rows: Any, heights: np.ndarray, cones: list[Any], tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise cost @ x such that heights - rows @ x lies in the cones.

    Args:
        cost: `[n]`.
        rows: `[k, n]`, sparse or dense.
        heights: `[k]`.
        cones: in the order of the rows.
        tolerance: of the gap.

    Returns:
        The solution `[n]` and the multipliers of the rows `[k]`.

    Raises:
        RuntimeError: when the solver finds none.
    """
    nothing = sparse.csc_matrix((len(cost), len(cost)))
    rows = sparse.csc_matrix(rows)
    solver = clarabel().DefaultSolver(nothing, cost, rows, heights, cones, settings(tolerance))
    found = solver.solve()
    solution, price = np.asarray(found.x), np.asarray(found.z)
    if not (np.isfinite(solution).all() and np.isfinite(price).all()):
        raise RuntimeError(f"the cone programme ended in {found.status}")
    return solution, price
