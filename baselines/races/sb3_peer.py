"""stable-baselines3's PPO as a peer: on its own DummyVecEnv, or on our vector face."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from agents.sb3_env import SB3VecEnv
from baselines.races.race import Finish, Watch
from baselines.races.settings import SB3Settings
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces import PartyEnv, PartyVectorEnv

Look = Callable[[PPO], bool]
"""Tells whether a model can do what is to be learned."""


def dummy(world: Dynamics, count: int) -> VecEnv:
    """Return `count` single environments of a world in its DummyVecEnv, nobody asked."""
    makers: list[Callable[[], gym.Env[Any, Any]]] = [lambda: PartyEnv(world, feedback=None)]
    return DummyVecEnv(makers * count)


def batched(world: Dynamics, count: int) -> VecEnv:
    """Return our vector environment of a world, behind our adapter."""
    return SB3VecEnv(PartyVectorEnv(count, world, feedback=None))


def gymnasiums(name: str, count: int) -> VecEnv:
    """Return `count` environments of Gymnasium's own, monitored, as its zoo makes them."""
    return make_vec_env(name, n_envs=count)


def model(envs: VecEnv, settings: SB3Settings, seed: int) -> PPO:
    """Return an untrained PPO with its own networks, of tanh."""
    return PPO("MlpPolicy", envs, seed=seed, device="cpu", **settings.keywords())


def run(
    make: Callable[[], VecEnv], settings: SB3Settings, total: int, seed: int, look: Look
) -> Finish | None:
    """Train until it is there or `total` steps are over; making the model is part of the time."""
    watch = Watch()
    learner = model(make(), settings, seed)
    learner.learn(total, callback=_Until(watch, look))
    watch.look(lambda: look(learner), learner.num_timesteps)
    return watch.finish


@final
class _Until(BaseCallback):
    """Ends a training that is there; looks after each update."""

    def __init__(self, watch: Watch, look: Look) -> None:
        super().__init__()
        self._watch, self._look = watch, look

    def _on_rollout_start(self) -> None:
        learner = self.model
        assert isinstance(learner, PPO)
        self._watch.look(lambda: self._look(learner), self.num_timesteps)

    def _on_step(self) -> bool:
        return self._watch.finish is None


def mean_of_last(model: PPO, episodes: int) -> float:
    """Return the mean return of the last episodes that its monitors saw; NaN where fewer were."""
    seen = model.ep_info_buffer
    if seen is None or len(seen) < episodes:
        return float("nan")
    return sum(info["r"] for info in list(seen)[-episodes:]) / episodes
