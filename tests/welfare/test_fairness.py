"""Fairness measures against closed forms, on NumPy and torch."""

import numpy as np
import pytest
import torch

from multiparty_envs.welfare import fairness

MAKERS = [np.array, torch.tensor]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("u", "gini", "jain", "worst"),
    [
        ([1.0, 1.0, 1.0, 1.0], 0.0, 1.0, 1.0),
        ([0.0, 0.0, 0.0, 8.0], 0.75, 0.25, 0.0),
        ([1.0, 3.0], 0.25, 0.8, 1.0),
    ],
)
def test_known_profiles(make, u, gini, jain, worst):
    u = make(u)
    assert float(fairness.gini(u)) == pytest.approx(gini, abs=1e-12)
    assert float(fairness.jain(u)) == pytest.approx(jain)
    assert float(fairness.worst(u)) == worst


def test_gini_is_half_the_relative_mean_difference():
    u = np.random.default_rng(0).uniform(0, 1, (20, 7))
    difference = np.abs(u[:, :, None] - u[:, None, :]).mean(axis=(1, 2))
    assert fairness.gini(u) == pytest.approx(difference / (2 * u.mean(axis=1)))


@pytest.mark.parametrize("make", MAKERS)
def test_lorenz_curve_of_four(make):
    curve = fairness.lorenz(make([[4.0, 1.0, 3.0, 2.0]]))
    assert np.asarray(curve[0]) == pytest.approx([0.0, 0.1, 0.3, 0.6, 1.0])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("u", "floor", "value", "count"),
    [([1.0, 4.0], 1e-8, 2.0, 0), ([-3.0, 1.0], 1e-2, 0.1, 1), ([0.0, 0.0], 1e-8, 1e-8, 2)],
)
def test_geometric_mean_counts_who_was_raised(make, u, floor, value, count):
    mean, raised = fairness.geometric_mean(make(u), floor)
    assert float(mean) == pytest.approx(value)
    assert int(raised) == count


def test_floor_should_be_positive():
    with pytest.raises(ValueError, match="floor"):
        fairness.geometric_mean(np.ones(2), 0.0)
