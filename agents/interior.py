"""A primal-dual interior-point method for smooth concave functions on the simplex."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

_LIMIT = 100  # Newton steps; 5 to 25 are usual
_NEAR = 0.995  # how far to go towards the boundary


class Terms(NamedTuple):
    """A concave function at one point of the simplex."""

    value: float
    gradient: np.ndarray  # [n]
    curvature: np.ndarray  # [n, n], minus the Hessian
    size: float  # what a gap is compared with


def maximise(objective: Callable[[np.ndarray], Terms], count: int, tolerance: float) -> np.ndarray:
    """Return a point `[count]` of the simplex near which `objective` is largest.

    Stops where no corner promises more than `tolerance` times `Terms.size` by the gradient: then
    the value is that close to the maximum. A loose tolerance gives a point near the central path,
    well inside.
    """
    point = np.full(count, 1.0 / count)
    terms = objective(point)
    barrier = max(_gap(point, terms), 0.0) / count
    dual = barrier / point
    for _ in range(_LIMIT):
        if _gap(point, terms) <= tolerance * terms.size or barrier == 0.0:
            break
        step = _newton(point, dual, terms, barrier)
        towards_dual = barrier / point - dual - dual / point * step
        point, terms, length = _search(objective, point, terms, step, barrier)
        dual = dual + _room(dual, towards_dual) * towards_dual
        if length > 0.3:  # else the path was lost: centre before going on
            faster = 0.1 if length > 0.9 else 0.4
            barrier = min(barrier, faster * float(point @ dual) / count)
        dual = np.clip(dual, 1e-8 * barrier / point, 1e8 * barrier / point)
    return point


def _gap(point: np.ndarray, terms: Terms) -> float:
    return float(terms.gradient.max() - terms.gradient @ point)


def _newton(point: np.ndarray, dual: np.ndarray, terms: Terms, barrier: float) -> np.ndarray:
    """Return the primal step, which keeps the sum, of the perturbed optimality conditions."""
    matrix = terms.curvature.copy()
    # the last term is no more than rounding of the curvature, which need not have full rank
    matrix[np.diag_indices(len(point))] += dual / point + 1e-14 * np.trace(terms.curvature)
    ascent = terms.gradient + barrier / point
    both = cho_solve(cho_factor(matrix), np.column_stack([ascent, np.ones(len(point))]))
    return both[:, 0] - both[:, 0].sum() / both[:, 1].sum() * both[:, 1]


def _room(value: np.ndarray, step: np.ndarray) -> float:
    """Return how much of `step` keeps `value` positive, at most all."""
    return min(1.0, _NEAR / max(float((-step / value).max()), 1e-300))


def _search(
    objective: Callable[[np.ndarray], Terms],
    point: np.ndarray,
    terms: Terms,
    step: np.ndarray,
    barrier: float,
) -> tuple[np.ndarray, Terms, float]:
    """Shorten the step until value plus barrier rises; return where it led and its length."""
    merit = terms.value + barrier * float(np.log(point).sum())
    slope = float((terms.gradient + barrier / point) @ step)
    length = _room(point, step)
    for _ in range(40):
        there = point + length * step
        there = there / there.sum()
        found = objective(there)
        reached = found.value + barrier * float(np.log(there).sum())
        if reached >= merit + 1e-4 * length * slope - 1e-15 * abs(merit):
            return there, found, length
        length *= 0.5
    return point, terms, 0.0
