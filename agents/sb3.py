"""The bridge to stable-baselines3: its PPO on the welfare of several parties, and its policies.

Any of its algorithms trains on `SB3VecEnv(WelfareRewardVector(...))`; `train` does so with PPO
and has the signature of `agents.ppo.train`. Source: [Raffin2021].
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from agents.config import PPOConfig
from agents.networks import NetworkPolicy
from agents.ppo import threads
from agents.problem import Problem
from agents.progress import Callback, Progress
from agents.sb3_env import PartyLogger, SB3VecEnv
from agents.sb3_policy import from_sb3, to_sb3
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces import PartyVectorEnv
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.streams import Streams
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import Scale
from multiparty_envs.wrappers import (
    LearnedRewardVector,
    RecordPartyReturnsVector,
    WelfareRewardVector,
)
from multiparty_envs.wrappers.welfare_reward import PolicyWelfare

__all__ = ["PartyLogger", "SB3VecEnv", "from_sb3", "to_sb3", "train"]


def train(
    dynamics: Dynamics,
    *,
    welfare: Welfare,
    level: str = "policy",
    rewards: RewardLearner | None = None,
    scale: Scale | None = None,
    config: PPOConfig = PPOConfig(),  # noqa: B008 - it is frozen
    seed: int = 0,
    callback: Callback | None = None,
) -> NetworkPolicy:
    """Return a policy trained by stable-baselines3's PPO; arguments as `agents.ppo.train`.

    Its critic has one head, so at level "policy" the parties' weights change from batch to batch
    only. Parameters are not averaged and returns have their own units: `averaging`,
    `weight_rate`, `weight_sharpness`, `return_memory`, `normalise_rewards` and `capture` of the
    configuration have no effect.

    Raises:
        ValueError: for a world, level or scale that does not fit, rewards that are not finite, and
            settings that it has no counterpart of.
    """
    _refuse(config)
    problem = Problem.of(dynamics, welfare, level, rewards, scale)
    streams = Streams(seed)
    envs = _environment(dynamics, problem, rewards, config)
    with threads(config.threads), _own_chance():
        model = _model(SB3VecEnv(envs.record), problem, config, streams)
        iterations = config.iterations(dynamics.horizon)
        told = _Schedule(envs, config, iterations, callback)
        model.learn(iterations * model.n_steps * model.n_envs, callback=told)
    return from_sb3(model)


def _refuse(config: PPOConfig) -> None:
    """Refuse settings that would silently be something else here."""
    usual = PPOConfig()
    for name in ("kl_coefficient", "value_clip", "normalise_observations", "max_min"):
        value = getattr(config, name)
        if value != getattr(usual, name):
            raise ValueError(f"{name} is a setting of agents.ppo alone, is {value!r}")


@dataclass(frozen=True)
class _Environment:
    """The wrappers that are asked for something."""

    welfare: WelfareRewardVector
    record: RecordPartyReturnsVector  # the outermost


def _environment(
    dynamics: Dynamics, problem: Problem, rewards: RewardLearner | None, config: PPOConfig
) -> _Environment:
    truth = "visible" if rewards is None else "hidden"
    source = "true" if rewards is None else "learned"
    copies = config.copies(dynamics.horizon)
    envs = PartyVectorEnv(
        copies,
        dynamics,
        truth=truth,
        feedback=None,
        max_episode_steps=config.max_episode_steps,
    )
    if rewards is not None:
        envs = LearnedRewardVector(envs, rewards, first_fit=None)
    welfare = WelfareRewardVector(
        envs,
        problem.welfare,
        problem.level,
        source=source,
        scale=problem.scale,
        episodes=copies,
    )
    record = RecordPartyReturnsVector(welfare, source=source, buffer_length=copies)
    return _Environment(welfare, record)


def _model(envs: SB3VecEnv, problem: Problem, config: PPOConfig, streams: Streams) -> PPO:
    num_steps = config.steps_per_copy(problem.dynamics.horizon)
    return PPO(
        "MlpPolicy",
        envs,
        learning_rate=_falling(config.learning_rate, config.schedule),
        n_steps=num_steps,
        batch_size=max(2, envs.num_envs * num_steps // config.minibatches),
        n_epochs=config.epochs,
        gamma=problem.discount,
        gae_lambda=config.gae_lambda,
        normalize_advantage=config.normalise_advantages,
        target_kl=config.target_kl,
        clip_range=_falling(config.clip, config.clip_schedule),
        ent_coef=config.entropy,
        vf_coef=config.value_coefficient,
        max_grad_norm=config.max_gradient_norm,
        policy_kwargs={"net_arch": list(config.hidden)},
        seed=streams.key("model") % 2**31,  # NumPy's old generator takes no more
        device=config.device,
    )


def _falling(first: float, schedule: str) -> Callable[[float], float]:
    """Return a setting by the share of the training that is left."""
    return lambda left: first * left if schedule == "linear" else first


@final
class _Schedule(BaseCallback):
    """Lowers the entropy bonus as our PPO does, and passes progress on."""

    def __init__(
        self, envs: _Environment, config: PPOConfig, iterations: int, callback: Callback | None
    ) -> None:
        super().__init__()
        self._envs, self._config, self._callback = envs, config, callback
        self._iterations, self._iteration = iterations, 0
        self._going_on = True

    def _on_step(self) -> bool:
        return self._going_on

    def _on_rollout_end(self) -> None:
        assert isinstance(self.model, PPO)
        left = 1.0 - self._iteration / self._iterations
        self.model.ent_coef = _falling(self._config.entropy, self._config.schedule)(left)
        self._iteration += 1
        if self._callback is not None:
            self._going_on = self._callback(self._progress()) is not False

    def _progress(self) -> Progress:
        core, returns = self._envs.welfare.core, self._envs.record.core.return_queue
        assert isinstance(self.model, PPO)
        return Progress(
            iteration=self._iteration,
            iterations=self._iterations,
            steps=self.num_timesteps,
            episodes=len(returns),
            returns=np.mean(returns, axis=0),
            weights=core.weights if isinstance(core, PolicyWelfare) else np.ones(1),
            policy=from_sb3(self.model),
        )


@contextmanager
def _own_chance() -> Iterator[None]:
    """Keep the global generators, which stable-baselines3 seeds and draws from, as they were."""
    ours = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(ours[0])
        np.random.set_state(ours[1])  # noqa: NPY002
        torch.set_rng_state(ours[2])
