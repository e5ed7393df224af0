"""What holds for every registered environment: an environment is tested before it has a test."""

import re
import warnings

import gymnasium as gym
import numpy as np
import pytest

from agents.planning import party_scale, solve
from multiparty_envs.dynamics import FiniteMDP, FiniteState
from multiparty_envs.registration import ENVS, find_builder, make_dynamics
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
def worlds() -> dict[str, FiniteMDP]:
    return {name: make_dynamics(name) for name in NAMES}


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


@pytest.mark.parametrize("normalisation", ["range", "none"])
@every
def test_stated_optimum_is_what_the_planner_finds(name, normalisation, worlds):
    world = worlds[name]
    stated = STATED.findall(find_builder(name).__doc__)
    assert [kind for kind, _ in stated] == ["utilitarian", "Nash", "max-min"] * 2
    scale = party_scale(world, normalisation)
    floor = party_scale(world, "range").shift
    nash = Nash() if normalisation == "range" else Nash(reference=tuple(floor))
    block = stated[:3] if normalisation == "range" else stated[3:]
    for welfare, (kind, value) in zip((Utilitarian(), nash, MaxMin()), block, strict=True):
        found = solve(world, welfare, scale=scale)
        assert found.gap <= 1e-4 * max(1.0, abs(found.welfare))
        assert found.welfare == pytest.approx(float(value), abs=6e-4), kind


@every
def test_states_are_reachable(name, worlds):
    assert reachable(worlds[name]).mean() > 0.8


@every
def test_planning_stays_small(name, worlds):
    assert worlds[name].num_states <= 1000
    assert worlds[name].num_states * worlds[name].horizon <= 10_000


@every
def test_building_twice_gives_the_same_tables(name, worlds):
    again = make_dynamics(name)
    for table in ("successors", "probabilities", "feature_table", "party_table", "observations"):
        np.testing.assert_array_equal(getattr(again, table), getattr(worlds[name], table))


@every
def test_observation_tells_states_apart(name, worlds):
    world = worlds[name]
    assert len(np.unique(world.observations, axis=0)) == world.num_states


@every
def test_behaviour_tries_everything(name, worlds):
    assert (worlds[name].behaviour > 0).all()


@every
def test_frames_show_the_state(name, worlds):
    view = worlds[name].view
    states = np.linspace(0, worlds[name].num_states - 1, 5).astype(int)
    frames = [view.frame(FiniteState(int(cell), 0)) for cell in np.unique(states)]
    assert all(frame.dtype == np.uint8 and frame.ndim == 3 for frame in frames)
    assert len({frame.shape for frame in frames}) == 1
    assert len({frame.tobytes() for frame in frames}) == len(frames)


@every
def test_frames_and_text_show_the_time(name, worlds):
    view, end = worlds[name].view, worlds[name].horizon
    early, late = FiniteState(0, 0), FiniteState(0, end)
    assert (view.frame(early) != view.frame(late)).any()
    assert view.text(early) != view.text(late)


@every
def test_text_is_plain(name, worlds):
    text = worlds[name].view.text(FiniteState(0, 0))
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
