"""Timetable: real travellers as parties, and what their differences mean for a planner."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from agents.planning import best_response, party_scale, policy_returns, solve, uniform_policy
from multiparty_envs import data
from multiparty_envs.envs.timetable import attributes, part_worths, timetable
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Hierarchical
from multiparty_envs.welfare import MaxMin


@pytest.fixture(scope="module")
def world():
    return timetable()


def state_of(world, *levels):
    """The state with these levels of price, time, changes, comfort and budget."""
    return int(np.flatnonzero((world.view.service.levels == levels).all(axis=1))[0])


def after(world, state, action):
    """The levels when the decision is carried out."""
    number = world.names.actions.index(action)
    return world.view.service.levels[world.successors[state, number, 0]].tolist()


def test_parties_are_the_travellers(world):
    assert world.population.names == data.load("train").people
    assert_allclose(world.population.theta, part_worths())
    assert part_worths().shape == (4, 235)


def test_features_are_in_the_units_of_the_answers(world):
    shown = data.load("train").features.reshape(-1, 4)
    first = np.array([4.0, 2.0, 1.0, 1.0])  # 40 guilders, two hours, one change, class 1
    service = world.feature_table.reshape(-1, 4) + first
    assert (service.min(axis=0) >= shown.min(axis=0)).all()
    assert (service.max(axis=0) <= shown.max(axis=0)).all()


def test_leaving_everything_as_it_is_gives_nothing(world):
    save = np.zeros((world.num_states, 9))
    save[:, world.names.actions.index("save")] = 1.0
    assert_allclose(policy_returns(world, save), 0.0)


def test_part_worths_are_what_hierarchical_estimates():
    answers = Comparisons.from_choices(data.load("train"))
    again = Hierarchical(shrinkage=0.0, tol=1e-10).fit(answers).theta_
    # the spread between people is about 3; the maximum is flat, so machines differ a little
    assert_allclose(part_worths(), again, atol=0.1)


def test_part_worths_explain_the_answers():
    panel = data.load("train")
    gap = np.einsum(
        "kd,dk->k", panel.features[:, 0] - panel.features[:, 1], part_worths()[:, panel.person]
    )
    right = (gap > 0) == (panel.chosen == 0)
    assert right.mean() > 0.85


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("cheaper", [1, 1, 1, 1, 0]),
        ("dearer", [3, 1, 1, 1, 5]),
        ("faster", [2, 0, 1, 1, 1]),
        ("slower", [2, 2, 1, 1, 4]),
        ("fewer changes", [2, 1, 0, 1, 1]),
        ("more changes", [2, 1, 2, 1, 4]),
        ("more comfort", [2, 1, 1, 0, 1]),
        ("less comfort", [2, 1, 1, 2, 4]),
        ("save", [2, 1, 1, 1, 4]),
    ],
)
def test_decisions_cost_or_bring_budget(world, action, expected):
    assert after(world, state_of(world, 2, 1, 1, 1, 3), action) == expected


@pytest.mark.parametrize(
    ("levels", "action", "expected"),
    [
        ((2, 1, 1, 1, 2), "cheaper", [2, 1, 1, 1, 2]),  # not affordable
        ((0, 1, 1, 1, 5), "cheaper", [0, 1, 1, 1, 5]),  # nothing below
        ((3, 1, 1, 1, 0), "dearer", [3, 1, 1, 1, 0]),  # nothing above
        ((2, 1, 1, 1, 4), "dearer", [3, 1, 1, 1, 5]),  # what cannot be saved is lost
        ((2, 1, 1, 1, 5), "save", [2, 1, 1, 1, 5]),
    ],
)
def test_borders(world, levels, action, expected):
    assert after(world, state_of(world, *levels), action) == expected


def test_max_min_lifts_the_worst_decile(world):
    scale = party_scale(world, "range")
    _, returns = best_response(world, np.full(235, 1 / 235))
    usual = np.sort(scale.returns(returns))
    fair = np.sort(scale.returns(solve(world, MaxMin(), scale=scale).returns))
    assert usual[0] < 0.0  # somebody is worse off than under random decisions
    assert fair[:23].mean() > usual[:23].mean() + 0.1
    assert usual.mean() > fair.mean()


def spread(world):
    return np.asarray(world.population.theta).std(axis=1).sum()


@pytest.mark.parametrize("population", ["travellers", "clusters"])
def test_conflict_raises_disagreement(population):
    spreads = [
        spread(timetable(population=population, conflict=level)) for level in (0.0, 0.4, 0.7, 1.0)
    ]
    assert spreads[0] == pytest.approx(0.0, abs=1e-9)
    assert spreads == sorted(spreads)


@pytest.mark.parametrize("number", [1, 4, 20, 235])
def test_clusters_are_segments_of_the_travellers(number):
    population = timetable(population="clusters", num_clusters=number).population
    people = timetable(num_clusters=number).population
    size = np.bincount(people.cluster)
    assert population.num_parties == number
    assert_allclose(population.share, size / 235)
    assert (np.diff(size) <= 0).all()
    for kind in range(number):
        assert_allclose(
            population.theta[:, kind], part_worths()[:, people.cluster == kind].mean(axis=1)
        )


def test_simulated_answers_have_the_estimated_logit(world):
    """Standardised by the spread of single steps, beta gives back theta @ difference."""
    policy, now = uniform_policy(world)[0], world.initial_table.copy()
    seen = np.zeros(world.num_states)
    for _ in range(world.horizon):
        seen += now / world.horizon
        flow = now[:, None, None] * policy[:, :, None] * world.probabilities
        now = np.bincount(world.successors.ravel(), flow.ravel(), minlength=world.num_states)
    reward = world.party_table[:, 0]  # the same for every action
    deviation = np.sqrt(seen @ reward**2 - (seen @ reward) ** 2)
    assert_allclose(world.population.choice.beta, deviation, rtol=1e-9)


@pytest.mark.parametrize("count", [1, 10, 235])
def test_first_travellers(count):
    population = timetable(num_parties=count).population
    assert population.names == data.load("train").people[:count]


@pytest.mark.parametrize("prices", [2, 4, 8])
def test_num_prices(prices):
    world = timetable(num_prices=prices)
    assert world.num_states == prices * 27 * 6
    assert attributes(prices)[0].value(prices - 1) == 1.0 + prices


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"population": "everybody"}, "population"),
        ({"num_parties": 236}, "num_parties"),
        ({"num_parties": 0}, "num_parties"),
        ({"num_parties": 3, "population": "clusters"}, "num_clusters"),
        ({"num_clusters": 236}, "num_clusters"),
        ({"num_clusters": 0}, "num_clusters"),
        ({"conflict": 1.2}, "conflict"),
        ({"num_prices": 1}, "num_prices"),
        ({"max_budget": 1}, "max_budget"),
        ({"slipperiness": -0.1}, "slipperiness"),
        ({"horizon": 0}, "horizon"),
        ({"beta": -1.0}, "beta"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises(ValueError, match=message):
        timetable(**knobs)


@pytest.mark.parametrize("text", ["person,price,time,changes,comfort\n1,0,0,0,0\n", "person,pri"])
def test_foreign_part_worths_are_refused(text, tmp_path, monkeypatch):
    from multiparty_envs.envs import timetable as module

    path = tmp_path / "other.csv"
    path.write_text(text)
    monkeypatch.setattr(module, "PART_WORTHS", path)
    with pytest.raises(ValueError, match=r"other\.csv"):
        module.part_worths.__wrapped__()
