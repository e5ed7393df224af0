"""Max-min with a price on leaving a reference policy, exactly, for one-step choices.

    max over pi of  min_m E[r_m] - beta E_x KL(pi(x) || reference(x))

Its dual is smooth and convex in one weight a party, and its solution a Gibbs policy of the
weighted reward: [Chakraborty2024] eq. 14, solved as in their KL-regularised objective.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from agents import interior
from multiparty_envs import expect


@final
@dataclass(frozen=True, eq=False)
class GibbsOptimum:
    """The optimal policy and its proof.

    Attributes:
        policy: `[X, A]`, proportional to reference * exp(rewards @ weights / beta).
        weights: `[M]`, sum one; positive for the parties who are worst off.
        value: the objective of the policy.
        bound: the dual objective at `weights`, which no policy can exceed.
    """

    policy: np.ndarray
    weights: np.ndarray
    value: float
    bound: float


def kl_maxmin(
    rewards: np.ndarray,
    reference: np.ndarray,
    beta: float,
    contexts: np.ndarray | None = None,
) -> GibbsOptimum:
    """Solve the KL-regularised max-min problem of a contextual bandit by its dual.

    Args:
        rewards: `[X, A, M]`.
        reference: `[X, A]`, positive.
        beta: price of one nat, positive.
        contexts: `[X]`, their chances; default equal.

    Raises:
        ValueError: when shapes do not fit, a chance is zero or negative, or beta is not positive.
    """
    rewards = expect.finite(rewards, name="rewards")
    expect.shape(rewards, None, None, None, name="rewards")
    reference = expect.distribution(reference, name="reference")
    expect.shape(reference, *rewards.shape[:2], name="reference")
    if (reference <= 0).any():
        raise ValueError("reference should give every action a positive chance")
    expect.number(beta, name="beta", low=0.0, open_=True)
    chance = np.full(len(rewards), 1 / len(rewards)) if contexts is None else contexts
    chance = expect.distribution(chance, name="contexts")
    expect.shape(chance, len(rewards), name="contexts")

    def terms(weights: np.ndarray, left: float) -> interior.Terms:
        _, policy = gibbs(rewards @ weights, reference, beta)
        mean = np.einsum("xa,xam->xm", policy, rewards)
        spread = rewards - mean[:, None]
        covariance = np.einsum("x,xa,xam,xan->mn", chance, policy, spread, spread)
        slope = -chance @ mean
        gap = float(slope.max() - slope @ weights) / size
        return interior.Terms(slope, covariance / beta, size, gap)

    size = float(np.abs(rewards).max()) or 1.0
    parties = rewards.shape[2]
    weights = interior.maximise(terms, np.full(parties, 1.0 / parties), 1e-12)
    value, policy = gibbs(rewards @ weights, reference, beta)
    cost = np.sum(policy * (rewards @ weights), axis=1) - value  # beta * KL, which need no log
    least = np.einsum("x,xa,xam->m", chance, policy, rewards).min()
    return GibbsOptimum(policy, weights, float(least - chance @ cost), float(chance @ value))


def gibbs(reward: np.ndarray, reference: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return max over pi of E[reward] - beta KL(pi || reference), `[X]`, and the maximiser.

    Args:
        reward: `[X, A]`.
        reference: `[X, A]`, positive.
        beta: positive.
    """
    top = reward.max(axis=1, keepdims=True)
    tilted = reference * np.exp((reward - top) / beta)
    total = tilted.sum(axis=1, keepdims=True)
    return (top + beta * np.log(total))[:, 0], tilted / total
