"""One thread for every test: machines are shared, and threads of small networks fight.

Worlds that tests of several parts use.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - only now: threads are counted when it is imported
import pytest  # noqa: E402

from multiparty_envs.registration import ENVS, find_builder  # noqa: E402


def _builds_tables(name: str) -> bool:
    # what the builder says it returns: building every world would slow each start of the tests
    return find_builder(name).__annotations__["return"] == "FiniteMDP"


@pytest.fixture(params=sorted(filter(_builds_tables, ENVS)))
def finite_name(request) -> str:
    """Every registered world that is all tables, one after the other."""
    return request.param


def _tables(slip: float, side: int) -> dict:
    cell = np.arange(side * side)
    row, column = np.divmod(cell, side)
    moves = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
    to_row = np.clip(row[:, None] + moves[:, 0], 0, side - 1)
    to_column = np.clip(column[:, None] + moves[:, 1], 0, side - 1)
    ahead = to_row * side + to_column
    successors = np.stack([ahead, ahead[:, [1, 2, 3, 0]], ahead[:, [3, 0, 1, 2]]], axis=-1)
    chances = np.broadcast_to([1 - slip, slip / 2, slip / 2], successors.shape)
    width = 3 if slip else 1
    eye = np.eye(side)
    return {
        "successors": successors[..., :width],
        "probabilities": chances[..., :width],
        "observations": np.concatenate([eye[row], eye[column]], axis=1),
    }


@pytest.fixture(scope="session")
def make_grid():
    """Builder of small grids: slip, side, starts (cells), terminal (cells), and table overrides."""
    from multiparty_envs.dynamics import FiniteMDP
    from multiparty_envs.parties import Population

    def build(*, slip=0.0, side=4, starts=(0,), terminal=(), horizon=6, parties=3, **tables):
        rng = np.random.default_rng(0)
        cells = side * side
        initial = np.bincount(starts, minlength=cells) / len(starts)
        given = {
            **_tables(slip, side),
            "features": rng.normal(size=(cells, 4, 2)),
            "initial": initial,
            "terminal": np.isin(np.arange(cells), terminal),
            "population": Population(rng.normal(size=(2, parties))),
            "horizon": horizon,
        }
        return FiniteMDP(**{**given, **tables})

    return build


@pytest.fixture(scope="session")
def drift():
    """A world that is no table: a point on a line, pushed by the action and by the wind."""
    from typing import NamedTuple

    from array_api_compat import array_namespace
    from gymnasium.spaces import Box

    from multiparty_envs.dynamics import Dynamics
    from multiparty_envs.parties import Population

    class Point(NamedTuple):
        place: np.ndarray  # [N]
        time: np.ndarray  # [N] int64

    class Drift(Dynamics):
        population = Population(np.array([[1.0, -1.0, 0.5], [0.0, 1.0, 1.0]]))
        observation_space = Box(-8.0, 8.0, (2,), np.float32)
        action_space = Box(-1.0, 1.0, (1,), np.float32)
        horizon = 7

        def initial(self, count, draw):
            return Point(draw.uniform() - 0.5, draw.key * 0)

        def transition(self, state, action, draw):
            return Point(state.place + 0.5 * action[:, 0] + 0.2 * draw.normal(), state.time + 1)

        def observe(self, state):
            xp = array_namespace(state.place)
            left = 1.0 - state.time / self.horizon
            return xp.astype(xp.stack((state.place, left), axis=1), xp.float32)

        def features(self, state, action, next_state):
            xp = array_namespace(state.place)
            return xp.stack((next_state.place, xp.cos(state.place)), axis=1)

        def terminated(self, state):
            xp = array_namespace(state.place)
            return (xp.abs(state.place) > 1.5) | (state.time >= self.horizon)

    return Drift()
