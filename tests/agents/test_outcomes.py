"""Outcomes of finite worlds and the winners among policies, by enumeration."""

import itertools

import numpy as np
import pytest

from agents.occupancy import World
from agents.outcomes import Outcomes
from agents.planning import uniform_policy
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.condorcet import condorcet
from multiparty_envs.envs.delivery import delivery
from multiparty_envs.faces import segment_scale
from multiparty_envs.parties import BradleyTerryLuce, Population


@pytest.fixture(scope="module")
def town():
    return delivery(size=1, slipperiness=0.0)


@pytest.fixture(scope="module")
def slippery():
    rng = np.random.default_rng(4)
    return FiniteMDP(
        successors=rng.integers(0, 4, size=(4, 2, 2)),
        probabilities=rng.dirichlet(np.ones(2), size=(4, 2)),
        features=rng.integers(-1, 2, size=(4, 2, 2)),
        initial=[1.0, 0.0, 0.0, 0.0],
        population=Population(rng.normal(size=(2, 3))),
        horizon=3,
        terminal=[False, False, False, True],
    )


def walks(mdp):
    """Every episode: its actions, chance given the actions, and sum of features."""
    found = []

    def go(cell, time, acts, chance, total):
        if time == mdp.horizon or mdp.terminal[cell]:
            found.append((acts, chance, total))
            return
        for action in range(mdp.num_actions):
            gone = total + mdp.feature_table[cell, action]
            moves = zip(mdp.successors[cell, action], mdp.probabilities[cell, action], strict=True)
            for after, share in moves:
                if share > 0:
                    step = (time, cell, action)
                    go(after, time + 1, (*acts, step), chance * share, gone)

    go(mdp.start, 0, (), 1.0, np.zeros(mdp.num_features))
    return found


@pytest.mark.parametrize("name", ["town", "slippery"])
def test_a_policy_comes_to_what_its_episodes_come_to(name, request):
    mdp = request.getfixturevalue(name)
    outcomes = Outcomes(mdp)
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(mdp.num_actions), size=(mdp.horizon, mdp.num_states))
    chances = np.zeros(len(outcomes.totals))
    for acts, chance, total in walks(mdp):
        likely = np.prod([policy[step] for step in acts])
        (at,) = np.flatnonzero(np.abs(outcomes.totals - total).max(axis=1) < 1e-6)
        chances[at] += chance * likely
    assert outcomes.of_policy(policy) == pytest.approx(chances)
    assert (chances > 0).all()  # and nothing else can come out
    returns = World(mdp).returns(World(mdp).occupancy(policy))
    assert chances @ outcomes.totals @ mdp.population.theta == pytest.approx(returns)


@pytest.mark.parametrize("name", ["town", "slippery"])
def test_best_responses_to_a_sum_are_those_of_the_planner(name, request):
    mdp = request.getfixturevalue(name)
    outcomes = Outcomes(mdp)
    value, acts = outcomes.best(outcomes.totals @ mdp.population.theta[:, 0])
    best = World(mdp).best(World(mdp).rewards)[0][0]
    assert value == pytest.approx(best)
    reached = outcomes.of_acts(acts) @ outcomes.totals @ mdp.population.theta[:, 0]
    assert reached == pytest.approx(best)


def test_margins_are_the_parties_mean_chances(town):
    outcomes = Outcomes(town)
    returns = outcomes.totals @ town.population.theta / segment_scale(town, None)
    gap = returns[:, None] - returns
    assert outcomes.margin() == pytest.approx(np.tanh(gap / 2).mean(axis=2))


def test_the_winner_of_a_world_without_chance_is_that_of_the_game_between_outcomes(town):
    from agents.games import exploitability
    from agents.winners import von_neumann_winner

    outcomes = Outcomes(town)
    found = outcomes.winner()
    assert exploitability(found.chances, outcomes.margin()) <= 1e-6
    whole = von_neumann_winner(outcomes.margin()).chances
    assert found.chances == pytest.approx(whole, abs=1e-6)


def test_no_policy_beats_the_winner_of_a_world_with_chance(slippery):
    outcomes = Outcomes(slippery)
    found, margin = outcomes.winner(), outcomes.margin()
    assert found.exploitability <= 1e-6
    places = [(t, s) for t in range(3) for s in range(3)]
    for acts in itertools.product(range(2), repeat=len(places)):
        policy = np.zeros((3, 4, 2))
        policy[..., 0] = 1.0
        for (time, cell), action in zip(places, acts, strict=True):
            policy[time, cell] = np.eye(2)[action]
        assert outcomes.of_policy(policy) @ margin @ found.chances <= 1e-6
    assert outcomes.exploitability(outcomes.of_policy(uniform_policy(slippery))) > 1e-3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: condorcet(num_contexts=2), "one first cell"),
        (condorcet, "sums of features"),
        (
            lambda: FiniteMDP(
                successors=[[[0], [0]]],
                probabilities=[[[1.0], [1.0]]],
                features=[[[0.0], [1.0]]],
                initial=[1.0],
                population=Population(np.ones((1, 1)), choice=BradleyTerryLuce(myopia=0.5)),
                horizon=2,
            ),
            "sums of features",
        ),
    ],
)
def test_worlds_that_cannot_be_enumerated_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        Outcomes(make())


@pytest.mark.parametrize("limit", ["MOST", "MOST_OUTCOMES"])
def test_worlds_that_are_too_large_are_refused(limit, town, monkeypatch):
    monkeypatch.setattr(f"agents.outcomes.{limit}", 18)  # it has 19 outcomes
    with pytest.raises(ValueError, match="at most 18"):
        Outcomes(town)


def test_bad_policies_are_refused(town):
    with pytest.raises(ValueError, match="policy"):
        Outcomes(town).of_policy(np.ones((1, 2)) / 2)


def test_a_limit_that_is_too_low_is_told(slippery):
    with pytest.raises(RuntimeError, match="still wins"):
        Outcomes(slippery).winner(limit=1)
