"""How the joint problem is solved: by L-BFGS where that is easy, else finished by Newton's method.

From far away many cheap steps are as good as few dear ones, and with many answers they are enough.
But where few answers leave some directions nearly flat, L-BFGS crawls for thousands of steps and
Newton's method does not. Reading the answers is what takes the time, so that L-BFGS begins in
single precision, which has half the bytes; exact slopes have the last word.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from scipy.optimize import minimize

from multiparty_envs.rewards.joint import Factors, JointProblem, Slopes
from multiparty_envs.rewards.joint_newton import newton

TOL = 1e-7  # norm of the gradient per choice
CHEAP_STEPS = 40  # of L-BFGS, after which Newton takes over; each costs a tenth of one of Newton's
MAX_STEPS = 5000
LARGEST = 1e8  # numbers in the border of Newton's system, above which L-BFGS finishes too
FAR = 3.0  # times the tolerance: while L-BFGS's own gradient is longer, it goes on
SURE = 5e-7  # tolerance of which single precision's slopes, good to 1e-8, decide by themselves
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
        at, norm = descend(problem, at, tol, steps, rough=rough)
        if norm <= tol and (tol >= SURE or not rough):
            return at
    return newton(problem, at, tol) if border <= LARGEST else at


def descend(
    problem: JointProblem,
    start: Factors,
    tol: float,
    steps: int = MAX_STEPS,
    *,
    rough: bool = False,
) -> tuple[Factors, float]:
    """Return where L-BFGS ends, over both factors at once, and the slopes' norm there.

    Args:
        problem: what is minimised.
        start: where to begin.
        tol: see `JointProblem.norm`.
        steps: at most.
        rough: whether in single precision.
    """
    search = _Search(problem, start, tol, rough)
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    found = minimize(
        search.look,
        search.begin,
        jac=True,
        method="L-BFGS-B",
        callback=search.stop_there,
        options=options,
    )
    if not np.array_equal(search.latest.x, found.x):  # the last line search failed
        search.look(found.x)
    return search.found()


class _Point(NamedTuple):
    """Where was looked: coordinates, factors and what holds there, per choice."""

    x: np.ndarray
    at: Factors
    slopes: Slopes
    value: float
    slope: np.ndarray

    def after(self, before: _Point) -> _Point:
        """Return the same with a small change of the value since `before` told by the slopes.

        Line searches compare values, and single precision's do not show a change so small.
        """
        change = 0.5 * float((self.slope + before.slope) @ (self.x - before.x))
        return self._replace(value=before.value + change) if abs(change) < VISIBLE else self


@final
class _Search:
    """The joint problem in L-BFGS's coordinates: those of `problem.scale`, factors balanced."""

    latest: _Point

    def __init__(self, problem: JointProblem, start: Factors, tol: float, rough: bool) -> None:
        self._problem, self._tol, self._rough = problem, tol, rough
        self._scale = problem.scale()
        self.begin, self._unit = _balanced(start, np.linalg.inv(self._scale))

    def look(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and slope at `x`."""
        problem, scale = self._problem, self._scale
        at = self._factors(x)
        slopes = problem.rough_slopes(at) if self._rough else problem.slopes(at)
        by_left = scale.T @ (slopes.party.T @ at.alpha) / self._unit
        parts = (scale.T @ slopes.center, by_left, slopes.party @ at.basis / self._unit)
        slope = np.concatenate([part.ravel() for part in parts]) / problem.count
        point = _Point(x.copy(), at, slopes, slopes.value / problem.count, slope)
        if self._rough and hasattr(self, "latest"):
            point = point.after(self.latest)
        self.latest = point
        return point.value, slope

    def stop_there(self, _: np.ndarray) -> None:
        """End the search where the norm is small enough."""
        # the norm itself takes a tenth of the time of a step
        near = np.linalg.norm(self.latest.slope) <= FAR * self._tol
        if near and self._norm() <= self._tol:
            raise StopIteration

    def found(self) -> tuple[Factors, float]:
        """Return where was looked last, with an orthonormal basis, and the norm there."""
        center, left, right = self.latest.at
        basis, triangle = np.linalg.qr(left)
        return Factors(center, basis, right @ triangle.T), self._norm()

    def _norm(self) -> float:
        return self._problem.norm(self.latest.at, self.latest.slopes)

    def _factors(self, x: np.ndarray) -> Factors:
        parties, features = self._problem.shape
        border = features * (1 + self._problem.rank)
        left = self._scale @ x[features:border].reshape(features, -1)
        right = x[border:].reshape(parties, -1)
        return Factors(self._scale @ x[:features], left / self._unit, right / self._unit)


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
