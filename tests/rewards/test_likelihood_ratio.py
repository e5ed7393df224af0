"""Bounds by the likelihood: against a general optimiser, and against their quadratic limit."""

import numpy as np
import pytest
from scipy.optimize import minimize

from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.likelihood_ratio import likelihood_ratio_bounds
from multiparty_envs.rewards.newton import ridge_prior

THETA = np.array([[1.0, -2.0], [0.5, 0.3], [-0.4, 1.0]])


@pytest.mark.parametrize("drop", [0.5, 3.0])
def test_the_bounds_are_those_of_a_general_optimiser(simulate, drop):
    data = simulate.compare(THETA, [40, 25])
    directions = np.random.default_rng(0).normal(size=(3, 3))
    found = likelihood_ratio_bounds(data, directions, drop)
    choices = choices_of(data)
    likelihood, prior = Likelihood(choices), ridge_prior(0.3, choices.scale, 3)

    def value(theta, m):
        both = np.tile(theta, (2, 1))
        return prior.posterior(both, likelihood.terms(both)).value[m]

    for m in range(2):
        best = Independent().fit(data).theta_[:, m]
        floor = value(best, m) - drop
        rule = {"type": "ineq", "fun": lambda t, m=m, floor=floor: value(t, m) - floor}
        for x, bound in zip(directions, found[:, m], strict=True):
            least = minimize(
                lambda t, x=x: x @ t, best, constraints=[rule], options={"ftol": 1e-10}
            )
            assert bound == pytest.approx(least.fun, abs=1e-4)


def test_small_drops_give_the_ellipsoid_of_the_information(simulate):
    data = simulate.compare(THETA, [400, 300])
    learner = Independent().fit(data)
    x = np.array([[1.0, 2.0, -1.0]])
    drop = 1e-4
    width = np.sqrt(2 * drop * np.einsum("bi,mij,bj->bm", x, learner.covariance_, x))
    found = likelihood_ratio_bounds(data, x, drop)
    assert x @ learner.theta_ - found == pytest.approx(width, rel=0.02)


def test_longer_directions_are_as_much_lower(simulate):
    data = simulate.compare(THETA, [40, 25])
    x = np.array([[1.0, 2.0, -1.0]])
    twice = likelihood_ratio_bounds(data, 2 * x, 2.0)
    assert twice == pytest.approx(2 * likelihood_ratio_bounds(data, x, 2.0), rel=1e-6)


@pytest.mark.parametrize(
    ("directions", "drop", "message"),
    [
        (np.ones((1, 3)), 0.0, "drop should be in"),
        (np.ones((1, 2)), 1.0, "directions should have shape"),
    ],
)
def test_what_does_not_fit_is_refused(simulate, directions, drop, message):
    with pytest.raises(ValueError, match=message):
        likelihood_ratio_bounds(simulate.compare(THETA, [5, 5]), directions, drop)
