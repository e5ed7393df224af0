"""Training steps a second, at the same settings, beside stable-baselines3's PPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baselines.extras import require
from baselines.races.race import Race, rate
from baselines.races.settings import SB3Settings, as_config
from multiparty_envs.registration import make_dynamics


def training() -> Race:
    """Our PPO beside stable-baselines3's on the same world, settings and threads."""
    require("stable_baselines3")
    from agents import ppo, sb3
    from agents.config import PPOConfig
    from multiparty_envs.welfare import make_welfare

    world, welfare = make_dynamics("Delivery-v0"), make_welfare("utilitarian")
    config = PPOConfig(total_steps=30_000)

    def steps(train: Callable[..., Any]) -> float:
        return config.total_steps * rate(
            lambda: train(world, welfare=welfare, config=config, seed=0)
        )

    return Race(
        "training steps, PPO",
        lambda: steps(ppo.train),
        "stable-baselines3 PPO over our vector face",
        lambda: steps(sb3.train),
    )


def thermostat_training() -> Race:
    """The same with the peer's own defaults and network, where observations are no table.

    Both have eight copies, batches of 2048 steps in minibatches of 64, ten times over, and 64-64
    tanh twice.
    """
    require("stable_baselines3")
    from agents import ppo
    from baselines.races import sb3_peer
    from multiparty_envs.welfare import make_welfare

    world, welfare = make_dynamics("Thermostat-v0"), make_welfare("utilitarian")
    # eight copies rather than its default of one: its rollout is then less of its time
    settings = SB3Settings(n_envs=8, n_steps=256)
    total = 4 * settings.n_envs * settings.n_steps
    config = as_config(settings, total)

    def ours() -> Any:
        return ppo.train(world, welfare=welfare, config=config, seed=0)

    def theirs() -> Any:
        envs = sb3_peer.dummy(world, settings.n_envs)
        return sb3_peer.model(envs, settings, 0).learn(total)

    return Race(
        "training steps, PPO, Thermostat-v0, the peer's defaults",
        lambda: total * rate(ours),
        "stable-baselines3 PPO, DummyVecEnv",
        lambda: total * rate(theirs),
    )
