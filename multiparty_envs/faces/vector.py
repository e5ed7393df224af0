"""The face that `gym.make_vec` gives: N copies in NumPy batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import take_rows
from multiparty_envs.faces.actions import as_action, as_choices
from multiparty_envs.faces.copies import copies_of
from multiparty_envs.faces.options import RENDER_MODES, Options
from multiparty_envs.faces.single import emitter
from multiparty_envs.feedback import Emitter, Feedback, Steps
from multiparty_envs.streams import Streams


@final
class PartyVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """N copies of a world, with the same numbers as N times `PartyEnv`.

    A copy that ends is reset in the same step; `final_obs`, `final_info` and all masks are what
    Gymnasium's SyncVectorEnv gives in that mode, except that the arrays in `final_obs` may be
    read-only, because a world of tables has them ready. Copy i draws what a `PartyEnv` seeded with
    seed + i draws. Rewards are float64 [N], `info["party_rewards"]` is [N, M] float32, and
    `info["comparisons"]` holds new answers about pairs taken across copies.

    Args:
        num_envs: N.
        dynamics: the world, or its name (see `make_dynamics`).
        truth: "visible", or "hidden": no vectors in the info, and rewards 0.0.
        vector_reward: return [N, M] float32 as reward; then there is a `reward_space`.
        feedback: when people are asked, about what, and who; None: never.
        render_mode: "rgb_array", "ansi" or None.
        max_episode_steps: truncate episodes after so many steps; None: never.
        knobs: for the world's builder, where it is named.

    Raises:
        ValueError: for an unknown name or setting.
        TypeError: for an unknown knob.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium declares it so
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        num_envs: int,
        dynamics: Dynamics | str,
        *,
        truth: str = "visible",
        vector_reward: bool = False,
        feedback: Feedback | Mapping[str, Any] | None = Feedback(),  # noqa: B008 - it is frozen
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **knobs: Any,
    ) -> None:
        self.num_envs = expect.integer(num_envs, name="num_envs", low=1)
        self.options = Options.of(
            dynamics,
            knobs,
            feedback=feedback,
            truth=truth,
            vector_reward=vector_reward,
            render_mode=render_mode,
        )
        if max_episode_steps is not None:
            expect.integer(max_episode_steps, name="max_episode_steps", low=1)
        self.dynamics = self.options.dynamics
        self.render_mode = render_mode
        # copies: sampling from one face's space must not move another's generator
        self.single_observation_space = copy.deepcopy(self.dynamics.observation_space)
        self.single_action_space = copy.deepcopy(self.dynamics.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        if vector_reward:
            self.reward_space = self.options.reward_space()
        self._limit, self._visible = max_episode_steps, self.options.visible
        self._copies = copies_of(self.dynamics, num_envs)
        self._emitter: Emitter | None = None
        self._elapsed = np.zeros(num_envs, dtype=np.int64)
        self._all = np.ones(num_envs, dtype=bool)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin the next episode of every copy; a seed restarts it, and the people's answers too.

        Args:
            seed: s, with which copy i has seed s + i; or one for each copy, where None goes on.
            options: "reset_mask", [N] bool, resets only some of the copies.

        Raises:
            ValueError: when seeds or mask are not one for each copy, or the mask holds no copy.
        """
        mask = self._mask(options)
        seeds = self._seeds(seed)
        if any(own is not None for own in seeds):
            self._seed(seeds)
        elif self._emitter is not None:
            self._emitter.forget()
        rows = np.flatnonzero(mask)
        self._copies.begin(rows)
        self._copies.forget()
        self._elapsed[rows] = 0
        return self._copies.observe(), self._first_info(mask)

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action a copy; copies that end begin their next episode at once.

        Raises:
            ValueError: when the actions are not in the action space.
            ResetNeeded: before the first reset.
        """
        if not self._copies.begun:
            raise ResetNeeded("no episode has begun: call reset() first")
        terminated = self._copies.step(self._checked(actions))
        truncated = self._truncated()
        done = terminated if self._limit is None else terminated | truncated
        obs = self._copies.observe()
        reward, info = self._rewards()
        self._listen(done, info)
        if np.count_nonzero(done):
            obs = self._autoreset(done, obs, info)
        return obs, reward, terminated, truncated, info

    @property
    def state(self) -> Any:
        """Where the copies are, [N, ...]."""
        return self._copies.state

    @property
    def last_step(self) -> Steps | None:
        """The latest step: obs [N, *O] before it, action [N, *A], features [N, D]."""
        return self._copies.last_step()

    def render(self) -> tuple[Any, ...] | None:
        """Return each copy's state as `render_mode` says: pictures [h, w, 3] uint8, or texts."""
        if self.render_mode is None:
            return None
        state = self._copies.state
        return tuple(self.options.picture(take_rows(state, i)) for i in range(self.num_envs))

    def _mask(self, options: dict[str, Any] | None) -> np.ndarray:
        mask = np.asarray((options or {}).get("reset_mask", self._all))
        expect.shape(mask, self.num_envs, name="reset_mask")
        if mask.dtype != bool or not mask.any():
            raise ValueError(f"reset_mask should be bool and hold a copy, is {mask}")
        if not (self._copies.begun or mask.all()):
            raise ResetNeeded("no episode has begun: reset all copies first")
        return mask

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """Return one seed a copy, None where it goes on; before the first episode none does."""
        begun = self._copies.begun
        if seed is None:
            seed = [None] * self.num_envs if begun else Streams().seed
        if isinstance(seed, int | np.integer):
            return [int(seed) + i for i in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"seed should be {self.num_envs} seeds (num_envs), is {len(seed)}")
        return [Streams().seed if own is None and not begun else own for own in seed]

    def _seed(self, seeds: list[int | None]) -> None:
        # the answers' stream hangs on the first seed: with one copy it is the single face's
        first = Streams(next(seed for seed in seeds if seed is not None))
        self._copies.seed(seeds)
        super().reset(seed=first.seed)
        self._emitter = emitter(self.options, first, self.num_envs)

    def _checked(self, actions: Any) -> np.ndarray:
        space = self.single_action_space
        if isinstance(space, Discrete) and space.start == 0:
            return as_choices(actions, self.action_space, int(space.n))
        return as_action(actions, self.action_space)

    def _truncated(self) -> np.ndarray:
        if self._limit is None:
            return np.zeros(self.num_envs, dtype=bool)
        self._elapsed += 1
        return self._elapsed >= self._limit

    def _rewards(self) -> tuple[np.ndarray, dict[str, Any]]:
        if not self._visible:
            return np.zeros(self.num_envs), {}
        verdict = self._copies.verdict()
        reward = verdict.party.copy() if self.options.vector_reward else verdict.mean
        return reward, {"party_rewards": verdict.party, "_party_rewards": self._all.copy()}

    def _listen(self, done: np.ndarray, info: dict[str, Any]) -> None:
        emitter, feedback = self._emitter, self.options.feedback
        if emitter is None or feedback is None or emitter.exhausted:
            return
        watched = self._copies.last_step(feedback.watched)
        assert watched is not None
        comparisons = emitter.record(*watched, done[: feedback.watched])
        if comparisons is not None:
            info["comparisons"] = comparisons

    def _first_info(self, mask: np.ndarray) -> dict[str, Any]:
        if not self._visible:
            return {}
        shape = (self.num_envs, self.dynamics.population.num_parties)
        rewards = np.zeros(shape, dtype=np.float32)
        return {"party_rewards": rewards, "_party_rewards": mask.copy()}

    def _autoreset(self, done: np.ndarray, obs: np.ndarray, info: dict[str, Any]) -> np.ndarray:
        """Begin anew where `done` [N]; return what is seen next, move what was last to `info`."""
        rows = np.flatnonzero(done)
        whole = len(rows) == self.num_envs  # then arrays change hands, and nothing is copied
        final_obs = self._copies.final_obs(rows, obs)
        info["final_obs"], info["_final_obs"] = final_obs, done.copy()
        info["final_info"], info["_final_info"] = self._final_info(rows, done, info), done.copy()
        self._elapsed[rows] = 0
        first = self._copies.begin(rows)
        if not whole:
            obs[rows] = first
        return first if whole else obs

    def _final_info(
        self, rows: np.ndarray, done: np.ndarray, info: dict[str, Any]
    ) -> dict[str, Any]:
        """Move the rewards of ended copies out of `info`, which now speaks of new episodes."""
        if not self._visible:
            return {}
        party = info["party_rewards"]
        last = np.zeros_like(party)
        if len(rows) == self.num_envs:
            last, info["party_rewards"] = party, last
        else:
            last[rows] = party[rows]
            party[rows] = 0.0
        return {"party_rewards": last, "_party_rewards": done.copy()}
