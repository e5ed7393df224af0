"""What comparisons and rankings have in common: rows of a party each, on a bank of segments."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback import storage
from multiparty_envs.feedback.segments import Segments, concatenate

if TYPE_CHECKING:
    from typing import Self

    import pandas


class Answers(ABC):
    """K answers of M parties about the segments of one bank; subclasses are frozen dataclasses."""

    ROWS: ClassVar[tuple[str, ...]]
    """Names of the arrays [K, ...]; `party` is one of them."""
    POINTERS: ClassVar[tuple[str, ...]]
    """Those of them that hold places in the bank, -1 for none."""
    FORMAT: ClassVar[str]
    """Name of the file format."""

    segments: Segments
    party: np.ndarray
    num_parties: int
    names: tuple[str, ...] | None

    def __len__(self) -> int:
        """K, the number of answers."""
        return len(self.party)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} answers of {self.num_parties} parties about "
            f"{self.segments.num_segments} segments, {self.num_features} features)"
        )

    @abstractmethod
    def __post_init__(self) -> None:
        """Check every row."""

    def _store(self, name: str, array: np.ndarray) -> None:
        view = array.view()
        view.setflags(write=False)
        object.__setattr__(self, name, view)

    def _check_parties(self) -> None:
        expect.integer(self.num_parties, name="num_parties", low=1)
        party = whole(self.party, None, name="party", low=0, high=self.num_parties - 1)
        self._store("party", party)
        if self.names is not None:
            object.__setattr__(self, "names", tuple(str(name) for name in self.names))
            if len(self.names) != self.num_parties:
                raise ValueError(
                    f"names should be {self.num_parties} (num_parties), are {len(self.names)}"
                )

    @property
    def num_features(self) -> int:
        """D."""
        return self.segments.num_features

    @property
    def counts(self) -> np.ndarray:
        """Number of answers of each party, [M]."""
        return np.bincount(self.party, minlength=self.num_parties)

    def subset(self, index: Any) -> Self:
        """The rows at `index` (whole numbers, a [K] bool mask or a slice), on the same bank."""
        rows = {name: getattr(self, name)[index] for name in self.ROWS}
        return self._on(self.segments, **rows)

    def _on(self, bank: Segments, **rows: np.ndarray) -> Self:
        return self._build(segments=bank, num_parties=self.num_parties, names=self.names, **rows)

    def of_party(self, party: int) -> Self:
        """The answers of one party; it keeps its number.

        Raises:
            ValueError: when there is no such party.
        """
        expect.integer(party, name="party", high=self.num_parties - 1)
        return self.subset(np.flatnonzero(self.party == party))

    def split(
        self, fraction: float, rng: np.random.Generator, by_party: bool = True
    ) -> tuple[Self, Self]:
        """Hold out a random `fraction` of the answers; both parts keep their order.

        Args:
            fraction: part held out for testing, in (0, 1).
            rng: draws which.
            by_party: hold out the nearest whole number to `fraction` of each party's answers,
                instead of `fraction` of all.

        Returns:
            (the rest, for training; the answers held out, for testing)
        """
        expect.number(fraction, name="fraction", low=0.0, high=1.0, open_=True)
        group = self.party if by_party else np.zeros(len(self), dtype=np.int64)
        # the first of each group in a random order are held out
        shuffled = rng.permutation(len(self))
        wanted = np.rint(fraction * np.bincount(group, minlength=1))
        held_out = np.zeros(len(self), dtype=bool)
        held_out[shuffled] = order_within(group[shuffled]) < wanted[group[shuffled]]
        return self.subset(~held_out), self.subset(held_out)

    def extend(self, other: Self) -> Self:
        """These answers followed by others of the same parties."""
        return self.concatenate((self, other))

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join many at once; parts that share a bank go on sharing it.

        Raises:
            ValueError: when there is nothing to join, or the parties differ.
        """
        if not parts:
            raise ValueError("parts should hold something to join, is empty")
        first = parts[0]
        for part in parts:
            if (part.num_parties, part.names) != (first.num_parties, first.names):
                raise ValueError(
                    f"parts should have the same parties, have {first.num_parties} and "
                    f"{part.num_parties}, or differ in names"
                )
        # by identity, in order: banks are large, and rounds of questions often share one
        banks = list({id(part.segments): part.segments for part in parts}.values())
        ends = np.cumsum([0] + [bank.num_segments for bank in banks])
        offset = {id(bank): int(end) for bank, end in zip(banks, ends[:-1], strict=True)}
        rows = {
            name: np.concatenate([part._shifted(name, offset[id(part.segments)]) for part in parts])
            for name in cls.ROWS
        }
        bank = banks[0] if len(banks) == 1 else concatenate(tuple(banks))
        return first._on(bank, **rows)

    def _shifted(self, name: str, offset: int) -> np.ndarray:
        array = getattr(self, name)
        if name not in self.POINTERS or not offset:
            return array
        # -1 stands for nothing and goes on doing so
        return np.where(array < 0, array, array + offset)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write to `path` in one step, as safetensors with named metadata."""
        storage.save(path, self.FORMAT, self.arrays(), self.num_parties, self.names)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the bank and the rows by name, for a file that holds other things too."""
        bank = {name: getattr(self.segments, name) for name in storage.BANK}
        return bank | {name: getattr(self, name) for name in self.ROWS}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote; runs no code from the file and checks every row.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when it is truncated, of another format or of a newer version.
        """
        return cls.from_arrays(*storage.load(path, cls.FORMAT, cls.ROWS))

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        num_parties: int,
        names: tuple[str, ...] | None = None,
    ) -> Self:
        """Return the answers that `arrays` told of; every row is checked.

        Raises:
            KeyError: when an array is missing.
            ValueError: when a row does not fit.
        """
        bank = Segments(**{name: arrays[name] for name in storage.BANK})
        rows = {name: arrays[name] for name in cls.ROWS}
        return cls._build(segments=bank, num_parties=num_parties, names=names, **rows)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a table: one column for each array, `name_0`, `name_1`, … for [K, J]."""
        import pandas

        columns: dict[str, np.ndarray] = {}
        for name in self.ROWS:
            array = getattr(self, name)
            if array.ndim == 1:
                columns[name] = array
            else:
                columns |= {f"{name}_{place}": array[:, place] for place in range(array.shape[1])}
        return pandas.DataFrame(columns)

    @classmethod
    def from_pandas(
        cls,
        frame: pandas.DataFrame,
        segments: Segments,
        num_parties: int,
        names: tuple[str, ...] | None = None,
    ) -> Self:
        """The reverse of `to_pandas`, on the bank that the rows point into.

        Raises:
            ValueError: when a column is missing or a row does not fit.
        """
        rows = {name: _column(frame, name) for name in cls.ROWS}
        return cls._build(segments=segments, num_parties=num_parties, names=names, **rows)

    @classmethod
    def _build(cls, **fields: Any) -> Self:
        # the fields are those of the subclass, which this class cannot know
        build: Callable[..., Self] = cls
        return build(**fields)


def whole(
    value: Any, *shape: int | None, name: str, low: int = 0, high: int | None = None
) -> np.ndarray:
    """Return `value` as an int64 array of `shape` with every entry in low..high.

    Raises:
        TypeError: when it does not hold whole numbers.
        ValueError: naming the first entry outside.
    """
    array = np.asarray(value)
    expect.shape(array, *(shape or (None,)), name=name)
    if array.size == 0:
        return array.astype(np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} should hold whole numbers, is {array.dtype}")
    if array.min() < low or (high is not None and array.max() > high):
        bad = np.argwhere((array < low) | (array > (array.max() if high is None else high)))[0]
        limit = f"{low} or more" if high is None else f"in {low}..{high}"
        raise ValueError(f"{name} should be {limit}, is {array[tuple(bad)]} in row {bad[0]}")
    return array.astype(np.int64, copy=False)


def order_within(group: np.ndarray) -> np.ndarray:
    """How many earlier rows belong to the same group (whole numbers from 0), [K]."""
    size = np.bincount(group)
    # NumPy sorts 16-bit numbers in linear time, ten times as fast
    narrow = group.astype(np.uint16) if len(size) <= np.iinfo(np.uint16).max else group
    place = np.empty(len(group), dtype=np.int64)
    order = np.argsort(narrow, kind="stable")
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    return place


def _column(frame: pandas.DataFrame, name: str) -> np.ndarray:
    if name in frame.columns:
        return frame[name].to_numpy()
    wide = [column for column in frame.columns if str(column).startswith(f"{name}_")]
    if not wide:
        raise ValueError(
            f"the table should have a column {name!r}, has {', '.join(map(str, frame.columns))}"
        )
    return frame[sorted(wide, key=lambda column: int(column.rsplit("_", 1)[1]))].to_numpy()
