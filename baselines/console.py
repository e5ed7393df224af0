"""What the terminal shows: tables, and progress that also reads well in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from baselines.extras import require
from baselines.summary import Table

if TYPE_CHECKING:
    from rich.console import Console

LOG_WIDTH = 150
"""Columns assumed where nobody looks (a pipe, a log file)."""

LOG_EVERY = 10.0
"""Seconds between two progress lines in a log file."""


def make_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables in a log."""
    # not coloured: most of the tables are numbers
    console = require("rich.console").Console(highlight=False)
    if not console.is_terminal:
        # a pipe claims 80 columns, which would fold every cell of the main table
        console.width = LOG_WIDTH
    return console


def print_tables(console: Console, tables: Iterable[Table]) -> None:
    """Print tables one below the other."""
    rich_table = require("rich.table")
    for table in tables:
        shown = rich_table.Table(title=table.title, title_justify="left", pad_edge=False)
        for number, column in enumerate(table.columns):
            # only the names stay whole on a narrow terminal: numbers can be put together again
            shown.add_column(column, no_wrap=number == 0)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


@final
class Counter:
    """Counts finished cells: a bar in a terminal, a line every ten seconds in a log."""

    def __init__(
        self, console: Console, total: int, show: Callable[[str], None] | None = None
    ) -> None:
        self._console, self._total, self._show = console, total, show
        self._done = 0
        self._begun = self._told = time.monotonic()

    def advance(self, what: str) -> None:
        """Count one more, `what` being its short name."""
        self._done += 1
        if self._show is not None:
            self._show(what)
            return
        now = time.monotonic()
        if now - self._told >= LOG_EVERY or self._done == self._total:
            self._told = now
            spent = f"{now - self._begun:.0f} s"
            self._console.print(f"{self._done} of {self._total} · {spent} · {what}")


@contextmanager
def counting(console: Console, total: int) -> Iterator[Counter]:
    """Yield a counter to `total`."""
    if not console.is_terminal:
        yield Counter(console, total)
        return
    progress = require("rich.progress")
    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[what]}"),
    )
    # transient: the bar makes room for the table
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("cells", total=total, what="")
        yield Counter(console, total, lambda what: bar.update(task, advance=1, what=what))
