"""Clusters by expectation maximisation: never down, to an optimum, to the right clusters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from multiparty_envs.rewards import ConvergenceWarning, Independent, Mixture, Pooled
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.clusters import Clusters
from multiparty_envs.rewards.newton import ridge_prior

CENTERS = np.array([[2.0, 0.0, 1.0], [-1.0, 2.0, 0.0]]).T  # [D, 2]
KIND_OF = np.array([0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 0])


def agreement(fit, member):
    """Whether the likeliest clusters are `member` up to their names."""
    found = fit.responsibilities_.argmax(axis=1)
    return np.array_equal(found[:, None] == found, member[:, None] == member)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    clusters=st.integers(1, 4),
    soft=st.booleans(),
    kind=st.sampled_from(["compare", "rank"]),
)
def test_objective_never_falls(simulate, seed, clusters, soft, kind):
    rng, ridge = np.random.default_rng(seed), 0.5 * (seed % 2)
    theta = rng.normal(size=(3, 6)) * 2
    data = getattr(simulate, kind)(
        theta, rng.integers(0, 12, size=6) + (np.arange(6) < 4), seed=seed
    )
    fit = Mixture(clusters, soft=soft, ridge=ridge, restarts=2, seed=seed).fit(data)
    fall = np.diff(fit.lower_bounds_)
    assert (fall >= -1e-9 * (1 + np.abs(fit.lower_bounds_[:-1]))).all()
    assert fit.responsibilities_.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("kind", ["compare", "rank"])
def test_separated_clusters_are_found(simulate, kind, soft):
    data = getattr(simulate, kind)(CENTERS[:, KIND_OF], np.full(12, 80))
    fit = Mixture(2, soft=soft).fit(data)
    assert fit.converged_
    assert agreement(fit, KIND_OF)
    assert fit.share_ == pytest.approx([8 / 12, 4 / 12], abs=1e-3)
    # a cluster's reward is that of its members' answers pooled
    for cluster in (0, 1):
        members = data.subset(np.flatnonzero(KIND_OF[data.party] == cluster))
        scale = choices_of(data).scale / choices_of(members).scale
        alone = Pooled(0.3 * scale).fit(members).theta_[:, 0]
        assert fit.cluster_theta_[:, cluster] == pytest.approx(alone, abs=1e-3)
        theirs = fit.theta_[:, np.flatnonzero(cluster == KIND_OF)].T
        assert theirs == pytest.approx(np.tile(alone, (len(theirs), 1)), abs=1e-3)


def test_soft_and_hard_agree_where_clusters_are_far_apart(simulate):
    data = simulate.compare(3 * CENTERS[:, KIND_OF], np.full(12, 120))
    soft, hard = (Mixture(2, soft=soft).fit(data) for soft in (True, False))
    assert soft.theta_ == pytest.approx(hard.theta_, abs=1e-4)
    assert soft.responsibilities_ == pytest.approx(hard.responsibilities_, abs=1e-6)


def test_optimum_of_soft_em_is_stationary(simulate):
    """The observed-data likelihood, which EM never computes a slope of, is flat there."""
    theta = CENTERS[:, KIND_OF] + np.random.default_rng(0).normal(size=(3, 12)) * 0.3
    data = simulate.compare(theta, np.full(12, 8))
    fit, choices = Mixture(2).fit(data), choices_of(data)
    problem = Clusters(choices, ridge_prior(0.3, choices.scale, 3))

    def objective(flat):
        clusters = flat.reshape(2, 3)
        joint = problem.values(clusters) + np.log(fit.share_)[:, None]
        return logsumexp(joint, axis=0).sum() + problem.penalty(clusters).sum()

    at, step = fit.cluster_theta_.T.ravel(), 1e-5
    assert objective(at) == pytest.approx(fit.lower_bounds_[-1], abs=1e-4)
    slope = [
        (objective(at + step * unit) - objective(at - step * unit)) / (2 * step)
        for unit in np.eye(6)
    ]
    assert slope == pytest.approx(np.zeros(6), abs=0.02)
    assert fit.responsibilities_.mean(axis=0) == pytest.approx(fit.share_, abs=1e-3)


@pytest.mark.parametrize("soft", [True, False])
def test_one_cluster_is_pooled(simulate, soft):
    data = simulate.compare(CENTERS[:, KIND_OF], np.full(12, 20))
    assert Mixture(1, soft=soft).fit(data).theta_ == pytest.approx(
        Pooled().fit(data).theta_, abs=1e-3
    )


def test_number_of_clusters_is_found_by_held_out_answers(simulate):
    data = simulate.compare(2 * CENTERS[:, KIND_OF], np.full(12, 60))
    assert Mixture().fit(data).clusters_ == 2


def test_more_restarts_never_end_lower(simulate):
    theta = np.random.default_rng(4).normal(size=(3, 15)) * 2
    data = simulate.compare(theta, np.full(15, 10))
    ends = [Mixture(4, restarts=n).fit(data).lower_bounds_[-1] for n in (1, 3, 9)]
    assert ends == sorted(ends)
    assert ends[-1] > ends[0]


def test_a_party_never_asked_has_the_shares(simulate):
    data = simulate.compare(CENTERS[:, KIND_OF], np.where(np.arange(12) == 2, 0, 60))
    for soft in (True, False):
        fit = Mixture(2, soft=soft).fit(data)
        assert fit.responsibilities_[2] == pytest.approx([7 / 11, 4 / 11], abs=0.01)
        assert fit.theta_[:, 2] == pytest.approx(fit.cluster_theta_ @ fit.share_, abs=0.02)


def test_stopping_early_warns(simulate):
    data = simulate.compare(np.random.default_rng(3).normal(size=(3, 15)), np.full(15, 10))
    with pytest.warns(ConvergenceWarning, match="EM did not converge in 2 iterations"):
        fit = Mixture(3, max_iterations=2).fit(data)
    assert not fit.converged_
    assert len(fit.lower_bounds_) == 2


def test_anonymous_rankings_reveal_the_clusters(simulate):
    """Orders of four by nobody in particular: one column a cluster, whoever the parties are."""
    data = simulate.rank(4 * CENTERS[:, KIND_OF], np.full(12, 100), depth=3)
    fit = Mixture(2, anonymous=True).fit(data)
    apart = Independent().fit(data)
    assert fit.theta_.shape == (3, 2)
    assert fit.responsibilities_.shape == (1200, 2)
    assert fit.share_ == pytest.approx([2 / 3, 1 / 3], abs=0.05)
    for cluster in (0, 1):
        found, true = fit.theta_[:, cluster], CENTERS[:, cluster]
        assert found @ true > 0.97 * np.linalg.norm(found) * np.linalg.norm(true)
    assert fit.log_likelihood(data).mean() > Pooled().fit(data).log_likelihood(data).mean() + 0.1
    assert fit.log_likelihood(data).mean() < apart.log_likelihood(data).mean()


@pytest.mark.parametrize(("clusters", "allowed"), [(5, r"1\.\.4"), (40, r"1\.\.4")])
def test_more_clusters_than_parties_are_refused(simulate, clusters, allowed):
    data = simulate.compare(CENTERS[:, [0, 1, 0, 1, 1]], np.array([5, 5, 5, 5, 0]))
    with pytest.raises(ValueError, match=f"clusters should be in {allowed}, is {clusters}"):
        Mixture(clusters).fit(data)
