"""A training's progress in plain numbers, for logs and for the eye."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from agents.progress import Progress


@final
class Clock:
    """Measures how fast a training steps, from one batch to the next."""

    def __init__(self) -> None:
        self._begun = self._before = time.monotonic()

    def lap(self, progress: Progress) -> tuple[float, float]:
        """Return the seconds since this clock was made, and the batch's steps per second."""
        now = time.monotonic()
        spent, self._before = max(now - self._before, 1e-9), now
        # batches are equally large, also the first one of a training that was resumed
        return now - self._begun, progress.steps / progress.iteration / spent


@final
@dataclass(frozen=True)
class Record:
    """A batch in plain numbers.

    Attributes:
        iteration: number of the batch, from 1.
        steps: environment steps so far.
        seconds: since the training, or its resumption, began.
        steps_per_second: of this batch, the improvement included.
        returns: of each party by name, in the units of its rewards.
        weights: of each party by name; empty where welfare is not that of the policy.
        metrics: what else the trainer measured, by name.
    """

    iteration: int
    steps: int
    seconds: float
    steps_per_second: float
    returns: dict[str, float]
    weights: dict[str, float]
    metrics: dict[str, float]

    @classmethod
    def of(cls, progress: Progress, clock: Clock, names: Sequence[str] = ()) -> Record:
        """Return the record of a batch; parties without `names` are numbered from 0.

        Raises:
            ValueError: when there is another number of names than of parties.
        """
        count = len(progress.returns)
        if names and len(names) != count:
            raise ValueError(f"names should be {count}, one a party, are {len(names)}")
        names = names or [str(party) for party in range(count)]
        weighed = len(progress.weights) == count
        seconds, speed = clock.lap(progress)
        return cls(
            iteration=progress.iteration,
            steps=progress.steps,
            seconds=round(seconds, 3),
            steps_per_second=round(speed, 1),
            returns=_named(names, progress.returns),
            weights=_named(names, progress.weights) if weighed else {},
            metrics=_named(list(progress.metrics), progress.metrics.values()),
        )

    def flat(self) -> dict[str, float]:
        """Return one number for each name; groups and their parts are joined by a slash."""
        plain = {
            "iteration": self.iteration,
            "steps": self.steps,
            "seconds": self.seconds,
            "steps_per_second": self.steps_per_second,
        }
        groups = {"return": self.returns, "weight": self.weights, "metric": self.metrics}
        parts = {f"{group}/{n}": v for group, values in groups.items() for n, v in values.items()}
        return {**plain, **parts}


def _named(names: Sequence[str], values: Iterable[float]) -> dict[str, float]:
    # seven digits: networks compute in float32, the others would be noise
    return {name: float(f"{value:.7g}") for name, value in zip(names, values, strict=True)}
