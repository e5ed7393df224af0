"""Recorded choices of several people: who chose what from which alternatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from multiparty_envs import expect

KEYS = ("person", "task", "alternative", "chosen")
"""Columns of a long table that are not features."""

TRUTH = {"1": True, "true": True, "0": False, "false": False}


@final
@dataclass(frozen=True, eq=False)
class ChoicePanel:
    """K choice tasks of M people, each with up to J alternatives of D features.

    Raises:
        ValueError: when shapes do not fit, features are not finite, a task offers fewer than two
            alternatives, or the chosen one was not on offer.
    """

    person: np.ndarray
    """[K] int64, who chose, a place in `people`."""
    features: np.ndarray
    """[K, J, D] float64, zeros where an alternative is unavailable."""
    available: np.ndarray
    """[K, J] bool, whether the alternative was on offer."""
    chosen: np.ndarray
    """[K] int64, the alternative chosen, 0..J-1."""
    people: tuple[str, ...]
    """[M] names or numbers of the people."""
    feature_names: tuple[str, ...]
    """[D] names, with units where there are any."""
    source: str
    """Where the answers come from, with a citation key."""

    def __post_init__(self) -> None:
        features = expect.finite(self.features, name="features")
        expect.shape(features, None, None, len(self.feature_names), name="features")
        count, options = features.shape[:2]
        available = np.asarray(self.available)
        if available.dtype != np.bool_:
            raise TypeError(f"available should be bool, is {available.dtype}")
        expect.shape(available, count, options, name="available")
        # with a single alternative a choice tells nothing
        few = np.flatnonzero(available.sum(axis=1) < 2)
        if few.size:
            raise ValueError(f"task {few[0]} should offer two alternatives or more")
        chosen = _places(self.chosen, count, options, "chosen")
        wrong = np.flatnonzero(~np.take_along_axis(available, chosen[:, None], axis=1)[:, 0])
        if wrong.size:
            raise ValueError(f"chosen should be on offer, is {chosen[wrong[0]]} in task {wrong[0]}")
        self._store("person", _places(self.person, count, len(self.people), "person"))
        self._store("features", np.where(available[:, :, None], features, 0.0))
        self._store("available", available)
        self._store("chosen", chosen)

    def _store(self, name: str, array: np.ndarray) -> None:
        view = array.view()
        view.setflags(write=False)
        object.__setattr__(self, name, view)

    def __len__(self) -> int:
        """K, the number of tasks."""
        return len(self.person)

    @property
    def num_people(self) -> int:
        """M."""
        return len(self.people)

    @classmethod
    def from_table(
        cls,
        columns: Mapping[str, Sequence[object] | np.ndarray],
        *,
        units: Mapping[str, float] | None = None,
        source: str = "own",
    ) -> ChoicePanel:
        """Build a panel from a long table: one row for each alternative on offer in a task.

        Args:
            columns: a mapping or a pandas table with "person", "task" and "alternative" (any
                labels), "chosen" (1 or 0, true or false), and one column of numbers for each
                feature. An alternative without a row was unavailable. People, tasks and
                alternatives keep the order in which they come.
            units: what to divide a feature by; 1 if not named.
            source: where the answers come from.

        Raises:
            ValueError: when a column is missing, a cell is no number, an alternative comes twice
                or a task has not exactly one choice.
        """
        names = _feature_names(columns, units or {})
        person, people = _encoded(columns["person"])
        # people may number their tasks each from one
        pairs = [f"{who} {what}" for who, what in zip(person, columns["task"], strict=True)]
        task, tasks = _encoded(pairs)
        option, options = _encoded(columns["alternative"])
        available = np.zeros((len(tasks), len(options)), dtype=bool)
        available[task, option] = True
        if available.sum() != len(task):
            raise ValueError("an alternative should come once in a task, one comes twice")
        features = np.zeros((*available.shape, len(names)))
        for place, name in enumerate(names):
            features[task, option, place] = _numbers(columns[name], name)
        unit = np.array([(units or {}).get(name, 1.0) for name in names])
        owner = np.zeros(len(tasks), dtype=np.int64)
        owner[task] = person
        chosen = _only_choice(_truths(columns["chosen"]), task, option, len(tasks))
        return cls(owner, features / unit, available, chosen, people, names, source)


def _places(value: np.ndarray, count: int, limit: int, name: str) -> np.ndarray:
    array = expect.shape(np.asarray(value), count, name=name)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} should hold whole numbers, is {array.dtype}")
    outside = np.flatnonzero((array < 0) | (array >= limit))
    if outside.size:
        row = outside[0]
        raise ValueError(f"{name} should be in 0..{limit - 1}, is {array[row]} in task {row}")
    return array.astype(np.int64)


def _feature_names(
    columns: Mapping[str, Sequence[object] | np.ndarray], units: Mapping[str, float]
) -> tuple[str, ...]:
    missing = [name for name in KEYS if name not in columns]
    if missing:
        raise ValueError(f"the table should have columns {', '.join(KEYS)}; lacks {missing}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1 or not lengths["person"]:
        raise ValueError(f"columns should be equally long and not empty, are {lengths}")
    names = tuple(name for name in columns if name not in KEYS)
    if not names:
        raise ValueError("the table should have a column for each feature, has none")
    for name in units:
        expect.choice(name, names, name="unit's feature")
    return names


def _only_choice(
    is_chosen: np.ndarray, task: np.ndarray, option: np.ndarray, num_tasks: int
) -> np.ndarray:
    times = np.bincount(task[is_chosen], minlength=num_tasks)
    if (times != 1).any():
        place = int(np.argmax(times != 1))
        raise ValueError(f"every task should have one choice, task {place} has {times[place]}")
    chosen = np.zeros(num_tasks, dtype=np.int64)
    chosen[task[is_chosen]] = option[is_chosen]
    return chosen


def _encoded(labels: Sequence[object] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number labels from 0 up in the order in which they first come."""
    text = np.array([str(label) for label in labels])
    # unique sorts, so "10" would come before "2"; the order of the table is put back
    names, first, inverse = np.unique(text, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[inverse], tuple(str(name) for name in names[order])


def _numbers(cells: Sequence[object] | np.ndarray, name: str) -> np.ndarray:
    try:
        return np.asarray(cells).astype(np.float64)
    except ValueError as error:
        raise ValueError(f"column {name!r} should hold numbers: {error}") from error


def _truths(cells: Sequence[object] | np.ndarray) -> np.ndarray:
    text = [str(cell).lower() for cell in cells]
    for cell in set(text):
        expect.choice(cell, TRUTH, name="chosen")
    return np.array([TRUTH[cell] for cell in text])
