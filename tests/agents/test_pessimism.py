"""Pessimistic bounds and policies: against cvxpy, against brute force, and against every truth."""

import warnings

import numpy as np
import pytest

from agents.coverage import trajectory_covariance
from agents.pessimism import (
    choose,
    lower_bounds,
    pessimistic_value,
    plan_steps,
    solve_pessimistic,
    welfare_of_profiles,
)
from agents.planning import policy_returns, solve, uniform_policy
from multiparty_envs.envs.delivery import delivery
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Scale, Utilitarian

WELFARES = (Utilitarian(), Nash(), MaxMin())
SMALL = {"states": 6, "actions": 3, "horizon": 3}


def sets_around(mdp, seed, size=0.1):
    rng = np.random.default_rng(seed + 100)
    width, parties = mdp.num_features, mdp.num_parties
    seen = rng.normal(size=(parties, 3 * width, width)) * rng.uniform(0.1, 1.0, (parties, 1, width))
    sigma = np.einsum("mki,mkj->mij", seen, seen) / (3 * width) + 0.01 * np.eye(width)
    theta = mdp.population.theta + 0.2 * rng.normal(size=(width, parties))
    return ConfidenceSets(theta, sigma, size * rng.uniform(0.2, 1.5, parties))


def chances(mdp):
    """[S, A, S] transition chances, without moves into terminal cells."""
    table = np.zeros((mdp.num_states, mdp.num_actions, mdp.num_states))
    for branch in range(mdp.successors.shape[2]):
        for s in range(mdp.num_states):
            for a in range(mdp.num_actions):
                table[s, a, mdp.successors[s, a, branch]] += mdp.probabilities[s, a, branch]
    return table * ~mdp.terminal


def independent_solution(mdp, sets, welfare):
    """The same optimum by cvxpy, from tables of its own."""
    import cvxpy as cp

    moves, features = chances(mdp), mdp.feature_table
    shape = (mdp.num_states, mdp.num_actions)
    occupancy = [cp.Variable(shape, nonneg=True) for _ in range(mdp.horizon)]
    rules, here = [cp.sum(occupancy[0], axis=1) == mdp.initial_table], mdp.initial_table
    total = 0.0
    for time, visits in enumerate(occupancy):
        if time:
            before = occupancy[time - 1]
            flow = sum(moves[:, a].T @ before[:, a] for a in range(shape[1]))
            rules.append(cp.sum(visits, axis=1) == flow)
        base = here[:, None] * mdp.behaviour
        seen = sum(features[:, a].T @ (visits - base)[:, a] for a in range(shape[1]))
        total = total + mdp.discount**time * seen
        here = np.einsum("sa,sap->p", base, moves)
    lower = []
    for m in range(sets.num_parties):
        root = np.linalg.cholesky(np.linalg.inv(sets.sigma[m])).T
        lower.append(sets.theta[:, m] @ total - sets.radius[m] * cp.norm(root @ total))
    if isinstance(welfare, Utilitarian) or len(lower) == 1:
        aim = sum(lower) / len(lower)
    else:
        aim = cp.minimum(*lower) if isinstance(welfare, MaxMin) else cp.geo_mean(cp.hstack(lower))
    most = cp.Variable()
    problem = cp.Problem(cp.Maximize(most), [*rules, most <= aim])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "may be inaccurate": at 1e-10 it says so
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return problem.value


@pytest.mark.parametrize("size", [0.03, 0.1])
@pytest.mark.parametrize("seed", range(30))
def test_the_optimum_is_that_of_an_independent_cone_programme(random_world, seed, size):
    mdp = random_world(seed, states=2 + seed % 5, actions=2 + seed % 3, horizon=1 + seed % 4)
    sets, welfare = sets_around(mdp, seed, size), WELFARES[seed % 3]
    found = solve_pessimistic(mdp, sets, welfare)
    unit = 1.0 if found.stayed else found.value
    assert found.value == pytest.approx(independent_solution(mdp, sets, welfare), abs=1e-6 * unit)
    assert 0.0 <= found.gap <= 1e-6 * unit


@pytest.mark.parametrize("welfare", WELFARES, ids=lambda w: w.name)
@pytest.mark.parametrize("seed", range(4))
def test_the_pessimistic_value_is_below_that_under_every_theta(random_world, welfare, seed):
    mdp = random_world(seed, **SMALL)
    sets = sets_around(mdp, seed)
    found = solve_pessimistic(mdp, sets, welfare)
    truths = sets.sample(300, np.random.default_rng(0), boundary=seed % 2 == 0)
    gained = np.array(
        [
            policy_returns(mdp, found.policy, mdp.feature_table @ theta)
            - policy_returns(mdp, mdp.behaviour, mdp.feature_table @ theta)
            for theta in truths
        ]
    )
    assert (welfare_of_profiles(welfare, gained) >= found.value - 1e-9).all()
    assert (gained >= found.lower - 1e-9).all()


@pytest.mark.parametrize("welfare", [Utilitarian(), MaxMin()], ids=lambda w: w.name)
def test_without_a_radius_it_is_the_plug_in_optimum(random_world, welfare):
    mdp = random_world(3, **SMALL)
    sets = sets_around(mdp, 3).scaled(0.0)
    learned = mdp.feature_table @ sets.theta
    zero = policy_returns(mdp, mdp.behaviour, learned)
    expected = solve(mdp, welfare, rewards=learned, scale=Scale(zero, np.ones_like(zero)))
    assert solve_pessimistic(mdp, sets, welfare).value == pytest.approx(expected.welfare, abs=1e-6)


@pytest.mark.parametrize("welfare", WELFARES, ids=lambda w: w.name)
def test_who_knows_nothing_stays_with_the_reference(random_world, welfare):
    mdp = random_world(5, **SMALL)
    found = solve_pessimistic(mdp, sets_around(mdp, 5).with_radius(1e4), welfare)
    assert found.stayed
    assert found.value == 0.0
    assert found.gap <= 1e-6
    assert found.policy == pytest.approx(np.broadcast_to(mdp.behaviour, found.policy.shape))


def test_values_fall_as_the_sets_grow(random_world):
    mdp = random_world(7, **SMALL)
    sets = sets_around(mdp, 7)
    values = [
        solve_pessimistic(mdp, sets.scaled(c), Utilitarian()).value for c in (0.0, 0.5, 1.0, 2.0)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def test_another_reference_is_another_zero(random_world):
    mdp = random_world(8, **SMALL)
    sets = sets_around(mdp, 8)
    found = solve_pessimistic(mdp, sets, MaxMin(), reference=uniform_policy(mdp))
    again = pessimistic_value(mdp, sets, found.policy, reference=uniform_policy(mdp))
    assert again == pytest.approx(found.lower, abs=1e-9)


def test_optimism_over_occupancies_is_refused(random_world):
    mdp = random_world(1, **SMALL)
    with pytest.raises(ValueError, match="radius should be 0 or more"):
        solve_pessimistic(mdp, sets_around(mdp, 1).scaled(-1.0), Utilitarian())


def test_sets_of_another_world_are_refused(random_world):
    mdp = random_world(1, **SMALL)
    sets = ConfidenceSets(np.zeros((99, 2)), np.tile(np.eye(99), (2, 1, 1)), 1.0)
    with pytest.raises(ValueError, match="sets should be of"):
        solve_pessimistic(mdp, sets, Utilitarian())


def table_and_sets(seed, radius=0.6):
    rng, states, actions, width, parties = np.random.default_rng(seed), 4, 4, 3, 3
    root = rng.normal(size=(parties, width, width))
    sigma = root @ root.swapaxes(1, 2) + 0.1 * np.eye(width)
    sets = ConfidenceSets(rng.normal(size=(width, parties)), sigma, radius)
    return rng.normal(size=(states, actions, width)), sets


def utilities(features, thetas):
    """[N, S, A, M] from each party's worst action of the state."""
    reward = np.einsum("sad,ndm->nsam", features, thetas)
    return reward - reward.min(axis=2, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_exact_bounds_are_the_least_utilities_of_the_sets(seed):
    import cvxpy as cp

    features, sets = table_and_sets(seed)
    exact, simple = lower_bounds(sets, features, exact=True), lower_bounds(sets, features)
    assert (exact >= simple).all()
    assert (exact > simple + 1e-4).any()
    for s, a, m in [(0, 0, 0), (1, 2, 1), (3, 1, 2)]:
        theta, least = cp.Variable(3), cp.Variable()
        root = np.linalg.cholesky(sets.sigma[m]).T
        rules = [cp.norm(root @ (theta - sets.theta[:, m])) <= sets.radius[m]]
        rules += [least <= features[s, b] @ theta for b in range(4)]
        problem = cp.Problem(cp.Minimize(features[s, a] @ theta - least), rules)
        assert problem.solve(solver=cp.CLARABEL) == pytest.approx(exact[s, a, m], abs=1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_bounds_are_below_the_utilities_under_every_theta(exact):
    features, sets = table_and_sets(5)
    drawn = sets.sample(2_000, np.random.default_rng(0), boundary=True)
    assert (
        utilities(features, drawn).min(axis=0) >= lower_bounds(sets, features, exact=exact)
    ).all()


def test_optimistic_bounds_are_attained_above():
    features, sets = table_and_sets(6)
    upper = lower_bounds(sets.scaled(-1.0), features, exact=True)
    most = utilities(features, sets.sample(20_000, np.random.default_rng(0), boundary=True)).max(0)
    assert (upper >= most).all()
    assert most == pytest.approx(upper, abs=0.1)


def test_bounds_from_a_reference_policy_are_tight():
    features, sets = table_and_sets(7)
    policy = np.random.default_rng(0).dirichlet(np.ones(4), 4)
    found = lower_bounds(sets, features, reference=policy)
    direction = features[2, 1] - policy[2] @ features[2]
    assert found[2, 1] == pytest.approx(direction @ sets.worst(direction))


@pytest.mark.parametrize("welfare", [*WELFARES, Leximin()], ids=lambda w: w.name)
def test_state_by_state_the_value_is_below_the_truth(welfare):
    features, sets = table_and_sets(8, radius=0.2)
    bounds = lower_bounds(sets, features, exact=True)
    found = choose(bounds, welfare, utilities(features, sets.theta[None])[0])
    drawn = utilities(features, sets.sample(500, np.random.default_rng(0)))
    taken = drawn[:, np.arange(4), found.action]
    assert (welfare_of_profiles(welfare, taken) >= found.value - 1e-9).all()


@pytest.mark.parametrize("welfare", [*WELFARES, Leximin()], ids=lambda w: w.name)
def test_the_welfare_of_steps_is_below_the_truth(random_world, welfare):
    mdp = random_world(9, **SMALL)
    sets = sets_around(mdp, 9)
    bounds = lower_bounds(sets, mdp.feature_table, exact=True)
    policy, value = plan_steps(mdp, bounds, welfare)
    for theta in sets.sample(50, np.random.default_rng(0)):
        worth = welfare_of_profiles(welfare, utilities(mdp.feature_table, theta[None])[0])
        assert policy_returns(mdp, policy, worth[..., None])[0] >= value - 1e-9
    upper, most = plan_steps(mdp, lower_bounds(sets.scaled(-1.0), mdp.feature_table), welfare)
    assert upper.shape == policy.shape
    assert most > value


def test_one_step_is_planned_as_states_are_chosen(bandit):
    bounds = np.random.default_rng(3).random((5, 4, 3))
    policy, value = plan_steps(bandit(bounds), bounds, Nash())
    chosen = choose(bounds, Nash(), bounds)
    assert (policy[0].argmax(axis=1) == chosen.action).all()
    assert value == pytest.approx(chosen.value.mean())


@pytest.mark.parametrize("welfare", WELFARES, ids=lambda w: w.name)
@pytest.mark.parametrize("size", [0.01, 0.3])
def test_worlds_of_hundreds_of_states_are_solved_and_certified(welfare, size):
    mdp = delivery()
    metric = trajectory_covariance(mdp)
    theta = np.asarray(mdp.population.theta)
    spread = np.sqrt(np.einsum("dm,de,em->m", theta, metric, theta))
    metric = metric + 1e-3 * np.trace(metric) * np.eye(len(metric))
    sets = ConfidenceSets(theta, np.tile(metric, (mdp.num_parties, 1, 1)), size * spread)
    found = solve_pessimistic(mdp, sets, welfare)
    assert not found.stayed
    assert found.gap <= 1e-6 * found.value


def test_choices_are_the_best_by_brute_force():
    bounds = np.random.default_rng(0).random((50, 6, 3))
    for welfare, of in ((Utilitarian(), np.mean), (Nash(), np.prod), (MaxMin(), np.min)):
        found = choose(bounds, welfare, bounds)
        assert (found.action == of(bounds, axis=2).argmax(axis=1)).all()
        assert found.tie_rate() == 0.0


def test_leximin_looks_at_the_second_worst_where_the_worst_are_equal():
    bounds = np.array([[[0.1, 0.9, 0.2], [0.3, 0.1, 0.5], [0.1, 0.25, 0.9]]])
    found = choose(bounds, Leximin(), np.zeros_like(bounds))
    assert found.action == [1]
    assert not found.tied.any()
    assert choose(bounds, MaxMin(), np.zeros_like(bounds)).tied.all()


def test_ties_are_broken_by_what_was_learned_and_counted():
    bounds = np.zeros((2, 3, 2))
    bounds[1, 2] = 0.1
    plug_in = np.random.default_rng(0).random((2, 3, 2))
    found = choose(bounds, Nash(), plug_in)
    assert found.action[0] == plug_in[0].prod(axis=1).argmax()
    assert found.action[1] == 2
    assert found.tied.tolist() == [True, False]
    assert found.tie_rate(np.array([0.25, 0.75])) == pytest.approx(0.25)
    assert found.policy.sum() == 2.0


def test_of_products_of_zero_that_in_which_nobody_loses_is_taken():
    bounds = np.array([[[-1.0, 2.0], [0.0, 0.0], [-0.1, 5.0]]])
    plug_in = np.array([[[9.0, 9.0], [0.0, 0.0], [1.0, 1.0]]])
    found = choose(bounds, Nash(), plug_in)
    assert found.action == [1]
    assert not found.tied.any()


def test_other_welfare_is_refused():
    with pytest.raises(TypeError, match="welfare should be Utilitarian, Nash, MaxMin or Leximin"):
        choose(np.zeros((1, 2, 2)), None, np.zeros((1, 2, 2)))


def test_what_does_not_fit_is_refused():
    features, sets = table_and_sets(0)
    with pytest.raises(ValueError, match="features should have shape"):
        lower_bounds(sets, features[..., :2])
    with pytest.raises(ValueError, match="plug_in should have shape"):
        choose(np.zeros((1, 2, 2)), Nash(), np.zeros((1, 3, 2)))
