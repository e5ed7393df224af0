"""What all checks share: claims that hold under `python -O` too, and comparing nested data."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiparty_envs.dynamics.arrays import leaves


def claim(holds: Any, text: str) -> None:
    """Raise unless `holds`.

    Raises:
        AssertionError: with `text`.
    """
    if not bool(holds):
        raise AssertionError(text)


def same(first: Any, second: Any) -> bool:
    """Return whether nested dictionaries, tuples and arrays are equal bit for bit, types too."""
    if isinstance(first, dict):
        alike = isinstance(second, dict) and first.keys() == second.keys()
        return alike and all(same(first[key], second[key]) for key in first)
    if isinstance(first, tuple | list):
        alike = isinstance(second, tuple | list) and len(first) == len(second)
        return alike and all(map(same, first, second))
    a, b = np.asarray(first), np.asarray(second)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype == object:
        return all(map(same, a.tolist(), b.tolist())) if a.ndim else first is second
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def close(first: Any, second: Any) -> bool:
    """Return whether two states are equal, their floating-point numbers to rounding.

    A matrix product may sum in another order for another number of copies, and does on some CPUs.
    """
    pairs = list(zip(leaves(first), leaves(second), strict=True))
    if any(a.dtype != b.dtype or a.shape != b.shape for a, b in pairs):
        return False
    return all(
        np.allclose(a, b, rtol=100 * np.finfo(a.dtype).eps, atol=100 * np.finfo(a.dtype).eps)
        if a.dtype.kind == "f"
        else np.array_equal(a, b)
        for a, b in pairs
    )
