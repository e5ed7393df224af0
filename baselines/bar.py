"""What the terminal shows of a training: how far it is, how fast, and who gets what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, final

import numpy as np
from typing_extensions import Self

from agents.progress import Progress
from agents.records import Clock
from baselines.console import LOG_EVERY
from baselines.extras import require
from multiparty_envs.welfare import Scale

if TYPE_CHECKING:
    from rich.console import Console

FEW = 6
"""Up to so many parties are shown one by one; of more, the worst off."""

REDRAW = 0.1
"""Seconds between two pictures: the eye sees no more, and drawing takes time from the training."""


@final
class TrainingBar:
    """A callback that draws a training in a terminal; in a log it tells a line every ten seconds.

    Args:
        console: where.
        title: what is trained.
        names: of the parties.
    """

    def __init__(self, console: Console, title: str, names: Sequence[str]) -> None:
        self._console, self._title, self._names = console, title, names
        self._scale: Scale | None = None
        self._units = ""
        self._rounds = 0
        self._clock = Clock()
        self._drawn = time.monotonic()
        # drawn by the training itself: a thread for it would take turns with torch
        live = require("rich.live").Live(console=console, auto_refresh=False)
        self._live = live if console.is_terminal else None

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        self.tell("collecting answers, learning rewards, measuring units")
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last picture where it is."""
        if self._live is not None:
            self._live.stop()

    def tell(self, text: str) -> None:
        """Show what is done before the first batch."""
        self._show(f"{self._title}\n{text} …" if self._live else f"{self._title}: {text}")

    def begin(self, scale: Scale | None, units: str, rounds: int = 0) -> None:
        """Start the clock of the training.

        Args:
            scale: in which returns are shown; None: as they are.
            units: what zero and one mean.
            rounds: in which people are asked on the way.
        """
        self._scale, self._units, self._rounds = scale, units, rounds
        self._clock = Clock()
        self.tell("training")

    def __call__(self, progress: Progress) -> None:
        """Draw a batch, unless the last picture is fresh; the last batch in any case."""
        seconds, speed = self._clock.lap(progress)
        now, last = time.monotonic(), progress.iteration == progress.iterations
        if now - self._drawn < (LOG_EVERY if self._live is None else REDRAW) and not last:
            return
        self._drawn = now
        if self._live is None:
            self._show(self._line(progress, speed))
        else:
            width = min(24, max(8, self._console.width - 64))
            title = " · ".join(filter(None, (self._title, self._round(progress))))
            parts = (title, _bar(progress, seconds, speed, width), self._table(progress))
            self._show(require("rich.console").Group(*parts, self._units))

    def _show(self, picture: Any) -> None:
        if self._live is None:
            self._console.print(picture)
        else:
            self._live.update(picture, refresh=True)

    def _round(self, progress: Progress) -> str:
        """Say which of the rounds a batch belongs to, if there are any."""
        # a round ends with the batch that completes its share of all
        number = -(-progress.iteration * self._rounds // progress.iterations)
        return f"round {number} of {self._rounds}" if self._rounds else ""

    def _returns(self, progress: Progress) -> np.ndarray:
        returns = np.asarray(progress.returns, dtype=np.float64)
        return returns if self._scale is None else self._scale.returns(returns)

    def _line(self, progress: Progress, speed: float) -> str:
        returns = self._returns(progress)
        total = progress.steps // progress.iteration * progress.iterations
        done = f"{progress.steps:,} of {total:,} steps · {speed:,.0f} steps/s"
        told = f"return: worst {returns.min():.3f}, mean {returns.mean():.3f}"
        return " · ".join(filter(None, (done, self._round(progress), told)))

    def _table(self, progress: Progress) -> Any:
        returns = self._returns(progress)
        shown = list(range(len(returns)))
        if len(returns) > FEW:
            shown = np.argsort(returns, kind="stable")[:FEW].tolist()
        table = require("rich.table").Table(box=None, pad_edge=False)
        names = [self._names[party] for party in shown]
        for column in ("", "worst", "mean", *names):
            table.add_column(column, justify="right" if column else "left", no_wrap=True)
        numbers = [returns.min(), returns.mean(), *returns[shown]]
        table.add_row("return", *(f"{number:.3f}" for number in numbers))
        if len(progress.weights) == len(returns):
            weights = (f"{weight:.3f}" for weight in progress.weights[shown])
            table.add_row("weight", "", "", *weights)
        return table


def _bar(progress: Progress, seconds: float, speed: float, width: int) -> Any:
    total = progress.steps // progress.iteration * progress.iterations
    left = seconds / progress.iteration * (progress.iterations - progress.iteration)
    row = require("rich.table").Table.grid(padding=(0, 2))
    row.add_row(
        require("rich.progress_bar").ProgressBar(total, progress.steps, width=width),
        f"{progress.steps:,}/{total:,} steps",
        f"{speed:,.0f} steps/s",
        f"{timedelta(seconds=round(left))} left",
    )
    return row
