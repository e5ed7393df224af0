"""What `multiparty compare`, `study` and `report` do, from settings to the path of a report."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from baselines.compare import Settings
from baselines.console import counting, make_console, print_tables
from baselines.facts import facts, versions
from baselines.report import write_page, write_report
from baselines.rows import AnyRow, Cell
from baselines.store import RunFolder, config_hash
from baselines.studies import find_study
from baselines.summary import main_tables, summarise
from baselines.sweep import available_cores, sweep
from multiparty_envs import expect


def run_comparison(settings: Settings, out: Path | None = None, workers: int = 0) -> Path:
    """Run what `out` does not hold yet, print the tables, and return the report's path.

    Args:
        settings: what to compare.
        out: folder of results; default one under `runs/` with a name of its own.
        workers: processes; 0: one a core.
    """
    # these bring the whole stack; rebuilding a report does not
    from baselines.cells import run_cell
    from baselines.tasks import make_task

    # another version of the package may give other rows, so it is part of the configuration
    config = {**dataclasses.asdict(settings), "version": versions()["multiparty-envs"]}
    for env in settings.envs:
        _ = make_task(env).mdp  # regret is measured against the exact optimum
    path = out or Path("runs") / f"compare-{config_hash(config)}"
    folder = RunFolder.open(path, config, facts())
    rows = _swept(settings.cells(), folder, run_cell, workers)
    print_tables(make_console(), main_tables(summarise(settings.main(rows))))
    return rebuild(path)


def run_study(
    name: str, seeds: int, out: Path | None = None, workers: int = 0, *, full: bool = False
) -> Path:
    """Run a study's grid, print its tables and answer, and return the path of its page.

    Args:
        name: key of `STUDIES`.
        seeds: repetitions of each point of the grid.
        out: folder of results; default one under `runs/` with a name of its own.
        workers: processes; 0: one a core.
        full: run the study's larger grid.

    Raises:
        ValueError: when there is no such study, or no larger grid of it.
    """
    study = find_study(name)
    expect.integer(seeds, name="seeds", low=1)
    if full and not hasattr(study, "FULL_GRID"):
        raise ValueError(f"study {name} has one grid only; leave --full out")
    cells = study.cells(seeds, full=True) if full else study.cells(seeds)
    config = {"study": name, "seeds": seeds, "version": versions()["multiparty-envs"]}
    config |= {"full": True} if full else {}
    path = out or Path("runs") / f"{name}-{config_hash(config)}"
    folder = RunFolder.open(path, config, facts())
    console = make_console()
    console.print(study.QUESTION)
    rows = _swept(cells, folder, study.run, workers)
    print_tables(console, study.tables(rows))
    console.print(study.verdict(rows))
    return _shown(write_page(folder, study, rows))


def _swept(
    cells: Sequence[Cell], folder: RunFolder, run: Callable[[Cell], AnyRow], workers: int
) -> list[Any]:
    console = make_console()
    missing = [cell for cell in cells if cell not in folder]
    told = f"{len(cells)} cells, {len(cells) - len(missing)} of them already in {folder.path}"
    console.print(told)
    names = [_short(cell) for cell in missing]
    with counting(console, names, workers or available_cores()) as counter:
        return sweep(
            cells,
            folder,
            run=run,
            workers=workers,
            told=lambda row: counter.advance(_short(row.cell)),
        )


def _short(cell: Cell) -> str:
    """Return what the progress says of a cell."""
    return " ".join(part for part in (cell.env, cell.method, cell.optimiser) if part != "none")


def rebuild(path: Path) -> Path:
    """Write the report of a comparison or study anew from its rows and return its path."""
    folder = RunFolder.load(path)
    name = folder.manifest["config"].get("study")
    if name is None:
        return _shown(write_report(folder))
    return _shown(write_page(folder, find_study(name), folder.rows))


def _shown(path: Path) -> Path:
    """Return the path as short as it can be told."""
    # short where it can be: the last line is there to be clicked or pasted
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else Path(relative)
