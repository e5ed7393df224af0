"""What a policy gives to each party: exactly where the world is tables, by simulation anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from agents.episodes import Acting, Evaluation, evaluate, simulated_scale
from agents.planning import Optimum, policy_returns
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.welfare import Scale, Welfare
from multiparty_envs.welfare.fairness import geometric_mean, gini

__all__ = [
    "Acting",
    "Choosing",
    "Evaluation",
    "Summary",
    "evaluate",
    "exact",
    "regret",
    "simulated_scale",
    "summarise",
    "tabulate",
]


class Choosing(Protocol):
    """What exact evaluation needs of a policy."""

    def probabilities(self, obs: Any) -> np.ndarray:
        """Return the chances `[B, A]` of the actions for observations `[B, O]`."""
        ...


def tabulate(policy: Choosing, mdp: FiniteMDP, *, deterministic: bool = False) -> np.ndarray:
    """Return the table `[H, S, A]` of what a policy does in a finite world.

    Args:
        policy: who acts.
        mdp: the world.
        deterministic: the likeliest action is always taken (the first of equally likely ones).

    Raises:
        ValueError: when what it returns are no chances of the world's actions.
    """
    table = np.stack([policy.probabilities(mdp.observations_at(t)) for t in range(mdp.horizon)])
    table = expect.distribution(table, name="probabilities", atol=1e-5)
    table = expect.shape(table, mdp.horizon, mdp.num_states, mdp.num_actions, name="probabilities")
    if deterministic:
        return _likeliest(table)
    return table / table.sum(axis=-1, keepdims=True)  # networks compute in float32


def exact(
    mdp: FiniteMDP, policy: Choosing | np.ndarray, *, deterministic: bool = False
) -> np.ndarray:
    """Return each party's exact expected return `[M]` under a policy or its table `[H, S, A]`.

    With `deterministic` the likeliest action is always taken.
    """
    if not isinstance(policy, np.ndarray):
        policy = tabulate(policy, mdp)
    return policy_returns(mdp, _likeliest(policy) if deterministic else policy)


def _likeliest(table: np.ndarray) -> np.ndarray:
    """Return the table that always takes the likeliest action, the first of equal ones."""
    return np.eye(table.shape[-1])[table.argmax(axis=-1)]


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
