"""The interior-point method on problems with known answers."""

import numpy as np
import pytest

from agents.interior import Terms, maximise


def terms(point, gradient, curvature):
    gap = gradient.max() - gradient @ point
    return Terms(gradient, curvature, 1.0, float(gap))


def linear(slope):
    slope = np.asarray(slope, dtype=float)
    return lambda x, left: terms(x, slope, np.zeros((len(slope), len(slope))))


def nearest(target):
    """Minus the squared distance from a point, which may lie off the simplex."""
    target = np.asarray(target, dtype=float)
    return lambda x, left: terms(x, -2.0 * (x - target), 2.0 * np.eye(len(target)))


@pytest.mark.parametrize(
    ("objective", "wanted"),
    [
        (linear([1.0, 3.0, 2.0]), [0.0, 1.0, 0.0]),
        (nearest([0.2, 0.3, 0.5]), [0.2, 0.3, 0.5]),
        (nearest([1.0, 0.5, -4.0]), [0.75, 0.25, 0.0]),
        (nearest([9.0]), [1.0]),
    ],
)
def test_known_maxima(objective, wanted):
    found = maximise(objective, np.full(len(wanted), 1 / len(wanted)), 1e-13)
    assert found == pytest.approx(np.array(wanted), abs=1e-7)
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0).all()


def test_ties_are_shared():
    assert maximise(linear([1.0, 1.0, 0.0]), np.full(3, 1 / 3), 1e-12)[:2] == pytest.approx(
        [0.5, 0.5]
    )


@pytest.mark.parametrize("power", [-6.0, -1.0, 0.5])
def test_steep_separable_functions(power):
    weight = np.array([1.0, 10.0, 100.0])

    def objective(x, left):
        slope = weight * abs(power) * x ** (power - 1)
        return terms(x, slope, np.diag((1 - power) * slope / x))

    wanted = weight ** (1 / (1 - power))
    found = maximise(objective, np.full(3, 1 / 3), 1e-9)
    assert found == pytest.approx(wanted / wanted.sum(), rel=1e-5)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10])
def test_the_gap_is_what_was_asked_for(tolerance):
    target = np.random.default_rng(0).normal(size=20)
    found = maximise(nearest(target), np.full(20, 0.05), tolerance)
    slope = -2.0 * (found - target)
    assert slope.max() - slope @ found <= 1.01 * tolerance


def test_the_last_look_is_at_the_end_of_the_way():
    seen = []

    def objective(x, left):
        seen.append(left)
        return terms(x, np.array([1.0, 0.0]), np.zeros((2, 2)))

    maximise(objective, np.full(2, 0.5), 1e-6)
    assert seen[0] == 1.0
    assert seen[-1] == 0.0
    assert sorted(seen, reverse=True) == seen
