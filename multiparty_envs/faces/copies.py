"""N copies of a world in NumPy: where each of them is, and which numbers it will draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.dynamics.arrays import map_state, with_rows
from multiparty_envs.faces.judge import TableJudge, Verdict, WorldJudge
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw


class Copies(ABC):
    """N copies of a world, stepped together, each with random numbers of its own.

    Attributes:
        state: [N, ...] where they are; None before the first episode.
        latest: the latest step's state, action and next state; None after a reset.
    """

    def __init__(self, dynamics: Dynamics, count: int) -> None:
        self.dynamics, self.count = dynamics, count
        self.state: Any = None
        self.latest: tuple[Any, np.ndarray, Any] | None = None
        # the episode before the first, so that beginning is always going to the next
        before_all = np.full(count, -1, dtype=np.int64)
        self._draw = Draw(np.zeros(count, dtype=np.int64), before_all)

    @abstractmethod
    def step(self, action: np.ndarray) -> np.ndarray:
        """Take one action a copy; return [N] bool, whether the world's episode ended."""

    @abstractmethod
    def verdict(self) -> Verdict:
        """Return what the latest step was worth."""

    def seed(self, seeds: Sequence[int | None]) -> None:
        """Let the copies with a seed start again from it; the others go on as they are."""
        rows = np.flatnonzero([seed is not None for seed in seeds])
        fresh = Draw.seeded([seed for seed in seeds if seed is not None])
        fresh.episode -= 1  # `begin` goes on to episode 0
        self._draw.put(rows, fresh)

    def begin(self, rows: np.ndarray) -> Any:
        """Begin the next episode of the copies `rows` only; return their first states."""
        fresh = self._draw.next_episode(rows)
        first = self.dynamics.initial(len(rows), fresh)
        self._draw.put(rows, fresh)
        whole = len(rows) == self.count
        self.state = first if whole else with_rows(self.state, rows, first)
        return first

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


@final
class TableCopies(Copies):
    """Copies of a finite world: each step finds its row of the tables once."""

    def __init__(self, mdp: FiniteMDP, count: int) -> None:
        super().__init__(mdp, count)
        self._mdp = mdp
        self._table = TableJudge(mdp).table
        self._row = np.zeros(count, dtype=np.int64)

    def step(self, action: np.ndarray) -> np.ndarray:
        """Look the next cells up."""
        before = self.state
        self._row = self._mdp.row(before, action)
        self.state = self._mdp.follow(self._row, before.time, self._draw)
        self.latest = (before, action, self.state)
        return self._mdp.terminated(self.state)

    def verdict(self) -> Verdict:
        """Look the rewards up."""
        return self._table.at(self._row)


@final
class WorldCopies(Copies):
    """Copies of any world."""

    def __init__(self, dynamics: Dynamics, count: int) -> None:
        super().__init__(dynamics, count)
        self._judge = WorldJudge(dynamics)

    def step(self, action: np.ndarray) -> np.ndarray:
        """Ask the world."""
        before = self.state
        self.state = self.dynamics.transition(before, action, self._draw)
        self.latest = (before, action, self.state)
        return self.dynamics.terminated(self.state)

    def verdict(self) -> Verdict:
        """Ask the world."""
        assert self.latest is not None
        return self._judge.verdict(*self.latest)


def copies_of(dynamics: Dynamics, count: int) -> Copies:
    """Return the quickest copies of a world."""
    if isinstance(dynamics, FiniteMDP):
        return TableCopies(dynamics, count)
    return WorldCopies(dynamics, count)
