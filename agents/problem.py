"""What to train for, checked once at the door of every trainer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from gymnasium.spaces import Box

from agents.distribution import Distribution
from agents.distributions import distribution_of
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import LEVELS, Scale
from multiparty_envs.wrappers.accrued import AccruedReturns
from multiparty_envs.wrappers.probe import learned_parties

RewardOf = Callable[[Steps], Any]


@final
@dataclass(frozen=True, eq=False)
class Problem:
    """A world, whose rewards count, and the welfare that is to rise.

    Attributes:
        world: as it was given.
        dynamics: the world; at level "episode" with the returns accrued so far in it.
        welfare: how the parties' rewards become one.
        level: where it sits.
        rewards: from steps to rewards [..., M]; None: the true ones.
        scale: the units of the M parties.
    """

    world: Dynamics
    dynamics: Dynamics
    welfare: Welfare
    level: str
    rewards: RewardOf | None
    scale: Scale

    @classmethod
    def of(
        cls,
        dynamics: Dynamics,
        welfare: Welfare,
        level: str,
        rewards: RewardLearner | None,
        scale: Scale | None,
    ) -> Problem:
        """Check what a trainer was given.

        Raises:
            TypeError: when `dynamics` or `welfare` is something else.
            ValueError: for spaces, a level, a scale or rewards that do not fit.
        """
        if not isinstance(dynamics, Dynamics):
            raise TypeError(f"dynamics should be a Dynamics, is {dynamics!r}")
        if not isinstance(welfare, Welfare):
            raise TypeError(f"welfare should be a Welfare, is {welfare!r}")
        expect.choice(level, LEVELS, name="level")
        _check_spaces(dynamics)
        reward_of = None if rewards is None else rewards.rewards
        parties = (
            dynamics.population.num_parties
            if rewards is None
            else learned_parties(rewards.rewards, dynamics)
        )
        scale = Scale.none(parties) if scale is None else scale
        if len(scale.unit) != parties:
            raise ValueError(f"scale is for {len(scale.unit)} parties, the rewards for {parties}")
        inside = dynamics
        if level == "episode":
            inside = AccruedReturns(dynamics, reward_of, scale)
        return cls(dynamics, inside, welfare, level, reward_of, scale)

    @property
    def discount(self) -> float:
        """Of later rewards; none for W(G), whose G are discounted already."""
        return 1.0 if self.level == "episode" else self.dynamics.discount

    @property
    def observation_size(self) -> int:
        """O."""
        assert self.dynamics.observation_space.shape is not None
        return self.dynamics.observation_space.shape[0]

    @property
    def distribution(self) -> Distribution:
        """What an actor's outputs mean."""
        return distribution_of(self.dynamics.action_space)


def _check_spaces(dynamics: Dynamics) -> None:
    seen = dynamics.observation_space
    if not isinstance(seen, Box) or len(seen.shape) != 1:
        raise ValueError(f"the observation space should be a flat Box, is {seen}")
    distribution_of(dynamics.action_space)  # says what it cannot take
