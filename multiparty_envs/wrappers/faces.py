"""The two Gymnasium faces of a wrapper's core: of one copy, and of a vector of copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Space
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from multiparty_envs import expect
from multiparty_envs.feedback import Steps
from multiparty_envs.wrappers.core import REWARD_KEYS, Core, Episode, Moment

Info = dict[str, Any]
AnyCore = TypeVar("AnyCore", bound=Core)


class SingleFace(gymnasium.Wrapper[Any, Any, Any, Any], Generic[AnyCore]):
    """A wrapper of one copy around a core.

    Raises:
        TypeError: when `env` is no `gymnasium.Env`.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], core: AnyCore) -> None:
        if not isinstance(env, gymnasium.Env):
            name = type(self).__name__
            raise TypeError(f"{name} wraps one copy; for a vector take {name}Vector. Got {env}")
        super().__init__(env)
        self.core = core
        if core.extra:
            self.observation_space = _longer(env.observation_space, core.extra)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Info]:
        """Begin an episode."""
        obs, info = self.env.reset(seed=seed, options=options)
        self.core.begin(np.ones(1, dtype=bool))
        first = {key: np.zeros(size, np.float32) for key, size in self.core.shown.items()}
        return self._look(obs), {**info, **first}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Info]:
        """Take a step; what it is worth is the core's to say."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        done = np.array([terminated or truncated])
        vectors = {key: info[key][None] for key in REWARD_KEYS.values() if key in info}
        steps = None
        if self.core.looks:
            last = self.env.unwrapped.last_step  # pyright: ignore[reportAttributeAccessIssue]
            steps = Steps(*(np.asarray(part)[None] for part in last))
        moment = Moment(np.asarray([reward]), done, vectors, info.get("comparisons"), steps)
        outcome = self.core.step(moment)
        info.update({key: value[0] for key, value in outcome.shown.items()})
        if outcome.episode is not None and done[0]:
            returns, lengths = outcome.episode
            info["party_episode"] = {"r": returns[0].copy(), "l": int(lengths[0])}
        paid = outcome.reward[0]  # a vector stays one, where the core leaves it alone
        return self._look(obs), paid if paid.ndim else float(paid), terminated, truncated, info

    def _look(self, obs: Any) -> Any:
        return np.concatenate([obs, self.core.seen()[0]]) if self.core.extra else obs


class VectorFace(VectorWrapper[Any, Any, Any, Any, np.ndarray], Generic[AnyCore]):
    """A wrapper of N copies around a core; its info follows Gymnasium's SyncVectorEnv.

    Raises:
        TypeError: when `env` is no `gymnasium.vector.VectorEnv`.
        ValueError: when its copies do not reset in the same step.
    """

    def __init__(self, env: VectorEnv[Any, Any, np.ndarray], core: AnyCore) -> None:
        super().__init__(env)
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"autoreset_mode should be SAME_STEP, is {mode} in {env}")
        self.core = core
        if core.extra:
            single = _longer(env.single_observation_space, core.extra)
            self.single_observation_space = single
            self.observation_space = batch_space(single, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, Info]:
        """Begin an episode of every copy, or of those in `options["reset_mask"]` [N]."""
        obs, info = self.env.reset(seed=seed, options=options)
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, dtype=bool)))
        self.core.begin(mask)
        for key, size in self.core.shown.items():
            info[key] = np.zeros((self.num_envs, size), dtype=np.float32)
            info[f"_{key}"] = mask.copy()
        return self._look(obs), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, Info]:
        """Take a step; what it is worth is the core's to say."""
        obs, reward, terminated, truncated, info = self.env.step(actions)
        done = terminated | truncated
        steps = None
        if self.core.looks:
            steps = self.env.unwrapped.last_step  # pyright: ignore[reportAttributeAccessIssue]
        vectors = {k: _before_reset(info, k, done) for k in REWARD_KEYS.values() if k in info}
        moment = Moment(reward, done, vectors, info.get("comparisons"), steps)
        outcome = self.core.step(moment)
        # what the step shows comes before the reset of the copies that are done, as it happened
        _show(info, outcome.shown, done)
        if done.any():
            self._end(info, outcome.episode, done)
        self.core.begin(done)
        return self._look(obs), outcome.reward, terminated, truncated, info

    def _end(self, info: Info, episode: Episode | None, done: np.ndarray) -> None:
        """Complete the last observations, and tell of the episodes that ended."""
        if episode is not None:
            returns, lengths = (_where(done, value) for value in episode)
            told = {"r": returns, "_r": done.copy(), "l": lengths, "_l": done.copy()}
            info["final_info"].update(party_episode=told, _party_episode=done.copy())
        if self.core.extra:
            seen = self.core.seen()
            for row in np.flatnonzero(done):
                info["final_obs"][row] = np.concatenate([info["final_obs"][row], seen[row]])

    def _look(self, obs: Any) -> Any:
        return np.concatenate([obs, self.core.seen()], axis=1) if self.core.extra else obs


def _before_reset(info: Info, key: str, done: np.ndarray) -> np.ndarray:
    """Return a vector of this step [N, M], also of copies whose info is of the next episode."""
    if not done.any():
        return info[key]
    return np.where(done[:, None], info["final_info"][key], info[key])


def _show(info: Info, shown: Mapping[str, np.ndarray], done: np.ndarray) -> None:
    """Put vectors [N, M] of this step where SyncVectorEnv has them: done copies' in final_info."""
    for key, value in shown.items():
        info[key], info[f"_{key}"] = _where(~done, value), np.ones(len(done), dtype=bool)
        if done.any():
            final = info["final_info"]
            final[key], final[f"_{key}"] = _where(done, value), done.copy()


def _where(mask: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return `value` [N, ...] with zeros outside `mask` [N]."""
    return np.where(mask.reshape(-1, *(1,) * (value.ndim - 1)), value, 0).astype(value.dtype)


def _longer(space: Space[Any], extra: int) -> Box:
    """Return a flat Box with `extra` entries without bounds at its end."""
    if not isinstance(space, Box):
        raise ValueError(f"the observation space should be a flat Box, is {space}")
    expect.shape(space.low, None, name="the observation space")
    endless = np.full(extra, np.inf, dtype=np.float32)
    return Box(
        np.concatenate([space.low, -endless]).astype(np.float32),
        np.concatenate([space.high, endless]).astype(np.float32),
    )
