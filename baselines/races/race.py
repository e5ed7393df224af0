"""What a race is: of rates, or to a goal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final


@final
@dataclass(frozen=True)
class Race:
    """Two ways to do the same thing; each call does it once and returns how many a second.

    Attributes:
        what: is done.
        ours: our way.
        peer: the other way, in words.
        theirs: the other way.
    """

    what: str
    ours: Callable[[], float]
    peer: str
    theirs: Callable[[], float]


class Finish(NamedTuple):
    """When a training was there."""

    seconds: float
    steps: int  # of the environment


Runner = Callable[[int], Finish | None]
"""Trains with a seed until it is there; None: it never was."""


@final
@dataclass(frozen=True)
class LearningRace:
    """Ways to learn the same thing, timed until they can do it.

    Attributes:
        what: is learned, and how well.
        ours: our way.
        peers: the other ways, by what they are in words.
    """

    what: str
    ours: Runner
    peers: Mapping[str, Runner]


@final
class Watch:
    """Runs from its making until a training is there; it stands while somebody looks."""

    def __init__(self) -> None:
        self.finish: Finish | None = None
        self._begun = time.perf_counter()

    def look(self, there: Callable[[], bool], steps: int) -> bool:
        """Return whether the training is there now, or was before.

        Args:
            there: finds out.
            steps: of the environment so far.
        """
        stopped = time.perf_counter()
        if self.finish is None and there():
            self.finish = Finish(stopped - self._begun, steps)
        self._begun += time.perf_counter() - stopped
        return self.finish is not None


def rate(work: Callable[[], Any]) -> float:
    """Return how many times a second `work` can be done, having done it once."""
    begun = time.perf_counter()
    work()
    return 1.0 / (time.perf_counter() - begun)
