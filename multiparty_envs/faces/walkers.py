"""One copy of a world, stepped one action at a time."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from operator import index
from typing import Any, NamedTuple, final

import numpy as np

from multiparty_envs.dynamics import Dynamics, FiniteMDP, FiniteState
from multiparty_envs.dynamics.arrays import take_rows
from multiparty_envs.faces.actions import as_action
from multiparty_envs.faces.judge import TableJudge, WorldJudge
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw

STOCK = 1024
"""Random numbers that are drawn at once, where episodes are shorter."""


class Walker(ABC):
    """One copy of a world."""

    @abstractmethod
    def reset(self, key: np.ndarray, episode: int) -> np.ndarray:
        """Begin an episode; return the first observation [*O].

        Args:
            key: [1], the copy's key for `Draw`.
            episode: the number of the episode.
        """

    @abstractmethod
    def step(self, action: Any) -> tuple[np.ndarray, np.ndarray, float, bool]:
        """Return the observation [*O], the party rewards [M] float32, their mean, and the end.

        The party rewards may be a view of a table: copy them before handing them out.

        Raises:
            ValueError: when the action is not in the action space.
        """

    @abstractmethod
    def last(self) -> Steps | None:
        """Return the latest step: obs before it, action and features; None after a reset."""

    @property
    @abstractmethod
    def state(self) -> Any:
        """The state of this copy, unbatched."""


class _Lists(NamedTuple):
    """The tables of a finite world as Python lists; S cells, R = S * A rows, K successors."""

    successors: list[int]  # [R * K]
    place: Callable[[int, float], int]  # row and uniform number -> place in `successors`
    first: Callable[[int, float], int]  # 0 and uniform number -> cell
    ends: list[bool]  # [S]
    left: list[float]  # [H + 1]
    seen: list[np.ndarray]  # [S] of [O]
    features: list[np.ndarray]  # [R] of [D]
    party: list[np.ndarray]  # [R] of [M] float32
    mean: list[float]  # [R]

    @classmethod
    def of(cls, mdp: FiniteMDP) -> _Lists:
        """Return the lists of a world, made once for all its copies."""
        if mdp not in _made:
            cells = np.arange(mdp.num_states)
            rewards = TableJudge(mdp).table
            _made[mdp] = cls(
                mdp.successors.reshape(-1).tolist(),
                mdp.moves.one(),
                mdp.starts.one(),
                mdp.terminal.tolist(),
                mdp.time_left.tolist(),
                list(mdp.observe(FiniteState(cells, cells * 0))),
                list(mdp.feature_table.reshape(-1, mdp.num_features)),
                list(rewards.party),
                rewards.mean.tolist(),
            )
        return _made[mdp]


# weak, so that the lists go when their world goes
_made: weakref.WeakKeyDictionary[FiniteMDP, _Lists] = weakref.WeakKeyDictionary()


@final
class TableWalker(Walker):
    """A finite world as Python lists, from which one entry is read much quicker than in NumPy."""

    def __init__(self, mdp: FiniteMDP) -> None:
        self._num_actions, self._horizon = mdp.num_actions, mdp.horizon
        self._certain = mdp.moves.size == 1
        lists = _Lists.of(mdp)
        self._next, self._place = lists.successors, lists.place
        self._ends, self._left, self._seen = lists.ends, lists.left, lists.seen
        self._features, self._party, self._mean = lists.features, lists.party, lists.mean
        self._start, self._first = mdp.start, lists.first
        self._per_episode = mdp.draws
        self._stock: dict[tuple[int, int], list[float]] = {}
        self._numbers: Iterator[float] = iter(())
        self._cell = self._time = 0
        self._row = -1  # place of the latest (s, a) in the tables; none yet

    def reset(self, key: np.ndarray, episode: int) -> np.ndarray:
        """Begin an episode."""
        if self._per_episode:
            self._numbers = iter(self._drawn(key, episode))
        start = self._start
        self._cell = self._first(0, next(self._numbers)) if start is None else start
        self._time, self._row = 0, -1
        return self._observation(self._cell, 0)

    def _drawn(self, key: np.ndarray, episode: int) -> list[float]:
        """Return all the numbers that an episode may need, drawn for several episodes at once."""
        number = int(key[0])
        if (number, episode) not in self._stock:
            episodes = np.arange(episode, episode + 1 + STOCK // self._per_episode)
            # NumPy's cost is per call: drawing for many episodes costs little more than for one
            draw = Draw(np.full(len(episodes), number), episodes)
            drawn = draw.uniform(self._per_episode).tolist()
            self._stock = {(number, episode + i): row for i, row in enumerate(drawn)}
        return self._stock[number, episode]

    def step(self, action: Any) -> tuple[np.ndarray, np.ndarray, float, bool]:
        """Look everything up."""
        number = self._checked(action)
        self._row = row = self._cell * self._num_actions + number
        place = row if self._certain else self._place(row, next(self._numbers))
        self._cell = cell = self._next[place]
        self._time = time = self._time + 1
        obs = self._seen[cell].copy()  # what callers get is theirs to write into
        obs[-1] = self._left[time]
        ended = time == self._horizon or self._ends[cell]
        return obs, self._party[row], self._mean[row], ended

    def last(self) -> Steps | None:
        """Find the latest step again from its row in the tables."""
        if self._row < 0:
            return None
        cell, action = divmod(self._row, self._num_actions)
        obs = self._observation(cell, self._time - 1)
        return Steps(obs, action, self._features[self._row])

    @property
    def state(self) -> FiniteState:
        """Cell and time as Python integers."""
        return FiniteState(self._cell, self._time)

    def _checked(self, action: Any) -> int:
        try:  # takes NumPy's whole numbers too, and refuses 1.0, which int() would take
            number = index(action)
        except TypeError:
            number = -1
        if 0 <= number < self._num_actions:
            return number
        raise ValueError(
            f"action should be a whole number in 0..{self._num_actions - 1}, is {action!r}"
        )

    def _observation(self, cell: int, time: int) -> np.ndarray:
        obs = self._seen[cell].copy()
        obs[-1] = self._left[time]
        return obs


@final
class WorldWalker(Walker):
    """Any world, as a batch of one."""

    def __init__(self, dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        self._judge = WorldJudge(dynamics)
        self._draw = Draw(np.zeros(1, dtype=np.int64))
        self._batch: Any = None
        self._latest: tuple[Any, np.ndarray, Any] | None = None

    def reset(self, key: np.ndarray, episode: int) -> np.ndarray:
        """Begin an episode."""
        self._draw, self._latest = Draw(key, np.array([episode])), None
        self._batch = self._dynamics.initial(1, self._draw)
        return self._dynamics.observe(self._batch)[0]

    def step(self, action: Any) -> tuple[np.ndarray, np.ndarray, float, bool]:
        """Step the batch of one."""
        before = self._batch
        batch = as_action(action, self._dynamics.action_space)[None]
        self._batch = self._dynamics.transition(before, batch, self._draw)
        self._latest = (before, batch, self._batch)
        verdict = self._judge.verdict(*self._latest)
        obs = self._dynamics.observe(self._batch)[0]
        ended = bool(self._dynamics.terminated(self._batch)[0])
        return obs, verdict.party[0], float(verdict.mean[0]), ended

    def last(self) -> Steps | None:
        """Compute the latest step again from its states."""
        if self._latest is None:
            return None
        before, action, _ = self._latest
        features = self._dynamics.features(*self._latest)
        return Steps(self._dynamics.observe(before)[0], action[0], features[0])

    @property
    def state(self) -> Any:
        """The only row of the batch."""
        return take_rows(self._batch, 0)


def walker_of(dynamics: Dynamics) -> Walker:
    """Return the quickest walker of a world."""
    return TableWalker(dynamics) if isinstance(dynamics, FiniteMDP) else WorldWalker(dynamics)
