"""How the joint problem is solved: by L-BFGS where that is easy, else finished by Newton's method.

From far away many cheap steps are as good as few dear ones, and with many answers they are enough.
But where few answers leave some directions nearly flat, L-BFGS crawls for thousands of steps and
Newton's method does not.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from multiparty_envs.rewards.joint import Factors, JointProblem, Slopes
from multiparty_envs.rewards.joint_newton import newton

TOL = 1e-7  # norm of the gradient per choice
CHEAP_STEPS = 40  # of L-BFGS, after which Newton takes over; each costs a tenth of one of Newton's
MAX_STEPS = 5000
LARGEST = 1e8  # numbers in the border of Newton's system, above which L-BFGS finishes too
FAR = 100.0  # times the tolerance: while L-BFGS's own gradient is longer, it goes on
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
    near = descend(problem, problem.start(), tol, steps)
    return newton(problem, near, tol) if border <= LARGEST else near


def descend(problem: JointProblem, start: Factors, tol: float, steps: int = MAX_STEPS) -> Factors:
    """Return where L-BFGS ends, over both factors at once, in coordinates of `problem.scale`.

    Args:
        problem: what is minimised.
        start: where to begin.
        tol: see `JointProblem.norm`.
        steps: at most.
    """
    features, scale = problem.shape[1], problem.scale()
    latest: list[tuple[Factors, Slopes, float]] = []

    def factors(x: np.ndarray) -> Factors:
        center, left, right = np.split(x, [features, features * (1 + problem.rank)])
        left = scale @ left.reshape(features, -1)
        return Factors(scale @ center, left, right.reshape(problem.shape[0], -1))

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = factors(x)
        slopes = problem.slopes(at)
        by_left = scale.T @ (slopes.party.T @ at.alpha)
        parts = (scale.T @ slopes.center, by_left, slopes.party @ at.basis)
        flat = np.concatenate([part.ravel() for part in parts])
        flat /= problem.count
        latest[:] = [(at, slopes, float(np.linalg.norm(flat)))]
        return slopes.value / problem.count, flat

    def there(_: np.ndarray) -> None:
        at, slopes, rough = latest[0]
        # the norm itself takes a tenth of the time of a step
        if rough <= FAR * tol and problem.norm(at, slopes) <= tol:
            raise StopIteration

    begin = _balanced(start, np.linalg.inv(scale))
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 0.0, "gtol": 0.0, "maxcor": 20}
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", callback=there, options=options)
    center, left, right = factors(found.x)
    basis, triangle = np.linalg.qr(left)
    return Factors(center, basis, right @ triangle.T)


def _balanced(start: Factors, inverse: np.ndarray) -> np.ndarray:
    """Center, left [D, R] and right [M, R] in one, the two of about the same size."""
    left, size, right = np.linalg.svd(inverse @ start.basis @ start.alpha.T, full_matrices=False)
    rank = start.alpha.shape[1]
    root = np.sqrt(np.pad(size, (0, max(0, rank - len(size))))[:rank] + SMALLEST)
    parts = (inverse @ start.center, left[:, :rank] * root, right[:rank].T * root)
    return np.concatenate([part.ravel() for part in parts])
