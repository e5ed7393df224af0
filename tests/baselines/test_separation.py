"""Study `separation`: answers needed by many and by one."""

import numpy as np
import pytest

from baselines.studies import find_study, grid
from baselines.studies import separation as study
from baselines.studies.crossings import Need, falling, needed

HARD, RANDOM = study.Setting("hard", 3, 4), study.Setting("random", 2, 1)


@pytest.fixture(scope="module")
def rows():
    cells = [
        cell
        for kind, rank, coverage in (HARD, RANDOM)
        for cell in grid.grid(kind, 3, rank=(rank,), coverage=(coverage,), parties=(1, 2, 4))
    ]
    return [study.run(cell) for cell in cells]


def test_cells_cover_the_grid():
    assert find_study("separation") is study
    assert len(study.cells(2)) == 2 * 8 * 4
    assert len(study.cells(1, full=True)) == 8 * 6


def test_a_crossing_is_found_between_places():
    counts = np.array([100, 200, 400, 800])
    assert np.exp(needed(counts, np.array([0.4, 0.2, 0.1, 0.05]), 0.1)) == pytest.approx(400)
    half = needed(counts, np.array([0.4, 0.2, 0.1, 0.05]), 0.15)
    assert np.exp(half) == pytest.approx(200 * 2**0.5)
    assert needed(counts, np.full(4, 0.3), 0.1) == np.inf
    assert needed(counts, np.full(4, 0.05), 0.1) == -np.inf


def test_falling_curves_are_those_of_isotonic_regression():
    isotonic = pytest.importorskip("sklearn.isotonic")
    curves = np.random.default_rng(0).uniform(size=(50, 7))
    found = falling(curves)
    for curve, each in zip(curves, found, strict=True):
        expected = isotonic.isotonic_regression(curve, increasing=False)
        np.testing.assert_allclose(each, expected, atol=1e-12)


def test_a_curve_that_rises_by_chance_is_made_to_fall():
    counts = np.array([100, 200, 400, 800])
    # 0.08 and 0.16 become 0.12 both: the curve is below 0.1 at the last place only
    found = needed(counts, np.array([0.4, 0.08, 0.16, 0.04]), 0.1)
    assert np.log(400) < found < np.log(800)


def test_the_worst_of_four_needs_more_answers_than_one_in_random_worlds(rows):
    found = study.ratios(RANDOM, rows, "separate", "leximin", "share")
    assert np.exp(found[4].value) > 1.5
    # sharing asks for less of each than separate fits do, for the mean of the parties
    joint, separate = (
        study.ratios(RANDOM, rows, name, "utilitarian", "gap")[4].value
        for name in ("joint", "separate")
    )
    assert joint <= separate


def test_ratios_are_paired_by_seed(rows):
    one = study.need(RANDOM, RANDOM.rows(rows, 1), "separate", "nash", "gap")
    assert one.over(one).estimate().high == 0.0


def test_an_unknown_ratio_is_told_as_such():
    above = Need(np.inf, np.full(5, np.inf))
    assert study._told(above.over(Need(1.0, np.ones(5)))) == "∞ [∞, ∞]"
    assert study._told(above.over(above)) == "–"


def test_what_is_told(rows):
    tables = study.tables(rows)
    assert len(tables) == 4
    assert len(tables[1].rows) == 2 * 3 * 2
    assert "Random, rank 2: utilitarian separate" in study.verdict(rows)
    assert len(study.figure(rows).axes) == 1  # of the hard worlds another one is drawn
    assert all(0.0 <= study.score(row) <= 1.0 for row in rows)
