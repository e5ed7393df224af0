"""Sweeps: stored as they come, gone on with, equal labels for all that learn."""

import dataclasses

import pytest

from baselines.methods import SINGLE
from baselines.store import RunFolder
from baselines.sweep import available_cores, check_equal_labels, sweep


@pytest.fixture
def rows(make_rows):
    return make_rows(3, methods=("random", SINGLE, "mixture+nash"))


@pytest.fixture
def folder(tmp_path):
    return RunFolder.open(tmp_path, {"a": 1}, {})


class Runner:
    """Gives made-up rows, counts what it is asked for, and can be told to fail."""

    def __init__(self, rows, fail_at=None):
        self.rows = {row.cell.key: row for row in rows}
        self.asked = []
        self.fail_at = fail_at

    def __call__(self, cell):
        if len(self.asked) == self.fail_at:
            raise KeyboardInterrupt
        self.asked.append(cell.key)
        return self.rows[cell.key]


def run_all(rows, folder, runner):
    return sweep([row.cell for row in rows], folder, run=runner, workers=1)


@pytest.mark.parametrize("fail_at", [0, 1, 7, 17])
def test_an_interrupted_sweep_goes_on_and_repeats_nothing(rows, folder, fail_at):
    first = Runner(rows, fail_at)
    with pytest.raises(KeyboardInterrupt):
        run_all(rows, folder, first)
    again = RunFolder.open(folder.path, {"a": 1}, {})
    assert len(again.rows) == fail_at
    second = Runner(rows)
    found = run_all(rows, again, second)
    assert sorted(first.asked + second.asked) == sorted(row.cell.key for row in rows)
    assert {row.cell.key for row in found} == {row.cell.key for row in rows}


def test_a_finished_sweep_runs_nothing(rows, folder):
    run_all(rows, folder, Runner(rows))
    idle = Runner(rows)
    assert len(run_all(rows, folder, idle)) == len(rows)
    assert idle.asked == []


def test_rows_are_told_after_they_are_stored(rows, folder):
    told = []
    sweep(
        [row.cell for row in rows],
        folder,
        run=Runner(rows),
        workers=1,
        told=lambda row: told.append(row.cell in RunFolder.load(folder.path)),
    )
    assert told == [True] * len(rows)


def test_only_the_cells_asked_for_are_returned(rows, folder):
    run_all(rows, folder, Runner(rows))
    assert len(run_all(rows[:2], folder, Runner(rows))) == 2


def test_a_failing_cell_is_named_and_the_rest_is_kept(rows, folder):
    del (runner := Runner(rows)).rows[rows[2].cell.key]
    with pytest.raises(RuntimeError, match=r"Timetable-v0\|\|random.*KeyError"):
        run_all(rows, folder, runner)
    assert len(RunFolder.load(folder.path).rows) == 2


def test_unequal_labels_are_refused(rows):
    rows[-1] = dataclasses.replace(rows[-1], labels=159)
    with pytest.raises(ValueError, match=r"equally many labels.*160.*159"):
        check_equal_labels(rows)


@pytest.mark.parametrize("change", [{"seed": 7}, {"labels": 5}, {"knobs": (("size", 3),)}])
def test_other_repetitions_may_have_other_labels(rows, change):
    cell = dataclasses.replace(rows[-1].cell, **change)
    check_equal_labels([*rows, dataclasses.replace(rows[-1], cell=cell, labels=3)])


def test_bounds_have_no_labels_to_be_equal(rows):
    check_equal_labels([row for row in rows if row.cell.method == "random"])


def test_there_is_a_core():
    assert available_cores() >= 1
