"""The joint problem: its derivatives, and that Newton and L-BFGS end in the same place."""

import dataclasses

import numpy as np
import pytest
from scipy.linalg import block_diag

from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.joint import Factors, JointProblem
from multiparty_envs.rewards.joint_fit import descend, fit
from multiparty_envs.rewards.joint_newton import _Arrow, newton

RNG = np.random.default_rng(0)
FEATURES, PARTIES, RANK = 5, 4, 2
THETA = RNG.normal(size=(FEATURES, RANK)) @ RNG.normal(size=(RANK, PARTIES))
POINT = Factors(
    RNG.normal(size=FEATURES),
    np.linalg.qr(RNG.normal(size=(FEATURES, RANK)))[0],
    RNG.normal(size=(PARTIES, RANK)),
)
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0])


def small(simulate, mean):
    choices = choices_of(simulate.rank(THETA, np.array([20, 9, 0, 30]), depth=2))
    return JointProblem(choices, RANK, 0.5, mean=mean, weights=WEIGHTS)


def chart(problem, at, arrow):
    """Objective as a function of Newton's coordinates (K, common part if any, alpha)."""
    outer = FEATURES - RANK
    center_size = FEATURES * problem.mean

    def value(x):
        k, center, own = np.split(x, [outer * RANK, outer * RANK + center_size])
        center = center if problem.mean else np.zeros(FEATURES)
        basis = at.basis + arrow._outside @ k.reshape(outer, RANK)
        moved = Factors(at.center + center, basis, at.alpha + own.reshape(-1, RANK))
        return problem.slopes(moved).value

    return value, outer * RANK + center_size + PARTIES * RANK


@pytest.mark.parametrize("mean", [False, True])
def test_derivatives_are_those_of_finite_differences(simulate, mean):
    problem = small(simulate, mean)
    at = POINT if mean else POINT._replace(center=np.zeros(FEATURES))
    arrow = _Arrow(problem, at, problem.curvature(at))
    value, size = chart(problem, at, arrow)
    unit, step = np.eye(size), 1e-4
    slope = [(value(step * e) - value(-step * e)) / (2 * step) for e in unit]
    gradient = np.concatenate([arrow._by_shared, arrow._by_own.ravel()])
    assert gradient == pytest.approx(np.array(slope), abs=1e-5)
    corners = [
        [sum(a * b * value(step * (a * e + b * f)) for a in (1, -1) for b in (1, -1)) for f in unit]
        for e in unit
    ]
    shared = arrow._shared.copy()
    arrow._add(shared, 0.0)
    own = block_diag(*(arrow._own + problem.ridge * np.eye(RANK)))
    border = arrow._border.reshape(PARTIES * RANK, -1)
    second = np.block([[shared, border.T], [border, own]])
    assert second == pytest.approx(np.array(corners) / (4 * step**2), abs=1e-5)


CASES = {
    "unequal": (8, np.array([100, 40, 200, 60, 80, 120]), 2, 0.3, False),
    "with a mean": (8, np.array([100, 40, 200, 60, 80, 120]), 2, 0.3, True),
    "most never asked": (6, np.array([60, 0, 0, 50, 0, 0]), 3, 0.3, False),
    "most never asked, with a mean": (6, np.array([60, 0, 0, 50, 0, 0]), 3, 0.3, True),
    "fewer answers than features": (12, np.full(20, 8), 2, 0.3, False),
    "full rank": (4, np.full(6, 60), 4, 0.1, False),
    "full rank, with a mean": (4, np.full(6, 60), 4, 0.1, True),
    "as many directions as parties": (10, np.full(4, 90), 4, 0.3, True),
}


@pytest.mark.parametrize("case", CASES)
def test_newton_and_descent_end_in_the_same_minimum(simulate, case):
    features, counts, rank, ridge, mean = CASES[case]
    rng = np.random.default_rng(len(case))
    theta = rng.normal(size=(features, 2)) @ rng.normal(size=(2, len(counts)))
    problem = JointProblem(choices_of(simulate.compare(theta, counts)), rank, ridge, mean=mean)
    slow, _ = descend(problem, problem.start(), 1e-8)
    fast = fit(problem, 1e-9)
    alone = newton(problem, problem.start(), 1e-9)
    for found in (fast, alone):
        slopes = problem.slopes(found)
        assert problem.norm(found, slopes) <= 1e-9
        assert slopes.value == pytest.approx(problem.slopes(slow).value, rel=1e-8)
        assert problem.theta(found) == pytest.approx(problem.theta(slow), abs=1e-3)


def test_newton_finishes_where_descent_crawls(simulate):
    """Hardly more answers than features and hardly a ridge: thousands of steps against dozens."""
    theta = RNG.normal(size=(20, 2)) @ RNG.normal(size=(2, 30))
    problem = JointProblem(choices_of(simulate.compare(theta, np.full(30, 15))), 2, 1e-6)
    slow, _ = descend(problem, problem.start(), 1e-8, steps=500)
    fast = fit(problem, 1e-8)
    assert problem.norm(fast, problem.slopes(fast)) <= 1e-8
    assert problem.norm(slow, problem.slopes(slow)) > 1e-6


def test_descent_does_not_mind_features_of_different_size(simulate):
    theta = RNG.normal(size=(12, 2)) @ RNG.normal(size=(2, 10))
    even = choices_of(simulate.compare(theta, np.full(10, 300)))
    uneven = dataclasses.replace(even, design=even.design * np.logspace(0.0, -1.0, 12))
    for choices in (even, uneven):
        problem = JointProblem(choices, 2, 0.1)
        found, norm = descend(problem, problem.start(), 1e-6, steps=40)
        assert norm <= 1e-6
        assert problem.norm(found, problem.slopes(found)) == pytest.approx(norm)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_single_precision_decides_as_exact_slopes_would(simulate, size):
    theta = RNG.normal(size=(12, 2)) @ RNG.normal(size=(2, 10))
    choices = choices_of(simulate.compare(theta, np.full(10, 300)))
    problem = JointProblem(dataclasses.replace(choices, design=choices.design * size), 2, 0.1)
    rough, norm = descend(problem, problem.start(), 1e-6, rough=True)
    assert norm <= 1e-6
    assert problem.norm(rough, problem.slopes(rough)) == pytest.approx(norm, abs=2e-8)
    exact, _ = descend(problem, problem.start(), 1e-9)
    assert problem.slopes(rough).value == pytest.approx(problem.slopes(exact).value, rel=1e-9)


def test_the_norm_is_that_of_balanced_factors_however_the_basis_is_turned(simulate):
    problem = small(simulate, True)
    slopes = problem.slopes(POINT)
    turn = np.linalg.qr(RNG.normal(size=(RANK, RANK)))[0]
    turned = Factors(POINT.center, POINT.basis @ turn, POINT.alpha @ turn)
    assert problem.norm(turned, slopes) == pytest.approx(problem.norm(POINT, slopes))
    left, size, right = np.linalg.svd(POINT.deviation.T, full_matrices=False)
    root = np.sqrt(size[:RANK])
    parts = (slopes.party.T @ (right[:RANK].T * root), slopes.party @ (left[:, :RANK] * root))
    total = sum((part**2).sum() for part in (*parts, slopes.center))
    assert problem.norm(POINT, slopes) * problem.count == pytest.approx(np.sqrt(total))
