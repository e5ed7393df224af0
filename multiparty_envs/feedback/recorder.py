"""Cutting what happens into segments: never across a reset, cheaply at every step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import numpy as np


class Clips(NamedTuple):
    """E finished segments, padded to the longest of them."""

    obs: np.ndarray  # [E, L, *O]
    action: np.ndarray  # [E, L, *A]
    features: np.ndarray  # [E, L, D]
    length: np.ndarray  # [E] steps


class Recorder(ABC):
    """Collects steps; a segment ends after a number of steps or with its episode."""

    @abstractmethod
    def record(
        self, obs: np.ndarray, action: np.ndarray, features: np.ndarray, done: np.ndarray
    ) -> Clips | None:
        """Take one step of every copy and return the segments that it finished, if any."""

    @abstractmethod
    def forget(self) -> None:
        """Drop all unfinished segments, as a reset in mid-episode requires."""


@final
class SingleRecorder(Recorder):
    """For one copy: keeps references in lists, which costs less than copying into an array.

    `record` takes unbatched values, which must not be written to afterwards.
    """

    def __init__(self, segment_length: int | None) -> None:
        self._limit = segment_length or 0
        self.forget()

    def forget(self) -> None:
        """Drop the unfinished segment."""
        self._obs, self._action, self._features = [], [], []

    def record(
        self, obs: np.ndarray, action: np.ndarray, features: np.ndarray, done: np.ndarray | bool
    ) -> Clips | None:
        """Take one step, unbatched."""
        self._obs.append(obs)
        self._action.append(action)
        self._features.append(features)
        if not done and len(self._obs) != self._limit:
            return None
        clips = Clips(
            np.array(self._obs)[None],
            np.array(self._action)[None],
            np.array(self._features, dtype=np.float64)[None],
            np.array([len(self._obs)]),
        )
        self.forget()
        return clips


@final
class BatchRecorder(Recorder):
    """For many copies: a ring of the latest steps, [T, N, ...], written one row a step.

    A segment is a stretch of one column, so nothing is moved until it ends.
    """

    def __init__(self, segment_length: int | None, num_copies: int) -> None:
        self._limit = segment_length
        self._time = 0
        self._start = np.zeros(num_copies, dtype=np.int64)  # [N] first step of the segment
        self._ring: tuple[np.ndarray, ...] = ()
        self.forget()

    def forget(self) -> None:
        """Drop all unfinished segments."""
        self._start[:] = self._time
        self._plan()

    def _plan(self) -> None:
        # kept as Python numbers, so that a step compares two of them and asks no array
        self._oldest = int(self._start.min())
        self._due = -1 if self._limit is None else self._oldest + self._limit

    def record(
        self, obs: np.ndarray, action: np.ndarray, features: np.ndarray, done: np.ndarray
    ) -> Clips | None:
        """Take one step of the N copies."""
        if not self._ring or self._time - self._oldest == len(self._ring[0]):
            self._grow(obs, action, features)
        row = self._time % len(self._ring[0])
        for ring, value in zip(self._ring, (obs, action, features), strict=True):
            ring[row] = value
        self._time += 1
        if self._time != self._due and not np.count_nonzero(done):
            return None
        return self._cut(done)

    def _grow(self, *values: np.ndarray) -> None:
        """Make the first ring, or one twice as long that holds the same steps."""
        if not self._ring:
            length = self._limit or 64
            self._ring = tuple(np.zeros((length, *v.shape), dtype=v.dtype) for v in values)
            return
        old = len(self._ring[0])
        steps = np.arange(self._oldest, self._time)
        grown = tuple(np.zeros((2 * old, *ring.shape[1:]), dtype=ring.dtype) for ring in self._ring)
        for wide, ring in zip(grown, self._ring, strict=True):
            wide[steps % (2 * old)] = ring[steps % old]
        self._ring = grown

    def _cut(self, done: np.ndarray) -> Clips:
        age = self._time - self._start
        copy = np.flatnonzero(done if self._limit is None else done | (age == self._limit))
        start, length = self._start[copy], age[copy]
        step = np.arange(length.max())  # [L]
        row = (start[:, None] + step) % len(self._ring[0])  # [E, L]
        beyond = step >= length[:, None]
        clips = [ring[row, copy[:, None]] for ring in self._ring]
        for clip in clips:
            clip[beyond] = 0
        self._start[copy] = self._time
        self._plan()
        return Clips(*clips, length)
