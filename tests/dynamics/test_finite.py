"""Worlds that are tables: what they check, what they draw, what they show."""

import numpy as np
import pytest
import torch

from multiparty_envs.dynamics import FiniteMDP, FiniteState, Names
from multiparty_envs.parties import Population
from multiparty_envs.streams import Draw

GOOD = {
    "successors": [[[0, 1]], [[1, 1]], [[2, 0]]],
    "probabilities": [[[0.25, 0.75]], [[1.0, 0.0]], [[0.5, 0.5]]],
    "features": [[[1.0, 0.0]], [[0.0, 2.0]], [[1.0, 1.0]]],
    "initial": [0.5, 0.0, 0.5],
    "population": Population(np.array([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]])),
    "horizon": 4,
    "terminal": [False, True, False],
    "discount": 0.9,
    "observations": [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]],
    "behaviour": [[1.0], [1.0], [1.0]],
}
BAD = [
    ("successors", [[0], [1], [2]], "successors should have shape"),
    ("successors", [[[0, 3]], [[1, 1]], [[2, 0]]], "should be in 0..2, are in 0..3"),
    ("successors", [[[0, -1]], [[1, 1]], [[2, 0]]], "are in -1..2"),
    ("successors", [[[0.0, 1.0]], [[1.0, 1.0]], [[2.0, 0.0]]], "whole numbers"),
    ("successors", np.zeros((3, 0, 2), dtype=int), "at least one in each direction"),
    ("probabilities", [[[0.25, 0.7]], [[1.0, 0.0]], [[0.5, 0.5]]], "probabilities.*sum to 1"),
    ("probabilities", [[[1.5, -0.5]], [[1.0, 0.0]], [[0.5, 0.5]]], "smallest entry -0.5"),
    ("probabilities", [[[1.0]], [[1.0]], [[1.0]]], "probabilities should have shape"),
    ("features", [[[1.0]], [[0.0]], [[1.0]]], "features should have shape"),
    ("features", [[[1.0, np.nan]], [[0.0, 2.0]], [[1.0, 1.0]]], r"features.*nan at \(0, 0, 1\)"),
    ("features", [[[1.0, np.inf]], [[0.0, 2.0]], [[1.0, 1.0]]], "features.*inf"),
    ("initial", [0.5, 0.0], "initial should have shape"),
    ("initial", [0.5, 0.0, 0.6], "initial should be probabilities"),
    ("initial", [0.5, 0.25, 0.25], "not start in a terminal cell, does in cell 1"),
    ("terminal", [False, True], "terminal should have shape"),
    ("terminal", [0, 1, 0], "terminal should be bool"),
    ("horizon", 0, "horizon should be 1 or more"),
    ("discount", 1.1, "discount should be in"),
    ("discount", np.nan, "discount should be in"),
    ("observations", [[0.0], [1.0]], "observations should have shape"),
    ("observations", [[0.0], [1.0], [np.nan]], "observations should be finite"),
    ("behaviour", [[1.0, 0.0]] * 3, "behaviour should have shape"),
    ("behaviour", [[0.9], [1.0], [1.0]], "behaviour should be probabilities"),
    ("names", Names(("a", "b"), ("x", "y")), "names.actions should be 1 names, are 2"),
    ("names", Names(("a",), ("x",)), "names.features should be 2 names, are 1"),
]
TABLES = (
    *("successors", "probabilities", "feature_table", "initial_table"),
    *("terminal", "observations", "behaviour", "party_table"),
)


@pytest.fixture(scope="module")
def small():
    return FiniteMDP(**GOOD)


@pytest.mark.parametrize(("name", "value", "text"), BAD)
def test_bad_tables_are_refused(name, value, text):
    with pytest.raises(ValueError, match=text):
        FiniteMDP(**{**GOOD, name: value})


@pytest.mark.parametrize("horizon", [2.0, True, "3"])
def test_horizon_is_a_whole_number(horizon):
    with pytest.raises(TypeError, match="horizon"):
        FiniteMDP(**{**GOOD, "horizon": horizon})


@pytest.mark.parametrize("name", TABLES)
def test_tables_cannot_be_written_to(small, name):
    table = getattr(small, name)
    with pytest.raises(ValueError, match="read-only"):
        table[...] = 0


def test_tables_are_copies():
    features = np.array(GOOD["features"])
    world = FiniteMDP(**{**GOOD, "features": features})
    features[:] = 7.0
    assert world.feature_table.max() == 2.0
    assert features.flags.writeable


def test_numbers_of_a_world(small):
    assert (small.num_states, small.num_actions, small.num_features, small.num_parties) == (
        *(3, 1, 2, 3),
    )
    assert small.start is None
    assert small.action_space.n == 1
    assert small.observation_space.shape == (3,)
    wanted = [[[1.0, 0.0, -1.0]], [[0.0, 2.0, 2.0]], [[1.0, 1.0, 0.0]]]
    np.testing.assert_allclose(small.party_table, wanted)


def test_defaults_are_one_hot_uniform_and_endless_cells(make_grid):
    world = make_grid(observations=None, terminal=None)
    np.testing.assert_array_equal(world.observations, np.eye(16))
    assert (world.behaviour == 0.25).all()
    assert not world.terminal.any()
    assert world.names.actions == ("action 0", "action 1", "action 2", "action 3")


@pytest.mark.parametrize("time", [0, 1, 4])
def test_observation_shows_cell_and_time_left(small, time):
    seen = small.observations_at(time)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen[:, :2], small.observations)
    np.testing.assert_allclose(seen[:, 2], 1 - time / 4)
    assert all(small.observation_space.contains(row) for row in seen)


@pytest.mark.parametrize("time", [-1, 5])
def test_there_is_no_time_outside_the_horizon(small, time):
    with pytest.raises(ValueError, match=r"time should be in 0\.\.4"):
        small.observations_at(time)


@pytest.mark.parametrize(
    ("cell", "time", "ended"), [(0, 1, False), (1, 1, True), (2, 4, True), (0, 3, False)]
)
def test_end_is_a_terminal_cell_or_the_horizon(small, cell, time, ended):
    state = FiniteState(np.array([cell]), np.array([time]))
    assert small.terminated(state).tolist() == [ended]


def test_states_are_drawn_from_the_tables():
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.full(4, 0.7), size=(2, 2))
    chances[0, 0] = [0.0, 1.0, 0.0, 0.0]
    world = FiniteMDP(
        successors=np.broadcast_to(np.arange(4) % 2, (2, 2, 4)),
        probabilities=chances,
        features=np.zeros((2, 2, 1)),
        initial=[0.3, 0.7],
        population=Population(np.ones((1, 1))),
        horizon=1,
    )
    count = 40_000
    draw = Draw.seeded(range(count))
    state = world.initial(count, draw)
    assert abs(state.cell.mean() - 0.7) < 0.01
    action = np.arange(count) % 2
    after = world.transition(state, action, draw)
    for cell in (0, 1):
        for act in (0, 1):
            chosen = after.cell[(state.cell == cell) & (action == act)]
            wanted = chances[cell, act, 1] + chances[cell, act, 3]
            assert abs(chosen.mean() - wanted) < 5 * np.sqrt(0.25 / len(chosen))
    assert (after.time == 1).all()


def test_certain_worlds_draw_no_number(make_grid):
    class Silent:
        key = np.zeros(2, dtype=np.int64)

        def uniform(self):
            raise AssertionError("nothing is uncertain here")

    world = make_grid()
    state = world.initial(2, Silent())
    assert world.transition(state, np.array([1, 2]), Silent()).cell.tolist() == [1, 4]


def test_parties_of_another_number_of_features_are_refused():
    with pytest.raises(ValueError, match="features should have shape"):
        FiniteMDP(**{**GOOD, "population": Population(np.ones((3, 2)))})


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_copy_on_a_device_leaves_the_original(small, device):
    moved = small.to(device)
    assert all(getattr(moved, name).device.type == device for name in TABLES)
    assert isinstance(moved.party_table, torch.Tensor)
    assert all(isinstance(getattr(small, name), np.ndarray) for name in TABLES)


def test_pairs_are_kept_and_checked():
    ok = np.zeros((3, 2, 2))
    ok[:, 0, 1] = 1.0
    arguments = {
        "successors": np.zeros((3, 2, 1), dtype=int),
        "probabilities": np.ones((3, 2, 1)),
        "features": np.ones((3, 2, 1)),
        "initial": [1.0, 0.0, 0.0],
        "population": Population(np.ones((1, 2))),
        "horizon": 1,
    }
    world = FiniteMDP(**arguments, pairs=ok)
    np.testing.assert_array_equal(world.pairs, ok)
    assert not world.pairs.flags.writeable
    assert FiniteMDP(**arguments).pairs is None
    for wrong, words in (
        (ok[:2], "pairs should have shape"),
        (2 * ok, "pairs should be probabilities"),
        (np.full((3, 2, 2), 0.25), "two different actions"),
    ):
        with pytest.raises(ValueError, match=words):
            FiniteMDP(**arguments, pairs=wrong)
