"""What NumPy and torch spell differently, and states that are arrays or NamedTuples of arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def take(table: Any, index: Any) -> Any:
    """Return table[index] along the first axis, the quickest way of either library."""
    if isinstance(table, np.ndarray):
        return table.take(index, axis=0)
    return table.index_select(0, index)


def cast(array: Any, dtype: Any) -> Any:
    """Return `array` with another dtype."""
    return array.astype(dtype) if isinstance(array, np.ndarray) else array.to(dtype)


def where(mask: Any, new: Any, old: Any) -> Any:
    """Return `new` where `mask` holds, else `old`; all of one shape."""
    return np.where(mask, new, old) if isinstance(mask, np.ndarray) else new.where(mask, old)


def clip(array: Any, low: float, high: float) -> Any:
    """Return `array` with what is below `low` or above `high` moved there."""
    if isinstance(array, np.ndarray | np.generic):
        return np.minimum(np.maximum(array, low), high)  # np.clip takes three times as long
    return array.clamp(low, high)


def weigh(features: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return features [N, D] @ theta [D, M], summed in the same order whatever N is.

    A matrix product is not: one copy would get other last digits than the same copy in company.
    """
    columns = np.ascontiguousarray(features.T)  # long rows are what NumPy is quick at
    weights = theta[:, :, None]
    total = weights[0] * columns[0]
    for feature in range(1, len(columns)):
        total += weights[feature] * columns[feature]
    # in rows again: the order of later sums depends on the layout too
    return np.ascontiguousarray(total.T)


def count_true(masks: list[Any]) -> Any:
    """Return [N] small whole numbers: how many of the `masks` [N], 127 at most, hold."""
    numpy = isinstance(masks[0], np.ndarray)
    # seen as bytes, NumPy's truth values need no conversion
    numbers = [mask.view(np.int8) if numpy else mask.byte() for mask in masks]
    return sum(numbers[1:], start=numbers[0])


def on_device(value: Any, device: Any) -> Any:
    """Return a NumPy array as a torch tensor on `device`; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.dtype == object:
        return value
    import torch

    return torch.tensor(value, device=device)


def map_state(function: Callable[..., Any], *states: Any) -> Any:
    """Apply `function` to the arrays of `states`, which are built alike."""
    first = states[0]
    if isinstance(first, tuple):
        parts = [map_state(function, *fields) for fields in zip(*states, strict=True)]
        return type(first)(*parts)  # a NamedTuple: its fields in order, themselves states
    return function(*states)


def leaves(state: Any) -> list[Any]:
    """Return the arrays of a state, in order."""
    if isinstance(state, tuple):
        return [leaf for part in state for leaf in leaves(part)]
    return [state]


def take_rows(state: Any, rows: Any) -> Any:
    """Return the state of the copies `rows`."""
    return map_state(lambda leaf: leaf[rows], state)


def with_rows(state: Any, rows: Any, new: Any) -> Any:
    """Return `state` with the copies `rows` replaced by `new`; `state` stays as it was."""

    def replace(old: Any, part: Any) -> Any:
        own = old.copy()
        own[rows] = part
        return own

    return map_state(replace, state, new)
