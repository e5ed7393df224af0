"""How the joint problem is solved: by L-BFGS where that is easy, else finished by Newton's method.

From far away many cheap steps are as good as few dear ones, and with many answers they are enough.
But where few answers leave some directions nearly flat, L-BFGS crawls for thousands of steps and
Newton's method does not. Reading the answers is what takes the time, so that L-BFGS begins in
single precision, which has half the bytes; exact slopes have the last word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from multiparty_envs.rewards.joint import Factors, JointProblem, Slopes
from multiparty_envs.rewards.joint_newton import newton

TOL = 1e-7  # norm of the gradient per choice
CHEAP_STEPS = 40  # of L-BFGS, after which Newton takes over; each costs a tenth of one of Newton's
MAX_STEPS = 5000
LARGEST = 1e8  # numbers in the border of Newton's system, above which L-BFGS finishes too
FAR = 3.0  # times the tolerance: while L-BFGS's own gradient is longer, it goes on
VISIBLE = 1e-6  # change of the objective per choice that single precision shows to a few digits
WEAKEST = 0.05  # part of the largest direction's size that any is thought to grow to
SMALLEST = 1e-3  # singular value from which a direction starts; at 0 the gradient vanishes


def fit(problem: JointProblem, tol: float = TOL) -> Factors:
    """Return a minimum of the problem, from its own start.

    Args:
        problem: what is minimised.
        tol: see `JointProblem.norm`.
    """
    parties, features = problem.shape
    border = parties * problem.rank * features * (problem.rank + 1)
    steps = CHEAP_STEPS if border <= LARGEST else MAX_STEPS
    at = problem.start()
    for rough in (True, False):
        at = descend(problem, at, tol, steps, rough=rough)
        if problem.norm(at, problem.slopes(at)) <= tol:
            return at
    return newton(problem, at, tol) if border <= LARGEST else at


def descend(
    problem: JointProblem,
    start: Factors,
    tol: float,
    steps: int = MAX_STEPS,
    *,
    rough: bool = False,
) -> Factors:
    """Return where L-BFGS ends, over both factors at once, in coordinates of `problem.scale`.

    Args:
        problem: what is minimised.
        start: where to begin.
        tol: see `JointProblem.norm`.
        steps: at most.
        rough: whether in single precision.
    """
    features, scale = problem.shape[1], problem.scale()
    border = features * (1 + problem.rank)
    slopes_at = problem.rough_slopes if rough else problem.slopes
    latest: list[tuple[Factors, Slopes, _Point]] = []

    def factors(x: np.ndarray) -> Factors:
        left = scale @ x[features:border].reshape(features, -1)
        right = x[border:].reshape(problem.shape[0], -1)
        return Factors(scale @ x[:features], left / unit, right / unit)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = factors(x)
        slopes = slopes_at(at)
        by_left = scale.T @ (slopes.party.T @ at.alpha) / unit
        parts = (scale.T @ slopes.center, by_left, slopes.party @ at.basis / unit)
        slope = np.concatenate([part.ravel() for part in parts]) / problem.count
        point = _Point(x.copy(), slopes.value / problem.count, slope)
        if rough and latest:
            point = point.after(latest[0][2])
        latest[:] = [(at, slopes, point)]
        return point.value, slope

    def there(_: np.ndarray) -> None:
        at, slopes, point = latest[0]
        # the norm itself takes a tenth of the time of a step
        if np.linalg.norm(point.slope) <= FAR * tol and problem.norm(at, slopes) <= tol:
            raise StopIteration

    begin, unit = _balanced(start, np.linalg.inv(scale))
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", callback=there, options=options)
    center, left, right = factors(found.x)
    basis, triangle = np.linalg.qr(left)
    return Factors(center, basis, right @ triangle.T)


class _Point(NamedTuple):
    """Where the objective per choice was looked at."""

    x: np.ndarray
    value: float
    slope: np.ndarray

    def after(self, before: _Point) -> _Point:
        """Return the same with a small change of the value since `before` told by the slopes.

        Line searches compare values, and single precision's do not show a change so small.
        """
        change = 0.5 * float((self.slope + before.slope) @ (self.x - before.x))
        return self._replace(value=before.value + change) if abs(change) < VISIBLE else self


def _balanced(start: Factors, inverse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Center, left [D, R] and right [M, R] in one, the two of about the same size; units [R].

    The curvature by a column of either factor is the square of the other's column. In these units
    of the columns it is about the same for all of them, which saves steps.
    """
    basis, triangle = np.linalg.qr(inverse @ start.basis)
    left, size, right = np.linalg.svd(triangle @ start.alpha.T, full_matrices=False)
    root = np.sqrt(size + SMALLEST)
    unit = np.sqrt((size + WEAKEST * size[0] + SMALLEST) / (size.mean() + SMALLEST))
    parts = (inverse @ start.center, basis @ left * (root * unit), right.T * (root * unit))
    return np.concatenate([part.ravel() for part in parts]), unit
