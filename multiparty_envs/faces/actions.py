"""Actions at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Space


def as_action(action: Any, space: Space) -> np.ndarray:
    """Return `action` as an array of our own, of the space's dtype, if it is in `space`.

    A copy, because callers may go on writing into their array while steps are kept here.

    Raises:
        ValueError: naming the action and the space.
    """
    try:
        array = np.array(action)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    if np.can_cast(array.dtype, space.dtype or np.float64, "same_kind"):
        array = array.astype(space.dtype, copy=False)
        if array.shape == space.shape and space.contains(array):
            return array
    raise ValueError(f"action should be in {space}, is {action!r}")


def as_choices(actions: Any, space: Space, count: int) -> np.ndarray:
    """Return whole-numbered actions in 0..count - 1, as `as_action` does but quicker.

    Args:
        actions: [N].
        space: MultiDiscrete, of N such numbers.
        count: how many choices each has.
    """
    array = np.array(actions)
    usual = array.dtype == np.int64 and array.shape == space.shape
    return array if usual and _below(array, count) else as_action(actions, space)


def _below(array: np.ndarray, count: int) -> bool:
    """Return whether all numbers are in 0..count - 1."""
    # No number is above the bitwise or of all, and that is negative if one is: where `count` is
    # a power of two, one pass suffices, which is quicker than those of min and max.
    if 0 <= np.bitwise_or.reduce(array) < count:
        return True
    return bool(array.min() >= 0 and array.max() < count)
