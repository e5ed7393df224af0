"""Steps, and a bank of segments: consecutive steps of one episode that people look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.parties.choice import Behaviour

Array = Any
"""NumPy array or torch tensor."""


class Steps(NamedTuple):
    """What a learner may know of any number of steps; leading axes `...` are shared."""

    obs: Array  # [..., *O]
    action: Array  # [..., *A]
    features: Array  # [..., D]


@final
@dataclass(frozen=True, eq=False)
class Segments:
    """A bank of G segments of at most L steps. Arrays are read-only.

    Raises:
        ValueError: when the leading shapes differ, features are not finite, or a segment is empty.
    """

    obs: np.ndarray
    """[G, L, *O] what the agent saw before each step."""
    action: np.ndarray
    """[G, L, *A] what it did."""
    features: np.ndarray
    """[G, L, D] float64, what parties may care about."""
    mask: np.ndarray
    """[G, L] bool, true where there is a step; the others hold zeros."""

    def __post_init__(self) -> None:
        features = expect.finite(self.features, name="features")
        expect.shape(features, None, None, None, name="features")
        obs, action, mask = (np.asarray(x) for x in (self.obs, self.action, self.mask))
        lead = features.shape[:2]
        for name, array in (("obs", obs), ("action", action), ("mask", mask)):
            if array.shape[:2] != lead or (name == "mask" and array.ndim != 2):
                raise ValueError(f"{name} should begin with shape {lead}, has {array.shape}")
        if mask.dtype != np.bool_:
            raise TypeError(f"mask should be bool, is {mask.dtype}")
        if not mask.any(axis=1).all():
            raise ValueError(f"segment {int(np.argmin(mask.any(axis=1)))} should have a step")
        for name, array in zip(
            ("obs", "action", "features", "mask"), (obs, action, features, mask), strict=True
        ):
            view = array.view()
            view.setflags(write=False)
            object.__setattr__(self, name, view)

    @property
    def num_segments(self) -> int:
        """G."""
        return len(self.mask)

    @property
    def length(self) -> int:
        """L, the most steps a segment of this bank can have."""
        return self.mask.shape[1]

    @property
    def num_features(self) -> int:
        """D."""
        return self.features.shape[2]

    @cached_property
    def _feature_sums(self) -> np.ndarray:
        sums = np.einsum("gld,gl->gd", self.features, self.mask.astype(np.float64))
        sums.setflags(write=False)
        return sums

    def feature_sums(self) -> np.ndarray:
        """Sum of each segment's features over its steps, [G, D]; computed once."""
        return self._feature_sums

    def steps(self) -> Steps:
        """All steps of the bank, [G, L, ...]; `mask` tells which are real."""
        return Steps(self.obs, self.action, self.features)

    def behaviour(self) -> Behaviour:
        """What a party sees of the bank."""
        return Behaviour(self.features, self.action, self.mask, self.obs)

    def subset(self, index: np.ndarray) -> Segments:
        """The segments at `index`, in that order."""
        return Segments(self.obs[index], self.action[index], self.features[index], self.mask[index])

    def extend(self, other: Segments) -> Segments:
        """This bank followed by another; the shorter segments are padded."""
        return concatenate((self, other))


def concatenate(banks: tuple[Segments, ...]) -> Segments:
    """Join banks end to end; shorter segments are padded with masked zeros.

    Raises:
        ValueError: when the shapes of observations, actions or features differ.
    """
    first = banks[0]
    for bank in banks[1:]:
        for name in ("obs", "action", "features"):
            have, want = getattr(bank, name).shape[2:], getattr(first, name).shape[2:]
            if have != want:
                raise ValueError(f"{name} of a step should have shape {want}, has {have}")
    length = max(bank.length for bank in banks)
    joined = {
        name: np.concatenate([_padded(getattr(bank, name), length) for bank in banks])
        for name in ("obs", "action", "features", "mask")
    }
    return Segments(**joined)


def _padded(array: np.ndarray, length: int) -> np.ndarray:
    missing = length - array.shape[1]
    if not missing:
        return array
    widths = [(0, 0), (0, missing)] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, widths)
