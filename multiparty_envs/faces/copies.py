"""N copies of a world in NumPy: where each of them is, and which numbers it will draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import map_state, with_rows
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw


@final
class Copies:
    """N copies of a world, stepped together, each with random numbers of its own."""

    def __init__(self, dynamics: Dynamics, count: int) -> None:
        self.dynamics, self.count = dynamics, count
        self.state: Any = None  # [N, ...], None before the first episode
        self.latest: tuple[Any, np.ndarray, Any] | None = None  # state, action, next state
        before_all = np.full(count, -1, dtype=np.int64)
        self._draw = Draw(np.zeros(count, dtype=np.int64), before_all)

    def seed(self, seeds: Sequence[int | None]) -> None:
        """Let the copies with a seed start again from it; the others go on as they are."""
        rows = np.flatnonzero([seed is not None for seed in seeds])
        fresh = Draw.seeded([seed for seed in seeds if seed is not None])
        fresh.episode -= 1
        self._draw.put(rows, fresh)

    def begin(self, rows: np.ndarray) -> Any:
        """Begin the next episode of the copies `rows` only; return their first states."""
        fresh = self._draw.next_episode(rows)
        first = self.dynamics.initial(len(rows), fresh)
        self._draw.put(rows, fresh)
        whole = len(rows) == self.count
        self.state = first if whole else with_rows(self.state, rows, first)
        return first

    def step(self, action: np.ndarray) -> np.ndarray:
        """Take one action a copy; return [N] bool, whether the world's episode ended."""
        after = self.dynamics.transition(self.state, action, self._draw)
        self.latest = (self.state, action, after)
        self.state = after
        return self.dynamics.terminated(after)

    def last_step(self, count: int | None = None) -> Steps | None:
        """Compute the latest step of the first `count` copies (default all) from its states."""
        if self.latest is None:
            return None
        before, action, after = self.latest
        if count is not None and count < self.count:
            before, after = (map_state(lambda leaf: leaf[:count], s) for s in (before, after))
            action = action[:count]
        features = self.dynamics.features(before, action, after)
        return Steps(self.dynamics.observe(before), action, features)
