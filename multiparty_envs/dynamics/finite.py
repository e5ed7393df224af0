"""A world that is all tables: everything exact reads them, and every face steps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, final

import numpy as np
from gymnasium.spaces import Box, Discrete

from multiparty_envs import expect
from multiparty_envs.dynamics.arrays import take
from multiparty_envs.dynamics.base import Array, Dynamics, View
from multiparty_envs.dynamics.sampling import sampler_of
from multiparty_envs.streams import Draw

if TYPE_CHECKING:
    from typing_extensions import Self

    from multiparty_envs.parties.population import Population


class FiniteState(NamedTuple):
    """Where N copies are."""

    cell: Array  # [N] int64
    time: Array  # [N] int64, steps taken


class Names(NamedTuple):
    """What people call the actions and the features."""

    actions: tuple[str, ...]
    features: tuple[str, ...]


@final
class FiniteMDP(Dynamics):
    """A finite Markov decision problem with M parties, given by tables.

    Rewards are r(s, a) = feature_table[s, a] @ theta. A terminal cell ends the episode when
    entered, and at the horizon every episode ends. The tables are read-only attributes:
    `successors`, `probabilities`, `feature_table` [S, A, D], `initial_table` [S], `terminal`,
    `observations`, `behaviour`, `pairs` and `party_table` [S, A, M], the true rewards. `start` is
    the first cell where that is certain, else None.

    Args:
        successors: [S, A, K] int64, the cells that may follow.
        probabilities: [S, A, K], their chances.
        features: [S, A, D], what the parties judge.
        initial: [S], the distribution of the first cell; none of it on terminal cells.
        population: the parties, who judge D features.
        horizon: steps of an episode, at least 1.
        terminal: [S] bool, cells that end the episode; default none.
        discount: in [0, 1].
        observations: [S, O], what the agent sees of a cell; default one-hot. The observation
            has one entry more, the share of the horizon that is left.
        behaviour: [S, A], the reference policy; default uniform.
        pairs: [S, A, A], how often which two actions of a cell are put side by side where answers
            are recorded, the first before the second; default None: as two draws of `behaviour`.
        view: how to draw a state.
        names: what people call actions and features.

    Raises:
        ValueError: naming the table that does not fit.
    """

    def __init__(
        self,
        *,
        successors: Any,
        probabilities: Any,
        features: Any,
        initial: Any,
        population: Population,
        horizon: int,
        terminal: Any = None,
        discount: float = 1.0,
        observations: Any = None,
        behaviour: Any = None,
        pairs: Any = None,
        view: View | None = None,
        names: Names | None = None,
    ) -> None:
        self.population = population
        self.horizon = expect.integer(horizon, name="horizon", low=1)
        self.discount = expect.number(discount, name="discount", low=0.0, high=1.0)
        self.successors = _frozen(_successors(successors))
        self.num_states, self.num_actions, _ = self.successors.shape
        pair = (self.num_states, self.num_actions)
        self.probabilities = _distribution(
            probabilities, *self.successors.shape, name="probabilities"
        )
        self.num_features = population.num_features
        self.feature_table = _table(features, *pair, self.num_features, name="features")
        self.terminal = _frozen(_terminal(terminal, self.num_states))
        self.initial_table = _initial(initial, self.terminal)
        self.observations = _observations(observations, self.num_states)
        uniform = np.full(pair, 1.0 / self.num_actions)
        self.behaviour = _distribution(
            uniform if behaviour is None else behaviour, *pair, name="behaviour"
        )
        self.pairs = None if pairs is None else _pairs(pairs, pair)
        self.view = view
        self.names = _names(names, self.num_actions, self.num_features)
        self.action_space = Discrete(self.num_actions)
        self.observation_space = _box(self.observations)
        self.party_table = _frozen(np.asarray(population.rewards(self.feature_table)))
        self._compile()

    def _compile(self) -> None:
        """Lay the tables out by row = cell * A + action, for one take a step."""
        rows = self.num_states * self.num_actions
        self._next = self.successors.reshape(-1)
        self._features = self.feature_table.reshape(rows, -1)
        self._rewards = self.party_table.reshape(rows, -1)
        self.moves = sampler_of(self.probabilities.reshape(rows, -1))
        self.starts = sampler_of(self.initial_table[None])
        # a certain start costs no random number, and no time at each reset
        likely = int(self.initial_table.argmax())
        self.start = likely if self.initial_table[likely] == 1.0 else None
        # most worlds end by the clock alone; then no cell need be looked at
        self._ends_early = bool(self.terminal.any())
        self.time_left = np.linspace(1.0, 0.0, self.horizon + 1, dtype=np.float32)
        # the last column is a place for the time left, so that observing is one take
        self._seen = np.pad(self.observations, ((0, 0), (0, 1)))

    @property
    def num_parties(self) -> int:
        """M."""
        return self.population.num_parties

    @property
    def draws(self) -> int:
        """The most uniform numbers that an episode takes."""
        return (self.start is None) + self.horizon * (self.moves.size > 1)

    def row(self, state: FiniteState, action: Array) -> Array:
        """Return cell * A + action [N], the place of (s, a) in the flattened tables."""
        row = state.cell * self.num_actions
        row += action
        return row

    def initial(self, count: int, draw: Draw) -> FiniteState:
        """Draw first cells; one uniform number a copy, none where the first cell is certain."""
        zero = draw.key * 0
        if self.start is not None:
            return FiniteState(zero + self.start, zero)
        return FiniteState(self.starts.place(zero, draw.uniform()), zero)

    def transition(self, state: FiniteState, action: Array, draw: Draw) -> FiniteState:
        """Move; one uniform number a copy where K > 1, none where moves are certain."""
        return self.follow(self.row(state, action), state.time, draw)

    def follow(self, row: Array, time: Array, draw: Draw) -> FiniteState:
        """Move as `transition` does, from the rows of (s, a) [N]."""
        if self.moves.size > 1:
            row = self.moves.place(row, draw.uniform())
        return FiniteState(take(self._next, row), time + 1)

    def observe(self, state: FiniteState) -> Array:
        """Return the cell's observation and the share of the horizon that is left."""
        seen = take(self._seen, state.cell)
        seen[:, -1] = take(self.time_left, state.time)
        return seen

    def features(self, state: FiniteState, action: Array, next_state: FiniteState) -> Array:
        """Return feature_table[s, a]."""
        return take(self._features, self.row(state, action))

    def party_rewards(self, state: FiniteState, action: Array, next_state: FiniteState) -> Array:
        """Return party_table[s, a]."""
        return take(self._rewards, self.row(state, action))

    def terminated(self, state: FiniteState) -> Array:
        """Return whether a terminal cell was entered or the horizon reached."""
        late = state.time >= self.horizon
        return late | take(self.terminal, state.cell) if self._ends_early else late

    def to(self, device: Any) -> Self:
        """Return a copy whose tables are torch tensors on `device`."""
        moved = super().to(device)
        moved.moves, moved.starts = self.moves.to(device), self.starts.to(device)
        return moved

    def observations_at(self, time: int) -> np.ndarray:
        """Return [S, O + 1] float32: the observation of every cell after `time` steps."""
        expect.integer(time, name="time", low=0, high=self.horizon)
        cell = np.arange(self.num_states)
        return self.observe(FiniteState(cell, np.full_like(cell, time)))


def _frozen(array: np.ndarray) -> np.ndarray:
    """Return a read-only view or copy that nobody else can write through."""
    own = np.array(array)
    own.setflags(write=False)
    return own


def _table(value: Any, *wanted: int | None, name: str) -> np.ndarray:
    return _frozen(expect.shape(expect.finite(value, name=name), *wanted, name=name))


def _distribution(value: Any, *wanted: int | None, name: str) -> np.ndarray:
    table = expect.shape(np.asarray(value), *wanted, name=name)
    return _frozen(expect.distribution(table, name=name))


def _successors(value: Any) -> np.ndarray:
    table = expect.shape(np.asarray(value), None, None, None, name="successors")
    if not np.issubdtype(table.dtype, np.integer) or 0 in table.shape:
        raise ValueError(
            f"successors should hold whole numbers, at least one in each direction; "
            f"has dtype {table.dtype} and shape {table.shape}"
        )
    if table.min() < 0 or table.max() >= len(table):
        raise ValueError(
            f"successors should be in 0..{len(table) - 1}, are in {table.min()}..{table.max()}"
        )
    return table.astype(np.int64)


def _terminal(value: Any, cells: int) -> np.ndarray:
    table = np.zeros(cells, dtype=bool) if value is None else np.asarray(value)
    expect.shape(table, cells, name="terminal")
    if table.dtype != bool:
        raise ValueError(f"terminal should be bool, has dtype {table.dtype}")
    return table


def _initial(value: Any, terminal: np.ndarray) -> np.ndarray:
    table = _distribution(value, len(terminal), name="initial")
    if table[terminal].any():
        cell = int(np.flatnonzero(terminal & (table > 0))[0])
        raise ValueError(f"initial should not start in a terminal cell, does in cell {cell}")
    return table


def _observations(value: Any, cells: int) -> np.ndarray:
    seen = np.eye(cells) if value is None else expect.finite(value, name="observations")
    return _frozen(expect.shape(seen, cells, None, name="observations").astype(np.float32))


def _pairs(value: Any, pair: tuple[int, int]) -> np.ndarray:
    table = expect.finite(value, name="pairs")
    states, actions = pair
    expect.shape(table, states, actions, actions, name="pairs")
    _distribution(table.reshape(states, -1), states, actions * actions, name="pairs")
    if np.diagonal(table, axis1=1, axis2=2).any():
        raise ValueError("pairs should be of two different actions, are not all")
    return _frozen(table)


def _names(value: Names | None, actions: int, features: int) -> Names:
    names = value or Names(
        tuple(f"action {i}" for i in range(actions)),
        tuple(f"feature {i}" for i in range(features)),
    )
    for kind, wanted in (("actions", actions), ("features", features)):
        have = len(getattr(names, kind))
        if have != wanted:
            raise ValueError(f"names.{kind} should be {wanted} names, are {have}")
    return names


def _box(seen: np.ndarray) -> Box:
    # never an interval of one point, of which Gymnasium's checker would warn
    low = np.append(np.minimum(seen.min(axis=0), 0.0), np.float32(0.0))
    high = np.append(np.maximum(seen.max(axis=0), 1.0), np.float32(1.0))
    return Box(low, high, dtype=np.float32)
