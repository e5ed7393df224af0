"""The face that `gym.make` gives: one copy, plain Gymnasium."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.options import RENDER_MODES, Options
from multiparty_envs.faces.scale import segment_scale
from multiparty_envs.faces.walkers import walker_of
from multiparty_envs.feedback import Emitter, Feedback, Steps
from multiparty_envs.streams import Draw, Streams


@final
class PartyEnv(gymnasium.Env[np.ndarray, Any]):
    """One copy of a world whose reward is nobody's to give.

    The reward is the mean of the parties' true rewards, a float; the vector [M] float32 travels
    in `info["party_rewards"]` of `step` and `reset` (zeros). When people have answered,
    `info["comparisons"]` holds the new answers.

    Args:
        dynamics: the world, or its name (see `make_dynamics`).
        truth: "visible", or "hidden": no vector in the info, and reward 0.0.
        vector_reward: return the vector [M] float32 as reward; then there is a `reward_space`.
        feedback: when people are asked, about what, and who; None: never.
        render_mode: "rgb_array", "ansi" or None.
        knobs: for the world's builder, where it is named.

    Raises:
        ValueError: for an unknown name or setting.
        TypeError: for an unknown knob.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - Gymnasium declares it so
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
    }

    def __init__(
        self,
        dynamics: Dynamics | str,
        *,
        truth: str = "visible",
        vector_reward: bool = False,
        feedback: Feedback | Mapping[str, Any] | None = Feedback(),  # noqa: B008 - it is frozen
        render_mode: str | None = None,
        **knobs: Any,
    ) -> None:
        self.options = Options.of(
            dynamics,
            knobs,
            feedback=feedback,
            truth=truth,
            vector_reward=vector_reward,
            render_mode=render_mode,
        )
        self.dynamics = self.options.dynamics
        self.render_mode = render_mode
        # copies: sampling from one face's space must not move another's generator
        self.observation_space = copy.deepcopy(self.dynamics.observation_space)
        self.action_space = copy.deepcopy(self.dynamics.action_space)
        if vector_reward:
            self.reward_space = self.options.reward_space()
        self._visible, self._vector = self.options.visible, vector_reward
        self._walker = walker_of(self.dynamics)
        self._emitter: Emitter | None = None
        self._key = np.zeros(1, dtype=np.int64)
        self._episode = -1
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin the next episode; a seed restarts everything, the people's answers included."""
        if seed is not None or self._episode < 0:
            self._seed(Streams(seed))
        elif self._running and self._emitter is not None:  # an episode is cut short
            self._emitter.forget()
        self._episode += 1
        obs = self._walker.reset(self._key, self._episode)
        self._running = True
        info = {}
        if self._visible:
            count = self.dynamics.population.num_parties
            info["party_rewards"] = np.zeros(count, dtype=np.float32)
        return obs, info

    def _seed(self, streams: Streams) -> None:
        super().reset(seed=streams.seed)
        self._key = Draw.seeded([streams.seed]).key
        self._episode = -1
        self._emitter = emitter(self.options, streams, num_copies=1)

    def step(self, action: Any) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            ValueError: when it is not in the action space.
            ResetNeeded: before the first reset and after an episode's end.
        """
        if not self._running:
            raise ResetNeeded("the episode is over, or has not begun: call reset() first")
        obs, party, reward, ended = self._walker.step(action)
        self._running = not ended  # without this, a step too many would go on in silence
        info: dict[str, Any] = {}
        if self._emitter is not None:
            self._listen(self._emitter, ended, info)
        if not self._visible:
            return obs, 0.0, ended, False, info
        info["party_rewards"] = party.copy()
        return obs, party.copy() if self._vector else reward, ended, False, info

    def _listen(self, emitter: Emitter, ended: bool, info: dict[str, Any]) -> None:
        if emitter.exhausted:
            return
        step = self._walker.last()
        assert step is not None
        comparisons = emitter.record_one(*step, ended)
        if comparisons is not None:
            info["comparisons"] = comparisons

    @property
    def last_step(self) -> Steps | None:
        """The latest step: obs [*O] before it, action [*A], features [D]; None after a reset."""
        return self._walker.last()

    def render(self) -> Any:
        """Return the state as `render_mode` says: a picture [h, w, 3] uint8, or text."""
        return self.options.picture(self._walker.state)


def emitter(options: Options, streams: Streams, num_copies: int) -> Emitter | None:
    """Return what asks the people, or None where nobody is asked."""
    feedback, dynamics = options.feedback, options.dynamics
    if feedback is None:
        return None
    return Emitter(
        feedback,
        dynamics.population,
        partial(segment_scale, dynamics, feedback.segment_length),
        streams.numpy("answers"),
        num_copies,
    )
