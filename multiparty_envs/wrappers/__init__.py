"""Wrappers: rewards learned from answers, welfare as reward, records of what each party got.

Each comes for one copy and, with `Vector` at the end of its name, for a vector of copies.
"""

from multiparty_envs.wrappers.accrued import AccruedReturns as AccruedReturns
from multiparty_envs.wrappers.learned_reward import LearnedReward as LearnedReward
from multiparty_envs.wrappers.learned_reward import LearnedRewardVector as LearnedRewardVector
from multiparty_envs.wrappers.record_party_returns import RecordPartyReturns as RecordPartyReturns
from multiparty_envs.wrappers.record_party_returns import (
    RecordPartyReturnsVector as RecordPartyReturnsVector,
)
from multiparty_envs.wrappers.welfare_reward import WelfareReward as WelfareReward
from multiparty_envs.wrappers.welfare_reward import WelfareRewardVector as WelfareRewardVector
