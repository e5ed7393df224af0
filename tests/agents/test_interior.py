"""The interior-point method on problems with known answers."""

import numpy as np
import pytest

from agents.interior import Terms, maximise


def linear(slope):
    slope = np.asarray(slope, dtype=float)
    flat = np.zeros((len(slope), len(slope)))
    return lambda x: Terms(float(slope @ x), slope, flat, 1.0)


def nearest(target):
    """Minus the squared distance from a point, which may lie off the simplex."""
    target = np.asarray(target, dtype=float)
    bend = 2.0 * np.eye(len(target))
    return lambda x: Terms(-float(((x - target) ** 2).sum()), -2.0 * (x - target), bend, 1.0)


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
    found = maximise(objective, len(wanted), 1e-13)
    assert found == pytest.approx(np.array(wanted), abs=1e-7)
    assert found.sum() == pytest.approx(1.0)
    assert (found > 0).all()


def test_ties_are_shared():
    assert maximise(linear([1.0, 1.0, 0.0]), 3, 1e-12)[:2] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("power", [-6.0, -1.0, 0.5])
def test_steep_separable_functions(power):
    weight = np.array([1.0, 10.0, 100.0])

    def objective(x):
        sign = np.sign(power)
        slope = weight * sign * power * x ** (power - 1)
        bend = -weight * sign * power * (power - 1) * x ** (power - 2)
        return Terms(float(weight @ (sign * x**power)), slope, np.diag(bend), float(slope @ x))

    wanted = weight ** (1 / (1 - power))
    assert maximise(objective, 3, 1e-12) == pytest.approx(wanted / wanted.sum(), rel=1e-5)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6, 1e-10])
def test_the_gap_is_what_was_asked_for(tolerance):
    rng = np.random.default_rng(0)
    target = rng.normal(size=20)
    found = maximise(nearest(target), 20, tolerance)
    slope = -2.0 * (found - target)
    assert slope.max() - slope @ found <= tolerance
