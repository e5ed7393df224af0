"""Evaluation: exact against simulated, tables of policies, summaries."""

import copy
from dataclasses import astuple

import numpy as np
import pytest

from agents import episodes
from agents.evaluation import (
    Summary,
    evaluate,
    exact,
    regret,
    simulated_scale,
    summarise,
    tabulate,
)
from agents.planning import party_scale, policy_returns, solve, uniform_policy
from agents.policy import TablePolicy
from multiparty_envs.faces import collect
from multiparty_envs.feedback import Feedback
from multiparty_envs.registration import make_dynamics
from multiparty_envs.rewards import Independent
from multiparty_envs.streams import Draw
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


class Pushing:
    """Pushes the drifting point by a draw around what `push` says; without a draw, by that."""

    def __init__(self, push):
        self.push = push

    def act(self, obs, rng=None):
        noise = 0.0 if rng is None else rng.uniform(-0.3, 0.3, (len(obs), 1))
        return np.full((len(obs), 1), self.push) + noise


def one_by_one(world, policy, seeds, rng=None):
    """What each party gets, one episode and one step after the other."""
    for seed in seeds:
        draw = Draw.seeded([seed])
        state, over, total, plain, length = world.initial(1, draw), False, 0.0, 0.0, 0
        while not over:
            action = policy.act(world.observe(state), rng)
            after = world.transition(state, action, draw)
            reward = world.party_rewards(state, action, after)[0]
            total, plain = total + world.discount**length * reward, plain + reward
            over, state, length = world.terminated(after)[0], after, length + 1
        yield total, plain, length


@pytest.mark.parametrize("push", [-1.0, 0.0, 0.7])
def test_evaluation_adds_up_what_a_loop_adds_up(push, drift, monkeypatch):
    world = copy.copy(drift)
    world.discount = 0.9
    monkeypatch.setattr(episodes, "CHUNK", 7)  # twenty episodes are three chunks
    run = evaluate(world, Pushing(push), 20, seed=4, deterministic=True)
    total, plain, length = zip(*one_by_one(world, Pushing(push), range(4, 24)), strict=True)
    assert run.returns == pytest.approx(np.array(total))
    assert run.undiscounted == pytest.approx(np.array(plain))
    assert run.lengths.tolist() == list(length)
    assert run.mean_undiscounted == pytest.approx(np.mean(plain, axis=0))
    assert run.stderr_undiscounted == pytest.approx(np.std(plain, axis=0, ddof=1) / 20**0.5)
    assert run.mean_length == np.mean(length)
    assert run.stderr_length == pytest.approx(np.std(length, ddof=1) / 20**0.5)


def test_drawn_actions_differ_from_the_mean_ones(drift):
    drawn, again = (evaluate(drift, Pushing(0.0), 10, seed=1) for _ in range(2))
    assert drawn.returns.tobytes() == again.returns.tobytes()
    likeliest = evaluate(drift, Pushing(0.0), 10, seed=1, deterministic=True)
    assert not np.array_equal(drawn.returns, likeliest.returns)


def test_what_ended_copies_would_get_is_nobodys(drift):
    world = copy.copy(drift)
    truth = drift.party_rewards

    def infinite(state, action, after):
        over = drift.terminated(state)[:, None]
        return np.where(over, np.nan, truth(state, action, after))

    world.party_rewards = infinite
    clean, run = (evaluate(w, Pushing(1.0), 30, 0).returns for w in (drift, world))
    assert np.array_equal(run, clean)


def test_one_action_a_copy_is_wanted(drift):
    class Few(Pushing):
        def act(self, obs, rng=None):
            return super().act(obs, rng)[:1]

    with pytest.raises(ValueError, match="action should have shape"):
        evaluate(drift, Few(0.0), 3, seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_the_likeliest_actions_are_evaluated_exactly_too(seed, random_world):
    mdp = random_world(seed)
    table = np.random.default_rng(seed).dirichlet(
        np.ones(mdp.num_actions), (mdp.horizon, mdp.num_states)
    )
    policy = TablePolicy.of(mdp, table)
    truth = exact(mdp, policy, deterministic=True)
    assert exact(mdp, tabulate(policy, mdp, deterministic=True)) == pytest.approx(truth)
    assert exact(mdp, table, deterministic=True) == pytest.approx(truth)
    run = evaluate(mdp, policy, 2000, seed, deterministic=True)
    assert (np.abs(run.mean - truth) <= 5 * run.stderr + 1e-9 * (1 + np.abs(truth))).all()


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("env", ["Condorcet-v0", "Delivery-v0", "LinearBandit-v0", "Timetable-v0"])
def test_simulated_units_are_those_of_the_tables(env, centred):
    mdp = make_dynamics(env)
    found = simulated_scale(mdp, None, 4000, seed=2, centred=centred)
    wanted = party_scale(mdp, "std")
    assert found.unit == pytest.approx(wanted.unit, rel=0.1)
    centre = policy_returns(mdp, np.broadcast_to(mdp.behaviour, uniform_policy(mdp).shape))
    error = found.shift - centred * centre
    assert (np.abs(error) <= 5 * wanted.unit / 4000**0.5).all()


def test_simulated_units_of_learned_rewards(random_world):
    mdp = random_world(8, parties=2)
    feedback = Feedback(assignment="balanced")
    learner = Independent().fit(collect(mdp, feedback, 200, seed=0))
    rewards = mdp.feature_table @ learner.theta_
    wanted = party_scale(mdp, "std", rewards=rewards)
    found = simulated_scale(mdp, learner, 4000, seed=2)
    assert found.unit == pytest.approx(wanted.unit, rel=0.1)
    assert not found.shift.any()


def test_a_party_that_sees_no_difference_keeps_its_unit(bandit):
    found = simulated_scale(bandit([[0.3, 1.0], [0.3, 0.0]]), None, 1000, seed=0, centred=True)
    assert found.shift == pytest.approx([0.3, 0.5], abs=0.1)
    assert found.unit == pytest.approx([1.0, 0.5], abs=0.01)


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
