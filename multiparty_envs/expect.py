"""Checks at the public door: each raises an error that names the value and what was allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection
from numbers import Real
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def shape(value: Any, *expected: int | None, name: str) -> Any:
    """Return `value` if its shape is `expected` (None: any length).

    Raises:
        ValueError: naming both shapes.
    """
    actual = tuple(value.shape)
    fits = len(actual) == len(expected) and all(
        want in (None, have) for want, have in zip(expected, actual, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in expected)
        raise ValueError(f"{name} should have shape ({wanted}), has {actual}")
    return value


def finite(value: Any, *, name: str) -> np.ndarray:
    """Return `value` as a float64 array if every entry is finite.

    Raises:
        ValueError: naming the first place that holds NaN or an infinity, or what is no number.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} should be an array of numbers: {error}") from error
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        raise ValueError(f"{name} should be finite, holds {array[place]} at {place}")
    return array


def distribution(value: Any, *, name: str, atol: float = 1e-8) -> np.ndarray:
    """Return `value` as float64 if its last axis holds probabilities that sum to one.

    Raises:
        ValueError: when an entry is negative or a sum is not one.
    """
    array = finite(value, name=name)
    total = array.sum(axis=-1)
    if (array < 0).any() or not np.allclose(total, 1.0, rtol=0.0, atol=atol):
        raise ValueError(
            f"{name} should be probabilities that sum to 1 along the last axis; "
            f"smallest entry {array.min():g}, sums in [{total.min():g}, {total.max():g}]"
        )
    return array


def number(
    value: float, *, name: str, low: float = -math.inf, high: float = math.inf, open_: bool = False
) -> float:
    """Return `value` as a float if it lies in [low, high] (in (low, high) if `open_`).

    Raises:
        TypeError: when it is not one number.
        ValueError: naming the value and the interval.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} should be a number, is {value!r}")
    inside = low < value < high if open_ else low <= value <= high
    if not inside:  # also catches NaN, for which every comparison is false
        left, right = "()" if open_ else "[]"
        raise ValueError(f"{name} should be in {left}{low:g}, {high:g}{right}, is {value}")
    return float(value)


def integer(value: int, *, name: str, low: int = 0, high: int | None = None) -> int:
    """Return `value` as an int if it is a whole number in low..high.

    Raises:
        TypeError: when it is not a whole number.
        ValueError: naming the value and the range.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} should be a whole number, is {value!r}")
    if value < low or (high is not None and value > high):
        limit = f"{low} or more" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} should be {limit}, is {value}")
    return int(value)


def choice(value: T, allowed: Collection[T], *, name: str) -> T:
    """Return `value` if it is one of `allowed`.

    Raises:
        ValueError: naming the value, the nearest match and all that is allowed.
    """
    if value in allowed:
        return value
    names = sorted(str(option) for option in allowed)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{name} should be one of {', '.join(names)}; is {value!r}.{hint}")
