"""Measures of how evenly something is spread over parties, and of who is worst off.

All take profiles `[..., M]` (NumPy or torch) and measure the last axis.
"""

from __future__ import annotations

from typing import Any

from multiparty_envs import expect
from multiparty_envs.welfare.base import profile

Array = Any


def worst(u: Array) -> Array:
    """Return what the worst-off party has, `[...]`."""
    xp, u = profile(u)
    return xp.min(u, axis=-1)


def geometric_mean(u: Array, floor: float = 1e-8) -> tuple[Array, Array]:
    """Return the geometric mean and how many parties were raised to `floor`, both `[...]`.

    Raises:
        ValueError: when `floor` is not positive.
    """
    expect.number(floor, name="floor", low=0.0, open_=True)
    xp, u = profile(u)
    low = u < floor
    raised = xp.where(low, xp.full_like(u, floor), u)
    count = xp.sum(xp.astype(low, xp.int64), axis=-1)
    return xp.exp(xp.mean(xp.log(raised), axis=-1)), count


def lorenz(u: Array) -> Array:
    """Return the Lorenz curve `[..., M + 1]`: what share the poorest 0, 1, ..., M parties hold.

    For non-negative profiles with a positive sum.
    """
    xp, u = profile(u)
    held = xp.cumulative_sum(xp.sort(u, axis=-1), axis=-1, include_initial=True)
    return held / held[..., -1:]


def gini(u: Array) -> Array:
    """Return the Gini coefficient `[...]`: 0 where all have the same, 1 - 1/M where one has all.

    For non-negative profiles with a positive sum: twice the area between diagonal and Lorenz curve.
    """
    curve = lorenz(u)
    parties = curve.shape[-1] - 1
    xp, curve = profile(curve)
    return 1.0 - (2.0 * xp.sum(curve, axis=-1) - 1.0) / parties


def jain(u: Array) -> Array:
    """Return Jain's index `[...]`: 1 where all have the same, 1/M where one has all.

    Source: [Jain1984]. For non-negative profiles with a positive sum.
    """
    xp, u = profile(u)
    return xp.sum(u, axis=-1) ** 2 / (u.shape[-1] * xp.sum(u * u, axis=-1))
