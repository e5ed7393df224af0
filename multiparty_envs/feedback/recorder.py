"""Cutting what happens into segments: never across a reset, cheaply at every step."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np


class Clips(NamedTuple):
    """E finished segments, padded to the longest of them."""

    obs: np.ndarray  # [E, L, *O]
    action: np.ndarray  # [E, L, *A]
    features: np.ndarray  # [E, L, D]
    length: np.ndarray  # [E] steps


@final
class SingleRecorder:
    """For one copy, whose steps come unbatched: keeps references in lists and copies nothing.

    A segment ends after `segment_length` steps or with its episode (None: only with it).
    """

    def __init__(self, segment_length: int | None) -> None:
        self._limit = segment_length or 0
        self._steps: list[tuple[Any, Any, np.ndarray]] = []

    def forget(self) -> None:
        """Drop the unfinished segment."""
        self._steps.clear()

    def record(self, obs: Any, action: Any, features: np.ndarray, done: bool) -> Clips | None:
        """Take one step; return the segment if it is finished."""
        steps = self._steps
        steps.append((obs, action, features))
        if not done and len(steps) != self._limit:
            return None
        arrays = [np.array(column)[None] for column in zip(*steps, strict=True)]
        length = np.array([len(steps)])
        steps.clear()
        return Clips(arrays[0], arrays[1], arrays[2], length)


@final
class Recorder:
    """Keeps the latest steps of N copies in a ring, [T, N, ...], written one row a step.

    A segment ends after `segment_length` steps or with its episode (None: only with it). It is a
    stretch of one column of the ring, so nothing is moved until it ends.
    """

    def __init__(self, segment_length: int | None, num_copies: int) -> None:
        self._limit = segment_length
        self._time = 0
        self._start = np.zeros(num_copies, dtype=np.int64)  # [N] first step of the segment
        self._ring: tuple[np.ndarray, ...] = ()
        self.forget()

    def forget(self, copies: np.ndarray | None = None) -> None:
        """Drop the unfinished segments of some copies ([N] bool), or of all."""
        self._start[... if copies is None else copies] = self._time
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
            # a ring as long as a segment is enough; episodes may need it to grow
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
        # rows of the ring that belong to what came before or to nothing yet
        beyond = step >= length[:, None]
        obs, action, features = (ring[row, copy[:, None]] for ring in self._ring)
        for clip in (obs, action, features):
            clip[beyond] = 0
        self._start[copy] = self._time
        self._plan()
        return Clips(obs, action, features, length)
