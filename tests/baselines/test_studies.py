"""Studies: each keeps the same form, and Delivery says what it must."""

import dataclasses
import json

import pytest
from scipy import stats

from baselines.cells import run_cell
from baselines.jobs import rebuild, run_study
from baselines.methods import DEFAULT_METHODS, SINGLE
from baselines.store import RunFolder
from baselines.studies import STUDIES, delivery_conflict, find_study, labels, pivot

SEEDS = range(6)
SHOWN = (SINGLE, "hierarchical+max-min", "independent+max-min", "oracle+max-min")


@pytest.fixture(scope="module")
def ends():
    """Rows of both ends of the conflict knob."""
    return [
        run_cell(cell)
        for cell in delivery_conflict.cells(len(SEEDS))
        if cell.method in SHOWN and dict(cell.knobs)["conflict"] in (0.0, 1.0)
    ]


def worst(rows, method, conflict):
    return [
        row.worst
        for row in rows
        if (row.cell.method, dict(row.cell.knobs)["conflict"]) == (method, conflict)
    ]


@pytest.mark.parametrize("method", SHOWN)
def test_where_nobody_disagrees_all_methods_meet(ends, method):
    assert worst(ends, method, 0.0) == pytest.approx([1.0] * len(SEEDS), abs=0.02)


def test_at_full_conflict_single_reward_leaves_the_minority_at_its_floor(ends):
    assert max(worst(ends, SINGLE, 1.0)) <= 0.1


def test_at_full_conflict_listening_to_each_party_is_better(ends):
    ours, pooled = worst(ends, "hierarchical+max-min", 1.0), worst(ends, SINGLE, 1.0)
    test = stats.permutation_test(
        (ours, pooled), lambda x, y: x.mean() - y.mean(), alternative="greater", rng=0
    )
    assert test.pvalue < 0.01
    optimum = worst(ends, "oracle+max-min", 1.0)[0]
    assert sum(ours) / len(ours) >= 0.85 * optimum  # the study has the bar, with more seeds


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_the_same_form(name):
    study = find_study(name)
    cells = study.cells(2)
    assert study.QUESTION.endswith("?")
    assert len({cell.key for cell in cells}) == len(cells)
    assert {cell.seed for cell in cells} == {0, 1}


@pytest.mark.parametrize("study", [delivery_conflict, labels])
def test_studies_cover_their_grid(study):
    cells = study.cells(3)
    methods = {cell.method for cell in cells}
    assert methods <= set(DEFAULT_METHODS)
    assert len(cells) == 3 * len(methods) * len(study.GRID)


@pytest.mark.parametrize(
    ("reached", "expected"), [(-0.5, 0.0), (0.0, 0.0), (0.3, 0.5), (0.6, 1.0), (0.7, 1.0)]
)
def test_the_score_runs_from_the_reference_to_the_optimum(ends, reached, expected):
    row = dataclasses.replace(ends[0], worst=reached, regrets={"max-min": 0.6 - reached})
    assert pivot.score(row) == pytest.approx(expected)


def test_tables_and_verdict_come_from_the_rows(ends):
    table, score = delivery_conflict.tables(ends)
    assert table.columns == ("method", "conflict 0", "conflict 1")
    assert [row[0] for row in table.rows] == [m for m in DEFAULT_METHODS if m in SHOWN]
    assert "1000 labels, 6 seeds" in table.title
    assert dict(zip(score.columns, score.rows[0], strict=True))["conflict 1"].startswith("1.00")
    assert delivery_conflict.verdict(ends).startswith("At full conflict single-reward gives")


def test_figures_have_a_curve_a_method(ends):
    assert len(delivery_conflict.figure(ends).axes[0].lines) >= len(SHOWN)


def test_a_study_is_kept_resumed_and_rebuilt(tmp_path, monkeypatch, capsys):
    few = [cell for cell in labels.cells(1) if cell.labels in (25, 50)]
    monkeypatch.setattr(labels, "cells", lambda seeds: few)
    page = run_study("labels", 1, tmp_path, workers=1)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# labels\n")
    assert (tmp_path / "figure.svg").stat().st_size > 1000
    rows = (tmp_path / "rows.jsonl").read_bytes()
    monkeypatch.setattr(labels, "run", None)
    assert run_study("labels", 1, tmp_path, workers=1) == page
    assert (tmp_path / "rows.jsonl").read_bytes() == rows
    page.unlink()
    assert rebuild(tmp_path).read_text(encoding="utf-8") == text
    assert json.loads((tmp_path / "manifest.json").read_text())["config"]["study"] == "labels"
    assert len(RunFolder.load(tmp_path).rows) == len(few)
    assert labels.QUESTION.split()[0] in capsys.readouterr().out


def test_two_processes_give_what_one_gives(tmp_path, monkeypatch):
    few = [cell for cell in labels.cells(2) if cell.labels == 25][:6]
    monkeypatch.setattr(labels, "cells", lambda seeds: few)
    monkeypatch.setattr(labels, "verdict", lambda rows: "")
    found = []
    for workers in (1, 2):
        run_study("labels", 2, tmp_path / str(workers), workers)
        rows = RunFolder.load(tmp_path / str(workers)).rows
        found.append(sorted(dataclasses.replace(row, seconds=0.0).to_json() for row in rows))
    assert found[0] == found[1]
