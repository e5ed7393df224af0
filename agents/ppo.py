"""Proximal policy optimisation of a welfare of several parties, on one torch device.

Clipped PPO [Schulman2017] with generalised advantages [Schulman2016], a critic with one head a
party, and the heads' advantages added up by the parties' welfare weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch

from agents import checkpoint, storage
from agents.config import PPOConfig
from agents.keeper import Keeper
from agents.networks import NetworkPolicy
from agents.problem import Problem
from agents.progress import Callback
from agents.trainer import Trainer
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.streams import Streams
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import Scale


def train(
    dynamics: Dynamics,
    *,
    welfare: Welfare,
    level: str = "policy",
    rewards: RewardLearner | None = None,
    scale: Scale | None = None,
    config: PPOConfig = PPOConfig(),  # noqa: B008 - it is frozen
    seed: int = 0,
    reference: NetworkPolicy | None = None,
    callback: Callback | None = None,
    folder: storage.PathLike | None = None,
) -> NetworkPolicy:
    """Return a policy trained to raise the welfare of the parties' returns.

    Args:
        dynamics: the world, with a flat Box of observations, and Discrete, MultiDiscrete or flat
            Box actions.
        welfare: how the parties' rewards become one.
        level: where it sits: "policy" W(E[G]), "episode" E[W(G)] or "step" E[W(r)]. At "episode"
            the policy also looks at the returns accrued so far: it is one for the world
            `AccruedReturns(dynamics, rewards.rewards, scale)`.
        rewards: a fitted learner of the parties' rewards; None: the true ones.
        scale: the units in which parties are compared; None: those of the rewards.
        config: how to train.
        seed: of everything random; the same seed gives the same policy on a CPU.
        reference: the policy that `config.kl_coefficient` keeps it near; None: its first self.
        callback: told of the progress; training ends early where it returns False.
        folder: where the training is stored every few seconds. One that holds this training
            already is gone on with, and ends as if it had never stopped.

    Raises:
        ValueError: for a world, level or scale that does not fit, rewards that are not finite, and
            a folder that holds another training.
    """
    problem = Problem.of(dynamics, welfare, level, rewards, scale)
    with threads(config.threads):
        trainer = Trainer(problem, config, Streams(seed), reference)
        keep = None
        if folder is not None:
            if checkpoint.exists(folder):
                checkpoint.restore(folder, trainer)
            keep = Keeper(partial(checkpoint.save, folder, trainer))
        trainer.run(callback, keep)
        return trainer.policy()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
