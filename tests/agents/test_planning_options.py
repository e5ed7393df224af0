"""Levels, scales, other rewards, exact moments, and what is refused."""

import numpy as np
import pytest

from agents.planning import (
    best_response,
    party_scale,
    policy_returns,
    solve,
    uniform_policy,
)
from multiparty_envs.welfare import (
    GeneralizedGini,
    GeneralizedMean,
    Leximin,
    MaxMin,
    Nash,
    Scale,
    Utilitarian,
    zero_normalised,
)

FUNCTIONS = [Utilitarian(), Nash(eps=0.1), MaxMin(), GeneralizedGini(), GeneralizedMean(p=-1.0)]
every_function = pytest.mark.parametrize("welfare", FUNCTIONS, ids=str)


@pytest.fixture(scope="module")
def world(random_world):
    return random_world(11, states=9, actions=3, parties=3, horizon=4)


def forward(mdp, policy):
    """Every party's return, by following the chances of all cells through time, in plain loops."""
    here, returns = mdp.initial_table.copy(), np.zeros(mdp.num_parties)
    for time in range(mdp.horizon):
        after = np.zeros(mdp.num_states)
        for cell, action in np.ndindex(mdp.num_states, mdp.num_actions):
            chance = here[cell] * policy[time, cell, action]
            returns += mdp.discount**time * chance * mdp.party_table[cell, action]
            for to, p in zip(
                mdp.successors[cell, action], mdp.probabilities[cell, action], strict=True
            ):
                after[to] += chance * p * (not mdp.terminal[to])
        here = after
    return returns


@pytest.mark.parametrize("seed", range(6))
def test_policy_returns_follow_the_definition(seed, random_world):
    mdp = random_world(seed, states=8, horizon=4)
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(mdp.num_actions), (mdp.horizon, mdp.num_states))
    assert policy_returns(mdp, policy) == pytest.approx(forward(mdp, policy))
    still = np.broadcast_to(policy[0], policy.shape)
    assert policy_returns(mdp, policy[0]) == pytest.approx(forward(mdp, still))


def test_uniform_policy_is_the_default_behaviour(bandit):
    mdp = bandit([[1.0, 4.0], [2.0, 0.0]])
    assert policy_returns(mdp, uniform_policy(mdp)) == pytest.approx([1.5, 2.0])
    assert policy_returns(mdp, mdp.behaviour) == pytest.approx([1.5, 2.0])


@every_function
def test_an_optimum_is_consistent(welfare, world):
    found = solve(world, welfare)
    assert found.policy.sum(axis=-1) == pytest.approx(1.0)
    assert found.returns == pytest.approx(forward(world, found.policy))
    assert found.welfare == pytest.approx(float(welfare.value(found.returns)))
    reached = found.occupancy.sum(axis=-1, keepdims=True)
    assert found.occupancy == pytest.approx(reached * found.policy)
    assert found.gap == found.bound - found.welfare >= 0


@every_function
def test_the_same_problem_gives_the_same_bytes(welfare, world):
    one, two = solve(world, welfare), solve(world, welfare)
    assert one.policy.tobytes() == two.policy.tobytes()
    assert one.bound == two.bound


@every_function
@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_units_of_the_rewards_do_not_matter(welfare, factor, world):
    plain = solve(world, welfare, scale=party_scale(world, "range"))
    rewards = factor * world.party_table
    scaled = party_scale(world, "range", rewards=rewards)
    found = solve(world, welfare, rewards=rewards, scale=scaled)
    assert found.welfare == pytest.approx(plain.welfare, rel=1e-7, abs=1e-7)
    assert found.returns == pytest.approx(factor * plain.returns, rel=1e-3)


@every_function
def test_scale_enters_before_welfare(welfare, world):
    scale = Scale(np.array([0.1, -0.2, 0.0]), np.array([1.0, 3.0, 0.5]))
    found = solve(world, welfare, scale=scale)
    assert found.welfare == pytest.approx(float(welfare.value(scale.returns(found.returns))))
    uneven = solve(world, welfare)
    assert found.welfare >= welfare.value(scale.returns(uneven.returns)) - 1e-9


@pytest.mark.parametrize("parties", [1, 2, 7])
def test_other_rewards_may_be_for_other_parties(parties, world):
    rewards = np.random.default_rng(0).normal(size=(9, 3, parties))
    found = solve(world, MaxMin(), rewards=rewards)
    assert found.returns == pytest.approx(policy_returns(world, found.policy, rewards))
    assert len(found.returns) == parties


@pytest.mark.parametrize("welfare", [MaxMin(), Leximin(), Nash(), GeneralizedMean(p=0.5)])
def test_one_party_gets_its_best(welfare, random_world):
    mdp = random_world(2, parties=1)
    best = best_response(mdp, np.ones(1))[1]
    assert solve(mdp, welfare).returns == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("welfare", [MaxMin(), Leximin(), Nash(), GeneralizedGini()], ids=str)
def test_nothing_at_stake(welfare, bandit):
    found = solve(bandit(np.zeros((3, 2))), welfare)
    assert found.returns.tolist() == [0.0, 0.0]
    assert found.gap == 0.0


def test_step_level_is_the_best_of_all_policies(random_world):
    mdp = random_world(4, states=4, actions=2, parties=2, horizon=2)
    welfare = Nash(eps=0.1)
    scale = Scale(np.zeros(2), np.array([2.0, 0.5]))
    found = solve(mdp, welfare, level="step", scale=scale)
    gain = welfare.value(mdp.party_table / scale.unit)[..., None]
    best = max(
        policy_returns(mdp, np.eye(2)[np.reshape(actions, (2, 4))], gain)[0]
        for actions in np.ndindex(*[2] * 8)
    )
    assert found.welfare == pytest.approx(best)
    assert found.bound == pytest.approx(best)


@every_function
def test_step_level_never_beats_policy_level_where_jensen_holds(welfare, random_world):
    mdp = random_world(6, parties=4, horizon=1)
    values = {level: solve(mdp, welfare, level=level).welfare for level in ("step", "policy")}
    assert values["step"] <= values["policy"] + 1e-9


@pytest.mark.parametrize("level", ["step", "episode", "policy"])
def test_levels_agree_for_utilitarian_welfare(level, world):
    found = solve(world, Utilitarian(party_weights=(3, 2, 1)), level=level)
    weights = np.array([3, 2, 1]) / 6
    assert found.welfare == pytest.approx(best_response(world, weights)[1] @ weights)


def moments_by_paths(mdp, policy):
    """Mean and second moment of the first party's return, over all paths one by one."""

    def walk(time, cell, chance, gained):
        if time == mdp.horizon or mdp.terminal[cell]:
            return chance * np.array([gained, gained**2])
        total = np.zeros(2)
        for action in range(mdp.num_actions):
            now = gained + mdp.discount**time * mdp.party_table[cell, action, 0]
            for to, p in zip(
                mdp.successors[cell, action], mdp.probabilities[cell, action], strict=True
            ):
                total += walk(time + 1, to, chance * p * policy[cell, action], now)
        return total

    return sum(walk(0, cell, p, 0.0) for cell, p in enumerate(mdp.initial_table))


@pytest.mark.parametrize("seed", range(4))
def test_std_is_that_of_episodes_under_the_reference(seed, random_world):
    mdp = random_world(seed, states=5, actions=2, parties=2, horizon=3)
    mean, square = moments_by_paths(mdp, mdp.behaviour)
    scale = party_scale(mdp, "std")
    assert scale.unit[0] == pytest.approx(np.sqrt(square - mean**2))
    assert scale.shift.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(4))
def test_range_runs_from_the_reference_to_a_partys_best(seed, random_world):
    mdp = random_world(seed, parties=3)
    scale = party_scale(mdp, "range")
    assert scale.returns(policy_returns(mdp, mdp.behaviour)) == pytest.approx(0.0, abs=1e-12)
    for party, direction in enumerate(np.eye(3)):
        best = best_response(mdp, direction)[1]
        assert scale.returns(best)[party] == pytest.approx(1.0)
        assert (scale.returns(best) <= 1.0 + 1e-12).all()


@pytest.mark.parametrize("normalisation", ["std", "range"])
def test_a_party_without_stakes_keeps_the_unit_one(normalisation, bandit):
    mdp = bandit([[1.0, 0.3, 0.0], [0.0, 0.3, 0.0]])
    scale = party_scale(mdp, normalisation)
    assert scale.unit.tolist() == [0.5, 1.0, 1.0]


def test_another_reference_moves_the_zero(bandit):
    mdp = bandit([[1.0, 0.0], [0.0, 1.0]])
    scale = party_scale(mdp, "range", reference=np.array([[1.0, 0.0]]))
    assert scale.shift.tolist() == [1.0, 0.0]
    assert scale.unit.tolist() == [1.0, 1.0]  # the first has its best already


def test_zero_normalisation_undoes_what_is_added_to_a_state(random_world):
    mdp = random_world(8, parties=3, horizon=1)
    added = np.random.default_rng(0).normal(size=(mdp.num_states, 1, 3))
    plain, moved = (zero_normalised(table) for table in (mdp.party_table, mdp.party_table + added))
    optima = [solve(mdp, Nash(), level="step", rewards=r).policy for r in (plain, moved)]
    assert (optima[0] == optima[1]).all()


def test_the_name_of_a_welfare_function_is_none(world):
    with pytest.raises(TypeError, match="welfare should be a Welfare, is 'max-min'"):
        solve(world, "max-min")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda m: solve(m, MaxMin(), level="trajectory"), "level should be one of"),
        (lambda m: solve(m, MaxMin(), level="episode"), "level should be step or policy"),
        (lambda m: solve(m, MaxMin(), rewards=np.zeros((2, 3, 3))), "rewards should have shape"),
        (lambda m: solve(m, MaxMin(), rewards=np.full((9, 3, 3), np.nan)), "finite"),
        (lambda m: solve(m, MaxMin(), scale=Scale.none(2)), "scale.unit should have shape"),
        (lambda m: solve(m, Nash(reference=(0.0, 1.0))), "2 parties"),
        (lambda m: solve(m, Utilitarian(party_weights=(1.0, 1.0))), "2 parties"),
        (lambda m: solve(m, GeneralizedGini(rank_weights=(2, 1))), "2 parties"),
        (lambda m: policy_returns(m, np.ones((9, 3)) / 2), "sum to 1"),
        (lambda m: policy_returns(m, np.ones((2, 9, 3)) / 3), "policy should have shape"),
        (lambda m: best_response(m, np.ones(2)), "weights should have shape"),
        (lambda m: best_response(m, np.array([1.0, np.inf, 0.0])), "weights should be finite"),
        (lambda m: party_scale(m, "variance"), "normalisation should be one of"),
        (lambda m: party_scale(m, "std", reference=np.ones((3, 9)) / 9), "policy should have"),
    ],
)
def test_bad_input_is_named(ask, words, world):
    with pytest.raises(ValueError, match=words):
        ask(world)
