"""Learned rewards: answers in, one reward per party out."""

from multiparty_envs.rewards.base import LinearLearner, RewardLearner
from multiparty_envs.rewards.independent import Independent
from multiparty_envs.rewards.pooled import Pooled

__all__ = ["Independent", "LinearLearner", "Pooled", "RewardLearner"]
