"""Where welfare is applied, and in which units the parties are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from array_api_compat import array_namespace, device

from multiparty_envs import expect

LEVELS = ("step", "episode", "policy")
"""Where the welfare function sits: E[W(r)], E[W(G)] (ESR) or W(E[G]) (SER)."""

NORMALISATIONS = ("none", "std", "range")
"""Units of the parties: raw, standard deviation of returns, or 0 = reference and 1 = own best."""


@final
@dataclass(frozen=True, eq=False)
class Scale:
    """A unit and a zero for each party's returns.

    Attributes:
        shift: `[M]`, the return that counts as zero.
        unit: `[M]`, positive, the return that counts as one more.
    """

    shift: np.ndarray
    unit: np.ndarray

    def __post_init__(self) -> None:
        shift, unit = expect.finite(self.shift, name="shift"), expect.finite(self.unit, name="unit")
        expect.shape(shift, None, name="shift")
        expect.shape(unit, len(shift), name="unit")
        if (unit <= 0).any():
            raise ValueError(f"unit should be positive, is {unit}")
        object.__setattr__(self, "shift", shift)
        object.__setattr__(self, "unit", unit)

    @classmethod
    def none(cls, num_parties: int) -> Scale:
        """Return the scale that changes nothing."""
        return cls(np.zeros(num_parties), np.ones(num_parties))

    def returns(self, returns: Any) -> Any:
        """Return `(returns - shift) / unit`, `[..., M]`, NumPy or torch."""
        return (returns - _beside(self.shift, returns)) / _beside(self.unit, returns)

    def rewards(self, rewards: Any) -> Any:
        """Return `rewards / unit`, `[..., M]`: a reward has no zero of its own to shift."""
        return rewards / _beside(self.unit, rewards)


def zero_normalised(rewards: Any) -> Any:
    """Return rewards `[..., A, M]` minus each party's smallest over the actions of a state.

    Step-level Nash and leximin welfare need it: only then does a constant that a party adds to
    all rewards of a state change nothing. Source: [Zhong2024], zero normalisation.
    """
    xp: Any = array_namespace(rewards)
    return rewards - xp.min(rewards, axis=-2, keepdims=True)


def _beside(constant: np.ndarray, values: Any) -> Any:
    xp: Any = array_namespace(values)
    if values.shape[-1] != len(constant):
        raise ValueError(f"the scale is for {len(constant)} parties, got {values.shape[-1]}")
    return xp.asarray(constant, dtype=values.dtype, device=device(values))
