"""The study on real people: rows, tables and what they say."""

import math

import numpy as np
import pytest

from baselines.rows import Cell, Row
from baselines.studies import travellers


@pytest.fixture(scope="module")
def rows():
    quick = [cell for cell in travellers.cells(2) if cell.method != "mixture"]
    return [travellers.run(cell) for cell in quick if cell.env == "train"]


def test_every_learner_meets_every_split_of_both_panels():
    cells = travellers.cells(3)
    assert len({cell.key for cell in cells}) == len(cells) == 3 * 2 * len(travellers.LEARNERS)


def test_rows_come_back_from_their_file(rows):
    again = Row.from_json(rows[0].to_json())
    assert again.cell == rows[0].cell
    assert again.regrets == rows[0].regrets
    assert again.accuracy == pytest.approx(rows[0].accuracy, nan_ok=True)


def test_learners_of_a_split_share_its_answers(rows):
    assert len({row.labels for row in rows}) == 1
    held_out = {np.isnan(row.accuracy).sum() for row in rows}
    assert len(held_out) == 1


def test_figures_asked_for_are_reached(rows):
    def mean(learner, measure):
        return np.mean([measure(row) for row in rows if row.cell.method == learner])

    for learner, accuracy, loss in (("pooled", 0.67, 0.61), ("hierarchical", 0.765, 0.475)):
        assert mean(learner, lambda row: row.accuracy_majority) > accuracy
        assert mean(learner, lambda row: row.regrets["log-likelihood"]) < loss


@pytest.mark.parametrize(
    ("panel", "accuracy", "score"),
    [("train", 0.5, 0.0), ("train", 0.75, 0.5), ("electricity", 1.0, 1.0), ("train", 0.4, 0.0)],
)
def test_score_runs_from_guessing_to_knowing(rows, panel, accuracy, score):
    import dataclasses

    row = dataclasses.replace(
        rows[0], cell=Cell(panel, "pooled", "none", 0), accuracy_majority=accuracy
    )
    assert travellers.score(row) == pytest.approx(score)


def test_worst_served_are_at_the_bottom(rows):
    for row in rows:
        person, worst = np.array(row.accuracy), np.array(row.minority)
        assert row.accuracy_minority == pytest.approx(person[worst].mean())
        assert person[worst].max() <= np.nanmin(person[~worst])


def test_table_and_verdict_tell_what_the_rows_hold(rows):
    table = travellers.tables(rows)[0]
    pooled = np.mean([r.accuracy_majority for r in rows if r.cell.method == "pooled"])
    assert "235 people, 2929 choices of 2 · mean of 2 splits" in table.title
    assert table.rows[0][0] == "pooled"
    assert table.rows[0][1].startswith(f"{pooled:.3f} [")
    assert f"{100 * pooled:.1f} %" in travellers.verdict(rows)
    assert not math.isnan(rows[0].seconds)
