"""Welfare functions as concave programmes over mixtures of known policies.

Given the utilities u = columns @ mixture that mixtures of n policies reach, maximise W(u). Each
solution comes with a plane above W, whose slopes are what each party's utility is worth there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
from scipy import sparse

from agents import interior
from agents.conic import clarabel, settings
from multiparty_envs.welfare import (
    GeneralizedMean,
    Isoelastic,
    MaxMin,
    Nash,
    Utilitarian,
    Welfare,
)
from multiparty_envs.welfare.base import like
from multiparty_envs.welfare.utility import PowerUtility


class Support(NamedTuple):
    """A mixture of policies, and a plane above the objective.

    objective(u) <= weights @ u + offset for every u (in which fixed parties have what is fixed).
    """

    mixture: np.ndarray  # [n], sums to one
    weights: np.ndarray  # [M]
    offset: float
    size: float  # what a gap is compared with


class Programme(ABC):
    """A concave objective over utilities `[M]`, to be maximised over mixtures of columns."""

    @abstractmethod
    def value(self, u: np.ndarray) -> float:
        """Return the objective at `u` `[M]`."""

    @abstractmethod
    def solve(self, columns: np.ndarray, tolerance: float, start: np.ndarray) -> Support:
        """Return the best mixture of `columns` `[M, n]`, to a relative `tolerance`.

        Args:
            columns: utilities of n policies.
            tolerance: of the objective.
            start: `[n]`, a positive mixture to start from, for methods that do.
        """

    def learn(self, u: np.ndarray) -> bool:
        """Take notice that `u` `[M]` was reached; return whether that refined the programme."""
        return False


@final
@dataclass(frozen=True)
class Linear(Programme):
    """One weighted sum.

    Attributes:
        weights: `[M]`.
    """

    weights: np.ndarray

    def value(self, u: np.ndarray) -> float:
        """Return the weighted sum."""
        return float(self.weights @ u)

    def solve(self, columns: np.ndarray, tolerance: float, start: np.ndarray) -> Support:
        """Choose the best column."""
        worth = self.weights @ columns
        chosen = np.eye(len(worth))[worth.argmax()]
        return Support(
            chosen, self.weights, 0.0, float(np.abs(self.weights) @ np.abs(columns @ chosen))
        )


@final
@dataclass(frozen=True)
class Power(Programme):
    """A weighted sum of power utilities of the parties' gains over a reference.

    Attributes:
        utility: the power, not the first, and its tangent.
        shares: `[M]`, weights of the parties.
        reference: `[M]` or one number.
    """

    utility: PowerUtility
    shares: np.ndarray
    reference: np.ndarray | float = 0.0

    def value(self, u: np.ndarray) -> float:
        """Return the weighted sum of utilities."""
        return float(self.shares @ self.utility(u - self.reference))

    def solve(self, columns: np.ndarray, tolerance: float, start: np.ndarray) -> Support:
        """Maximise by an interior-point method that sharpens the bend at eps as it goes."""
        most = np.abs(columns - np.reshape(self.reference, (-1, 1))).max(axis=1)
        best, least = None, np.inf

        def terms(mixture: np.ndarray, left: float) -> interior.Terms:
            nonlocal best, least
            support, bend = self._touch(columns, mixture / mixture.sum(), left * most)
            ceiling = (support.weights @ columns).max() + support.offset
            gap = (ceiling - self.value(columns @ support.mixture)) / (support.size or 1.0)
            if gap < least:
                best, least = support, gap
            gradient = support.weights @ columns
            return interior.Terms(gradient, (columns.T * bend) @ columns, support.size, gap)

        interior.maximise(terms, start, tolerance)
        assert best is not None
        return best

    def _touch(
        self, columns: np.ndarray, mixture: np.ndarray, width: np.ndarray
    ) -> tuple[Support, np.ndarray]:
        """Return a plane that touches the objective near a mixture, and how it bends there.

        Where it touches depends smoothly on the mixture: for each party at the larger one of its
        gain and eps, rounded off over `width` `[M]`. The bend is minus the derivative of the
        plane's slope for a party by its gain, `[M]`.
        """
        eps, gain = self.utility.eps, columns @ mixture - self.reference
        above = gain - eps
        span = np.hypot(above, width)
        # (span + above) / 2, written without cancellation
        excess = np.where(above > 0, (span + above) / 2, width**2 / (2 * (span - above) + 1e-300))
        touch = eps + excess
        weights = self.shares * self.utility.slope(touch)
        offset = float(self.shares @ self.utility(touch) - weights @ (touch + self.reference))
        # of all gains growing by their size, so that precision is relative for each party
        most = np.abs(columns - np.reshape(self.reference, (-1, 1))).max(axis=1)
        size = float(weights @ np.maximum(np.abs(gain), np.maximum(1e-6 * most, eps)))
        bend = self.shares * self.utility.curvature(touch) * excess / np.maximum(span, 1e-300)
        return Support(mixture, weights, offset, size), bend


@final
class Polyhedral(Programme):
    """The least of several planes, `(cuts @ u + heights).min()`; some parties may be fixed.

    Max-min is one cut a party. Of any other concave welfare function the planes that touch it
    where it was reached are kept: they close in on it from above.

    Args:
        cuts: `[C, M]`, slopes of the planes, all through the origin.
        welfare: the function that the planes bound and that `learn` asks for more; without one
            the least plane is the objective.
        fixed: `[M]`, what each party must have exactly; NaN where anything will do.
    """

    def __init__(
        self, cuts: np.ndarray, welfare: Welfare | None = None, fixed: np.ndarray | None = None
    ) -> None:
        self.welfare, self.cuts, self.heights = welfare, cuts, np.zeros(len(cuts))
        self.fixed = np.full(cuts.shape[1], np.nan) if fixed is None else fixed
        self._size = np.inf  # of the last solution

    def value(self, u: np.ndarray) -> float:
        """Return the welfare itself, not the planes' minimum, if there is one."""
        return self._least(u) if self.welfare is None else float(self.welfare.value(u))

    def learn(self, u: np.ndarray) -> bool:
        """Add the plane that touches at `u`, unless those known are tight there."""
        if self.welfare is None:
            return False
        value, weights = self.value(u), self.welfare.weights(u)
        if self._least(u) - value <= 1e-12 * float(np.abs(weights) @ np.abs(u)):
            return False
        self.cuts = np.vstack([self.cuts, weights])
        self.heights = np.append(self.heights, value - weights @ u)
        return True

    def solve(self, columns: np.ndarray, tolerance: float, start: np.ndarray) -> Support:
        """Maximise t such that cuts @ u + heights >= t and the fixed parties have theirs."""
        # each party counted from the columns' mean, in units of its own spread
        middle = columns.mean(axis=1)
        unit = np.ptp(columns, axis=1)
        largest = unit.max() or np.abs(middle).max() or 1.0
        unit = np.where(unit > 1e-12 * largest, unit, largest)
        planes = _Planes(self.cuts * unit, self.heights + self.cuts @ middle)
        scaled = (columns - middle[:, None]) / unit[:, None]
        found = _raise_least(scaled, planes, (self.fixed - middle) / unit, self._size, tolerance)
        mixture, price, weights = found[0], found[1], found[2] / unit
        self._size = size = float(np.abs(price @ self.cuts) @ np.abs(columns).max(axis=1))
        wage = weights - price @ self.cuts  # zero but for those who are fixed
        offset = price @ self.heights - wage @ np.nan_to_num(self.fixed)
        return Support(mixture, weights, float(offset), size)

    def _least(self, u: np.ndarray) -> float:
        return float((self.cuts @ u + self.heights).min(initial=np.inf))


def programme(welfare: Welfare, num_parties: int) -> Programme:
    """Return the programme of any welfare function but leximin, which takes a series of them."""
    if isinstance(welfare, MaxMin):
        return Polyhedral(np.eye(num_parties))
    if not isinstance(welfare, Utilitarian | Nash | Isoelastic | GeneralizedMean):
        everybody = np.full(num_parties, 1.0 / num_parties)
        start = Polyhedral(np.empty((0, num_parties)), welfare)
        start.learn(everybody)
        return start
    party = np.zeros(num_parties)
    given = welfare.party_weights or (1.0 / num_parties,) * num_parties
    shares = like(given, party, name="party_weights")
    if isinstance(welfare, Utilitarian) or welfare.utility.alpha == 1.0:
        return Linear(shares)
    reference = welfare.reference if isinstance(welfare, Nash) else 0.0
    return Power(welfare.utility, shares, like(reference, party, name="reference"))


class _Planes(NamedTuple):
    """Affine functions `slopes @ u + heights`."""

    slopes: np.ndarray  # [C, M]
    heights: np.ndarray  # [C]


def _raise_least(
    columns: np.ndarray, planes: _Planes, fixed: np.ndarray, size: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maximise the least plane over utilities u = columns @ mixture, some of them fixed.

    A linear programme, solved by the interior-point method Clarabel [Goulart2024]. The utilities
    are variables of their own: so the matrices of its Newton steps stay as sparse as M is small.

    Args:
        columns: `[M, n]`, of the size of one.
        planes: C of them.
        fixed: `[M]`, NaN where anything will do.
        size: of the optimum, roughly; infinite if not known.
        tolerance: of the least plane, in units of `size`.

    Returns:
        The mixture `[n]`, the prices of the planes `[C]`, sum one, and the weights `[M]` for which
        the mixture is a best response.
    """
    (parties, parts), count = columns.shape, len(planes.heights)
    held = np.flatnonzero(~np.isnan(fixed))
    steep = np.abs(planes.slopes).max(axis=1)  # each plane is counted in units of its own
    steep = np.where(steep > 0.0, steep, 1.0)
    unit = min(size, float(steep.max())) or 1.0  # and the least of them in units of the optimum
    lowest = planes.heights.min()  # from where it counts
    rows = sparse.bmat(
        [
            [np.ones((1, parts)), None, None],
            [columns, -sparse.eye(parties), None],
            [None, sparse.csr_matrix(np.eye(parties)[held]), None],
            [-sparse.eye(parts), None, None],
            [None, -planes.slopes / steep[:, None], unit / steep[:, None]],
        ],
        format="csc",
    )
    goal = np.append(np.zeros(parts + parties), -1.0)
    heights = (planes.heights - lowest) / steep
    start = [[1.0], np.zeros(parties), fixed[held], np.zeros(parts), heights]
    cones = [
        clarabel().ZeroConeT(1 + parties + len(held)),
        clarabel().NonnegativeConeT(parts + count),
    ]
    nothing = sparse.csc_matrix((len(goal), len(goal)))
    found = (
        clarabel()
        .DefaultSolver(nothing, goal, rows, np.concatenate(start), cones, settings(tolerance))
        .solve()
    )
    mixture, dual = np.maximum(found.x[:parts], 0.0), np.asarray(found.z)
    price = np.maximum(dual[-count:], 0.0) / steep
    if not (np.isfinite(found.x).all() and price.sum() > 1e-100):
        raise RuntimeError(
            f"the linear programme over {parts} policies ended in {found.status}; "
            "if the parties' units are many powers of ten apart, give a scale"
        )
    weights = price @ planes.slopes
    weights[held] -= dual[1 + parties : 1 + parties + len(held)]
    return mixture / mixture.sum(), price / price.sum(), weights / price.sum()
