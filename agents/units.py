"""Units of the parties that follow from learned rewards: the true ones would tell too much."""

from __future__ import annotations

import numpy as np

from agents.episodes import simulated_scale
from agents.planning import party_scale
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import RewardLearner
from multiparty_envs.welfare import NORMALISATIONS, Scale

EPISODES = 2_000
"""Simulated episodes that units are measured by where there are no tables."""


def reward_table(mdp: FiniteMDP, learner: RewardLearner) -> np.ndarray:
    """Return the learned rewards of every cell and action, [S, A, M]."""
    shape = (mdp.num_states, mdp.num_actions)
    seen = mdp.observations_at(0)
    steps = Steps(
        obs=np.broadcast_to(seen[:, None, :], (*shape, seen.shape[1])),
        action=np.broadcast_to(np.arange(mdp.num_actions), shape),
        features=mdp.feature_table,
    )
    return np.asarray(learner.rewards(steps))


def learned_scale(
    dynamics: Dynamics, learner: RewardLearner, normalisation: str = "range", seed: int = 0
) -> Scale:
    """Return the units of the parties under learned rewards.

    In a finite world they are exact. Elsewhere nobody knows the best that a party can get, and
    "range" is replaced by "std" around the behaviour policy's mean, by simulation.

    Args:
        dynamics: the world.
        learner: is fitted.
        normalisation: one of `NORMALISATIONS`.
        seed: of the simulation.

    Raises:
        ValueError: when the name is unknown.
    """
    expect.choice(normalisation, NORMALISATIONS, name="normalisation")
    if isinstance(dynamics, FiniteMDP):
        return party_scale(dynamics, normalisation, rewards=reward_table(dynamics, learner))
    scale = simulated_scale(dynamics, learner, EPISODES, seed, centred=normalisation == "range")
    return Scale.none(len(scale.unit)) if normalisation == "none" else scale
