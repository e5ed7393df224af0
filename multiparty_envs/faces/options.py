"""What the single and the vector face have in common: their settings, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from gymnasium.spaces import Box

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.feedback import Feedback
from multiparty_envs.registration import make_dynamics

TRUTHS = ("visible", "hidden")
RENDER_MODES = ("rgb_array", "ansi")


@final
@dataclass(frozen=True, eq=False)
class Options:
    """A world and how it is shown.

    Raises:
        ValueError: when a setting is unknown or two of them contradict each other.
    """

    dynamics: Dynamics
    truth: str
    vector_reward: bool
    feedback: Feedback | None
    render_mode: str | None

    def __post_init__(self) -> None:
        expect.choice(self.truth, TRUTHS, name="truth")
        expect.choice(self.vector_reward, (False, True), name="vector_reward")
        if self.vector_reward and not self.visible:
            raise ValueError("vector_reward=True shows what truth='hidden' hides: choose one")
        if self.render_mode is not None:
            expect.choice(self.render_mode, RENDER_MODES, name="render_mode")
            if self.dynamics.view is None:
                raise ValueError(f"render_mode={self.render_mode!r}: this world has no view")

    @classmethod
    def of(
        cls,
        dynamics: Dynamics | str,
        knobs: Mapping[str, Any],
        *,
        feedback: Feedback | Mapping[str, Any] | None,
        **settings: Any,
    ) -> Options:
        """Build the world if only named, and the feedback if given as a mapping."""
        if isinstance(dynamics, str):
            world = make_dynamics(dynamics, **knobs)
        elif knobs:
            raise TypeError(f"the world is already built, so it has no knobs {sorted(knobs)}")
        else:
            world = dynamics
        # a mapping keeps the arguments of gym.make plain data, so that specs go to JSON
        asked = None if feedback is None else Feedback.of(feedback)
        return cls(dynamics=world, feedback=asked, **settings)

    @property
    def visible(self) -> bool:
        """Whether the true rewards are shown."""
        return self.truth == "visible"

    def reward_space(self) -> Box:
        """Return the space of the reward vector [M] float32."""
        count = self.dynamics.population.num_parties
        low, high = np.full(count, -np.inf), np.full(count, np.inf)
        if isinstance(self.dynamics, FiniteMDP):
            table = self.dynamics.party_table
            low, high = table.min(axis=(0, 1)), table.max(axis=(0, 1))
        return Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)

    def picture(self, state: Any) -> Any:
        """Return one copy's state drawn as `render_mode` says, or None."""
        view = self.dynamics.view
        if view is None or self.render_mode is None:
            return None
        return view.frame(state) if self.render_mode == "rgb_array" else view.text(state)
