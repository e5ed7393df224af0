"""What is run, one cell at a time, and what came of it, one row a cell."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

NUMBERS = ("seed", "labels", "steps", "rounds")
"""Fields of a cell that are counts."""

Knobs = tuple[tuple[str, Any], ...]
"""Keyword arguments of an environment as sorted pairs, so that a cell can be hashed."""


@final
@dataclass(frozen=True)
class Cell:
    """One thing to run: a method on an environment with a seed.

    Attributes:
        env: environment id without its namespace.
        knobs: keyword arguments of the environment that differ from the task's own.
        method: name of the method.
        optimiser: "ppo", "sb3" or "exact"; "none" for the random policy.
        seed: which draw of answers (or split of the recorded ones), and of the agent.
        labels: answers to learn from; 0: as many as the task gives.
        steps: environment steps of PPO; 0 where it is not used.
        level: where the welfare function sits: "policy", "episode" or "step".
        ppo: settings of PPO that differ from its own, as sorted pairs.
        rounds: times that people are asked while the policy is trained; 0: once, before that.
    """

    env: str
    method: str
    optimiser: str
    seed: int
    knobs: Knobs = ()
    labels: int = 0
    steps: int = 0
    level: str = "policy"
    ppo: Knobs = ()
    rounds: int = 0

    @property
    def key(self) -> str:
        """A name that no other cell has."""
        numbers = (f"{name}={getattr(self, name)}" for name in NUMBERS)
        named = (self.env, _joined(self.knobs), self.method, self.optimiser, *numbers)
        return "|".join((*named, self.level, _joined(self.ppo)))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Cell:
        """Return the cell whose fields were read from JSON, which knows lists only."""
        pairs = {name: _tuples(data.get(name, ())) for name in ("knobs", "ppo")}
        return cls(**{**data, **pairs})


@final
@dataclass(frozen=True)
class Row:
    """What one cell gave. Returns are on the range scale: 0 reference policy, 1 party's own best.

    Attributes:
        cell: what was run.
        labels: answers that the learner was given; 0 for random and oracle.
        utilitarian: mean normalised return over the parties.
        nash: geometric mean, each return raised to at least 1e-8.
        nash_floors: parties that needed raising.
        worst: lowest normalised return.
        regret: exact optimum of the method's own welfare minus what was reached (0 for random).
        regrets: the same for each welfare function, by name.
        accuracy_majority: held-out answers predicted right, majority (recorded: everybody).
        accuracy_minority: the same for the minority (recorded: the worst-served tenth).
        returns: [M] normalised returns.
        accuracy: [M] held-out accuracy by party; NaN where a party has no held-out answer.
        minority: [M] who counts as minority.
        seconds: wall-clock time of the cell.
    """

    cell: Cell
    labels: int
    utilitarian: float
    nash: float
    nash_floors: int
    worst: float
    regret: float
    regrets: Mapping[str, float]
    accuracy_majority: float
    accuracy_minority: float
    returns: tuple[float, ...]
    accuracy: tuple[float, ...]
    minority: tuple[bool, ...]
    seconds: float

    def to_json(self) -> str:
        """Return the row as one line of JSON (NaN becomes null)."""
        return json.dumps(_without_nan(dataclasses.asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Row:
        """Return the row that `to_json` wrote.

        Raises:
            ValueError: when the line is not such a row.
        """
        data = json.loads(line)
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise ValueError("it does not have the fields of a row")
        cell = Cell.from_json(data.pop("cell"))
        lists = {name: tuple(data.pop(name)) for name in ("returns", "accuracy", "minority")}
        lists = {name: tuple(map(_number, values)) for name, values in lists.items()}
        regrets = {name: _number(value) for name, value in data.pop("regrets").items()}
        plain = {name: _number(value) for name, value in data.items()}
        return cls(cell=cell, regrets=regrets, **lists, **plain)


@final
@dataclass(frozen=True)
class Finding:
    """What one cell of a study measured, each number by its name; the study says what they mean.

    Attributes:
        cell: what was run.
        values: what was measured; NaN where there is nothing to measure.
        seconds: wall-clock time of the cell.
        labels: answers that were learned from; 0: the number is a knob, or nothing was learned.
    """

    cell: Cell
    values: Mapping[str, float]
    seconds: float
    labels: int = 0

    def to_json(self) -> str:
        """Return the finding as one line of JSON (NaN becomes null)."""
        return json.dumps(_without_nan(dataclasses.asdict(self)), allow_nan=False)


AnyRow = Row | Finding
"""What a folder of results holds: rows of a comparison, or findings of a study."""


def row_from_json(line: str) -> AnyRow:
    """Return the row or finding that `to_json` wrote.

    Raises:
        ValueError: when the line is neither.
    """
    data = json.loads(line)
    if not isinstance(data, dict) or "values" not in data:
        return Row.from_json(line)
    if set(data) != {field.name for field in dataclasses.fields(Finding)}:
        raise ValueError("it does not have the fields of a finding")
    values = {name: _number(value) for name, value in data.pop("values").items()}
    return Finding(cell=Cell.from_json(data.pop("cell")), values=values, **data)


def _joined(pairs: Knobs) -> str:
    return ",".join(f"{name}={value}" for name, value in pairs)


def _tuples(value: Any) -> Any:
    """Return lists as tuples, which can be hashed."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {name: _without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return value
