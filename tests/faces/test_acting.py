"""Who acts before anybody is trained."""

import copy

import numpy as np
import pytest

from multiparty_envs.faces.acting import actor
from multiparty_envs.faces.scale import segment_scale
from multiparty_envs.streams import Draw, Streams


@pytest.fixture
def pushed(drift):
    """The line's point, pushed to the right unless told otherwise."""
    world = copy.copy(drift)
    world.behaviour = lambda state, rng: np.full((len(state.time), 1), 1.0, dtype=np.float32)
    return world


def test_a_world_may_name_its_behaviour(drift, pushed):
    state = drift.initial(50, Draw.seeded(range(50)))
    act = actor(pushed, Streams(0).numpy("behaviour"))
    assert (act(state) == 1.0).all()
    uniform = actor(drift, Streams(0).numpy("behaviour"))(state)
    assert uniform.std() > 0.3


def test_a_given_policy_comes_first(pushed):
    state = pushed.initial(3, Draw.seeded(range(3)))
    act = actor(pushed, Streams(0).numpy("behaviour"), lambda obs: obs[:, :1] * 0.0 - 1.0)
    assert (act(state) == -1.0).all()


def test_the_unit_of_answers_is_that_of_the_behaviour(drift, pushed):
    # who always pushes one way ends sooner, and elsewhere
    assert np.abs(segment_scale(pushed) / segment_scale(drift) - 1.0).max() > 0.1
