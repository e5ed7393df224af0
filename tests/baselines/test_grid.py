"""Studies of one quantity: cells, slopes, tables."""

import numpy as np
import pytest

from baselines.rows import Finding
from baselines.statistics import Estimate
from baselines.studies import grid


def rows_of(exponent, noise=0.0):
    rng = np.random.default_rng(0)
    cells = grid.grid("here", 5, n=(50, 100, 200), rho=(0.0, 0.5))
    return [
        Finding(
            c,
            {
                "error": float(c.seed + 1)
                * dict(c.knobs)["n"] ** exponent
                * float(np.exp(noise * rng.standard_normal()))
            },
            0.0,
        )
        for c in cells
    ]


def test_a_grid_has_every_combination_once():
    cells = grid.grid("here", 2, ("a", "b"), n=(1, 2, 3), rho=(0.0, 0.5))
    assert len({cell.key for cell in cells}) == len(cells) == 2 * 2 * 3 * 2
    assert {cell.method for cell in cells} == {"a", "b"}


def test_the_slope_is_the_exponent_whatever_the_seeds_differ_in():
    found = grid.slope(rows_of(-0.5), "n", "error")
    assert found.value == pytest.approx(-0.5)
    assert found.runs == 5


def test_the_slope_of_noisy_rows_has_an_interval_round_the_truth():
    found = grid.slope(grid.where(rows_of(-0.5, 0.1), rho=0.5), "n", "error")
    assert found.low < -0.5 < found.high


def test_a_curve_with_a_zero_has_no_slope():
    assert np.isnan(grid.log_slope([1, 2], [1.0, 0.0]))


def test_a_cell_is_measured_with_its_knobs_and_seed():
    (cell,) = grid.grid("here", 1, n=(4,))
    row = grid.measured(cell, lambda seed, n: {"product": n * (seed + 1)})
    assert row.values == {"product": 4.0}


def test_cells_of_a_table_show_half_the_interval():
    assert grid.spread(Estimate(0.5, 0.4, 0.6, 3)) == "0.500 ±0.100"
    assert grid.spread(Estimate(np.nan, np.nan, np.nan, 0)) == "–"


def test_the_figure_has_a_panel_each_and_one_colour_a_curve():
    curve = {1.0: Estimate(1.0, 0.9, 1.1, 3), 2.0: Estimate(0.5, 0.4, 0.6, 3)}
    figure = grid.curves_figure({"a": {"x": curve}, "b": {"y": curve, "x": curve}}, x="n", y="e")
    assert len(figure.axes) == 2
    colours = [axis.get_legend_handles_labels() for axis in figure.axes]
    assert [label for _, labels in colours for label in labels] == ["x", "y", "x"]
