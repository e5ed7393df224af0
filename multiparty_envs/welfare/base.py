"""The interface of welfare functions, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from multiparty_envs import expect
from multiparty_envs.welfare.axioms import Axiom

Array = Any


class Welfare(ABC):
    """Turns what each of M parties gets into one number.

    Instances are frozen, hashable, hold plain numbers only, and work on NumPy arrays and torch
    tensors (any device, also meta) alike. Where they are applied (to the rewards of a step, the
    return of an episode, the expected returns of a policy) is the caller's `level`.
    """

    name: ClassVar[str]

    @abstractmethod
    def value(self, u: Array) -> Array:
        """Return the welfare of profiles, `[..., M] -> [...]`."""

    @abstractmethod
    def weights(self, u: Array) -> Array:
        """Return a supergradient of `value` at `u`, `[..., M] -> [..., M]`, never negative."""

    @property
    @abstractmethod
    def satisfies(self) -> frozenset[Axiom]:
        """The axioms that hold for these settings, on profiles inside the function's domain."""

    def compare(self, u: Array, v: Array, tol: float = 1e-9) -> Array:
        """Return 1, 0 or -1 where `u` is better than, as good as, or worse than `v`, `[...]`.

        Values closer than `tol` times their size (at least `tol`) count as equal.
        """
        return _order(self.value(u), self.value(v), tol)


def profile(u: Array) -> tuple[Any, Array]:
    """Return the array namespace and `u` as floating-point array `[..., M]`.

    Raises:
        ValueError: when `u` is a scalar or has no party.
    """
    u = u if is_array_api_obj(u) else np.asarray(u, dtype=np.float64)
    xp: Any = array_namespace(u)
    if u.ndim == 0 or u.shape[-1] == 0:
        raise ValueError(f"u should have shape [..., parties], has {tuple(u.shape)}")
    return xp, u if xp.isdtype(u.dtype, "real floating") else xp.astype(u, xp.float64)


def numbers(value: float | Iterable[float], *, name: str) -> float | tuple[float, ...]:
    """Return one number as float, several as tuple: hashable, and the same on every device."""
    array = expect.finite(value, name=name)
    if array.ndim > 1:
        raise ValueError(f"{name} should be a number or one per party, has shape {array.shape}")
    return float(array) if array.ndim == 0 else tuple(float(x) for x in array)


def shares(value: Iterable[float] | None, *, name: str) -> tuple[float, ...] | None:
    """Return positive weights scaled to sum one (None stays None: all equal).

    Raises:
        ValueError: when a weight is not positive.
    """
    if value is None:
        return None
    array = expect.finite(tuple(value), name=name)
    if array.ndim != 1 or not len(array) or (array <= 0).any():
        raise ValueError(f"{name} should be positive numbers, one per party, is {array}")
    return tuple(float(x) for x in array / array.sum())


def equal(value: float | tuple[float, ...] | None) -> bool:
    """Return whether a setting treats all parties alike."""
    return not isinstance(value, tuple) or len(set(value)) <= 1


def like(value: float | tuple[float, ...], u: Array, *, name: str) -> Any:
    """Return a setting for use with `u` `[..., M]`: a number, or an array `[M]` beside `u`.

    Raises:
        ValueError: when the setting is for another number of parties.
    """
    if not isinstance(value, tuple):
        return value
    if len(value) != u.shape[-1]:
        raise ValueError(f"{name} is for {len(value)} parties, u has {u.shape[-1]}")
    return _constant(value, array_namespace(u), u.dtype, device(u))


# Cached so that a training iteration on a GPU copies no settings from the host.
@lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], xp: Any, dtype: Any, where: Any) -> Array:
    return xp.asarray(values, dtype=dtype, device=where)


def weighted_mean(u: Array, party_weights: tuple[float, ...] | None) -> Array:
    """Return the mean over parties, `[..., M] -> [...]`, by shares if given."""
    xp: Any = array_namespace(u)
    if party_weights is None:
        return xp.mean(u, axis=-1)
    return xp.sum(u * like(party_weights, u, name="party_weights"), axis=-1)


def spread(slope: Array, party_weights: tuple[float, ...] | None) -> Array:
    """Return the gradient of `weighted_mean` of per-party terms whose slopes are given."""
    if party_weights is None:
        return slope / slope.shape[-1]
    return slope * like(party_weights, slope, name="party_weights")


def _order(a: Array, b: Array, tol: float) -> Array:
    xp: Any = array_namespace(a, b)
    size = xp.abs(a) + xp.abs(b)
    margin = tol * xp.where(size > 1, size, xp.ones_like(size))
    return xp.astype(a - b > margin, xp.int64) - xp.astype(b - a > margin, xp.int64)
