"""What `multiparty compare`, `study` and `report` do, from settings to the path of a report."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from baselines.cells import run_cell
from baselines.compare import Settings
from baselines.console import counting, make_console, print_tables
from baselines.facts import arguments, facts, versions
from baselines.report import write_report
from baselines.store import RunFolder, config_hash
from baselines.summary import main_tables, summarise
from baselines.sweep import sweep


def run_comparison(settings: Settings, out: Path | None = None, workers: int = 0) -> Path:
    """Run what `out` does not hold yet, print the tables, and return the report's path.

    Args:
        settings: what to compare.
        out: folder of results; default one under `runs/` with a name of its own.
        workers: processes; 0: one a core.
    """
    config = {**dataclasses.asdict(settings), "version": versions()["multiparty-envs"]}
    path = out or Path("runs") / f"compare-{config_hash(config)}"
    folder = RunFolder.open(path, config, facts(arguments()))
    console = make_console()
    cells = settings.cells()
    missing = sum(cell not in folder for cell in cells)
    console.print(f"{len(cells)} cells, {len(cells) - missing} of them already in {path}")
    with counting(console, missing) as counter:
        rows = sweep(
            cells,
            folder,
            run=run_cell,
            workers=workers,
            told=lambda row: counter.advance(f"{row.cell.env} {row.cell.method}"),
        )
    print_tables(console, main_tables(summarise(settings.main(rows))))
    return rebuild(path)


def rebuild(path: Path) -> Path:
    """Write a comparison's report anew from its rows and return the report's path."""
    report = write_report(RunFolder.load(path))
    relative = os.path.relpath(report)
    return report if relative.startswith("..") else Path(relative)
