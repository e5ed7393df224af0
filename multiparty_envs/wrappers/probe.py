"""One question to a reward learner: for how many parties it has rewards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw


def learned_parties(rewards: Callable[[Steps], Any], dynamics: Dynamics) -> int:
    """Return M, the columns of `rewards` for one step in `dynamics`.

    Raises:
        ValueError: when what it returns is not finite or has another shape than [1, M].
    """
    draw = Draw.seeded([0])
    state = dynamics.initial(1, draw)
    space = dynamics.action_space
    action = np.zeros((1, *(space.shape or ())), dtype=space.dtype)
    features = dynamics.features(state, action, dynamics.transition(state, action, draw))
    learned = rewards(Steps(dynamics.observe(state), action, features))
    return expect.shape(
        expect.finite(learned, name="learned rewards"), 1, None, name="learned rewards"
    ).shape[1]
