"""Answers about actions by parties' own optimal values."""

import numpy as np
import pytest
from scipy.special import expit

from agents.action_values import ActionAnswers, ask_actions, fit_actions, own_values
from agents.planning import best_response, policy_returns
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.confidence import ConfidenceSets


@pytest.mark.parametrize("seed", range(4))
def test_values_begin_with_each_party_s_own_best_return(random_world, seed):
    mdp = random_world(seed, states=6, horizon=4)
    values, psi = own_values(mdp)
    best = [best_response(mdp, w)[1][m] for m, w in enumerate(np.eye(mdp.num_parties))]
    assert mdp.initial_table @ values[0].max(axis=1) == pytest.approx(np.array(best))
    assert np.einsum("tsamd,dm->tsam", psi, mdp.population.theta) == pytest.approx(values)


def test_the_last_step_is_the_reward_itself(random_world):
    mdp = random_world(1, states=5, horizon=3)
    assert own_values(mdp)[0][-1] == pytest.approx(mdp.party_table)


def test_answers_are_as_likely_as_the_values_say():
    world = linear_bandit(num_contexts=1, num_actions=2, num_parties=2)
    answers = ask_actions(world, 4_000, np.random.default_rng(0))
    first = np.where(answers.first == 0, answers.label, 1.0 - answers.label)
    gap = world.party_table[0, 0] - world.party_table[0, 1]
    for m in range(2):
        mine = first[answers.party == m]
        assert abs(mine.mean() - expit(gap[m])) < 4 * np.sqrt(0.25 / len(mine))
    assert (answers.first != answers.second).all()


def test_in_a_bandit_the_fit_is_the_plain_one():
    world = linear_bandit(num_contexts=4, num_parties=3)
    answers = ask_actions(world, 60, np.random.default_rng(1))
    learner, shown = fit_actions(Independent(), world, answers)
    x = world.feature_table[answers.state, answers.first]
    x = x - world.feature_table[answers.state, answers.second]
    assert shown.differences() == pytest.approx(x)
    assert learner.theta_ == pytest.approx(Independent().fit(shown).theta_)


def test_more_answers_bring_the_fit_to_the_truth(random_world):
    mdp = random_world(12, states=5, actions=3, parties=3, horizon=3)
    truth = np.asarray(mdp.population.theta)
    errors = []
    for count in (100, 6_400):
        answers = ask_actions(mdp, count, np.random.default_rng(0))
        learner, shown = fit_actions(Independent(), mdp, answers)
        sets = ConfidenceSets.of(learner, shown)
        errors.append(float(sets.distance(truth).max()))
    assert errors[1] < 0.35 * errors[0]


def test_the_fit_does_not_look_at_the_truth(random_world):
    mdp = random_world(3, states=5, parties=2, horizon=3)
    answers = ask_actions(mdp, 200, np.random.default_rng(0))
    other = random_world(3, states=5, parties=2, horizon=3)
    object.__setattr__(other.population, "theta", np.full_like(other.population.theta, np.nan))
    other.party_table = np.zeros_like(mdp.party_table)
    mine, theirs = (fit_actions(Independent(), each, answers)[0].theta_ for each in (mdp, other))
    assert (mine == theirs).all()


def test_arrays_of_different_lengths_are_refused():
    one, two = np.zeros(1, int), np.zeros(2, int)
    with pytest.raises(ValueError, match="label should have shape"):
        ActionAnswers(two, two, two, two, two, one.astype(float), 1)


def test_a_policy_from_them_serves_the_party(random_world):
    mdp = random_world(4, states=6, actions=3, parties=1, horizon=3)
    answers = ask_actions(mdp, 3_000, np.random.default_rng(0))
    learner, _ = fit_actions(Independent(), mdp, answers)
    policy, _ = best_response(mdp, np.ones(1), mdp.feature_table @ learner.theta_)
    best = best_response(mdp, np.ones(1))[1]
    zero = policy_returns(mdp, mdp.behaviour)
    assert (policy_returns(mdp, policy) - zero) >= 0.95 * (best - zero)
