"""Pages of results: every number of their tables is what the rows beside them give."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from baselines.jobs import rebuild
from baselines.methods import SINGLE
from baselines.statistics import interval
from baselines.store import RunFolder
from baselines.studies import find_study, finite_optima, loop
from baselines.summary import short

RESULTS = Path(__file__).parents[2] / "docs" / "results"
PAGES = sorted(page.stem for page in RESULTS.glob("*.md"))
FOLDERS = sorted(page.parent.name for page in RESULTS.glob("*/manifest.json"))


def rows_of(name):
    command, *lines = (RESULTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return command.removeprefix("# "), list(csv.DictReader(lines))


def tables_of(name):
    """The tables of a page: {first cell of a line: its other cells}, in the page's order."""
    text = (RESULTS / f"{name}.md").read_text(encoding="utf-8").replace("−", "-")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    split = [[line.strip("| ").split(" | ") for line in t.splitlines()] for t in tables]
    return [(head, {name: cells for name, *cells in lines}) for head, _, *lines in split]


def column(rows, measure, **where):
    return [float(r[measure]) for r in rows if all(r[k] == v for k, v in where.items())]


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_how_their_rows_were_made(name):
    command, rows = rows_of(name)
    assert command.startswith(f"multiparty study {name} --seeds ")
    assert f"\n{command}\n" in (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    seeds = {row.get("seed", row.get("split")) for row in rows}
    assert len(seeds) == int(command.rsplit(maxsplit=1)[1])


def test_delivery_conflict_shows_the_rows():
    _, rows = rows_of("delivery-conflict")
    ((head, table),) = tables_of("delivery-conflict")
    assert set(table) == {row["method"] for row in rows}
    for method, cells in table.items():
        for place, cell in zip(head[1:], cells, strict=True):
            conflict = place.removeprefix("conflict ")
            found = interval(column(rows, "worst_off", method=method, conflict=conflict))
            assert cell == short(found), (method, place)


def test_delivery_conflict_shows_what_it_must():
    _, rows = rows_of("delivery-conflict")
    methods = {row["method"] for row in rows} - {"random"}
    for method in methods:
        worst = column(rows, "worst_off", method=method, conflict="0")
        assert worst == pytest.approx([1.0] * len(worst), abs=0.005), method
    assert max(column(rows, "worst_off", method="single-reward", conflict="1")) <= 0.1
    learned = [m for m in methods if not m.startswith("oracle") and m != "single-reward"]
    best = max(np.mean(column(rows, "share_of_max_min", method=m, conflict="1")) for m in learned)
    assert best >= 0.9


def test_travellers_shows_the_rows():
    _, rows = rows_of("travellers")
    measures = ("accuracy", "log_likelihood", "worst_served_tenth")
    for panel, (_, table) in zip(("train", "electricity"), tables_of("travellers"), strict=True):
        assert set(table) == {row["learner"] for row in rows}
        for learner, cells in table.items():
            for measure, cell in zip(measures, cells, strict=True):
                values = np.array(column(rows, measure, panel=panel, learner=learner))
                error = values.std(ddof=1) / np.sqrt(len(values))
                shown = [float(number) for number in cell.split(" ± ")]
                # rows and page are rounded, each for itself
                assert shown == pytest.approx([values.mean(), error], abs=6e-4), (panel, learner)


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_show_their_rows(name, tmp_path):
    """Page and answer are what the rows give, and the command on them is what a user types."""
    kept = RESULTS / name
    shutil.copytree(kept, tmp_path / name)
    page = rebuild(tmp_path / name)
    assert page.read_text(encoding="utf-8") == (kept / "README.md").read_text(encoding="utf-8")
    manifest = json.loads((kept / "manifest.json").read_text(encoding="utf-8"))
    command = rf"multiparty study {name} --seeds \d+ (--workers \d )?--out docs/results/{name}"
    assert re.fullmatch(command, manifest["command"])
    study, config = find_study(name), manifest["config"]
    cells = {cell.key for cell in study.cells(config["seeds"])}
    assert cells == {row.cell.key for row in RunFolder.load(kept).rows}


def test_studies_that_have_results_are_told_about():
    told = (RESULTS.parent / "studies.md").read_text(encoding="utf-8")
    for name in (*PAGES, *FOLDERS):
        assert f"\n## {name}\n" in told
        assert f"(results/{name}" in told


def test_loop_shows_what_it_must():
    rows = RunFolder.load(RESULTS / "loop").rows
    single = [row.worst for row in rows if row.cell.method == SINGLE]
    assert max(single) < 0.1
    assert {row.labels for row in rows} == {2_000}
    for method in ("mixture+max-min", "low-rank of rank 2+max-min"):
        share = interval([loop.score(row) for row in rows if row.cell.method == method])
        assert share.runs >= 10
        assert share.low >= 0.85, method


def test_finite_optima_shows_what_it_must():
    rows = RunFolder.load(RESULTS / "finite-optima").rows
    groups = {(row.cell.env, row.cell.method): [] for row in rows}
    for row in rows:
        groups[row.cell.env, row.cell.method].append(finite_optima.score(row))
    shares = np.array(list(groups.values()))
    assert shares.shape == (12, 5)
    assert (shares.mean(axis=1) >= finite_optima.MEAN).all()
    assert (shares >= finite_optima.WORST).all()
