"""Reward learners by name."""

from __future__ import annotations

import importlib
from typing import Any

from multiparty_envs import expect
from multiparty_envs.rewards.base import RewardLearner

LEARNERS: dict[str, str] = {
    "pooled": "multiparty_envs.rewards.pooled:Pooled",
    "independent": "multiparty_envs.rewards.independent:Independent",
    "low-rank": "multiparty_envs.rewards.low_rank:LowRank",
    "low-rank-residual": "multiparty_envs.rewards.low_rank_residual:LowRankResidual",
    "hierarchical": "multiparty_envs.rewards.hierarchical:Hierarchical",
    "mixture": "multiparty_envs.rewards.mixture:Mixture",
    "pessimistic": "multiparty_envs.rewards.pessimistic:Pessimistic",
    "neural-pooled": "multiparty_envs.rewards.neural:NeuralPooled",
    "neural-independent": "multiparty_envs.rewards.neural:NeuralIndependent",
    "neural-shared": "multiparty_envs.rewards.neural:NeuralShared",
    "neural-mixture": "multiparty_envs.rewards.neural_mixture:NeuralMixture",
}
"""Name to class, written "module:class" so that torch is imported only by networks.

`pessimistic` takes another learner as its first setting.
"""


def learner_class(name: str) -> type[RewardLearner]:
    """Return the class of the learner called `name`.

    Raises:
        ValueError: when there is no such learner.
    """
    module, _, class_ = LEARNERS[expect.choice(name, LEARNERS, name="learner")].partition(":")
    return getattr(importlib.import_module(module), class_)


def make_learner(name: str, **settings: Any) -> RewardLearner:
    """Return the learner called `name` with `settings`.

    Raises:
        ValueError: when there is no such learner.
        TypeError: when it has no such setting.
    """
    return learner_class(name)(**settings)
