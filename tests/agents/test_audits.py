"""Audits: each measure against brute force or a closed form."""

import itertools

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from agents.audits import (
    audit,
    dominated,
    dominated_in,
    dominating,
    envy,
    ex_post,
    improvement,
    pareto,
    refused,
    reversed_by,
    surplus,
    violations,
)
from agents.occupancy import World
from agents.planning import party_scale, policy_returns, solve, uniform_policy
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.parties import Population
from multiparty_envs.registration import make_dynamics
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Scale, Utilitarian

seeds = st.integers(0, 2**32 - 1)
# payoffs of three options to two parties, of which a mixture of the first two beats the third
F5 = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])


def problem(seed, states=3, actions=4, parties=3, deterministic=False):
    """Utilities with many ties (small whole numbers), and chances."""
    rng = np.random.default_rng(seed)
    u = rng.integers(0, 5, (states, actions, parties)).astype(float)
    u -= u.min(axis=1, keepdims=True)
    chances = rng.dirichlet(np.ones(actions), states)
    if deterministic:
        chances = np.eye(actions)[rng.integers(actions, size=states)]
    return u, chances


def tau_by_definition(u, have):
    """The definition, one action and one party after the other."""
    tau = 0.0
    for profile in u:
        if any(profile[m] < have[m] - 1e-9 for m in range(len(have))):
            continue
        for m in range(len(have)):
            if profile[m] > have[m] + 1e-9:
                tau = max(tau, np.inf if have[m] < 1e-12 else profile[m] / have[m] - 1.0)
    return tau


@given(seeds, st.booleans())
@settings(max_examples=60, deadline=None)
def test_pareto_tau_is_the_definition(seed, deterministic):
    u, p = problem(seed, deterministic=deterministic)
    have = np.einsum("ba,bam->bm", p, u)
    found = pareto(u, p)
    assert_allclose(found, [tau_by_definition(u[b], have[b]) for b in range(len(u))], rtol=1e-9)
    assert ((found > 0) == dominating(u, p).any(axis=1)).all()


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_dominating_actions_are_weakly_better_for_all(seed):
    u, p = problem(seed, deterministic=True)
    taken = p.argmax(axis=1)
    for b, a in itertools.product(range(3), range(4)):
        gain = u[b, a] - u[b, taken[b]]
        assert dominating(u, p)[b, a] == ((gain >= 0).all() and (gain > 0).any())


def best_mixture(u, have, worth):
    """Maximise worth @ q over mixtures that harm nobody."""
    q = cvxpy.Variable(len(u), nonneg=True)
    task = cvxpy.Problem(cvxpy.Maximize(worth @ q), [cvxpy.sum(q) == 1, u.T @ q >= have - 1e-10])
    return task.solve(solver="CLARABEL")


@pytest.mark.parametrize("seed", range(6))
def test_surplus_and_mixed_tau_are_the_linear_programmes(seed):
    rng = np.random.default_rng(seed)
    u = rng.random((3, 4, 3))
    u -= u.min(axis=1, keepdims=True)
    p = rng.dirichlet(np.ones(4), 3)
    have = np.einsum("ba,bam->bm", p, u)
    wanted = [best_mixture(u[b], have[b], u[b].sum(axis=1)) - have[b].sum() for b in range(3)]
    assert_allclose(surplus(u, p), wanted, atol=1e-6)
    shares = [
        max(best_mixture(u[b], have[b], u[b, :, m]) / have[b, m] - 1.0 for m in range(3))
        for b in range(3)
    ]
    assert_allclose(pareto(u, p, mixtures=True), shares, atol=1e-5)


def test_a_mixture_may_beat_what_no_action_does():
    u, third = F5[None], np.array([[0.0, 0.0, 1.0]])
    assert pareto(u, third) == 0.0
    assert_allclose(surplus(u, third), 0.2, atol=1e-7)
    assert_allclose(pareto(u, third, mixtures=True), 0.5, atol=1e-6)  # .6 and .4 harms nobody
    half = np.array([[0.5, 0.5, 0.0]])
    assert surplus(u, half) == 0.0
    assert pareto(u, half, mixtures=True) == 0.0


def test_who_has_nothing_and_could_have_something_gains_infinitely():
    u = np.array([[[0.0, 1.0], [2.0, 1.0]]])
    assert pareto(u, np.array([[1.0, 0.0]])) == np.inf
    assert pareto(u, np.array([[0.0, 1.0]])) == 0.0


@given(seeds)
@settings(max_examples=60, deadline=None)
def test_dominated_actions_are_those_of_the_definition(seed):
    u, p = problem(seed)
    wanted = [[any((x >= y).all() and (x > y).any() for x in state) for y in state] for state in u]
    assert (dominated(u) == wanted).all()
    assert_allclose(ex_post(dominated(u), p), np.where(wanted, p, 0.0).max(axis=1))


def test_in_a_common_cycle_everything_is_dominated():
    cycle = np.array([[0.5, 0.9, 0.1], [0.1, 0.5, 0.9], [0.9, 0.1, 0.5]])
    ranking = np.array([[0.5, 0.9, 0.9], [0.1, 0.5, 0.9], [0.1, 0.1, 0.5]])
    tables = np.array([[cycle] * 3, [cycle, ranking, ranking], [ranking] * 3])
    assert dominated_in(tables).tolist() == [
        [True, True, True],
        [False, True, True],
        [False, True, True],
    ]


def transfers(u, have):
    """Every action reached by a transfer, found pair by pair."""
    for action, profile in enumerate(u):
        for i, j in itertools.permutations(range(len(have)), 2):
            others = [m for m in range(len(have)) if m not in (i, j)]
            same = all(abs(profile[m] - have[m]) < 1e-9 for m in others)
            kept = abs(profile[i] + profile[j] - have[i] - have[j]) < 1e-9
            if same and kept and abs(profile[i] - profile[j]) < abs(have[i] - have[j]) - 1e-9:
                yield action


@given(seeds)
@settings(max_examples=80, deadline=None)
def test_refused_transfers_are_those_of_the_definition(seed):
    u, p = problem(seed, actions=6, parties=2, deterministic=True)
    found = refused(u, p)
    for b, action in enumerate(p.argmax(axis=1)):
        gains = [u[b, a].prod() - u[b, action].prod() for a in transfers(u[b], u[b, action])]
        assert found[b] == pytest.approx(max(gains, default=0.0))
        assert all(gain > -1e-9 for gain in gains)  # a transfer never lowers the product


def best_transfer(u, have):
    """By one programme for each pair, over mixtures: the gift, then the product."""
    best = 0.0
    for i, j in itertools.permutations(range(len(have)), 2):
        if have[i] < have[j]:
            continue
        q = cvxpy.Variable(len(u), nonneg=True)
        after = u.T @ q
        fixed = [after[m] == have[m] for m in range(len(have)) if m not in (i, j)]
        fixed += [after[i] + after[j] == have[i] + have[j], after[i] >= after[j]]
        task = cvxpy.Problem(cvxpy.Maximize(after[j]), [cvxpy.sum(q) == 1, *fixed])
        task.solve(solver="CLARABEL")
        best = max(best, float(np.prod(after.value) - np.prod(have)))
    return best


@pytest.mark.parametrize("seed", range(5))
def test_transfers_by_mixtures_are_the_programmes_of_every_pair(seed):
    rng = np.random.default_rng(seed)
    u = rng.random((2, 5, 3))
    u -= u.min(axis=1, keepdims=True)
    p = rng.dirichlet(np.ones(5), 2)
    have = np.einsum("ba,bam->bm", p, u)
    wanted = [best_transfer(u[b], have[b]) for b in range(2)]
    assert_allclose(refused(u, p, mixtures=True), wanted, atol=1e-6)


def test_the_nash_choice_refuses_no_transfer():
    rng = np.random.default_rng(0)
    u = rng.integers(0, 4, (200, 6, 3)).astype(float)
    best = np.eye(6)[u.prod(axis=-1).argmax(axis=1)]
    assert not refused(u, best).any()
    worst = np.eye(6)[u.prod(axis=-1).argmin(axis=1)]
    assert refused(u, worst).any()


def test_only_a_wrong_judgement_reverses_a_transfer():
    u = np.array([[[3.0, 1.0], [2.0, 2.0], [0.0, 0.0]]])
    assert reversed_by(u, u) == 0.0
    wrong = np.array([[[3.0, 1.0], [2.0, 1.0], [0.0, 0.0]]])
    assert reversed_by(u, wrong) == pytest.approx(1.0)


@given(seeds)
@settings(max_examples=40, deadline=None)
def test_violations_are_counted_pair_by_pair(seed):
    rng = np.random.default_rng(seed)
    rewards = rng.integers(0, 4, (3, 4, 3)).astype(float)
    aggregate = rng.integers(0, 4, (3, 4)).astype(float)
    agreed, wrong, decided, lost = 0, 0, 0, 0
    for b in range(3):
        for one, two in itertools.permutations(range(4), 2):
            votes = rewards[b, one] > rewards[b, two]
            against = aggregate[b, one] < aggregate[b, two]
            agreed, wrong = agreed + votes.all(), wrong + (votes.all() and against)
            most = votes.sum() > 1.5
            decided, lost = decided + most, lost + (most and against)
    found = violations(rewards, aggregate)
    assert (found.agreed, found.decided) == (agreed, decided)
    assert_allclose(found.unanimous, wrong / agreed if agreed else np.nan)
    assert_allclose(found.majority, lost / decided if decided else np.nan)


def test_a_mean_reward_keeps_what_all_agree_on():
    rewards = np.random.default_rng(1).normal(size=(50, 5, 4))
    assert violations(rewards, rewards.mean(axis=-1)).unanimous == 0.0
    assert violations(rewards, -rewards.mean(axis=-1)).unanimous == 1.0


def test_envy_is_the_difference_of_returns_between_mirrored_roles():
    theta = np.array([[1.0, 1.0, 0.0, 0.3], [0.0, 0.0, 1.0, 0.3], [-0.1, -0.1, -0.1, 0.5]])
    found = envy(theta, np.array([2.0, 1.0, 1.0]))
    have = np.array([2.0, 1.0, 1.0]) @ theta
    assert found is not None
    assert_allclose(found[2], [have[0] - have[2], have[1] - have[2], 0.0, 0.0])
    assert_allclose(found[0], [0.0, 0.0, have[2] - have[0], 0.0])
    assert not found[3].any()


def test_envy_has_no_meaning_without_mirrored_roles():
    assert envy(np.array([[1.0, 0.5], [0.0, 0.2]]), np.ones(2)) is None
    assert envy(np.array([[1.0, 1.0], [0.0, 0.0]]), np.ones(2)) is None  # all the same


def dominating_returns(world, mdp, returns, unit):
    """The programme over occupancies, all of it at once."""
    shape = (mdp.horizon, world.shape[0] * world.shape[1])
    d = cvxpy.Variable(shape, nonneg=True)
    there = np.kron(np.eye(world.shape[0]), np.ones(world.shape[1]))
    flow = [there @ d[0] == world.initial]
    for t in range(1, mdp.horizon):
        flow.append(there @ d[t] == world.moves.T.toarray() @ d[t - 1])
    worth = mdp.discount ** np.arange(mdp.horizon)
    reached = (worth @ d) @ world.rewards
    task = cvxpy.Problem(
        cvxpy.Maximize(cvxpy.sum((reached - returns) / unit)), [*flow, reached >= returns]
    )
    return task.solve(solver="CLARABEL")


@pytest.mark.parametrize("seed", range(4))
def test_the_improvement_is_the_programme_over_occupancies(seed, random_world):
    mdp = random_world(seed, states=6, actions=3, parties=3, horizon=4)
    world, scale = World(mdp), party_scale(mdp, "range")
    policy = np.random.default_rng(seed).dirichlet(np.ones(3), (4, 6))
    returns = policy_returns(mdp, policy)
    found = improvement(world, returns, scale)
    wanted = dominating_returns(world, mdp, returns, scale.unit)
    assert found.surplus == pytest.approx(wanted, abs=1e-5)
    assert found.surplus <= found.bound <= found.surplus + 1e-5
    assert (found.returns >= returns - 1e-6).all()
    gain = ((found.returns - returns) / scale.unit).sum()
    assert gain == pytest.approx(found.surplus, abs=1e-6)


@pytest.mark.parametrize("welfare", [Utilitarian(), Nash(), Leximin()], ids=lambda w: w.name)
def test_exact_optima_cannot_be_improved(welfare, random_world):
    mdp = random_world(3, states=6, actions=3, parties=3, horizon=4)
    scale = party_scale(mdp, "range")
    found = audit(solve(mdp, welfare, scale=scale).policy, mdp, scale=scale)
    assert found.improvement.surplus == 0.0
    assert found.improvement.bound == pytest.approx(0.0, abs=1e-5)


def test_one_policy_leaves_one_of_two_opposites_half(bandit):
    # features (e1, e2, 0) and (e2, e1, 0), weights e1 and e2 [Zhong2024, proposition 3]
    payoffs = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [0, 0]]])
    world = bandit(payoffs)
    for choice in itertools.product(range(3), repeat=2):
        found = audit(np.eye(3)[list(choice)][None], world)
        assert (1.0 - found.returns).max() >= 0.5
        efficient = 2 not in choice
        assert (found.pareto.max() == 0.0) == efficient
        assert (found.improvement.surplus == 0.0) == efficient
        assert found.ex_post.max() == (0.0 if efficient else 1.0)
    even = audit(solve(world, MaxMin()).policy, world)
    assert_allclose(even.returns, 0.5, atol=1e-7)
    assert even.gini == pytest.approx(0.0, abs=1e-7)


# Scales and zeros of their own move neither who dominates nor tau [Zhong2024, section 4].
@pytest.mark.parametrize("seed", range(3))
def test_tau_does_not_see_scales_and_zeros(seed, bandit):
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(10, 4, 3))
    changed = np.array([0.3, 1.0, 7.0]) * rewards + rng.normal(size=(10, 1, 3))
    policy = rng.dirichlet(np.ones(4), 10)
    plain, moved = (audit(policy, bandit(table)) for table in (rewards, changed))
    assert_allclose(plain.pareto, moved.pareto, rtol=1e-6)
    assert (plain.better == moved.better).all()
    assert_allclose(plain.ex_post, moved.ex_post)
    assert (plain.surplus != moved.surplus).any()


def test_a_dominating_action_later_on_is_seen(random_world):
    mdp = random_world(5, states=5, actions=3, parties=2, horizon=3)
    found = audit(uniform_policy(mdp), mdp)
    at = int(np.argmax(found.better.any(axis=1)))
    assert found.better[at].any()
    t, s, action = found.time[at], found.state[at], found.better[at].argmax()
    changed = uniform_policy(mdp)
    changed[t, s] = np.eye(3)[action]
    gain = policy_returns(mdp, changed) - policy_returns(mdp, uniform_policy(mdp))
    assert (gain >= -1e-12).all()
    assert (gain > 1e-12).any()


@pytest.mark.parametrize("name", ["Delivery-v0", "LinearBandit-v0", "Condorcet-v0"])
def test_every_row_says_what_it_means(name):
    world = make_dynamics(name)
    found = audit(world.behaviour, world, scale=party_scale(world, "range"))
    rows = found.rows()
    assert len({row.name for row in rows}) == len(rows) == 9
    assert all(row.value and row.meaning for row in rows)
    assert found.lorenz[0] == 0.0
    assert found.lorenz[-1] == pytest.approx(1.0)
    assert (np.diff(found.lorenz) >= 0).all()
    assert (found.envy is None) == (name != "Delivery-v0")


def test_lists_of_an_aggregate_that_reverses_everything():
    world = make_dynamics("LinearBandit-v0")
    found = audit(world.behaviour, world, aggregate=-world.party_table.mean(axis=-1))
    assert found.violations is not None
    assert found.violations.unanimous == 1.0
    assert [row.name for row in found.rows()[-2:]] == ["Pareto violations", "majority violations"]


def test_nobody_can_have_anything():
    world = FiniteMDP(
        successors=np.zeros((1, 2, 1), dtype=int),
        probabilities=np.ones((1, 2, 1)),
        features=np.ones((1, 2, 1)),
        initial=[1.0],
        population=Population(np.ones((1, 3))),
        horizon=2,
    )
    found = audit(np.full((1, 2), 0.5), world)
    assert (found.gini, found.jain, found.inefficient) == (0.0, 1.0, 0.0)
    assert found.improvement.surplus == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pareto(np.full((1, 2, 2), -1.0), np.ones((1, 2)) / 2), "0 or more"),
        (lambda: pareto(np.ones((1, 2, 2)), np.ones((1, 2))), "chances"),
        (lambda: surplus(np.ones((1, 2, 2)), np.ones((2, 2)) / 2), "chances"),
        (lambda: refused(np.ones((1, 2)), np.ones((1, 2)) / 2), "utilities"),
        (lambda: reversed_by(np.ones((1, 2, 2)), np.ones((1, 2, 3))), "judged"),
        (lambda: violations(np.ones((1, 2, 2)), np.ones((1, 3))), "aggregate"),
        (lambda: envy(np.ones((2, 2)), np.ones(3)), "gained"),
        (lambda: dominated_in(np.ones((1, 2, 3, 2))), "preferences"),
        (lambda: audit(np.ones((2, 2)) / 2, make_dynamics("Condorcet-v0")), "policy"),
        (
            lambda: audit(
                make_dynamics("Condorcet-v0").behaviour,
                make_dynamics("Condorcet-v0"),
                scale=Scale.none(2),
            ),
            "scale",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
