"""What a policy gives to each party: exactly where the world is tables, by simulation anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from agents.planning import Optimum, policy_returns
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.welfare import Scale, Welfare
from multiparty_envs.welfare.fairness import geometric_mean, gini


class Acting(Protocol):
    """What evaluation needs of a policy; `agents.policy.Policy` has it."""

    def act(self, obs: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return actions `[B, *A]` for observations `[B, *O]`."""
        ...


class Choosing(Protocol):
    """What exact evaluation needs of a policy."""

    def probabilities(self, obs: Any) -> np.ndarray:
        """Return the chances `[B, A]` of the actions for observations `[B, O]`."""
        ...


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Returns of simulated episodes.

    Attributes:
        returns: `[E, M]`, what each party got, discounted as the world says.
    """

    returns: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean return `[M]`."""
        return self.returns.mean(axis=0)

    @property
    def stderr(self) -> np.ndarray:
        """Standard error of the mean `[M]`."""
        return self.returns.std(axis=0, ddof=1) / math.sqrt(len(self.returns))


def evaluate(dynamics: Dynamics, policy: Acting, episodes: int, seed: int) -> Evaluation:
    """Run `episodes` copies of a world, each for one episode, and add up the true rewards.

    Copy i draws what a single environment seeded with `seed + i` draws.

    Raises:
        ValueError: when there are fewer than two episodes, which have no standard error.
    """
    expect.integer(episodes, name="episodes", low=2)
    draw = Draw.seeded(range(seed, seed + episodes))
    rng = Streams(seed).numpy("actions")
    state = dynamics.initial(episodes, draw)
    returns = np.zeros((episodes, dynamics.population.num_parties))
    running, worth = np.ones(episodes), 1.0
    for _ in range(dynamics.horizon):
        action = policy.act(dynamics.observe(state), rng)
        after = dynamics.transition(state, action, draw)
        returns += worth * running[:, None] * dynamics.party_rewards(state, action, after)
        running = running * ~dynamics.terminated(after)
        state, worth = after, worth * dynamics.discount
    return Evaluation(returns)


def tabulate(policy: Choosing, mdp: FiniteMDP) -> np.ndarray:
    """Return the table `[H, S, A]` of what a policy does in a finite world.

    Raises:
        ValueError: when what it returns are no chances of the world's actions.
    """
    table = np.stack([policy.probabilities(mdp.observations_at(t)) for t in range(mdp.horizon)])
    table = expect.distribution(table, name="probabilities", atol=1e-5)
    table = expect.shape(table, mdp.horizon, mdp.num_states, mdp.num_actions, name="probabilities")
    return table / table.sum(axis=-1, keepdims=True)  # networks compute in float32


def exact(mdp: FiniteMDP, policy: Choosing | np.ndarray) -> np.ndarray:
    """Return each party's exact expected return `[M]` under a policy or its table `[H, S, A]`."""
    table = policy if isinstance(policy, np.ndarray) else tabulate(policy, mdp)
    return policy_returns(mdp, table)


@final
@dataclass(frozen=True)
class Summary:
    """Fairness of one profile of normalised returns.

    Attributes:
        utilitarian: mean.
        nash: geometric mean, with parties below the floor raised to it.
        floored: how many those were.
        worst: minimum.
        gini: Gini coefficient, with negative returns counted as nothing; 0 if nobody has any.
    """

    utilitarian: float
    nash: float
    floored: int
    worst: float
    gini: float


def summarise(returns: np.ndarray, scale: Scale, floor: float = 1e-8) -> Summary:
    """Return the summary of returns `[M]`, normalised by `scale`."""
    u = scale.returns(expect.shape(expect.finite(returns, name="returns"), None, name="returns"))
    nash, floored = geometric_mean(u, floor)
    kept = np.maximum(u, 0.0)
    unequal = float(gini(kept)) if kept.any() else 0.0
    return Summary(float(u.mean()), float(nash), int(floored), float(u.min()), unequal)


def regret(optimum: Optimum, welfare: Welfare, returns: np.ndarray, scale: Scale) -> float:
    """Return how much policy-level welfare a policy with these returns `[M]` leaves behind.

    Measured against the certified bound, so that it is never negative (but for rounding).
    """
    return optimum.bound - float(welfare.value(scale.returns(returns)))
