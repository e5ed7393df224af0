"""Learned rewards: answers in, one reward per party out."""

from multiparty_envs.rewards.base import LinearLearner, RewardLearner
from multiparty_envs.rewards.hierarchical import Hierarchical
from multiparty_envs.rewards.independent import Independent, SeparableWarning
from multiparty_envs.rewards.low_rank import LowRank
from multiparty_envs.rewards.mixture import Mixture
from multiparty_envs.rewards.newton import ConvergenceWarning
from multiparty_envs.rewards.pessimistic import Pessimistic
from multiparty_envs.rewards.pooled import Pooled
from multiparty_envs.rewards.table import LEARNERS, make_learner

__all__ = [
    "LEARNERS",
    "ConvergenceWarning",
    "Hierarchical",
    "Independent",
    "LinearLearner",
    "LowRank",
    "Mixture",
    "Pessimistic",
    "Pooled",
    "RewardLearner",
    "SeparableWarning",
    "make_learner",
]
