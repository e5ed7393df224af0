"""What holds for every registered environment: an environment is tested before it has a test."""

import re
import warnings

import gymnasium as gym
import numpy as np
import pytest

from agents.planning import party_scale, solve
from multiparty_envs.dynamics import Dynamics, FiniteMDP, FiniteState
from multiparty_envs.dynamics.arrays import take_rows
from multiparty_envs.registration import ENVS, find_builder, make_dynamics
from multiparty_envs.streams import Draw
from multiparty_envs.welfare import MaxMin, Nash, Utilitarian

NAMES = sorted(ENVS)
HEADINGS = (
    "Description",
    "Parties",
    "Action",
    "Observation",
    "Reward per party",
    "Start",
    "End",
    "Known optimum",
    "Source",
    "Versions",
)
STATED = re.compile(r"(utilitarian|Nash|max-min) (-?\d+\.\d+)")
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def worlds() -> dict[str, Dynamics]:
    return {name: make_dynamics(name) for name in NAMES}


@pytest.fixture
def finite(finite_name, worlds) -> FiniteMDP:
    return worlds[finite_name]


def reachable(world: FiniteMDP) -> np.ndarray:
    """Whether a state can ever be entered, [S]."""
    seen, before = world.initial_table > 0, 0
    while seen.sum() > before:
        before = seen.sum()
        moves = world.probabilities[seen] > 0
        seen[world.successors[seen][moves]] = True
    return seen


@every
def test_docstring_has_every_heading_in_order(name):
    text = find_builder(name).__doc__
    places = [text.find(f"\n    {heading}:\n") for heading in HEADINGS]
    assert -1 not in places
    assert places == sorted(places)


@every
def test_docstring_explains_every_knob(name):
    builder = find_builder(name)
    text = builder.__doc__.split("Args:")[1]
    assert all(f"        {knob}: " in text for knob in builder.__kwdefaults__)


@every
def test_builder_says_whether_it_returns_tables(name, worlds):
    said = find_builder(name).__annotations__["return"]
    assert (said == "FiniteMDP") == isinstance(worlds[name], FiniteMDP)


@pytest.mark.parametrize("normalisation", ["range", "none"])
def test_stated_optimum_is_what_the_planner_finds(finite_name, normalisation, finite):
    stated = STATED.findall(find_builder(finite_name).__doc__)
    assert [kind for kind, _ in stated] == ["utilitarian", "Nash", "max-min"] * 2
    scale = party_scale(finite, normalisation)
    floor = party_scale(finite, "range").shift
    nash = Nash() if normalisation == "range" else Nash(reference=tuple(floor))
    block = stated[:3] if normalisation == "range" else stated[3:]
    for welfare, (kind, value) in zip((Utilitarian(), nash, MaxMin()), block, strict=True):
        found = solve(finite, welfare, scale=scale)
        assert found.gap <= 1e-4 * max(1.0, abs(found.welfare))
        assert found.welfare == pytest.approx(float(value), abs=6e-4), kind


def test_states_are_reachable(finite):
    assert reachable(finite).mean() > 0.8


def test_planning_stays_small(finite):
    assert finite.num_states <= 1000
    assert finite.num_states * finite.horizon <= 10_000


def test_building_twice_gives_the_same_tables(finite_name, finite):
    again = make_dynamics(finite_name)
    for table in ("successors", "probabilities", "feature_table", "party_table", "observations"):
        np.testing.assert_array_equal(getattr(again, table), getattr(finite, table))


def test_observation_tells_states_apart(finite):
    assert len(np.unique(finite.observations, axis=0)) == finite.num_states


def test_behaviour_tries_everything(finite):
    assert (finite.behaviour > 0).all()


def test_frames_show_the_state(finite):
    states = np.linspace(0, finite.num_states - 1, 5).astype(int)
    frames = [finite.view.frame(FiniteState(int(cell), 0)) for cell in np.unique(states)]
    assert all(frame.dtype == np.uint8 and frame.ndim == 3 for frame in frames)
    assert len({frame.shape for frame in frames}) == 1
    assert len({frame.tobytes() for frame in frames}) == len(frames)


@every
def test_frames_and_text_show_the_time(name, worlds):
    world = worlds[name]
    early = take_rows(world.initial(1, Draw.seeded([0])), 0)
    late = early._replace(time=np.int64(world.horizon))
    assert (world.view.frame(early) != world.view.frame(late)).any()
    assert world.view.text(early) != world.view.text(late)


@every
def test_text_is_plain(name, worlds):
    world = worlds[name]
    text = world.view.text(take_rows(world.initial(1, Draw.seeded([0])), 0))
    assert text.isascii()
    assert len(text.splitlines()) > 1


@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
@every
def test_gymnasium_renders(name, mode):
    env = gym.make(f"multiparty/{name}", render_mode=mode)
    env.reset(seed=0)
    before = env.render()
    env.step(env.action_space.sample())
    after = env.render()
    assert type(before) is (np.ndarray if mode == "rgb_array" else str)
    assert np.any(before != after)


@every
def test_checkers_are_silent(name):
    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from stable_baselines3.common.env_checker import check_env as sb3_check

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        gymnasium_check(gym.make(f"multiparty/{name}", render_mode="rgb_array").unwrapped)
        sb3_check(gym.make(f"multiparty/{name}"))
    assert [str(warning.message) for warning in heard] == []


@every
def test_unknown_knob_is_refused(name):
    with pytest.raises(TypeError, match="colour"):
        make_dynamics(name, colour="red")
