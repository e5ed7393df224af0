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
        inside = xp.where(x > self.eps, x, xp.full_like(x, self.eps))
        curve = (
            xp.log(inside)
            if self.alpha == 0
            else math.copysign(1, self.alpha) * (inside**self.alpha)
        )
        return curve + self.top_slope * (x - inside)

    def slope(self, x: Array) -> Array:
        """Return the derivative at `x`, any shape."""
        xp: Any = array_namespace(x)
        inside = xp.where(x > self.eps, x, xp.full_like(x, self.eps))
        return (abs(self.alpha) or 1.0) * inside ** (self.alpha - 1.0)

    def curvature(self, x: Array) -> Array:
        """Return minus the second derivative at `x`, any shape; zero on the straight line."""
        xp: Any = array_namespace(x)
        inside = xp.where(x > self.eps, x, xp.full_like(x, self.eps))
        bend = (1.0 - self.alpha) * (abs(self.alpha) or 1.0) * inside ** (self.alpha - 2.0)
        return xp.where(x > self.eps, bend, xp.zeros_like(x))

    def inverse(self, y: Array) -> Array:
        """Return the x whose utility is `y`, any shape."""
        xp: Any = array_namespace(y)
        inside = xp.where(y > self.floor, y, xp.full_like(y, self.floor))
        if self.alpha == 0:
            x = xp.exp(inside)
        else:
            x = (math.copysign(1, self.alpha) * inside) ** (1 / self.alpha)
        return x + (y - inside) / self.top_slope

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
