"""Evaluation: exact against simulated, tables of policies, summaries."""

from dataclasses import astuple

import numpy as np
import pytest

from agents.evaluation import Summary, evaluate, exact, regret, summarise, tabulate
from agents.planning import party_scale, policy_returns, solve, uniform_policy
from agents.policy import TablePolicy
from multiparty_envs.registration import make_dynamics
from multiparty_envs.welfare import MaxMin, Nash, Scale


def test_simulation_agrees_with_the_tables(finite_name):
    mdp = make_dynamics(finite_name)
    table = solve(mdp, Nash(), scale=party_scale(mdp, "range")).policy
    run = evaluate(mdp, TablePolicy.of(mdp, table), 4000, seed=1)
    truth = policy_returns(mdp, table)
    assert run.returns.shape == (4000, mdp.num_parties)
    # a party whose return has no variance is met exactly; the others within 5 standard errors
    assert (np.abs(run.mean - truth) <= 5 * run.stderr + 1e-9 * (1 + np.abs(truth))).all()


def test_standard_errors_have_the_right_size(random_world):
    mdp = random_world(1, parties=2, horizon=3)
    policy = TablePolicy.of(mdp, uniform_policy(mdp))
    truth = exact(mdp, policy)
    score = [
        (run.mean - truth) / run.stderr
        for run in (evaluate(mdp, policy, 200, seed=1000 * k) for k in range(100))
    ]
    assert np.std(score) == pytest.approx(1.0, abs=0.25)


def test_the_same_seed_gives_the_same_episodes(random_world):
    mdp = random_world(1)
    policy = TablePolicy.of(mdp, uniform_policy(mdp))
    runs = [evaluate(mdp, policy, 50, seed) for seed in (3, 3, 4)]
    assert runs[0].returns.tobytes() == runs[1].returns.tobytes()
    assert runs[0].returns.tobytes() != runs[2].returns.tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_a_table_survives_being_a_policy(seed, random_world):
    mdp = random_world(seed)
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(mdp.num_actions), (mdp.horizon, mdp.num_states))
    policy = TablePolicy.of(mdp, table)
    assert tabulate(policy, mdp) == pytest.approx(table)
    assert exact(mdp, policy) == pytest.approx(exact(mdp, table))


class Fixed:
    """Answers every observation with the same row."""

    def __init__(self, row):
        self.row = np.array(row, dtype=float)

    def probabilities(self, obs):
        return np.tile(self.row, (len(obs), 1))


@pytest.mark.parametrize(
    ("row", "words"),
    [([0.5, 0.4], "sum to 1"), ([1.0, 0.0, 0.0], "shape"), ([np.nan, 1.0], "finite")],
)
def test_what_is_no_policy_is_refused(row, words, bandit):
    with pytest.raises(ValueError, match=words):
        tabulate(Fixed(row), bandit([[1.0], [0.0]]))


@pytest.mark.parametrize("episodes", [0, 1])
def test_too_few_episodes_are_refused(episodes, bandit):
    mdp = bandit([[1.0], [0.0]])
    with pytest.raises(ValueError, match="episodes"):
        evaluate(mdp, TablePolicy.of(mdp, uniform_policy(mdp)), episodes, seed=0)


@pytest.mark.parametrize(
    ("returns", "wanted"),
    [
        ([2.0, 8.0], Summary(utilitarian=2.5, nash=2.0, floored=0, worst=1.0, gini=0.3)),
        ([-2.0, 8.0], Summary(utilitarian=1.5, nash=2e-4, floored=1, worst=-1.0, gini=0.5)),
        ([0.0, 0.0], Summary(utilitarian=0.0, nash=1e-8, floored=2, worst=0.0, gini=0.0)),
    ],
)
def test_summary_of_normalised_returns(returns, wanted):
    found = summarise(np.array(returns), Scale(np.zeros(2), np.full(2, 2.0)))
    assert astuple(found) == pytest.approx(astuple(wanted))


def test_regret_of_the_optimum_is_its_gap(random_world):
    mdp = random_world(5, parties=4)
    scale = party_scale(mdp, "range")
    optimum = solve(mdp, MaxMin(), scale=scale)
    assert regret(optimum, MaxMin(), optimum.returns, scale) == pytest.approx(
        optimum.gap, abs=1e-15
    )
    assert regret(optimum, MaxMin(), exact(mdp, uniform_policy(mdp)), scale) > 0.01
