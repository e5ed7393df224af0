"""Pages of results: every number of their tables is what the rows beside them give."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from baselines.methods import SINGLE, WELFARES
from baselines.statistics import interval
from baselines.studies import finite_optima
from baselines.studies.loop import METHODS
from baselines.summary import short

RESULTS = Path(__file__).parents[2] / "docs" / "results"
PAGES = sorted(page.stem for page in RESULTS.glob("*.md"))


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


def test_loop_shows_the_rows():
    _, rows = rows_of("loop")
    ((_, table),) = tables_of("loop")
    assert list(table) == list(METHODS) == list(dict.fromkeys(row["method"] for row in rows))
    single = np.array(column(rows, "worst_off", method=SINGLE))
    for method, cells in table.items():
        worst = np.array(column(rows, "worst_off", method=method))
        share = column(rows, "share_of_max_min", method=method)
        gain = "–" if method == SINGLE else short(interval(worst - single))
        found = [short(interval(worst)), short(interval(share)), f"{min(share):.2f}", gain]
        assert cells == found, method


def test_loop_shows_what_it_must():
    _, rows = rows_of("loop")
    assert {row["answers_fitted"] for row in rows} == {"2000"}
    assert max(column(rows, "worst_off", method=SINGLE)) < 0.1
    for method in ("mixture+max-min", "low-rank of rank 2+max-min"):
        share = interval(column(rows, "share_of_max_min", method=method))
        assert share.runs >= 10
        assert share.low >= 0.85, method


def test_loop_tells_how_often_the_size_was_misjudged():
    _, rows = rows_of("loop")
    sizes = column(rows, "size", method="low-rank+max-min")
    assert (sizes.count(1), sizes.count(2)) == (4, 6)
    sizes = column(rows, "size", method="mixture+max-min")
    assert (sizes.count(2), sizes.count(3)) == (9, 1)


def test_finite_optima_shows_the_rows_and_what_it_must():
    _, rows = rows_of("finite-optima")
    ((_, table),) = tables_of("finite-optima")
    assert list(table) == list(finite_optima.ENVS)
    for env, cells in table.items():
        columns = [
            [column(rows, measure, environment=env, welfare=welfare) for welfare in WELFARES]
            for measure in ("optimum", "share")
        ]
        optima, shares = (np.array(values) for values in columns)
        shown = [*optima.mean(axis=1), *shares.mean(axis=1), *shares.min(axis=1)]
        assert cells == [f"{number:.3f}" for number in shown], env
        assert shares.shape == (3, 5)
        assert (shares.mean(axis=1) >= finite_optima.MEAN).all()
        assert (shares >= finite_optima.WORST).all()
