"""What the terminal shows: tables, and progress that also reads well in a log file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from baselines.extras import require
from baselines.summary import Table

if TYPE_CHECKING:
    from rich.console import Console

LOG_WIDTH = 150
"""Columns assumed where nobody looks (a pipe, a log file)."""

SHOWN = 2
"""So many of the kinds of things that are under way are named: more fill the line."""

LOG_EVERY = 10.0
"""Seconds between two progress lines in a log file."""


def make_console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables in a log.

    Args:
        stderr: for what is not a result: standard output may be read by a program.
    """
    # not coloured: most of the tables are numbers; and names may hold brackets
    console = require("rich.console").Console(highlight=False, markup=False, stderr=stderr)
    if not console.is_terminal:
        # a pipe claims 80 columns, which would fold every cell of the main table
        console.width = LOG_WIDTH
    return console


def print_tables(console: Console, tables: Iterable[Table]) -> None:
    """Print tables one below the other."""
    rich_table = require("rich.table")
    for table in tables:
        # by itself: a table's own title is folded to the table's width
        console.print(table.title, style="italic")
        shown = rich_table.Table(pad_edge=False)
        for number, column in enumerate(table.columns):
            # only the names stay whole on a narrow terminal: numbers can be put together again
            shown.add_column(column, no_wrap=number == 0)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)


@final
class Counter:
    """Counts what is finished: a bar in a terminal, a line every ten seconds in a log.

    Args:
        console: where.
        waiting: short names of everything to do, in the order in which it is begun.
        at_once: how many are running together.
        show: draws (done, text) in a terminal; None: lines in a log.
    """

    def __init__(
        self,
        console: Console,
        waiting: Sequence[str],
        at_once: int,
        show: Callable[[int, str], None] | None = None,
    ) -> None:
        self._console, self._at_once, self._show = console, at_once, show
        self._total, self._waiting = len(waiting), list(waiting)
        self._begun = self._told = time.monotonic()
        if show is not None:
            show(0, self._running())

    def _running(self) -> str:
        """Return what is under way: the first of those that are not finished."""
        running = self._waiting[: self._at_once]
        # a name for each kind: eight processes may be at seeds of the same method
        shown = list(dict.fromkeys(running))[:SHOWN]
        others = sum(what not in shown for what in running)
        return " · ".join(shown) + (f" and {others} more" if others else "")

    def advance(self, what: str) -> None:
        """Count one more, `what` being its short name."""
        if what in self._waiting:
            self._waiting.remove(what)
        done = self._total - len(self._waiting)
        if self._show is not None:
            self._show(done, self._running())
            return
        now = time.monotonic()
        if now - self._told >= LOG_EVERY or done == self._total:
            self._told = now
            spent = f"{now - self._begun:.0f} s"
            self._console.print(f"{done} of {self._total} · {spent} · {what}")


@contextmanager
def counting(console: Console, waiting: Sequence[str], at_once: int) -> Iterator[Counter]:
    """Yield a counter of everything that is `waiting`; arguments as `Counter`."""
    if not console.is_terminal:
        yield Counter(console, waiting, at_once)
        return
    progress = require("rich.progress")
    columns = (
        progress.BarColumn(24),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("{task.fields[what]}", markup=False),
    )
    # transient: the bar makes room for the table
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("cells", total=len(waiting), what="")

        def show(done: int, what: str) -> None:
            bar.update(task, completed=done, what=what)

        yield Counter(console, waiting, at_once, show)
