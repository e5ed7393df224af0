"""Callbacks that keep what a training tells: lines in files, curves for TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any, final

from agents.progress import Callback, Progress
from agents.records import Clock, Record
from multiparty_envs import files

PathLike = str | os.PathLike[str]


@final
class Callbacks:
    """Several callbacks as one; training ends early when one of them returns False.

    All of them are told each batch, the last one too.
    """

    def __init__(self, *callbacks: Callback) -> None:
        self.callbacks = callbacks

    def __call__(self, progress: Progress) -> bool:
        """Tell all, and return whether none wants to stop."""
        answers = [callback(progress) for callback in self.callbacks]
        return not any(answer is False for answer in answers)


class LineLog(ABC):
    """A file with one line a batch, each written whole: an interruption costs no other line.

    A training that was resumed goes on with its file; lines of batches that are told again are
    dropped. One that begins anew begins the file anew.

    Args:
        path: the file; its folder is there.
        names: of the parties.
    """

    def __init__(self, path: PathLike, names: Sequence[str] = ()) -> None:
        self.path = Path(path)
        self._names = tuple(names)
        self._clock = Clock()
        self._opened = False

    def __call__(self, progress: Progress) -> None:
        """Append the line of a batch.

        Raises:
            ValueError: when the file that is there holds something else.
            OSError: when it cannot be written to.
        """
        record = Record.of(progress, self._clock, self._names)
        if not self._opened:
            self._open(record)
        # one system call without a buffer: a kill leaves nothing of a line behind, or all of it
        with self.path.open("ab", buffering=0) as file:
            file.write((self._line(record) + "\n").encode())

    def _open(self, first: Record) -> None:
        again = first.iteration > 1 and self.path.exists()
        text = self.path.read_bytes() if again else b""
        # what follows the last line end was cut off
        whole = text[: text.rfind(b"\n") + 1].decode(errors="replace")
        kept = self._kept(whole.split("\n")[:-1], first)
        files.write_text(self.path, "".join(line + "\n" for line in kept))
        self._opened = True

    def _before(self, lines: Iterable[str], first: Record) -> list[str]:
        try:
            return list(takewhile(lambda line: self._iteration(line) < first.iteration, lines))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.path} is no log of a training: {error!r}") from error

    @abstractmethod
    def _kept(self, lines: list[str], first: Record) -> list[str]:
        """Return the lines that a file begins with, of those it has."""

    @abstractmethod
    def _line(self, record: Record) -> str: ...

    @abstractmethod
    def _iteration(self, line: str) -> int: ...


@final
class CsvLog(LineLog):
    """A table for spreadsheets and pandas: a head, then one line a batch.

    Its columns are those of the first batch: what only later ones measure is left out.
    """

    def __init__(self, path: PathLike, names: Sequence[str] = ()) -> None:
        super().__init__(path, names)
        self._columns: list[str] = []

    def _kept(self, lines: list[str], first: Record) -> list[str]:
        self._columns = list(first.flat())
        head = _row(self._columns)
        if not lines:
            return [head]
        if lines[0] != head:
            raise ValueError(f"{self.path} has other columns: {lines[0]}; here they are {head}")
        return [head, *self._before(lines[1:], first)]

    def _line(self, record: Record) -> str:
        values = record.flat()
        return _row([values.get(column, "") for column in self._columns])

    def _iteration(self, line: str) -> int:
        return int(line.split(",", maxsplit=1)[0])


@final
class JsonlLog(LineLog):
    """One JSON object a batch, with the fields of `Record`; NaN and infinities are null."""

    def _kept(self, lines: list[str], first: Record) -> list[str]:
        return self._before(lines, first)

    def _line(self, record: Record) -> str:
        return json.dumps(_finite(asdict(record)), allow_nan=False)

    def _iteration(self, line: str) -> int:
        return int(json.loads(line)["iteration"])


@final
class TensorBoardLog:
    """Curves for TensorBoard over environment steps, in a folder of event files.

    Args:
        folder: made if it is not there.
        names: of the parties.

    Raises:
        ImportError: when TensorBoard is not installed, saying how to install it.
    """

    def __init__(self, folder: PathLike, names: Sequence[str] = ()) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise ImportError(
                "tensorboard is not installed; it comes with: pip install 'multiparty-envs[track]'"
            ) from error
        self._make = SummaryWriter
        self._folder, self._names = str(folder), tuple(names)
        self._clock = Clock()
        self._writer: Any = None

    def __call__(self, progress: Progress) -> None:
        """Write the points of a batch."""
        if self._writer is None:
            # points of steps that are told again are hidden, whoever wrote them
            self._writer = self._make(self._folder, purge_step=progress.steps)
        record = Record.of(progress, self._clock, self._names)
        for name, value in record.flat().items():
            if name != "steps":
                self._writer.add_scalar(name, value, record.steps)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def _row(values: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
