"""What a trained agent is: observations in, action probabilities out; saved without pickle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
from typing_extensions import Self

from agents import storage
from multiparty_envs import expect

if TYPE_CHECKING:
    from multiparty_envs.dynamics import FiniteMDP

KINDS = {
    "table": "agents.policy:TablePolicy",
    "network": "agents.networks:NetworkPolicy",
}
"""What a folder's `kind` says, and the class that reads it."""


class Policy(ABC):
    """A stochastic policy over A actions.

    Attributes:
        kind: the name under which `KINDS` lists the class.
        observation_size: O, the length of one observation.
        num_actions: A.
    """

    kind: ClassVar[str]
    observation_size: int
    num_actions: int

    def probabilities(self, obs: Any) -> np.ndarray:
        """Return the chances [B, A] float64 of the actions, for observations [B, O].

        Raises:
            ValueError: when the observations have another shape.
        """
        seen = np.asarray(obs, dtype=np.float32)
        return self._probabilities(expect.shape(seen, None, self.observation_size, name="obs"))

    def act(self, obs: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return actions [B] int64: drawn with `rng`, or without it the likeliest ones."""
        chances = self.probabilities(obs)
        if rng is None:
            return chances.argmax(axis=1)
        reached = chances.cumsum(axis=1) > rng.random((len(chances), 1)) * chances.sum(
            axis=1, keepdims=True
        )
        return reached.argmax(axis=1)

    def save(self, folder: storage.PathLike) -> None:
        """Write the policy to `folder` (safetensors and JSON), replacing one that is there."""
        storage.write(folder, self._stored())

    @classmethod
    def load(cls, folder: storage.PathLike) -> Self:
        """Read a policy; asked of `Policy` itself, one of any kind.

        Raises:
            FileNotFoundError: when there is none.
            ValueError: when the folder is damaged, foreign, or holds another kind of policy.
        """
        stored = storage.read(folder)
        module, name = KINDS[expect.choice(stored.kind, KINDS, name="kind")].split(":")
        reader: type[Policy] = getattr(import_module(module), name)
        if not issubclass(reader, cls):
            raise ValueError(f"{folder} holds a policy of kind {stored.kind!r}, not a {cls.kind!r}")
        try:
            return reader._rebuilt(stored)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{folder} is damaged: {error}") from error

    @abstractmethod
    def _probabilities(self, obs: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _stored(self) -> storage.Stored: ...

    @classmethod
    @abstractmethod
    def _rebuilt(cls, stored: storage.Stored) -> Self: ...


def load_policy(folder: storage.PathLike) -> Policy:
    """Read a policy of any kind; errors as `Policy.load`."""
    return Policy.load(folder)


@final
class TablePolicy(Policy):
    """A policy of a finite world given by its probabilities, as planning returns them.

    Args:
        table: [H, S, A], the chance of each action after t steps in each cell.
        observations: [S, O - 1], what the agent sees of each cell, no two alike.

    Raises:
        ValueError: when the shapes do not fit, a row is no distribution, or two cells look alike.
    """

    kind = "table"

    def __init__(self, table: Any, observations: Any) -> None:
        table = expect.distribution(table, name="table")
        self.table = expect.shape(table, None, None, None, name="table")
        self.horizon, cells, self.num_actions = self.table.shape
        seen = _exact(observations)
        self.observations = expect.shape(seen, cells, None, name="observations")
        self.observation_size = seen.shape[1] + 1
        self._cell = {row.tobytes(): cell for cell, row in enumerate(seen)}
        if len(self._cell) < cells:
            raise ValueError(f"of {cells} cells only {len(self._cell)} can be told apart")

    @classmethod
    def of(cls, mdp: FiniteMDP, table: Any) -> TablePolicy:
        """Return the policy `table` [H, S, A] for the observations of `mdp`."""
        expect.shape(np.asarray(table), mdp.horizon, mdp.num_states, mdp.num_actions, name="table")
        return cls(table, mdp.observations)

    def _probabilities(self, obs: np.ndarray) -> np.ndarray:
        # the last entry is the share of the horizon that is left; at its end nobody acts any more
        time = np.rint(self.horizon * (1.0 - obs[:, -1])).astype(np.int64)
        seen = _exact(obs[:, :-1])
        try:
            cell = [self._cell[row.tobytes()] for row in seen]
        except KeyError:
            raise ValueError("obs holds a row that is no cell's observation") from None
        return self.table[time.clip(0, self.horizon - 1), cell]

    def _stored(self) -> storage.Stored:
        arrays = {"table": self.table, "observations": self.observations}
        return storage.Stored(self.kind, arrays, {})

    @classmethod
    def _rebuilt(cls, stored: storage.Stored) -> TablePolicy:
        return cls(stored.arrays["table"], stored.arrays["observations"])


def _exact(rows: Any) -> np.ndarray:
    """Return float32 rows whose bytes are equal where the numbers are (no minus zero)."""
    return np.ascontiguousarray(rows, dtype=np.float32) + np.float32(0.0)
