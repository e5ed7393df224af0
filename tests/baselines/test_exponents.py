"""Exponents of grids, with intervals over seeds."""

import numpy as np
import pytest

from baselines.rows import Finding
from baselines.statistics import Estimate
from baselines.studies import exponents, grid

TRUE = {"n": -0.5, "parties": 1.0}


def rows_of(noise=0.0, seeds=10, number=0, common=0.0):
    rng = np.random.default_rng(number)
    shift = np.exp(common * rng.standard_normal(seeds))
    cells = grid.grid("here", seeds, n=(100, 200, 400), parties=(1, 2, 4))
    return [
        Finding(
            cell,
            {
                "gap": shift[cell.seed]
                * float(np.prod([dict(cell.knobs)[name] ** power for name, power in TRUE.items()]))
                * float(np.exp(noise * rng.standard_normal()))
            },
            0.0,
        )
        for cell in cells
    ]


def test_exponents_are_those_of_the_law_whatever_the_seeds_have_in_common():
    found = exponents.exponents(rows_of(common=0.5), ("n", "parties"), "gap")
    for axis, power in TRUE.items():
        assert found[axis].value == pytest.approx(power)
        assert found[axis].high - found[axis].low < 1e-9


def test_exponents_agree_with_least_squares():
    rows = rows_of(0.3)
    places, values = exponents.table(rows, ("n", "parties"), "gap")
    design = np.column_stack([np.ones(len(places)), np.log(places)])
    expected = np.linalg.lstsq(design, np.log(values.mean(axis=1)), rcond=None)[0][1:]
    found = exponents.exponents(rows, ("n", "parties"), "gap")
    assert [each.value for each in found.values()] == pytest.approx(expected)


def test_intervals_cover_about_as_often_as_they_claim():
    hits = []
    for number in range(150):
        found = exponents.exponents(rows_of(0.5, 8, number), ("n", "parties"), "gap")
        hits += [found[axis].low < power < found[axis].high for axis, power in TRUE.items()]
    assert 0.90 <= np.mean(hits) <= 0.99  # 300 intervals of 95 %, two of a number


def test_a_value_may_be_made_of_a_row():
    found = exponents.exponents(rows_of(), ("n", "parties"), lambda row: row.values["gap"] ** 2)
    assert found["parties"].value == pytest.approx(2.0)


def test_places_where_nothing_is_lost_are_left_out():
    rows = [
        Finding(row.cell, {"gap": 0.0 if grid.knob(row, "parties") == 4 else row.values["gap"]}, 0)
        for row in rows_of()
    ]
    found = exponents.exponents(rows, ("n", "parties"), "gap")
    assert found["parties"].value == pytest.approx(1.0)
    alone = exponents.exponents(grid.where(rows, n=100), ("parties",), "gap")
    assert np.isnan(alone["parties"].value)  # two places are left, which any line fits
    half = [Finding(r.cell, {"gap": 1.0 * (grid.knob(r, "parties") == 4)}, 0) for r in rows_of()]
    assert np.isnan(exponents.exponents(half, ("n", "parties"), "gap")["n"].value)


def test_an_axis_that_does_not_vary_has_no_exponent():
    found = exponents.exponents(grid.where(rows_of(), n=100), ("n", "parties"), "gap")
    assert np.isnan(found["n"].value)
    assert found["parties"].value == pytest.approx(1.0)


def test_every_seed_should_be_at_every_place():
    with pytest.raises(ValueError, match="every one of 10 seeds once"):
        exponents.table(rows_of()[1:], ("n", "parties"), "gap")


def test_one_seed_has_no_interval():
    found = exponents.exponents(rows_of(seeds=1), ("n", "parties"), "gap")
    assert np.isnan(found["n"].low)
    assert exponents.told(found["n"]) == "-0.50"


def test_words():
    assert exponents.told(Estimate(0.5, 0.4, 0.6, 9)) == "0.50 [0.40, 0.60]"
    assert exponents.against(Estimate(0.5, 0.4, 0.6, 9), 1.0) == "rejected (smaller)"
    assert exponents.against(Estimate(0.5, 0.4, 0.6, 9), 0.0) == "rejected (larger)"
    assert exponents.against(Estimate(0.5, 0.4, 0.6, 9), 0.55) == "not rejected"
    assert exponents.against(Estimate(0.5, np.nan, np.nan, 1), 0.55) == "undecided"
