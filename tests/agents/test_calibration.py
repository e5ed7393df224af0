"""Radii against the truth."""

import numpy as np
import pytest
from scipy.special import expit

from agents.calibration import oracle_radius, simulated_errors
from multiparty_envs.feedback import Comparisons, Segments
from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.confidence import ConfidenceSets, metric

TRUTH = np.array([[1.0, -0.5], [0.3, 0.8]])


def simulate(number, count=60):
    rng = np.random.default_rng([7, number])
    features = rng.normal(size=(4 * count, 1, 2))
    first, party = np.arange(2 * count), np.repeat([0, 1], count)
    x = features[first, 0] - features[first + 2 * count, 0]
    label = rng.random(2 * count) < expit((x * TRUTH.T[party]).sum(axis=1))
    nothing = np.zeros((4 * count, 1, 0))
    bank = Segments(nothing, nothing, features, np.ones((4 * count, 1), dtype=bool))
    return Comparisons(bank, first, first + 2 * count, party, label * 1.0, 2)


def test_errors_are_distances_in_each_data_set_s_own_metric():
    found = simulated_errors(simulate, Independent(), TRUTH, repetitions=3)
    data = simulate(2)
    gap = Independent().fit(data).theta_ - TRUTH
    expected = [np.sqrt(gap[:, m] @ metric(data)[m] @ gap[:, m]) for m in range(2)]
    assert found[2] == pytest.approx(np.array(expected))


def test_the_oracle_s_radius_holds_new_data_as_often_as_it_says():
    radius = oracle_radius(simulate, Independent(), TRUTH, repetitions=199)
    held = []
    for number in range(1_000, 1_300):
        data = simulate(number)
        sets = ConfidenceSets.of(Independent().fit(data), data, radius)
        held.append(sets.contains(TRUTH).all())
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_each_party_s_own_radius_is_no_larger_than_the_common_one():
    common = oracle_radius(simulate, Independent(), TRUTH, repetitions=59)
    each = oracle_radius(simulate, Independent(), TRUTH, repetitions=59, simultaneous=False)
    assert (each <= common).all()
