"""How the joint problem is solved: L-BFGS while far away, Newton's method to finish.

From far away many cheap steps are as good as few dear ones. But where few answers leave some
directions nearly flat, L-BFGS crawls for thousands of steps and Newton's method does not.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

from multiparty_envs.rewards.joint import Factors, JointProblem
from multiparty_envs.rewards.joint_newton import newton

TOL = 1e-7  # norm of the gradient per choice
COARSE, COARSE_STEPS = 1e-4, 30  # largest entry of the gradient, or steps, at which Newton begins
MAX_STEPS = 5000
LARGEST = 1e8  # numbers in the border of Newton's system, above which L-BFGS finishes too
SMALLEST = 1e-3  # singular value from which a direction starts; at 0 the gradient vanishes


def fit(problem: JointProblem, tol: float = TOL) -> Factors:
    """Return a minimum of the problem, from its own start.

    Args:
        problem: what is minimised.
        tol: see `JointProblem.norm`.
    """
    parties, features = problem.shape
    border = parties * problem.rank * (features * (problem.rank + 1))
    if border > LARGEST:
        return descend(problem, problem.start(), tol / np.sqrt(problem.rank * sum(problem.shape)))
    return newton(problem, descend(problem, problem.start(), COARSE, COARSE_STEPS), tol)


def descend(problem: JointProblem, start: Factors, tol: float, steps: int = MAX_STEPS) -> Factors:
    """Return where L-BFGS, over both factors at once, ends.

    Args:
        problem: what is minimised.
        start: where to begin.
        tol: largest entry of the gradient per choice at which to stop.
        steps: at most.
    """
    features = problem.shape[1]

    def factors(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        center, left, right = np.split(x, [features, features * (1 + problem.rank)])
        return center, left.reshape(features, -1), right.reshape(problem.shape[0], -1)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        center, left, right = factors(x)
        slopes = problem.slopes(Factors(center, left, right))
        parts = (slopes.center, slopes.party.T @ right, slopes.party @ left)
        flat = np.concatenate([part.ravel() for part in parts])
        return slopes.value / problem.count, flat / problem.count

    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 0.0, "gtol": tol, "maxcor": 20}
    begin = np.concatenate([part.ravel() for part in _balanced(start)])
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)
    center, left, right = factors(found.x)
    basis, triangle = np.linalg.qr(left)
    return Factors(center, basis, right @ triangle.T)


def _balanced(start: Factors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Center, left [D, R] and right [M, R] of about the same size in every direction."""
    _, size, turn = np.linalg.svd(start.alpha, full_matrices=len(start.alpha) < len(start.alpha.T))
    root = np.sqrt(np.pad(size, (0, len(turn) - len(size))) + SMALLEST)
    return start.center, start.basis @ turn.T * root, start.alpha @ turn.T / root
