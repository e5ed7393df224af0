"""One scalar reward from the rewards of several parties: a welfare function at a named level."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from multiparty_envs import expect
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import LEVELS, Scale
from multiparty_envs.wrappers.core import (
    Account,
    Core,
    Moment,
    Outcome,
    count_copies,
    count_parties,
    world_of,
)
from multiparty_envs.wrappers.faces import SingleFace, VectorFace
from multiparty_envs.wrappers.weighting import weighting

EPISODES = 128
MEMORY = 0.5
# gentler than where weights follow each gradient step: here the policy moves between changes
RATE, SHARPNESS = 1.0, 20.0


class Aim(NamedTuple):
    """What is paid for."""

    welfare: Welfare
    source: str  # of the parties' rewards
    scale: Scale  # their units


@final
class StepWelfare(Core):
    """E[W(r)]: the reward is the welfare of each step's rewards."""

    def __init__(self, aim: Aim) -> None:
        self.aim = aim

    def step(self, moment: Moment) -> Outcome:
        """Return W(r)."""
        rewards = self.aim.scale.rewards(moment.rewards_from(self.aim.source))
        return Outcome(self.aim.welfare.value(rewards))


@final
class EpisodeWelfare(Core):
    """E[W(G)]: the reward comes at the end; what has accrued so far is in the observation."""

    def __init__(self, aim: Aim, account: Account) -> None:
        self.aim, self.account = aim, account
        self.extra = account.returns.shape[1]

    def step(self, moment: Moment) -> Outcome:
        """Return W(G) where an episode ends, 0 elsewhere."""
        self.account.add(moment.rewards_from(self.aim.source))
        welfare = self.aim.welfare.value(self.aim.scale.returns(self.account.returns))
        return Outcome(np.where(moment.done, welfare, 0.0))

    def begin(self, mask: np.ndarray) -> None:
        """Clear the accounts."""
        self.account.clear(mask)

    def seen(self) -> np.ndarray:
        """Return the accrued returns in their units."""
        return self.aim.scale.rewards(self.account.returns).astype(np.float32)


@final
class PolicyWelfare(Core):
    """W(E[G]): the reward is w . r, with w the welfare's gradient at the running mean returns.

    Any algorithm that raises the expected sum of this scalar raises W(E[G]). The weights change
    once every `episodes` episodes, by the returns of those.

    Attributes:
        weights: [M], of the scaled rewards.
        returns: [M], running mean of the scaled returns; None before the first change.
    """

    def __init__(self, aim: Aim, account: Account, episodes: int) -> None:
        self.aim, self.account = aim, account
        self.returns: np.ndarray | None = None
        parties = account.returns.shape[1]
        self.weights = np.full(parties, 1.0 / parties)
        self._weighting = weighting(aim.welfare, RATE, SHARPNESS)
        self._episodes = expect.integer(episodes, name="episodes", low=1)
        self._ended: list[np.ndarray] = []
        self._count = 0

    def step(self, moment: Moment) -> Outcome:
        """Return w . r."""
        rewards = moment.rewards_from(self.aim.source)
        self.account.add(rewards)
        # a matrix product would round otherwise for another number of copies
        paid = (self.aim.scale.rewards(rewards) * self.weights).sum(axis=1)
        if moment.done.any():
            self._ended.append(self.account.returns[moment.done])
            self._count += int(moment.done.sum())
            if self._count >= self._episodes:
                self._refresh()
        return Outcome(paid)

    def begin(self, mask: np.ndarray) -> None:
        """Clear the accounts."""
        self.account.clear(mask)

    def _refresh(self) -> None:
        mean = self.aim.scale.returns(np.concatenate(self._ended)).mean(axis=0)
        past = mean if self.returns is None else self.returns
        self.returns = MEMORY * past + (1.0 - MEMORY) * mean
        self._weighting.settle(self.returns)
        weights = self._weighting.weights(self.returns)
        # only their ratios matter; a fixed sum keeps the reward's size fit for a learning rate
        self.weights = weights / weights.sum()
        self._ended, self._count = [], 0


@final
class WelfareReward(SingleFace[Core]):
    """The reward is a welfare of the parties' rewards.

    Args:
        env: of ours.
        welfare: how they become one.
        level: "policy" pays w . r with w the gradient of W at running mean returns, so that any
            scalar algorithm raises W(E[G]); "episode" pays W(G) at the end and appends the
            returns accrued so far to the observation; "step" pays W(r).
        source: "learned", by a `LearnedReward` inside, or "true".
        scale: units of the parties; None: those of the rewards.
        episodes: level "policy": how many episodes between two changes of w.

    Raises:
        TypeError: when `env` is another environment.
        ValueError: for an unknown level or source, or a scale for other parties.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        welfare: Welfare,
        level: str = "policy",
        *,
        source: str = "learned",
        scale: Scale | None = None,
        episodes: int = EPISODES,
    ) -> None:
        aim = _aim(env, welfare, source, scale)
        super().__init__(env, _core(env, 1, level, aim, episodes))


@final
class WelfareRewardVector(VectorFace[Core]):
    """`WelfareReward` for a vector of copies; same arguments, one weight vector for all copies."""

    def __init__(
        self,
        env: VectorEnv[Any, Any, np.ndarray],
        welfare: Welfare,
        level: str = "policy",
        *,
        source: str = "learned",
        scale: Scale | None = None,
        episodes: int = EPISODES,
    ) -> None:
        aim = _aim(env, welfare, source, scale)
        super().__init__(env, _core(env, count_copies(env), level, aim, episodes))


def _aim(env: Any, welfare: Welfare, source: str, scale: Scale | None) -> Aim:
    if not isinstance(welfare, Welfare):
        raise TypeError(f"welfare should be a Welfare, is {welfare!r}")
    parties = count_parties(env, source)
    scale = Scale.none(parties) if scale is None else scale
    if len(scale.unit) != parties:
        raise ValueError(f"scale is for {len(scale.unit)} parties, the rewards for {parties}")
    return Aim(welfare, source, scale)


def _core(env: Any, num_copies: int, level: str, aim: Aim, episodes: int) -> Core:
    """Return the core of a level."""
    if expect.choice(level, LEVELS, name="level") == "step":
        return StepWelfare(aim)
    account = Account(num_copies, len(aim.scale.unit), world_of(env).dynamics.discount)
    if level == "episode":
        return EpisodeWelfare(aim, account)
    return PolicyWelfare(aim, account, episodes)
