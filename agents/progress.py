"""What trainers tell while they train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np

from agents.policy import Policy


@final
@dataclass(frozen=True, eq=False)
class Progress:
    """The state of a training after a batch."""

    iteration: int  # from 1
    iterations: int
    steps: int  # of all copies so far
    returns: np.ndarray  # [M] the parties' mean returns lately, in the units of the rewards
    weights: np.ndarray  # [M], or [1] where the welfare is not that of the policy
    policy: Policy  # as it is now
    # what else the trainer measured in the batch by name, such as "kl" or "entropy"
    metrics: Mapping[str, float] = field(default_factory=dict)
    episodes: int = 0  # that `returns` is the mean of


Callback = Callable[[Progress], bool | None]
"""Called after each batch; training ends early where it returns False."""
