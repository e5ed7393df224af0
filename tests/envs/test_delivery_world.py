"""Delivery: what the map promises, and what a reward pooled over everybody does to the east."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agents.planning import best_response, party_scale, policy_returns, solve
from multiparty_envs.dynamics import FiniteState
from multiparty_envs.envs.delivery import Town, delivery
from multiparty_envs.welfare import MaxMin, Utilitarian


def normalised(world, policy):
    return party_scale(world, "range").returns(policy_returns(world, policy))


def pooled_fit(differences, answers):
    """Weights [D] of a logistic fit with a little ridge, by Newton."""
    weights = np.zeros(differences.shape[1])
    for _ in range(20):
        chance = 1 / (1 + np.exp(-differences @ weights))
        slope = differences.T @ (answers - chance) - weights
        curve = (differences.T * (chance * (1 - chance))) @ differences + np.eye(len(weights))
        weights = weights + np.linalg.solve(curve, slope)
    return weights


def random_episodes(world, count, rng):
    """Feature sums [count, D] of uniformly random behaviour."""
    cell = rng.choice(world.num_states, size=count, p=world.initial_table)
    total = np.zeros((count, world.num_features))
    for _ in range(world.horizon):
        action = rng.integers(world.num_actions, size=count)
        total += world.feature_table[cell, action]
        border = world.probabilities[cell, action].cumsum(axis=1)
        place = (rng.random(count)[:, None] > border[:, :-1]).sum(axis=1)
        cell = world.successors[cell, action, place]
    return total


def pooled_weights(world, labels, seed):
    """Weights [D] fitted to `labels` answers, equally many from each party."""
    rng = np.random.default_rng(seed)
    episodes = random_episodes(world, 2 * labels, rng)
    theta = np.asarray(world.population.theta)
    party = np.arange(labels) % world.num_parties
    differences = episodes[:labels] - episodes[labels:]
    gap = (differences @ theta / (episodes @ theta).std(axis=0))[np.arange(labels), party]
    answers = rng.random(labels) < 1 / (1 + np.exp(-gap))
    return pooled_fit(differences, answers.astype(float))


def plan(world, weights):
    """Policy [H, S, A] that is best for the reward features @ weights."""
    reward = (world.feature_table @ weights)[..., None]
    return best_response(world, np.ones(1), rewards=reward)[0]


@pytest.fixture(scope="module")
def conflict():
    return delivery()


@pytest.mark.parametrize("labels", [500, 2000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pooling_leaves_the_minority_at_its_floor(conflict, labels, seed):
    policy = plan(conflict, pooled_weights(conflict, labels, seed))
    assert normalised(conflict, policy)[-1] <= 0.1


def test_max_min_gives_everybody_something_substantial(conflict):
    found = solve(conflict, MaxMin(), scale=party_scale(conflict, "range"))
    assert 0.4 <= found.welfare <= 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_without_conflict_pooling_serves_everybody_best(seed):
    world = delivery(conflict=0.0)
    policy = plan(world, pooled_weights(world, 500, seed))
    assert_allclose(normalised(world, policy), 1.0, atol=0.02)


@pytest.mark.parametrize("conflict", [0.0, 0.25, 0.5, 0.75])
def test_conflict_raises_disagreement(conflict):
    def worst(level):
        world = delivery(conflict=level)
        scale = party_scale(world, "range")
        return solve(world, Utilitarian(), scale=scale), solve(world, MaxMin(), scale=scale)

    (low, low_fair), (high, high_fair) = worst(conflict), worst(conflict + 0.25)
    assert high_fair.welfare < low_fair.welfare
    assert high.welfare <= low.welfare + 1e-9


@pytest.mark.parametrize(
    ("parties", "share", "east"), [(5, 0.2, 1), (5, 0.01, 1), (10, 0.5, 5), (100, 0.01, 1)]
)
def test_minority_share_counts_whole_parties(parties, share, east):
    population = delivery(num_parties=parties, minority_share=share).population
    assert (np.asarray(population.cluster) == 1).sum() == east
    assert sum(name.startswith("east") for name in population.names) == east
    assert population.share[population.cluster == 1].sum() == pytest.approx(share)


def test_minority_share_zero_is_a_town_of_one_mind():
    population = delivery(minority_share=0.0).population
    assert population.num_clusters == 1
    assert_allclose(population.share, 0.2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_map_is_mirrored(size):
    town = Town(size)
    mirror = {(row, town.columns - 1 - column) for row, column in town.cells}
    assert mirror == set(town.cells)
    west = [s for s in town.stops if s.district == 0]
    east = [s for s in town.stops if s.district == 1]
    assert [s.parcels for s in west] == [s.parcels for s in east]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_everybody_cannot_be_served_in_time(size):
    """Without slips: both markets or one whole district, never more than two parcels each."""
    world = delivery(size=size, slipperiness=0.0, conflict=1.0)
    _, most = best_response(world, np.eye(5)[0])
    assert most[0] == pytest.approx(3.0)
    fair = solve(world, MaxMin())
    assert fair.welfare == pytest.approx(2.0)


def test_parcels_are_handed_over_once():
    world = delivery(slipperiness=0.0)
    town, west = world.view.town, 3
    before = town.index[(2, 3)]  # east of the west market, nothing served
    at_market = int(world.successors[before, west, 0])
    assert town.given(at_market) == [2, 0]
    again = at_market - town.index[(2, 2)] + before  # the same place, the market served
    assert world.feature_table[before, west].tolist() == [2.0, 0.0, 0.0]
    assert world.feature_table[again, west].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_size_can_be_drawn(size):
    view = delivery(size=size).view
    assert view.frame(FiniteState(0, 0)).shape == ((2 * size + 1) * 48 + 40, (4 * size + 1) * 48, 3)


def test_slips_go_to_either_side():
    world = delivery(slipperiness=0.3)
    town = world.view.town
    start = town.index[town.depot]
    reached = dict(
        zip(
            world.successors[start, 0].tolist(), world.probabilities[start, 0].tolist(), strict=True
        )
    )
    row, column = town.depot
    assert reached == pytest.approx(
        {
            town.index[(row - 1, column)]: 0.7,
            town.index[(row, column + 1)]: 0.15,
            town.index[(row, column - 1)]: 0.15,
        }
    )


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"num_parties": 1}, "num_parties"),
        ({"num_parties": 2.5}, "num_parties"),
        ({"minority_share": 0.6}, "minority_share"),
        ({"conflict": -0.1}, "conflict"),
        ({"conflict": float("nan")}, "conflict"),
        ({"size": 0}, "size"),
        ({"slipperiness": 1.1}, "slipperiness"),
        ({"horizon": 0}, "horizon"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        delivery(**knobs)


def test_text_draws_the_map():
    world = delivery()
    start = int(world.initial_table.argmax())
    lines = world.view.text(FiniteState(start, 0)).splitlines()
    assert lines[2] == ". . 2 . V . 2 . ."
    assert lines[-1] == "west 0 east 0  time left 9"
