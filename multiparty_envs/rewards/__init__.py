"""Learned rewards: answers in, one reward per party out.

Networks, which need torch, are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from multiparty_envs.rewards.base import LinearLearner, PredictingLearner, RewardLearner
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.rewards.hierarchical import Hierarchical
from multiparty_envs.rewards.independent import Independent, SeparableWarning
from multiparty_envs.rewards.low_rank import LowRank
from multiparty_envs.rewards.low_rank_residual import LowRankResidual
from multiparty_envs.rewards.mixture import Mixture
from multiparty_envs.rewards.newton import ConvergenceWarning
from multiparty_envs.rewards.pessimistic import Pessimistic
from multiparty_envs.rewards.pooled import Pooled
from multiparty_envs.rewards.preferences import PreferenceCounts
from multiparty_envs.rewards.radii import bootstrap_radius, theory_radius
from multiparty_envs.rewards.storage import (
    learner_from_state,
    learner_state,
    load_learner,
    save_learner,
)
from multiparty_envs.rewards.table import LEARNERS, make_learner

if TYPE_CHECKING:
    from multiparty_envs.rewards.neural import NeuralIndependent as NeuralIndependent
    from multiparty_envs.rewards.neural import NeuralPooled as NeuralPooled
    from multiparty_envs.rewards.neural import NeuralShared as NeuralShared
    from multiparty_envs.rewards.neural_mixture import NeuralMixture as NeuralMixture

__all__ = [
    "LEARNERS",
    "ConfidenceSets",
    "ConvergenceWarning",
    "Hierarchical",
    "Independent",
    "LinearLearner",
    "LowRank",
    "LowRankResidual",
    "Mixture",
    "NeuralIndependent",
    "NeuralMixture",
    "NeuralPooled",
    "NeuralShared",
    "Pessimistic",
    "Pooled",
    "PredictingLearner",
    "PreferenceCounts",
    "RewardLearner",
    "SeparableWarning",
    "bootstrap_radius",
    "learner_from_state",
    "learner_state",
    "load_learner",
    "make_learner",
    "save_learner",
    "theory_radius",
]

_NEURAL = {
    "NeuralIndependent": "neural",
    "NeuralMixture": "neural_mixture",
    "NeuralPooled": "neural",
    "NeuralShared": "neural",
}


def __getattr__(name: str) -> Any:
    """Import a network when it is first asked for [PEP 562]."""
    if name not in _NEURAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEURAL[name]}"), name)
