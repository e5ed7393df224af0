"""Steps of the single and the vector face, beside peers."""

from __future__ import annotations

import time
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from baselines.extras import require
from baselines.races.race import Race
from multiparty_envs.faces import PartyEnv
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Streams

ENV = "Delivery-v0"
"""The world that is stepped: a grid."""

COPIES = 1024
"""Copies of the vector environment."""


def one_copy() -> Race:
    """`gym.make` beside MO-Gymnasium's deep-sea-treasure, which is a grid too; nobody is asked."""
    return _single_race("nobody asked", feedback=None)


def one_copy_asked() -> Race:
    """The same with people who answer."""
    return _single_race("people answer")


def _single_race(words: str, **settings: Any) -> Race:
    mo_gymnasium = require("mo_gymnasium", extra="peers")
    # theirs leaves the checker of Gymnasium's make out, so ours does too
    ours = gym.make(f"multiparty/{ENV}", disable_env_checker=True, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the precision of its spaces
        theirs = mo_gymnasium.make("deep-sea-treasure-v0")
    return Race(
        f"steps, one copy through make, {words}",
        lambda: _single_rate(ours),
        "MO-Gymnasium deep-sea-treasure-v0",
        lambda: _single_rate(theirs),
    )


def _single_rate(env: gym.Env[Any, Any], steps: int = 50_000) -> float:
    actions = _actions(env.action_space, (steps,)).tolist()
    env.reset(seed=0)
    begun = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - begun)


def many_copies() -> Race:
    """`gym.make_vec` beside Gymnasium's SyncVectorEnv of the same world; nobody is asked."""
    return _vector_race("nobody asked", feedback=None)


def many_copies_asked() -> Race:
    """The same with people who answer."""
    return _vector_race("people answer")


def _vector_race(words: str, **settings: Any) -> Race:
    ours = gym.make_vec(f"multiparty/{ENV}", num_envs=COPIES, **settings)
    world = make_dynamics(ENV)  # shared: a thousand builds would only lengthen the preparation
    makers = [lambda: PartyEnv(world, **settings)] * COPIES
    # in the mode of ours, so that both reset equally often
    theirs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    return Race(
        f"steps, {COPIES:,} copies, {words}",
        lambda: _vector_rate(ours, 2_000),
        "Gymnasium SyncVectorEnv, same world",
        lambda: _vector_rate(theirs, 20),
    )


def _vector_rate(envs: gym.vector.VectorEnv, steps: int) -> float:
    actions = _actions(envs.single_action_space, (steps, envs.num_envs))
    envs.reset(seed=0)
    begun = time.perf_counter()
    for action in actions:
        envs.step(action)
    return steps * envs.num_envs / (time.perf_counter() - begun)


def _actions(space: gym.Space[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return random actions [*shape], drawn before the clock runs."""
    assert isinstance(space, gym.spaces.Discrete)
    return Streams(0).numpy("actions").integers(space.n, size=shape)
