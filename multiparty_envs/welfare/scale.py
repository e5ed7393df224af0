"""Where welfare is applied, and in which units the parties are measured."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    _placed: dict[Any, tuple[Any, Any]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        shift, unit = expect.finite(self.shift, name="shift"), expect.finite(self.unit, name="unit")
        expect.shape(shift, None, name="shift")
        expect.shape(unit, len(shift), name="unit")
        if (unit <= 0).any():
            raise ValueError(f"unit should be positive, is {unit}")
        object.__setattr__(self, "shift", shift)
        object.__setattr__(self, "unit", unit)

    def __reduce__(self) -> tuple[Any, ...]:
        return Scale, (self.shift, self.unit)  # what is placed stays where it is

    @classmethod
    def none(cls, num_parties: int) -> Scale:
        """Return the scale that changes nothing."""
        return cls(np.zeros(num_parties), np.ones(num_parties))

    def returns(self, returns: Any) -> Any:
        """Return `(returns - shift) / unit`, `[..., M]`, NumPy or torch."""
        shift, unit = self._beside(returns)
        return (returns - shift) / unit

    def rewards(self, rewards: Any) -> Any:
        """Return `rewards / unit`, `[..., M]`: a reward has no zero of its own to shift."""
        return rewards / self._beside(rewards)[1]

    def _beside(self, values: Any) -> tuple[Any, Any]:
        """Return shift and unit as arrays of the kind, precision and device of `values`."""
        xp: Any = array_namespace(values)
        if values.shape[-1] != len(self.unit):
            raise ValueError(f"the scale is for {len(self.unit)} parties, got {values.shape[-1]}")
        place = (xp, values.dtype, device(values))
        if place not in self._placed:  # once, so that training on a GPU copies nothing to it
            kind = {"dtype": values.dtype, "device": place[2]}
            self._placed[place] = xp.asarray(self.shift, **kind), xp.asarray(self.unit, **kind)
        return self._placed[place]


def zero_normalised(rewards: Any) -> Any:
    """Return rewards `[..., A, M]` minus each party's smallest over the actions of a state.

    Step-level Nash and leximin welfare need it: only then does a constant that a party adds to
    all rewards of a state change nothing. Source: [Zhong2024], zero normalisation.
    """
    xp: Any = array_namespace(rewards)
    return rewards - xp.min(rewards, axis=-2, keepdims=True)
