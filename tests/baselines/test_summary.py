"""Tables: one line a method, in order, judged against single-reward."""

import math

import numpy as np
import pytest

from baselines.methods import DEFAULT_METHODS, SINGLE
from baselines.statistics import Estimate, improvement, interval
from baselines.summary import METRICS, Table, better_table, main_tables, short, summarise


def test_lines_come_in_the_order_of_the_methods(make_rows):
    lines = summarise(reversed(make_rows()))
    assert [line.env for line in lines] == ["Delivery-v0"] * 17 + ["Timetable-v0"] * 17
    assert tuple(line.method for line in lines[:17]) == DEFAULT_METHODS


@pytest.mark.parametrize("metric", METRICS)
def test_estimates_are_those_of_the_rows(make_rows, metric):
    rows = [row for row in make_rows(5) if row.cell.env == "Delivery-v0"]
    for line in summarise(rows):
        own = [getattr(row, metric) for row in rows if row.cell.method == line.method]
        assert str(line.estimates[metric]) == str(interval(own))


def test_improvement_is_over_single_reward_of_the_same_optimiser(make_rows):
    rows = make_rows(4, optimiser="ppo") + make_rows(4, methods=(SINGLE,), optimiser="exact")
    rows = [row for row in rows if row.cell.env == "Delivery-v0"]
    by_ppo = [r.worst for r in rows if (r.cell.method, r.cell.optimiser) == (SINGLE, "ppo")]
    line = next(x for x in summarise(rows) if x.method == "mixture+nash")
    own = [row.worst for row in rows if row.cell.method == "mixture+nash"]
    assert line.better["worst"] == improvement(own, by_ppo)


@pytest.mark.parametrize("methods", [("random", "oracle+nash"), (SINGLE,)])
def test_without_a_comparison_there_is_no_probability(make_rows, methods):
    assert all(line.better == {} for line in summarise(make_rows(methods=methods)))


def test_label_counts_are_kept_apart(make_rows):
    rows = make_rows(2, labels=10, methods=(SINGLE,)) + make_rows(2, labels=20, methods=(SINGLE,))
    assert sorted(line.labels for line in summarise(rows)) == [10, 10, 20, 20]


def test_one_table_an_environment_with_every_method(make_rows):
    lines = summarise(make_rows())
    tables = main_tables(lines)
    assert [len(table.rows) for table in tables] == [17, 17]
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)
    assert "160 labels · 3 seeds" in tables[0].title
    assert len(better_table(lines[:17]).rows) == 16


def test_markdown_has_a_line_a_row():
    text = Table("t", ("a", "b"), (("1", "2"), ("3", "4"))).markdown()
    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | 2 |", "| 3 | 4 |"]


@pytest.mark.parametrize(
    ("estimate", "expected"),
    [
        (Estimate(0.5, 0.4, 0.6, 3), "0.50 ±0.10"),
        (Estimate(0.5, 0.4, 0.7, 3), "0.50 [0.40, 0.70]"),
        (Estimate(0.5, math.nan, math.nan, 1), "0.50"),
        (Estimate(math.nan, math.nan, math.nan, 0), "–"),
    ],
)
def test_symmetric_intervals_are_shortened(estimate, expected):
    assert short(estimate) == expected


def test_students_interval_is_always_shortened():
    rng = np.random.default_rng(0)
    shown = [short(interval(rng.normal(size=3))) for _ in range(50)]
    assert sum("±" in each for each in shown) > 40  # rounding may part the two halves
