"""Shrinkage by marginal likelihood: the bound, the population, and people's real answers."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

from multiparty_envs.data import load
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Hierarchical, Independent, Pooled
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.hierarchical import _MarginalLikelihood
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import Prior
from multiparty_envs.rewards.variational import posteriors

MEAN, FACTOR = np.array([1.5, -1.0, 0.5]), np.array([[1.2, 0, 0], [0.6, 0.8, 0], [0, -0.5, 1.0]])


def population(parties, seed=0):
    """[D, M] drawn from N(MEAN, FACTOR FACTOR')."""
    draws = np.random.default_rng(seed).normal(size=(3, parties))
    return MEAN[:, None] + FACTOR @ draws


@pytest.mark.parametrize("spread", [0.3, 1.5, 4.0])
@pytest.mark.parametrize("answers", [1, 5, 40])
def test_posterior_and_bound_against_the_integral(simulate, answers, spread):
    """One feature, so that the exact posterior and marginal likelihood are integrals."""
    data = simulate.compare(np.array([[1.8]]), np.array([answers]), seed=answers)
    x, y = data.differences()[:, 0], data.label

    def joint(theta):
        return norm.pdf(theta, 0.5, spread) * np.prod(expit(np.where(y > 0, x, -x) * theta))

    limits = (0.5 - 9 * spread, 0.5 + 9 * spread)
    total, first, second = (
        quad(lambda t, k=k: joint(t) * t**k, *limits, limit=300)[0] for k in range(3)
    )
    mean, deviation = first / total, np.sqrt(second / total - (first / total) ** 2)
    prior = Prior(np.array([0.5]), np.array([[spread**-2]]))
    found = posteriors(Likelihood(choices_of(data)), prior)
    assert found.bound[0] <= np.log(total) + 1e-4
    assert found.bound[0] == pytest.approx(np.log(total), abs=0.05)
    assert found.mean[0, 0] == pytest.approx(mean, abs=0.05 * deviation)
    assert np.sqrt(found.covariance[0, 0, 0]) == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize("kind", ["compare", "rank"])
def test_gradient_of_the_bound_is_that_of_finite_differences(simulate, kind):
    data = getattr(simulate, kind)(population(12), np.full(12, 9))
    problem = _MarginalLikelihood(choices_of(data), ridge=0.3, shrinkage=2.0)
    at, step = np.random.default_rng(2).normal(size=problem.size) * 0.2, 1e-3
    gradient = problem(at)[1]
    numeric = [
        (problem(at + step * unit)[0] - problem(at - step * unit)[0]) / (2 * step)
        for unit in np.eye(problem.size)
    ]
    # with more than two alternatives the averages are quadratures that do not commute with slopes
    assert gradient == pytest.approx(numeric, abs=2e-3 if kind == "compare" else 2e-2)


@pytest.mark.parametrize("kind", ["compare", "rank"])
def test_population_is_recovered(simulate, kind):
    parties = 400 if kind == "compare" else 150
    data = getattr(simulate, kind)(population(parties), np.full(parties, 12))
    fit = Hierarchical().fit(data)
    assert fit.mean_ == pytest.approx(MEAN, abs=0.25)
    assert fit.spread_ == pytest.approx(FACTOR @ FACTOR.T, abs=0.45)
    assert np.linalg.eigvalsh(fit.spread_).min() > 0


def test_few_answers_are_shrunk_and_many_are_believed(simulate):
    theta, counts = population(60), np.repeat([0, 3, 400], 20)
    data = simulate.compare(theta, counts)
    fit = Hierarchical().fit(data)
    apart = Independent(0.01).fit(data)
    off = np.linalg.norm(fit.theta_ - fit.mean_[:, None], axis=0)
    assert off[:20] == pytest.approx(0.0, abs=1e-6)
    assert (np.linalg.eigvalsh(fit.covariance_[:20] - fit.spread_) > 0).all()
    assert np.trace(fit.covariance_[0]) < 1.1 * np.trace(fit.spread_)
    assert fit.theta_[:, 40:] == pytest.approx(apart.theta_[:, 40:], abs=0.6)
    errors = [np.linalg.norm(f.theta_ - theta, axis=0)[20:40].mean() for f in (fit, apart)]
    assert errors[0] < 0.5 * errors[1]


def test_parties_that_agree_are_pooled(simulate):
    theta = np.tile(MEAN[:, None], 80)
    data = simulate.compare(theta, np.full(80, 30))
    fit, pooled = Hierarchical().fit(data), Pooled().fit(data)
    assert fit.theta_ == pytest.approx(pooled.theta_, abs=0.25)
    assert fit.covariance_ == pytest.approx(pooled.covariance_, abs=0.05)
    assert np.trace(fit.spread_) < 0.1 * np.trace(FACTOR @ FACTOR.T)


def test_predictions_average_over_what_is_not_known(simulate):
    """Chances of parties of few answers are calibrated; with the mean plugged in they are not."""
    theta = population(300, seed=3) * 2
    data = simulate.compare(theta, np.full(300, 6), seed=3)
    fresh = simulate.compare(theta, np.full(300, 20), seed=4)
    fit = Hierarchical().fit(data)
    chance = fit.predict_proba(fresh)
    margin = (fresh.differences() * fit.theta_.T[fresh.party]).sum(axis=1)
    sure = expit(margin) > 0.95
    assert fresh.label[sure].mean() == pytest.approx(chance[sure].mean(), abs=0.02)
    assert fresh.label[sure].mean() < expit(margin)[sure].mean() - 0.02
    assert fit.log_likelihood(fresh) == pytest.approx(
        np.log(np.where(fresh.label > 0, chance, 1 - chance)), rel=1e-9
    )


@pytest.mark.parametrize("parties", [1, 2])
def test_few_parties_end_near_their_own_fits(simulate, parties):
    theta = population(parties, seed=8)
    data = simulate.compare(theta, np.full(parties, 500))
    assert Hierarchical().fit(data).theta_ == pytest.approx(
        Independent(0.0).fit(data).theta_, abs=0.3
    )


def test_real_travellers():
    """A third of each person's answers held out; the study runs 20 such splits."""
    data = Comparisons.from_choices(load("train"))
    train, test = data.split(1 / 3, np.random.default_rng(0))
    fit, pooled = Hierarchical().fit(train), Pooled().fit(train)
    assert pooled.accuracy(test).mean() == pytest.approx(0.692, abs=0.03)
    assert pooled.log_likelihood(test).mean() == pytest.approx(-0.593, abs=0.02)
    assert fit.accuracy(test).mean() > 0.765
    assert fit.log_likelihood(test).mean() > -0.475


@pytest.mark.parametrize(
    ("parties", "features", "answers"), [(5, 20, 60), (20, 20, 50), (10, 6, 30)]
)
def test_shrinkage_helps_few_parties(simulate, parties, features, answers):
    """The likelihood alone stretches the spread along the errors of the few there are."""
    theta = np.random.default_rng(2).normal(size=(features, parties)) * 2 / np.sqrt(features)
    data = simulate.compare(theta, np.full(parties, answers))
    errors = [
        np.linalg.norm(learner.fit(data).theta_ - theta)
        for learner in (Hierarchical(), Hierarchical(shrinkage=0.0), Independent())
    ]
    assert errors[0] < 0.9 * errors[1]
    assert errors[0] < 1.2 * errors[2]
