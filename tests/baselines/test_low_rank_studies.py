"""Studies of joint learning: what a small grid must show, and that tables and answers follow."""

import numpy as np
import pytest

from baselines.rows import Finding
from baselines.studies import grid, low_rank, violation

SEEDS = 3


@pytest.fixture(scope="module")
def shared():
    """Rows of a small grid of the study low-rank."""
    patch = pytest.MonkeyPatch()
    small = {
        "answers": {"features": (10,), "rank": (2,), "parties": (10,), "n": (200, 400, 1600)},
        "gain": {"features": (10, 20), "rank": (2,), "parties": (10, 40), "each": (20,)},
        "parties": {"features": (10,), "rank": (2,), "parties": (2, 10, 40), "n": (60,)},
        "rank": {"features": (20,), "rank": (1, 4), "parties": (40,), "n": (400,)},
    }
    patch.setattr(low_rank, "GRID", small)
    rows = [low_rank.run(cell) for cell in low_rank.cells(SEEDS)]
    patch.undo()
    return rows


@pytest.fixture(scope="module")
def violated():
    """Rows of a small grid of the study violation."""
    patch = pytest.MonkeyPatch()
    small = {
        "outside": {"rho": (0.0, 0.1, 0.4), "n": (100, 400)},
        "alike": {"alike": (0.0, 0.99), "n": (100,)},
        "unequal": {"exponent": (0.0, 1.5), "n": (100,)},
    }
    patch.setattr(violation, "FEATURES", 12)
    patch.setattr(violation, "PARTIES", 12)
    patch.setattr(violation, "GRID", small)
    rows = [violation.run(cell) for cell in violation.cells(SEEDS)]
    patch.undo()
    return rows


def part(rows, name, **places):
    return grid.where([row for row in rows if row.cell.env == name], **places)


def mean(rows, value):
    return np.mean([row.values[value] for row in rows])


@pytest.mark.parametrize("method", ["joint", "separate"])
def test_errors_fall_as_one_over_the_root_of_answers(shared, method):
    found = low_rank.slope(part(shared, "answers"), f"{method} mean", 20)
    assert -0.65 < found.value < -0.4


def test_a_pooled_error_does_not_fall(shared):
    assert abs(low_rank.slope(part(shared, "answers"), "pooled mean", 10).value) < 0.05


def test_gains_are_about_those_of_degrees_of_freedom(shared):
    for place, ratio in low_rank.gains(shared).items():
        assert ratio.value == pytest.approx(low_rank.gain_foreseen(*place[:3]), rel=0.25)


def test_joint_beats_separate_ridge_where_parties_are_many(shared):
    many = part(shared, "parties", parties=40)
    assert mean(many, "joint mean") < 0.8 * mean(many, "separate ridge mean")


def test_the_rank_is_paid_for(shared):
    one, four = (mean(part(shared, "rank", rank=r), "joint square") for r in (1, 4))
    assert 1.5 * one < four < 16.0 * one


def test_joint_fits_lose_outside_of_the_subspace_and_the_hybrid_does_not(violated):
    for n in (100, 400):
        inside, far = (part(violated, "outside", rho=rho, n=n) for rho in (0.0, 0.4))
        assert mean(inside, "joint ridge mean") < mean(inside, "separate ridge mean")
        assert mean(far, "joint ridge mean") > mean(far, "separate ridge mean")
        for rho in (0.0, 0.1, 0.4):
            rows = part(violated, "outside", rho=rho, n=n)
            assert np.mean([violation.miss(row) for row in rows]) < 0.08


def test_the_crossing_comes_sooner_with_more_answers(violated):
    found = violation.crossings(violated)
    assert 0.0 < found[400].value < found[100].value < 0.4


def test_a_crossing_is_where_straight_lines_meet():
    cells = grid.grid("outside", 1, rho=(0.0, 0.2, 0.4), n=(100,))
    ahead = {0.0: 0.4, 0.2: 0.1, 0.4: -0.3}
    rows = [
        Finding(
            cell,
            {
                "joint ridge mean": 1.0 - ahead[dict(cell.knobs)["rho"]],
                "separate ridge mean": 1.0,
            },
            0.0,
        )
        for cell in cells
    ]
    assert violation.crossings(rows)[100].value == pytest.approx(0.25)


def test_parties_who_are_alike_are_learned_best_together(violated):
    rows = part(violated, "alike", alike=0.99)
    assert mean(rows, "pooled mean") < mean(rows, "joint ridge mean")
    assert mean(rows, "nu") < 0.1 * mean(part(violated, "alike", alike=0.0), "nu")


def test_few_answers_of_some_cost_those_who_give_them(violated):
    even, uneven = (part(violated, "unequal", exponent=each) for each in (0.0, 1.5))
    for method in ("joint ridge", "separate ridge"):
        assert mean(uneven, f"{method} max") > mean(even, f"{method} max")


@pytest.mark.parametrize(
    ("study", "rows", "told"),
    [
        (low_rank, "shared", "Exponent of n in the mean error"),
        (violation, "violated", "Joint and separate ridge cross at rho"),
    ],
)
def test_tables_figure_and_verdict_come_from_the_rows(study, rows, told, request):
    found = request.getfixturevalue(rows)
    for table in study.tables(found):
        assert {len(line) for line in table.rows} == {len(table.columns)}
    assert all(0.0 <= study.score(row) <= 1.0 for row in found)
    assert study.verdict(found).startswith(told)
    assert len(study.figure(found).axes) == 4
    one = [row for row in found if row.cell.seed == 0]
    assert study.verdict(one)
    assert study.tables(one)


@pytest.mark.parametrize("study", [low_rank, violation])
def test_the_larger_grid_is_larger(study):
    assert len(study.cells(1, full=True)) > len(study.cells(1))
