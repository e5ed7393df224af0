"""Gymnasium environments whose reward is nobody's to give.

Several simulated people watch an agent act and answer "which of these two do you prefer?". From
their answers one reward per party is learned and turned into one number by a welfare function.

Importing this package registers the environments with Gymnasium and little else: the public
names below are imported when they are first used, so that neither torch nor SciPy is until then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from multiparty_envs.names import HOME, PARTS
from multiparty_envs.registration import ENVS as ENVS
from multiparty_envs.registration import make_dynamics as make_dynamics
from multiparty_envs.registration import register as register
from multiparty_envs.registration import register_all as register_all

if TYPE_CHECKING:
    from multiparty_envs.data import ChoicePanel as ChoicePanel
    from multiparty_envs.dynamics import Dynamics as Dynamics
    from multiparty_envs.dynamics import FiniteMDP as FiniteMDP
    from multiparty_envs.dynamics import FiniteState as FiniteState
    from multiparty_envs.dynamics import Names as Names
    from multiparty_envs.dynamics import View as View
    from multiparty_envs.faces import PartyEnv as PartyEnv
    from multiparty_envs.faces import PartyVectorEnv as PartyVectorEnv
    from multiparty_envs.faces import TensorEnv as TensorEnv
    from multiparty_envs.faces import TensorStep as TensorStep
    from multiparty_envs.faces import collect as collect
    from multiparty_envs.faces import offline as offline
    from multiparty_envs.feedback import Comparisons as Comparisons
    from multiparty_envs.feedback import Feedback as Feedback
    from multiparty_envs.feedback import Rankings as Rankings
    from multiparty_envs.feedback import Segments as Segments
    from multiparty_envs.feedback import Steps as Steps
    from multiparty_envs.parties import BradleyTerryLuce as BradleyTerryLuce
    from multiparty_envs.parties import ChoiceModel as ChoiceModel
    from multiparty_envs.parties import PlackettLuce as PlackettLuce
    from multiparty_envs.parties import Population as Population
    from multiparty_envs.parties import PreferenceMatrices as PreferenceMatrices
    from multiparty_envs.parties import Ratings as Ratings
    from multiparty_envs.rewards import Hierarchical as Hierarchical
    from multiparty_envs.rewards import Independent as Independent
    from multiparty_envs.rewards import LowRank as LowRank
    from multiparty_envs.rewards import Mixture as Mixture
    from multiparty_envs.rewards import Pessimistic as Pessimistic
    from multiparty_envs.rewards import Pooled as Pooled
    from multiparty_envs.rewards import PreferenceCounts as PreferenceCounts
    from multiparty_envs.rewards import RewardLearner as RewardLearner
    from multiparty_envs.rewards import make_learner as make_learner
    from multiparty_envs.streams import Draw as Draw
    from multiparty_envs.streams import Streams as Streams
    from multiparty_envs.welfare import GeneralizedGini as GeneralizedGini
    from multiparty_envs.welfare import GeneralizedMean as GeneralizedMean
    from multiparty_envs.welfare import Isoelastic as Isoelastic
    from multiparty_envs.welfare import Leximin as Leximin
    from multiparty_envs.welfare import MaxMin as MaxMin
    from multiparty_envs.welfare import Nash as Nash
    from multiparty_envs.welfare import Scale as Scale
    from multiparty_envs.welfare import Utilitarian as Utilitarian
    from multiparty_envs.welfare import Welfare as Welfare
    from multiparty_envs.welfare import make_welfare as make_welfare
    from multiparty_envs.wrappers import LearnedReward as LearnedReward
    from multiparty_envs.wrappers import LearnedRewardVector as LearnedRewardVector
    from multiparty_envs.wrappers import RecordPartyReturns as RecordPartyReturns
    from multiparty_envs.wrappers import RecordPartyReturnsVector as RecordPartyReturnsVector
    from multiparty_envs.wrappers import WelfareReward as WelfareReward
    from multiparty_envs.wrappers import WelfareRewardVector as WelfareRewardVector


def __getattr__(name: str) -> Any:
    """Import a public name or part of the package when it is first asked for [PEP 562]."""
    if name in PARTS:
        return import_module(f"{__name__}.{name}")
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the lazy names too."""
    return sorted({*globals(), *HOME, *PARTS})


register_all()
