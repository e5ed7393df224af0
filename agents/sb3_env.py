"""Our vector environments as stable-baselines3 wants them, and a log of what each party gets."""

from __future__ import annotations

from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from multiparty_envs.wrappers import RecordPartyReturnsVector


@final
class SB3VecEnv(VecEnv):
    """A Gymnasium vector environment as stable-baselines3 wants one.

    Args:
        envs: resets copies in the step in which they end.

    Raises:
        ValueError: when it resets otherwise.
    """

    def __init__(self, envs: VectorEnv[Any, Any, np.ndarray]) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(f"autoreset_mode should be SAME_STEP, is {mode} in {envs}")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._actions: np.ndarray | None = None

    def reset(self) -> Any:
        """Begin an episode of every copy; return observations [N, *O]."""
        seeds = self._seeds if self._seeds[0] is not None else None
        obs, _ = self.envs.reset(seed=seeds)  # pyright: ignore[reportArgumentType]
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        """Take note of the actions [N, *A]."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Take the step; return observations, rewards float32 [N], dones [N] and N infos."""
        obs, reward, terminated, truncated, info = self.envs.step(self._actions)
        done = terminated | truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for row in np.flatnonzero(done):
            infos[row]["terminal_observation"] = info["final_obs"][row]
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        return obs, reward.astype(np.float32), done, infos

    def close(self) -> None:
        """Close the environment."""
        self.envs.close()

    def get_images(self) -> list[Any]:
        """Return a picture of each copy, where the environment draws pictures."""
        return list(self.envs.render() or [None] * self.num_envs)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return the attribute of the vector environment, once for each copy asked about."""
        return [getattr(self.envs, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: copies have no attributes of their own."""
        raise NotImplementedError(f"copies share their attributes, so {attr_name!r} cannot be set")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: copies have no methods of their own."""
        raise NotImplementedError(f"copies share their methods, so {method_name!r} has no copy")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: Any = None
    ) -> list[bool]:
        """Return False for each copy asked about: wrappers here are of the whole vector."""
        return [False] * len(list(self._get_indices(indices)))


@final
class PartyLogger(BaseCallback):
    """Logs each party's mean return of the latest episodes, as `parties/<name>`.

    Args:
        record: a wrapper inside the environment that is trained on.
    """

    def __init__(self, record: RecordPartyReturnsVector) -> None:
        super().__init__()
        self._record = record

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        core = self._record.core
        if not core.return_queue:
            return
        for name, value in zip(core.names, np.mean(core.return_queue, axis=0), strict=True):
            self.logger.record(f"parties/{name}", float(value))
