"""Newton's method on the joint problem, each party's own part eliminated.

The rewards basis alpha_m do not change when the basis is turned and alpha turned back. So a step
moves the basis along directions outside of it alone, to basis + outside K, and what remains
is one coordinate system for all. The second derivative is an arrow: blocks [R, R] of the
parties, and a border that belongs to K (and the common part). Eliminating the blocks leaves
a system of (D - R) R unknowns (the Schur complement), however many parties there are.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple, final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from multiparty_envs.rewards.joint import Curvature, Factors, JointProblem
from multiparty_envs.rewards.newton import TINY_RIDGE, ConvergenceWarning

MAX_ITERATIONS = 200
ROUNDING = 1e-13  # part of the objective that a step may seem to lose


class _Step(NamedTuple):
    to: Factors
    gain: float  # that the quadratic model promises


def newton(problem: JointProblem, start: Factors, tol: float) -> Factors:
    """Return where the gradient's norm per choice is at most `tol`, a (local) minimum.

    Steps are damped as by Levenberg and Marquardt, in the metric of the parties' rewards:
    the damping adds to every party's information.

    Args:
        problem: what is minimised.
        start: where to begin.
        tol: see `JointProblem.norm`.
    """
    at, damping = start, 0.0
    if problem.norm(at, problem.slopes(at)) <= tol:
        return at
    here = problem.curvature(at)
    for _ in range(MAX_ITERATIONS):
        if problem.norm(at, here.slopes) <= tol:
            return at
        arrow = _Arrow(problem, at, here)
        at, here, damping = _search(problem, arrow, at, here, damping)
        if damping > arrow.largest:
            break
    if problem.norm(at, here.slopes) > 100 * tol:
        warnings.warn("the joint fit did not reach its tolerance", ConvergenceWarning, stacklevel=6)
    return at


def _search(
    problem: JointProblem, arrow: _Arrow, at: Factors, here: Curvature, damping: float
) -> tuple[Factors, Curvature, float]:
    """Damp more until a step gains about what is promised; return where it leads."""
    slack = ROUNDING * (1.0 + abs(here.slopes.value))
    while damping <= arrow.largest:
        step = arrow.step(damping)
        if step is not None:
            there = problem.curvature(step.to)
            gain = here.slopes.value - there.slopes.value
            if gain >= 0.1 * step.gain - slack:
                good = gain >= 0.5 * step.gain - slack
                return step.to, there, arrow.less(damping) if good else damping
        damping = arrow.more(damping)
    return at, here, damping


@final
class _Arrow:
    """Gradient and second derivative in the coordinates (K, common part | alpha_1 … alpha_M)."""

    def __init__(self, problem: JointProblem, at: Factors, here: Curvature) -> None:
        self._at, self._ridge = at, problem.ridge
        self._has_mean = problem.mean
        self._information, self._slopes = here.information, here.slopes
        full = np.linalg.qr(at.basis, mode="complete")[0]
        self._outside = full[:, problem.rank :]  # [D, D - R]
        parties, rank = at.alpha.shape
        features = len(at.basis)
        self._sizes = (self._outside.shape[1], rank)
        # of a party, in a typical direction: what dampings are compared with
        typical = np.trace(here.information, axis1=1, axis2=2).sum() / (features * parties)
        self._unit = max(typical, problem.ridge)
        self.largest = 1e12 * self._unit
        # how far K moves the rewards; where no party has an alpha, it moves none and is held back
        inner = at.alpha.T @ at.alpha
        self._inner = inner + 0.01 * np.trace(inner) / rank * np.eye(rank)
        self._assemble()

    def more(self, damping: float) -> float:
        """Return the next larger damping."""
        return max(10.0 * damping, 0.01 * self._unit)

    def less(self, damping: float) -> float:
        """Return the next smaller damping; 0 is Newton's own step."""
        return 0.1 * damping if damping > 1e-4 * self._unit else 0.0

    def _assemble(self) -> None:
        basis, outside, alpha = self._at.basis, self._outside, self._at.alpha
        half = self._information @ basis  # [M, D, R]
        self._own = basis.T @ half  # [M, R, R]
        across = outside.T @ half  # [M, D - R, R]
        # K alpha_m and alpha_m itself: both through the curvature, and as a product
        border = across.swapaxes(1, 2)[..., None] * alpha[:, None, None, :]  # [M, R, D - R, R]
        rest = self._slopes.party @ outside  # [M, D - R]
        border += rest[:, None, :, None] * np.eye(alpha.shape[1])[None, :, None, :]
        parts = [border.reshape(*alpha.shape, self._sizes[0] * alpha.shape[1])]
        if self._has_mean:
            parts.append(half.swapaxes(1, 2))
        self._border = np.concatenate(parts, axis=2)  # [M, R, S]
        by_k = rest.T @ alpha
        parts = [by_k.ravel(), self._slopes.center] if self._has_mean else [by_k.ravel()]
        self._by_shared = np.concatenate(parts)
        self._by_own = self._slopes.party @ basis  # [M, R]
        self._shared = self._of_shared()

    def _of_shared(self) -> np.ndarray:
        """[S, S], second derivative by K and the common part."""
        outside, alpha = self._outside, self._at.alpha
        weights = np.concatenate([alpha, np.ones((len(alpha), 1))], axis=1)
        weights = weights if self._has_mean else alpha
        columns = weights.shape[1]
        pairs = (weights[:, :, None] * weights[:, None, :]).reshape(len(alpha), -1)
        features = len(outside)
        flat = self._information.reshape(len(alpha), -1)
        sums = (pairs.T @ flat).reshape(columns, columns, features, features)
        rank = alpha.shape[1]
        of_k = outside.T @ sums[:rank, :rank] @ outside  # [R, R, D - R, D - R]
        size = outside.shape[1] * rank
        of_k = of_k.transpose(2, 0, 3, 1).reshape(size, size)
        if not self._has_mean:
            return of_k
        mixed = (outside.T @ sums[:rank, rank]).transpose(1, 0, 2).reshape(size, features)
        return np.block([[of_k, mixed], [mixed.T, sums[rank, rank]]])

    def step(self, damping: float) -> _Step | None:
        """Return the damped step; None where the second derivative is not positive there."""
        size, count = len(self._by_shared), self._at.alpha.size
        inverse = np.linalg.inv(self._own + (self._ridge + damping) * np.eye(self._sizes[1]))
        solved = (inverse @ self._border).reshape(count, size)
        schur = self._shared - self._border.reshape(count, size).T @ solved
        self._add(schur, damping)
        right = self._by_own.ravel() @ solved - self._by_shared
        try:
            shared = cho_solve(cho_factor(schur, lower=True, check_finite=False), right)
        except LinAlgError:
            return None
        toward = self._by_own + self._border @ shared
        return self._finished(shared, -(inverse @ toward[..., None])[..., 0], damping)

    def _finished(self, shared: np.ndarray, own: np.ndarray, damping: float) -> _Step:
        outer, rank = self._sizes
        turn, center = shared[: outer * rank].reshape(outer, rank), shared[outer * rank :]
        along = self._by_own.ravel() @ own.ravel() + self._by_shared @ shared
        moved = (own**2).sum() + ((turn @ self._inner) * turn).sum()
        moved += len(own) * (center @ center)
        common = center if self._has_mean else 0.0 * self._at.center
        return _Step(self._moved(common, turn, own), float(0.5 * (damping * moved - along)))

    def _add(self, schur: np.ndarray, damping: float) -> None:
        """Add ridge and damping, which are of every party's reward, to the shared part."""
        outer, rank = self._sizes
        size, place = outer * rank, np.arange(outer)
        view = schur[:size, :size].reshape(outer, rank, outer, rank)
        least = 1e-12 * self._unit * (np.trace(self._inner) / rank + 1.0) * np.eye(rank)
        ridge = self._ridge * self._at.alpha.T @ self._at.alpha
        view[place, :, place] += ridge + damping * self._inner + least
        rest = np.arange(size, len(schur))  # the common part, if there is one
        schur[rest, rest] += damping * len(self._at.alpha) + TINY_RIDGE

    def _moved(self, center: np.ndarray, turn: np.ndarray, own: np.ndarray) -> Factors:
        basis, triangle = np.linalg.qr(self._at.basis + self._outside @ turn)
        return Factors(self._at.center + center, basis, (self._at.alpha + own) @ triangle.T)
