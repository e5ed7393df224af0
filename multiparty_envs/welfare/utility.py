"""Power utilities that go on as straight lines, so that nobody falls out of their domain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from array_api_compat import array_namespace

Array = Any


@final
@dataclass(frozen=True)
class PowerUtility:
    """x^alpha (alpha > 0), log x (alpha = 0) or -x^alpha (alpha < 0); below eps, its tangent.

    Increasing and concave on the whole line: a party at or below zero has the largest slope
    instead of none (clamping would take its weight away) or an infinite one.
    """

    alpha: float
    eps: float

    def __call__(self, x: Array) -> Array:
        """Return the utility of `x`, any shape."""
        xp: Any = array_namespace(x)
        inside = self._inside(x)
        if self.alpha == 0:
            curve = xp.log(inside)
        else:
            curve = math.copysign(1.0, self.alpha) * inside**self.alpha
        # two branches, not a sum of both: the slope of the line may be a million times the curve's
        return xp.where(x > self.eps, curve, self.floor + self.top_slope * (x - self.eps))

    def slope(self, x: Array) -> Array:
        """Return the derivative at `x`, any shape."""
        return (abs(self.alpha) or 1.0) * self._inside(x) ** (self.alpha - 1.0)

    def curvature(self, x: Array) -> Array:
        """Return minus the second derivative at `x`, any shape; zero on the straight line."""
        xp: Any = array_namespace(x)
        bend = (1.0 - self.alpha) * (abs(self.alpha) or 1.0)
        bend = bend * self._inside(x) ** (self.alpha - 2.0)
        return xp.where(x > self.eps, bend, xp.zeros_like(x))

    def inverse(self, y: Array) -> Array:
        """Return the x whose utility is `y`, any shape."""
        xp: Any = array_namespace(y)
        inside = xp.where(y > self.floor, y, xp.full_like(y, self.floor))
        if self.alpha == 0:
            curve = xp.exp(inside)
        else:
            curve = (math.copysign(1.0, self.alpha) * inside) ** (1.0 / self.alpha)
        return xp.where(y > self.floor, curve, self.eps + (y - self.floor) / self.top_slope)

    def _inside(self, x: Array) -> Array:
        xp: Any = array_namespace(x)
        return xp.where(x > self.eps, x, xp.full_like(x, self.eps))

    @property
    def floor(self) -> float:
        """The utility of eps, where the straight line begins."""
        if self.alpha == 0:
            return math.log(self.eps)
        return math.copysign(self.eps**self.alpha, self.alpha)

    @property
    def top_slope(self) -> float:
        """The slope of the straight line."""
        return (abs(self.alpha) or 1.0) * self.eps ** (self.alpha - 1.0)
