"""Intervals against closed forms and against how often they cover the truth."""

import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from baselines.statistics import BOOTSTRAP_FROM, Estimate, improvement, interval


@pytest.mark.parametrize("runs", [2, 3, 5, 9])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_few_runs_give_students_interval(runs, confidence):
    values = np.random.default_rng(runs).normal(size=runs)
    found = interval(values, confidence=confidence)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.value == pytest.approx(values.mean())
    assert found.runs == runs


def test_many_runs_give_the_bootstrap():
    values = np.random.default_rng(1).exponential(size=40)
    found = interval(values)
    expected = stats.bootstrap(
        (values,), np.mean, rng=np.random.default_rng(5), n_resamples=20_000
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.06)
    assert found.high - found.value > found.value - found.low  # skewed to the right, as the data


@pytest.mark.parametrize(("runs", "tries"), [(3, 2000), (BOOTSTRAP_FROM, 200)])
def test_intervals_cover_what_they_claim(runs, tries):
    rng = np.random.default_rng(7)
    found = [interval(rng.normal(0.3, 1.0, runs)) for _ in range(tries)]
    covered = sum(each.low <= 0.3 <= each.high for each in found)
    plausible = stats.binomtest(covered, tries).proportion_ci(0.99)
    assert plausible.high > 0.94
    assert plausible.low < 0.96


def test_the_same_runs_give_the_same_interval():
    values = np.random.default_rng(2).normal(size=25)
    assert interval(values) == interval(values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.5, 0.5, 0.5], "0.50 [0.50, 0.50]"),
        ([0.25], "0.25"),
        ([math.nan, math.nan], "–"),
        ([], "–"),
    ],
)
def test_edge_cases_print_plainly(values, expected):
    assert str(interval(values)) == expected


def test_nan_runs_are_left_out():
    assert interval([0.1, math.nan, 0.3]).runs == 2


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [([2, 3], [0, 1], 1.0), ([0, 1], [2, 3], 0.0), ([1, 1], [1, 1], 0.5), ([0, 2], [1, 1], 0.5)],
)
def test_improvement_is_the_mann_whitney_statistic(ours, theirs, expected):
    found = improvement(ours, theirs)
    statistic = stats.mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs))
    assert found.value == expected == statistic
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("theta_at", ["one", "zero", "inside"])
def test_improvement_bounds_solve_newcombes_equation(theta_at):
    ours = {"one": [5.0, 6, 7, 8], "zero": [-5.0, -6, -7, -8], "inside": [0.5, 1.5, 2.5, 9.0]}
    found = improvement(ours[theta_at], [1.0, 2.0, 3.0])
    z, spread = stats.norm.ppf(0.975), (4 + 3) / 2 - 1
    for bound in {found.low, found.high} - {0.0, 1.0}:
        shape = 1 + spread * ((1 - bound) / (2 - bound) + bound / (1 + bound))
        error = math.sqrt(bound * (1 - bound) * shape / 12)
        assert abs(found.value - bound) == pytest.approx(z * error, rel=1e-6)


def test_improvement_mirrors():
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(size=6), rng.normal(size=4)
    one, other = improvement(ours, theirs), improvement(theirs, ours)
    mirrored = (1 - other.value, 1 - other.high, 1 - other.low)
    assert (one.value, one.low, one.high) == pytest.approx(mirrored)


def test_three_runs_that_agree_do_not_prove_everything():
    found = improvement([3, 4, 5], [0, 1, 2])
    assert found.value == 1.0
    assert 0.3 < found.low < 0.7


def test_improvement_without_runs_is_unknown():
    assert math.isnan(improvement([], [1.0]).value)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
@pytest.mark.parametrize("function", [interval, partial(improvement, [0.0, 1.0])])
def test_confidence_is_checked(function, confidence):
    with pytest.raises(ValueError, match="confidence"):
        function([0.1, 0.2], confidence=confidence)


def test_scores_are_one_number_a_run():
    with pytest.raises(ValueError, match="values should have shape"):
        interval(np.zeros((2, 2)))


def test_estimates_print_their_bounds():
    assert str(Estimate(0.5, 0.25, 0.75, 3)) == "0.50 [0.25, 0.75]"
