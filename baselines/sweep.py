"""Many cells over the cores: each row is stored as it comes, and none is computed twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from baselines.extras import require
from baselines.rows import AnyRow, Cell
from baselines.store import RunFolder


def sweep(
    cells: Sequence[Cell],
    folder: RunFolder,
    *,
    run: Callable[[Cell], AnyRow],
    workers: int = 0,
    told: Callable[[AnyRow], None] = lambda row: None,
) -> list[Any]:
    """Run the cells that `folder` does not hold yet and return the rows of all of them.

    Args:
        cells: what to run, the longest first where that matters.
        folder: where rows are kept.
        run: computes one cell; importable by name, since it runs in other processes.
        workers: processes, each with one thread; 0: one a core; 1: this process.
        told: called with every new row after it is stored.

    Raises:
        RuntimeError: when a cell fails, naming it; the rows that came before are kept.
        ValueError: when two methods learned from different numbers of labels.
    """
    todo = [cell for cell in cells if cell not in folder]
    for row in _results(todo, run, workers or available_cores()):
        folder.append(row)
        told(row)
    wanted = {cell.key for cell in cells}
    rows = [row for row in folder.rows if row.cell.key in wanted]
    check_equal_labels(rows)
    return rows


def check_equal_labels(rows: Iterable[AnyRow]) -> None:
    """Make sure that all methods that learn had equally many labels in each repetition.

    Raises:
        ValueError: naming two methods that had not.
    """
    seen: dict[tuple, AnyRow] = {}
    for row in rows:
        if not row.labels:
            continue  # random and oracle learn nothing
        cell = row.cell
        other = seen.setdefault((cell.env, cell.knobs, cell.seed, cell.labels), row)
        if other.labels != row.labels:
            raise ValueError(
                f"methods should learn from equally many labels: {other.cell.key} had "
                f"{other.labels}, {cell.key} had {row.labels}"
            )


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _results(
    cells: Sequence[Cell], run: Callable[[Cell], AnyRow], workers: int
) -> Iterable[AnyRow]:
    if workers == 1 or len(cells) < 2:  # starting processes would take longer
        return (_guarded(run, cell) for cell in cells)
    joblib = require("joblib")
    with joblib.parallel_config(
        backend="loky", n_jobs=min(workers, len(cells)), inner_max_num_threads=1
    ):
        # unordered and one by one: a row should be on the disk as soon as there is one
        pool = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        return pool(joblib.delayed(_guarded)(run, cell) for cell in cells)


def _guarded(run: Callable[[Cell], AnyRow], cell: Cell) -> AnyRow:
    # from another process a bare error would not say which of hundreds of cells it came from
    try:
        return run(cell)
    except Exception as error:
        raise RuntimeError(f"{cell.key}: {type(error).__name__}: {error}") from error
