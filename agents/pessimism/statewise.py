"""The best action of each state by bounds on what it is worth to each party.

J_hat(pi) = E_s W(bound_1(s, pi(s)), ..., bound_M(s, pi(s))). The theta that attains a bound may
differ from state to state, so that this is at most the pessimistic value of [Zhong2024] section 4,
still below the truth with the same chance, and every state is decided by itself.

Few answers leave all bounds at their zero, and all actions equal. Such ties are broken by the
welfare of what was learned, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Utilitarian, Welfare
from multiparty_envs.welfare.base import like

TOLERANCE = 1e-9
"""Share of a state's largest profile below which welfare counts as equal."""


@final
@dataclass(frozen=True, eq=False)
class Choice:
    """What is done in each state."""

    action: np.ndarray
    """[S]."""
    value: np.ndarray
    """[S], the welfare of its bounds (of leximin, the minimum)."""
    tied: np.ndarray
    """[S] bool, whether the bounds alone left several actions."""
    num_actions: int
    """A."""

    @property
    def policy(self) -> np.ndarray:
        """[S, A], one-hot."""
        return np.eye(self.num_actions)[self.action]

    def tie_rate(self, states: np.ndarray | None = None) -> float:
        """Return the chance of a state in which bounds did not decide.

        Args:
            states: [S], their chances; default equal.
        """
        return float(np.average(self.tied, weights=states))


def choose(
    bounds: np.ndarray, welfare: Welfare, plug_in: np.ndarray, *, tolerance: float = TOLERANCE
) -> Choice:
    """Return the actions whose bounds have the most welfare.

    Args:
        bounds: [S, A, M], lower bounds of utilities; upper ones for optimism, what was learned for
            the plug-in.
        welfare: utilitarian, Nash (the product, as geometric mean), max-min or leximin.
        plug_in: [S, A, M], learned utilities, which break ties by the same welfare.
        tolerance: see `TOLERANCE`.

    Raises:
        TypeError: for another welfare function.
        ValueError: when shapes do not fit.
    """
    bounds = expect.shape(expect.finite(bounds, name="bounds"), None, None, None, name="bounds")
    plug_in = expect.shape(expect.finite(plug_in, name="plug_in"), *bounds.shape, name="plug_in")
    keys = _keys(welfare, bounds)
    left = _narrow(np.ones(bounds.shape[:2], dtype=bool), keys, tolerance)
    best = _narrow(left, _keys(welfare, plug_in), tolerance)
    action = best.argmax(axis=1)
    value = np.take_along_axis(keys[:, :, 0], action[:, None], axis=1)[:, 0]
    return Choice(action, value, left.sum(axis=1) > 1, bounds.shape[1])


def welfare_of_profiles(welfare: Welfare, u: np.ndarray) -> np.ndarray:
    """Return the welfare of utilities over their zero, [..., M] -> [...].

    Mean, geometric mean (0 where some party is at its zero or below), or minimum, all in the units
    of the utilities.

    Raises:
        TypeError: for another welfare function.
    """
    if isinstance(welfare, Nash):
        gain = np.maximum(u - like(welfare.reference, u, name="reference"), 0.0)
        share = welfare.party_weights or (1.0 / u.shape[-1],) * u.shape[-1]
        return (gain ** like(share, u, name="party_weights")).prod(axis=-1)
    if not isinstance(welfare, Utilitarian | MaxMin | Leximin):
        raise TypeError(
            f"welfare should be Utilitarian, Nash, MaxMin or Leximin, is {type(welfare).__name__}"
        )
    return np.asarray(welfare.value(u))


def _keys(welfare: Welfare, u: np.ndarray) -> np.ndarray:
    """Return what is compared in turn, [S, A, M] -> [S, A, J]."""
    if isinstance(welfare, Leximin):
        return np.sort(u, axis=-1)
    value = welfare_of_profiles(welfare, u)
    if isinstance(welfare, Nash):  # of products of zero, those in which nobody is below it
        below = np.minimum(u - like(welfare.reference, u, name="reference"), 0.0).min(axis=-1)
        return np.stack([value, below], axis=-1)
    return value[..., None]


def _narrow(left: np.ndarray, keys: np.ndarray, tolerance: float) -> np.ndarray:
    """Return which of the actions `left` [S, A] are best by `keys` [S, A, J], the first first."""
    margin = tolerance * np.abs(keys).max(axis=(1, 2))
    for place in range(keys.shape[2]):
        key = np.where(left, keys[:, :, place], -np.inf)
        left = key >= (key.max(axis=1) - margin)[:, None]
    return left
