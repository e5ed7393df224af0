"""Which distribution belongs to which space of actions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space

from agents.categorical import Categorical
from agents.distribution import Distribution
from agents.gaussian import Gaussian
from multiparty_envs import expect

KINDS: dict[str, type[Distribution]] = {"categorical": Categorical, "gaussian": Gaussian}
"""Distributions by name."""


def distribution_of(space: Space[Any]) -> Distribution:
    """Return the distribution for the actions of a space.

    Raises:
        ValueError: when it is neither Discrete, MultiDiscrete (one axis) from 0, nor a flat Box.
    """
    if isinstance(space, Discrete) and space.start == 0:
        return Categorical((int(space.n),), flat=True)
    if isinstance(space, MultiDiscrete) and space.nvec.ndim == 1 and not np.any(space.start):
        return Categorical([int(size) for size in space.nvec], flat=False)
    if isinstance(space, Box) and len(space.shape) == 1:
        return Gaussian(space.low.tolist(), space.high.tolist())
    raise ValueError(
        f"the action space should be Discrete or MultiDiscrete from 0, or a flat Box, is {space}"
    )


def distribution_from(kind: str, settings: Mapping[str, Any]) -> Distribution:
    """Return the distribution that `kind` and `settings` were taken from.

    Raises:
        ValueError: when there is no such kind.
    """
    made: Any = KINDS[expect.choice(kind, KINDS, name="kind")]
    return made(**settings)
