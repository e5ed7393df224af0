"""N copies of a world in NumPy: where each of them is, and which numbers it will draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from multiparty_envs.dynamics import Dynamics, FiniteMDP, FiniteState
from multiparty_envs.dynamics.arrays import take, take_rows, with_rows
from multiparty_envs.faces.judge import TableJudge, Verdict, WorldJudge
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw

AHEAD = 1 << 14
"""Random numbers of all copies that are made at once: as many as stay in a core's cache."""


TIMED = 1 << 20
"""Most entries of observations kept for every time, so that no step writes the time into them."""


class Copies(ABC):
    """N copies of a world, stepped together, each with random numbers of its own."""

    def __init__(self, dynamics: Dynamics, count: int, ahead: int = 1) -> None:
        self.dynamics, self.count = dynamics, count
        # the episode before the first, so that beginning is always going to the next
        before_all = np.full(count, -1, dtype=np.int64)
        self._draw = Draw(np.zeros(count, dtype=np.int64), before_all, ahead)
        self._now: Any = None  # state [N, ...]; None before the first episode

    @property
    def begun(self) -> bool:
        """Whether there is an episode to step."""
        return self._now is not None

    @property
    @abstractmethod
    def state(self) -> Any:
        """Where they are, [N, ...]."""

    @abstractmethod
    def step(self, action: np.ndarray) -> np.ndarray:
        """Take one action a copy; return [N] bool, whether the world's episode ended.

        The array of actions is kept until the next step.
        """

    @abstractmethod
    def verdict(self) -> Verdict:
        """Return what the latest step was worth."""

    @abstractmethod
    def last_step(self, count: int | None = None) -> Steps | None:
        """Return the latest step of the first `count` copies (default all), or None."""

    @abstractmethod
    def forget(self) -> None:
        """Forget the latest step."""

    @abstractmethod
    def _replace(self, rows: np.ndarray, first: Any) -> None:
        """Put the copies `rows` into the states `first`."""

    def observe(self) -> np.ndarray:
        """Return what is seen now, [N, *O]."""
        return self.dynamics.observe(self._now)

    def seed(self, seeds: Sequence[int | None]) -> None:
        """Let the copies with a seed start again from it; the others go on as they are."""
        rows = np.flatnonzero([seed is not None for seed in seeds])
        fresh = Draw.seeded([seed for seed in seeds if seed is not None])
        fresh.episode -= 1  # `begin` goes on to episode 0
        self._draw.put(rows, fresh)

    def begin(self, rows: np.ndarray) -> np.ndarray:
        """Begin the next episode of the copies `rows` only; return what they see."""
        whole = len(rows) == self.count
        fresh = self._draw.next_episode() if whole else self._draw.next_episode(rows)
        first = self.dynamics.initial(len(rows), fresh)
        if whole:
            self._draw = fresh
        else:
            self._draw.put(rows, fresh)
        self._replace(rows, first)
        return self.dynamics.observe(first)

    def final_obs(self, rows: np.ndarray, obs: np.ndarray) -> np.ndarray:
        """Return [N] objects: what the copies `rows` saw last, of `obs` [N, *O]; else None."""
        final = np.empty(self.count, dtype=object)  # all None
        final[rows] = np.fromiter(obs[rows], dtype=object, count=len(rows))
        return final


@final
class TableCopies(Copies):
    """Copies of a finite world.

    Each step finds its row of the tables once; and while all copies are in step with each other,
    as they are where episodes end by the clock alone, their time is one number.
    """

    def __init__(self, mdp: FiniteMDP, count: int) -> None:
        super().__init__(mdp, count, ahead=max(1, min(mdp.draws, AHEAD // count)))
        self._mdp = mdp
        self._table = TableJudge(mdp).table
        self._features = mdp.feature_table.reshape(-1, mdp.num_features)
        times = range(mdp.horizon + 1) if mdp.horizon * mdp.observations.size < TIMED else ()
        self._seen_at = [mdp.observations_at(time) for time in times]  # [H + 1] of [S, O]
        last = mdp.observations_at(mdp.horizon)
        last.setflags(write=False)
        self._at_the_end = np.fromiter(last, dtype=object, count=len(last))  # [S] of [O]
        self._before: FiniteState | None = None
        self._action = self._row = np.zeros(count, dtype=np.int64)

    @property
    def state(self) -> FiniteState:
        """Cells and times, [N]."""
        cell, time = self._now
        return FiniteState(cell, np.broadcast_to(time, cell.shape))

    def step(self, action: np.ndarray) -> np.ndarray:
        """Look the next cells up."""
        self._before = before = self._now
        self._action = action
        self._row = row = self._mdp.row(before, action)
        self._now = self._mdp.follow(row, before.time, self._draw)
        ended = self._mdp.terminated(self._now)
        if isinstance(ended, np.ndarray):
            return ended
        return np.ones(self.count, dtype=bool) if ended else np.zeros(self.count, dtype=bool)

    def observe(self) -> np.ndarray:
        """Return what is seen now, from the table of this moment where there is one."""
        cell, time = self._now
        if self._seen_at and isinstance(time, int):
            return self._seen_at[time].take(cell, axis=0)
        return self._mdp.observe(self._now)

    def verdict(self) -> Verdict:
        """Look the rewards up."""
        return self._table.at(self._row)

    def last_step(self, count: int | None = None) -> Steps | None:
        """Find the latest step again from its rows of the tables."""
        if self._before is None:
            return None
        cell, time = self._before
        first = slice(count)
        seen = FiniteState(cell[first], time if isinstance(time, int) else time[first])
        features = take(self._features, self._row[first])
        return Steps(self._mdp.observe(seen), self._action[first], features)

    def final_obs(self, rows: np.ndarray, obs: np.ndarray) -> np.ndarray:
        """Return arrays made beforehand, read-only, where all copies end by the clock."""
        if isinstance(self._now.time, int) and self._now.time == self._mdp.horizon:
            return self._at_the_end.take(self._now.cell)
        return super().final_obs(rows, obs)

    def forget(self) -> None:
        """Forget the latest step."""
        self._before = None

    def _replace(self, rows: np.ndarray, first: FiniteState) -> None:
        if len(rows) == self.count:
            self._now = FiniteState(first.cell, 0)
        else:
            self._now = with_rows(self.state, rows, first)


@final
class WorldCopies(Copies):
    """Copies of any world."""

    def __init__(self, dynamics: Dynamics, count: int) -> None:
        super().__init__(dynamics, count)
        self._judge = WorldJudge(dynamics)
        self._latest: tuple[Any, np.ndarray, Any] | None = None  # state, action, next state

    @property
    def state(self) -> Any:
        """The world's own states, [N, ...]."""
        return self._now

    def step(self, action: np.ndarray) -> np.ndarray:
        """Ask the world."""
        before = self._now
        self._now = self.dynamics.transition(before, action, self._draw)
        self._latest = (before, action, self._now)
        return self.dynamics.terminated(self._now)

    def verdict(self) -> Verdict:
        """Ask the world."""
        assert self._latest is not None
        return self._judge.verdict(*self._latest)

    def last_step(self, count: int | None = None) -> Steps | None:
        """Compute the latest step again from its states."""
        if self._latest is None:
            return None
        before, action, after = (take_rows(part, slice(count)) for part in self._latest)
        features = self.dynamics.features(before, action, after)
        return Steps(self.dynamics.observe(before), action, features)

    def forget(self) -> None:
        """Forget the latest step."""
        self._latest = None

    def _replace(self, rows: np.ndarray, first: Any) -> None:
        self._now = first if len(rows) == self.count else with_rows(self._now, rows, first)


def copies_of(dynamics: Dynamics, count: int) -> Copies:
    """Return the quickest copies of a world."""
    if isinstance(dynamics, FiniteMDP):
        return TableCopies(dynamics, count)
    return WorldCopies(dynamics, count)
