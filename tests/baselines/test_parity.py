"""The study of parity: its worlds, its rows, and what it concludes from them."""

import numpy as np
import pytest

from agents.evaluation import evaluate, exact
from agents.planning import solve
from baselines.races.cartpole import CartPole
from baselines.races.settings import as_config
from baselines.rows import Cell, Row
from baselines.studies import parity
from multiparty_envs.registration import make_dynamics
from multiparty_envs.welfare import Utilitarian


def rows(name, ours, theirs):
    return [
        parity._row(Cell(name, "oracle+utilitarian", optimiser, seed), value, 1.0)
        for optimiser, values in (("ppo", ours), ("sb3", theirs))
        for seed, value in enumerate(values)
    ]


@pytest.mark.parametrize("name", parity.WORLDS)
def test_settings_translate(name):
    world = parity.WORLDS[name]
    config = as_config(world.settings, world.steps)
    assert config.num_copies == world.settings.n_envs
    assert config.num_steps == world.settings.n_steps


def test_the_ends_of_delivery_are_exact():
    world, stated = make_dynamics("Delivery-v0"), parity.WORLDS["Delivery-v0"]
    size = (world.horizon, world.num_states, world.num_actions)
    assert exact(world, np.full(size, 0.25)).mean() == pytest.approx(stated.low, abs=1e-3)
    assert solve(world, Utilitarian()).welfare == pytest.approx(stated.high, abs=1e-3)


def test_the_lower_end_of_cartpole_is_what_random_actions_give():
    class Random:
        def act(self, obs, rng=None):
            return rng.integers(2, size=len(obs))

    found = evaluate(CartPole(), Random(), 1000, 0)
    low = parity.WORLDS["CartPole"].low
    assert found.mean[0] == pytest.approx(low, abs=4 * found.stderr[0])


@pytest.mark.parametrize("optimiser", parity.OPTIMISERS)
def test_a_row_is_what_a_trained_policy_is_worth(optimiser, monkeypatch):
    short = parity.WORLDS["Delivery-v0"]._replace(steps=3 * 64 * 18)
    monkeypatch.setitem(parity.WORLDS, "Delivery-v0", short)
    cell = Cell("Delivery-v0", "oracle+utilitarian", optimiser, 0, steps=short.steps)
    row = parity.run(cell)
    assert 0.05 < row.utilitarian < 0.9  # better than random after three batches, not yet good
    assert Row.from_json(row.to_json()).utilitarian == row.utilitarian
    assert parity.score(row) == row.utilitarian


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (np.linspace(0.90, 0.99, 10), np.linspace(0.905, 0.985, 10), True),
        (np.linspace(0.90, 0.99, 10), np.linspace(0.50, 0.60, 10), False),
        (np.linspace(0.50, 0.60, 10), np.linspace(0.90, 0.99, 10), False),
        ([1.0] * 5, [1.0] * 5, True),
    ],
)
def test_a_difference_is_told_from_chance(ours, theirs, same):
    found = rows("CartPole", ours, theirs)
    (table,) = parity.tables(found)
    assert table.rows[0][0] == "CartPole"
    assert table.rows[0][-1] == ("yes" if same else "no")
    verdict = parity.verdict(found)
    start = "Neither is better beyond chance on any of" if same else "They differ beyond chance on"
    assert verdict == f"{start} CartPole."


def test_worlds_that_only_one_side_has_run_are_left_out():
    found = rows("CartPole", [1.0], [1.0]) + rows("Delivery-v0", [1.0], [])
    assert [row[0] for row in parity.tables(found)[0].rows] == ["CartPole"]
    assert len(parity.figure(found).axes) == 1


def test_scores_stay_between_random_and_best():
    assert parity.score(rows("CartPole", [-0.1], [])[0]) == 0.0
    assert parity.score(rows("CartPole", [1.2], [])[0]) == 1.0
