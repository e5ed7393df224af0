"""What every wrapper here is made of: one core over N copies, behind two thin Gymnasium faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium.vector import VectorEnv

from multiparty_envs import expect
from multiparty_envs.feedback import Comparisons, Steps

REWARD_KEYS = {"true": "party_rewards", "learned": "learned_rewards"}
"""Where a step's info holds the parties' rewards, by their source."""


class Moment(NamedTuple):
    """One step of N copies, as it was before any of them began a new episode."""

    reward: np.ndarray  # [N]
    done: np.ndarray  # [N] bool
    rewards: Mapping[str, np.ndarray]  # [N, M] by key of the info
    comparisons: Comparisons | None  # new answers
    steps: Steps | None  # what was done, [N, ...]; None unless the core looks at it

    def rewards_from(self, source: str) -> np.ndarray:
        """Return the parties' rewards [N, M] float64.

        Raises:
            ValueError: when the info does not hold them.
        """
        key = REWARD_KEYS[source]
        if key not in self.rewards:
            raise ValueError(
                f"the step's info has no {key!r}: source {source!r} needs "
                + ("truth='visible'" if source == "true" else "a LearnedReward wrapper inside")
            )
        return np.asarray(self.rewards[key], dtype=np.float64)


class Episode(NamedTuple):
    """The episodes that are running."""

    returns: np.ndarray  # [N, M]
    lengths: np.ndarray  # [N] int64


class Outcome(NamedTuple):
    """What a core makes of a step."""

    reward: np.ndarray  # [N]
    shown: Mapping[str, np.ndarray] = {}
    episode: Episode | None = None  # to be told of where copies are done


class Core(ABC):
    """The logic of a wrapper, over N copies.

    Attributes:
        shown: length of the vectors that it adds to the info, by key; they are zero at a reset.
        extra: E, how many entries it adds to the observation.
        looks: whether it looks at what was done.
    """

    shown: Mapping[str, int] = {}
    extra: int = 0
    looks: bool = False

    @abstractmethod
    def step(self, moment: Moment) -> Outcome:
        """Take in a step."""

    def begin(self, mask: np.ndarray) -> None:  # noqa: B027 - a core may have no memory
        """Let the copies `mask` [N] begin a new episode."""

    def seen(self) -> np.ndarray:
        """Return what is added to the observations now, [N, E] float32."""
        raise NotImplementedError


class Account:
    """What each party has got so far in the running episode of each of N copies.

    Args:
        num_copies: N.
        discount: of later rewards.
    """

    def __init__(self, num_copies: int, num_parties: int, discount: float) -> None:
        self.returns = np.zeros((num_copies, num_parties))  # [N, M]
        self.lengths = np.zeros(num_copies, dtype=np.int64)
        self._factor = np.ones((num_copies, 1))
        self._discount = discount

    def add(self, rewards: np.ndarray) -> None:
        """Add a step's rewards [N, M]."""
        expect.shape(rewards, *self.returns.shape, name="rewards")
        self.returns = self.returns + self._factor * rewards
        self._factor = self._factor * self._discount
        self.lengths = self.lengths + 1

    def clear(self, mask: np.ndarray) -> None:
        """Forget the episodes of the copies `mask` [N]."""
        self.returns[mask], self.lengths[mask], self._factor[mask] = 0.0, 0, 1.0


def world_of(env: Any) -> Any:
    """Return the environment that is innermost, if it is one of ours.

    Raises:
        TypeError: when it has no dynamics.
    """
    world = env.unwrapped
    if not hasattr(world, "dynamics"):
        raise TypeError(
            f"the environment inside should be a PartyEnv or PartyVectorEnv, is {world}"
        )
    return world


def count_copies(env: Any) -> int:
    """Return N of a vector environment.

    Raises:
        TypeError: when it is none.
    """
    if not isinstance(env, VectorEnv):
        raise TypeError(f"a wrapper of a vector of copies wraps a VectorEnv, not {env}")
    return env.num_envs


def count_parties(env: Any, source: str) -> int:
    """Return how many parties have rewards from `source` inside `env`.

    Raises:
        ValueError: for an unknown source, and for learned rewards where none are learned.
    """
    expect.choice(source, REWARD_KEYS, name="source")
    if source == "true":
        return world_of(env).dynamics.population.num_parties
    layer = env
    while layer is not layer.unwrapped:
        size = getattr(layer, "core", None) and layer.core.shown.get(REWARD_KEYS[source])
        if size:
            return size
        layer = layer.env
    raise ValueError("source='learned' needs a LearnedReward wrapper inside, there is none")
