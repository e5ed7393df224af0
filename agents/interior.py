"""A primal-dual interior-point method for smooth concave functions on the simplex."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

_LIMIT = 300  # Newton steps; 10 to 30 are usual
_NEAR = 0.995  # how far to go towards the boundary


class Terms(NamedTuple):
    """What is known of a concave function at one point."""

    gradient: np.ndarray  # [n]
    curvature: np.ndarray  # [n, n], minus the Hessian
    size: float  # of gradient times point, to measure gaps with
    gap: float  # how far the point may be from the best, in units of size


Objective = Callable[[np.ndarray, float], Terms]
"""From a point `[n]` and what is left of the way, from 1 to 0, to the terms there.

A function with kinks may be a smoother one as long as there is way left.
"""


def maximise(objective: Objective, start: np.ndarray, tolerance: float) -> np.ndarray:
    """Return a point of the simplex `[n]` where `Terms.gap` is at most `tolerance`.

    A loose tolerance gives a point near the central path, well inside. Where the tolerance cannot
    be had, for rounding, the point is the last one. The objective is asked there once more, with
    no way left.

    Args:
        objective: the function.
        start: `[n]`, a positive point of the simplex.
        tolerance: of the gap.
    """
    point, left = start, 1.0
    terms = objective(point, left)
    barrier = terms.size / len(point)
    dual, since = barrier / point, 0
    for _ in range(_LIMIT):
        if terms.gap <= tolerance or left < 1e-15:
            break
        step = _newton(point, dual, terms, barrier)
        promise = float((terms.gradient + barrier / point) @ step)
        towards_dual = barrier / point - dual - dual / point * step
        length = _search(objective, point, step, (barrier, left, promise))
        point = point + length * step
        dual = dual + _room(dual, towards_dual) * towards_dual
        since += 1
        if promise <= barrier * len(point):  # else centre before going on
            left *= 0.1 if since <= 2 else 0.3 if since <= 6 else 0.6
            since = 0
        terms = objective(point, left)
        before, barrier = barrier, left * terms.size / len(point)
        dual = dual * (barrier / before)
        dual = np.clip(dual, 1e-8 * barrier / point, 1e8 * barrier / point)
    objective(point, 0.0)
    return point / point.sum()


def _newton(point: np.ndarray, dual: np.ndarray, terms: Terms, barrier: float) -> np.ndarray:
    """Return the primal step, which keeps the sum, of the perturbed optimality conditions."""
    matrix = terms.curvature.copy()
    # the second term is no more than rounding of the curvature, which need not have full rank
    matrix[np.diag_indices(len(point))] += dual / point + 1e-13 * np.diag(terms.curvature)
    ascent = terms.gradient + barrier / point
    both = cho_solve(cho_factor(matrix), np.column_stack([ascent, np.ones(len(point))]))
    return both[:, 0] - both[:, 0].sum() / both[:, 1].sum() * both[:, 1]


def _room(value: np.ndarray, step: np.ndarray) -> float:
    """Return how much of `step` keeps `value` positive, at most all."""
    return min(1.0, _NEAR / max(float((-step / value).max()), 1e-300))


def _search(
    objective: Objective, point: np.ndarray, step: np.ndarray, now: tuple[float, float, float]
) -> float:
    """Return a length of the step that does not go far beyond the highest point on its line.

    Slopes along the line are compared, not values, in which rounding hides small gains.
    """
    barrier, left, promise = now
    length = _room(point, step)
    for _ in range(30):
        there = point + length * step
        slope = float((objective(there, left).gradient + barrier / there) @ step)
        if slope >= -0.5 * promise:
            return length
        length *= 0.5
    return length
