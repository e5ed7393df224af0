"""Reward learners by name."""

from __future__ import annotations

from typing import Any

from multiparty_envs import expect
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.rewards.hierarchical import Hierarchical
from multiparty_envs.rewards.independent import Independent
from multiparty_envs.rewards.low_rank import LowRank
from multiparty_envs.rewards.mixture import Mixture
from multiparty_envs.rewards.pessimistic import Pessimistic
from multiparty_envs.rewards.pooled import Pooled

LEARNERS: dict[str, type[RewardLearner]] = {
    "pooled": Pooled,
    "independent": Independent,
    "low-rank": LowRank,
    "hierarchical": Hierarchical,
    "mixture": Mixture,
    "pessimistic": Pessimistic,
}
"""Name -> class; `pessimistic` takes another learner as its first setting."""


def make_learner(name: str, **settings: Any) -> RewardLearner:
    """Return the learner called `name` with `settings`.

    Raises:
        ValueError: when there is no such learner.
        TypeError: when it has no such setting.
    """
    return LEARNERS[expect.choice(name, LEARNERS, name="learner")](**settings)
