"""One fit for all and one for each, against scikit-learn and choix."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Independent, Pooled, SeparableWarning
from multiparty_envs.rewards.choices import choices_of

COUNTS = np.array([60, 25, 300, 40])
THETA = np.random.default_rng(1).normal(size=(5, 4))


def logistic(data, rows, ridge):
    """Scikit-learn's optimum [D] for the answers at `rows`, in our units of ridge."""
    penalty = ridge * choices_of(data).scale
    model = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=1000)
    return model.fit(data.differences()[rows], data.label[rows]).coef_[0]


@pytest.mark.parametrize("ridge", [0.01, 1.0, 20.0])
def test_pooled_is_logistic_regression_on_all_answers(simulate, ridge):
    data = simulate.compare(THETA, COUNTS)
    fit = Pooled(ridge).fit(data)
    assert fit.theta_ == pytest.approx(
        np.tile(logistic(data, slice(None), ridge)[:, None], 4), abs=1e-4
    )


@pytest.mark.parametrize("ridge", [0.01, 1.0, 20.0])
def test_independent_is_logistic_regression_party_by_party(simulate, ridge):
    data = simulate.compare(THETA, COUNTS)
    each = [logistic(data, data.party == party, ridge) for party in range(4)]
    assert Independent(ridge).fit(data).theta_ == pytest.approx(np.stack(each, axis=1), abs=1e-4)


def test_no_ridge_is_maximum_likelihood(simulate):
    data = simulate.compare(THETA[:, :2] * 0.3, np.array([400, 300]))
    each = [logistic(data, data.party == party, 1e-6) for party in range(2)]
    assert Independent(0.0).fit(data).theta_ == pytest.approx(np.stack(each, axis=1), abs=1e-3)


def test_item_strengths_are_those_of_choix(simulate):
    choix = pytest.importorskip("choix")
    rng = np.random.default_rng(2)
    items, pairs = 6, rng.integers(6, size=(200, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    data = Comparisons(
        simulate.bank(np.eye(items)),
        first=pairs[:, 0],
        second=pairs[:, 1],
        party=np.zeros(len(pairs), dtype=int),
        label=np.ones(len(pairs)),
        num_parties=1,
    )
    ridge = 2.0
    penalty = ridge * choices_of(data).scale
    expected = choix.opt_pairwise(items, [tuple(pair) for pair in pairs], alpha=penalty / 2)
    assert Independent(ridge).fit(data).theta_[:, 0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ridge", [0.1, 3.0])
def test_units_of_the_features_do_not_matter(simulate, ridge):
    data = simulate.compare(THETA, COUNTS)
    wider = Comparisons(
        simulate.bank(data.segments.features[:, 0] * 40.0),
        data.first,
        data.second,
        data.party,
        data.label,
        4,
    )
    one, two = Independent(ridge).fit(data), Independent(ridge).fit(wider)
    assert two.theta_ * 40.0 == pytest.approx(one.theta_, rel=1e-6)


@pytest.mark.parametrize("learner", [Independent(0.0), Independent(1.0), Pooled(0.0)])
def test_answers_without_contradiction_give_a_finite_reward(simulate, learner):
    data = simulate.compare(THETA, COUNTS, noise=False)
    if isinstance(learner, Independent) and learner.ridge == 0.0:
        with pytest.warns(SeparableWarning, match="4 of 4 parties"):
            learner.fit(data)
        assert learner.accuracy(data).min() == 1.0
    else:
        learner.fit(data)
    assert np.isfinite(learner.theta_).all()
    assert np.abs(learner.theta_).max() < 1e3


def test_overlapping_answers_give_no_warning(simulate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Independent(0.0).fit(simulate.compare(THETA * 0.1, COUNTS))


def test_pooled_learns_the_mixture_of_those_who_answer(simulate):
    """Two parties of opposite tastes: with equal shares nothing is left, else the larger wins."""
    taste = np.array([[1.0, -1.0], [2.0, -2.0]])
    equal = Pooled().fit(simulate.compare(taste, np.array([2000, 2000])))
    skewed = Pooled().fit(simulate.compare(taste, np.array([3000, 1000])))
    assert np.abs(equal.theta_).max() < 0.15
    assert (skewed.theta_[:, 1] > 0.2).all()
