"""What episodes of a world give to each party: of a policy, or before anybody is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.acting import actor
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.welfare import Scale

CHUNK = 4096
"""Copies that are stepped together, so that memory does not grow with the episodes."""


class Acting(Protocol):
    """What evaluation needs of a policy; `agents.policy.Policy` has it."""

    def act(self, obs: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return actions `[B, *A]` for observations `[B, *O]`; without `rng`, not drawn."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Returns of simulated episodes.

    Attributes:
        returns: `[E, M]`, what each party got, discounted as the world says.
        undiscounted: `[E, M]`, the same without discount.
        lengths: `[E]`, steps.
    """

    returns: np.ndarray
    undiscounted: np.ndarray
    lengths: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean return `[M]`."""
        return self.returns.mean(axis=0)

    @property
    def stderr(self) -> np.ndarray:
        """Standard error of the mean return `[M]`."""
        return _stderr(self.returns)

    @property
    def mean_undiscounted(self) -> np.ndarray:
        """Mean undiscounted return `[M]`."""
        return self.undiscounted.mean(axis=0)

    @property
    def stderr_undiscounted(self) -> np.ndarray:
        """Standard error of the mean undiscounted return `[M]`."""
        return _stderr(self.undiscounted)

    @property
    def mean_length(self) -> float:
        """Mean steps of an episode."""
        return float(self.lengths.mean())

    @property
    def stderr_length(self) -> float:
        """Standard error of the mean length."""
        return float(_stderr(self.lengths))


def _stderr(values: np.ndarray) -> np.ndarray:
    return values.std(axis=0, ddof=1) / math.sqrt(len(values))


def evaluate(
    dynamics: Dynamics, policy: Acting, episodes: int, seed: int, *, deterministic: bool = False
) -> Evaluation:
    """Run `episodes` copies of a world, each for one episode, and add up the true rewards.

    Copy i draws what a single environment seeded with `seed + i` draws.

    Args:
        dynamics: the world; never normalised, a policy that needs that does it inside.
        policy: who acts.
        episodes: E, at least 2: fewer have no standard error.
        seed: of worlds and actions.
        deterministic: take the likeliest action (the mean of a continuous one), draw none.

    Raises:
        ValueError: when there are fewer than two episodes, or not one action for each copy.
    """
    rng = None if deterministic else Streams(seed).numpy("actions")
    return _play(dynamics, lambda state: policy.act(dynamics.observe(state), rng), episodes, seed)


def evaluate_behaviour(
    dynamics: Dynamics, episodes: int, seed: int, rewards: RewardLearner | None = None
) -> Evaluation:
    """Run episodes of the world's behaviour policy, which is uniform where it names none.

    Args:
        dynamics: the world.
        episodes: E, at least 2.
        seed: of worlds and actions.
        rewards: a fitted learner of the rewards that are added up; None: the true ones.

    Raises:
        ValueError: when there are fewer than two episodes, or no uniform action can be drawn.
    """
    act = actor(dynamics, Streams(seed).numpy("behaviour"))
    return _play(dynamics, act, episodes, seed, rewards)


def simulated_scale(
    dynamics: Dynamics,
    rewards: RewardLearner | None,
    episodes: int,
    seed: int,
    *,
    centred: bool = False,
) -> Scale:
    """Return units of the parties where no table gives them: the spread of their returns.

    The unit is the standard deviation of a party's return over episodes of the behaviour policy,
    as in `party_scale(mdp, "std")`. A party whose return never differs keeps the unit one.

    Args:
        dynamics: the world.
        rewards: a fitted learner; None: the true rewards.
        episodes: simulated ones; 2,000 know the unit to 2 %.
        seed: of the simulation.
        centred: zero is the behaviour policy's mean return, as it is in "range"; else it stays.

    Raises:
        ValueError: when there are fewer than two episodes, or returns are not finite.
    """
    returns = evaluate_behaviour(dynamics, episodes, seed, rewards).returns
    mean, spread = returns.mean(axis=0), returns.std(axis=0, ddof=1)
    unit = np.where(spread > np.maximum(1e-9 * np.abs(mean), 1e-300), spread, 1.0)
    return Scale(mean if centred else np.zeros_like(mean), unit)


class _Sums(NamedTuple):
    """What a chunk of copies got."""

    returns: np.ndarray
    undiscounted: np.ndarray
    lengths: np.ndarray


def _play(
    dynamics: Dynamics,
    act: Callable[[Any], np.ndarray],
    episodes: int,
    seed: int,
    rewards: RewardLearner | None = None,
) -> Evaluation:
    expect.integer(episodes, name="episodes", low=2)
    seeds = range(seed, seed + episodes)
    parts = [
        _chunk(dynamics, act, rewards, seeds[first : first + CHUNK])
        for first in range(0, episodes, CHUNK)
    ]
    returns = np.concatenate([part.returns for part in parts])
    # without discount both are the same numbers, which may be many
    plain = [part.undiscounted for part in parts] if dynamics.discount != 1.0 else None
    undiscounted = returns if plain is None else np.concatenate(plain)
    return Evaluation(returns, undiscounted, np.concatenate([part.lengths for part in parts]))


def _chunk(
    dynamics: Dynamics,
    act: Callable[[Any], np.ndarray],
    rewards: RewardLearner | None,
    seeds: Sequence[int],
) -> _Sums:
    draw, count = Draw.seeded(seeds), len(seeds)
    state = dynamics.initial(count, draw)
    running, lengths, worth = np.ones(count, dtype=bool), np.zeros(count, dtype=np.int64), 1.0
    total: Any = 0.0
    plain: Any = 0.0
    for _ in range(dynamics.horizon):
        action = act(state)
        expect.shape(action, count, *(dynamics.action_space.shape or ()), name="action")
        after = dynamics.transition(state, action, draw)
        # ended copies step on, but what that gives, be it infinite, is nobody's
        reward = np.where(running[:, None], _rewards(dynamics, rewards, state, action, after), 0.0)
        total, plain = total + worth * reward, plain + reward
        lengths += running
        running &= ~dynamics.terminated(after)
        if not running.any():
            break
        state, worth = after, worth * dynamics.discount
    return _Sums(total, plain, lengths)


def _rewards(
    dynamics: Dynamics, rewards: RewardLearner | None, state: Any, action: Any, after: Any
) -> np.ndarray:
    if rewards is None:
        return dynamics.party_rewards(state, action, after)
    features = dynamics.features(state, action, after)
    return np.asarray(rewards.rewards(Steps(dynamics.observe(state), action, features)))
