"""The face that `gym.make` gives."""

import copy
import pickle
import warnings
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from multiparty_envs.dynamics import FiniteMDP, View
from multiparty_envs.faces import PartyEnv
from multiparty_envs.feedback import Comparisons, Feedback


class Letters(View):
    """Draws the cell as a grey square and as a number."""

    def frame(self, state):
        return np.full((8, 8, 3), state.cell, dtype=np.uint8)

    def text(self, state):
        return f"cell {state.cell} at {state.time}\n"


def episodes(env, seed, count, resets=()):
    """Play random actions; yield (obs, reward, terminated, info, step) of every step."""
    env.action_space.seed(seed)
    env.reset(seed=seed)
    for _ in range(count):
        while True:
            obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
            assert truncated is False
            yield obs, reward, terminated, info, env.unwrapped.last_step
            if terminated:
                break
        env.reset()


def test_checkers_are_silent(world):
    from stable_baselines3.common.env_checker import check_env as sb3_check

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(PartyEnv(world), skip_render_check=True)
        sb3_check(PartyEnv(world), skip_render_check=True)


def test_rewards_are_what_the_parties_get_of_the_features(world):
    for _, reward, _, info, step in episodes(PartyEnv(world), 1, 20):
        party = step.features @ world.population.theta
        assert type(reward) is float
        assert reward == pytest.approx(party.mean(), abs=1e-12)
        assert info["party_rewards"].dtype == np.float32
        np.testing.assert_allclose(info["party_rewards"], party, rtol=1e-6, atol=1e-6)


def test_same_seed_same_bytes(world):
    def run(seed):
        steps = episodes(PartyEnv(world, feedback=None), seed, 5)
        return [(obs.tobytes(), r, t, i["party_rewards"].tobytes()) for obs, r, t, i, _ in steps]

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_reset_without_a_seed_goes_on(world):
    def starts(env):
        return [env.reset()[0].tobytes() for _ in range(30)]

    env = PartyEnv(world)
    first, rest = env.reset(seed=3)[0].tobytes(), starts(env)
    assert env.reset(seed=3)[0].tobytes() == first
    assert starts(env) == rest
    assert (len(set(rest)) > 1) is (getattr(world, "start", None) is None)


def test_no_seed_at_all_is_fresh(drift):
    first, second = PartyEnv(drift), PartyEnv(drift)
    assert first.reset()[0][0] != second.reset()[0][0]
    assert first.np_random_seed != second.np_random_seed


def test_episode_ends_at_the_horizon_or_in_a_terminal_cell(make_grid):
    world = make_grid(terminal=(1,))
    env = PartyEnv(world)
    env.reset(seed=0)
    assert env.step(1)[2] is True  # cell 1 is entered
    env.reset()
    ends = [env.step(0)[2] for _ in range(world.horizon)]
    assert ends == [False] * (world.horizon - 1) + [True]


def test_every_array_is_fresh(world):
    env = PartyEnv(world)
    env.action_space.seed(0)
    obs, info = env.reset(seed=0)
    seen, given = [obs], [info["party_rewards"]]
    for _ in range(4):
        obs, _, ended, _, info = env.step(env.action_space.sample())
        obs[:], info["party_rewards"][:] = np.nan, np.nan  # a careless caller harms nobody
        seen.append(obs)
        given.append(info["party_rewards"])
        if ended:
            env.reset()
    for arrays in (seen, given):
        assert not any(np.shares_memory(a, b) for a, b in pairwise(arrays))
    assert np.isfinite(env.last_step.obs).all()
    assert np.isfinite(env.reset(seed=0)[0]).all()


def test_reset_info_has_the_keys_of_steps(world):
    env = PartyEnv(world, feedback=None)
    _, info = env.reset(seed=0)
    assert (info["party_rewards"] == np.zeros(world.population.num_parties)).all()
    assert info.keys() == env.step(env.action_space.sample())[4].keys()


def test_hidden_truth_shows_no_reward(world):
    env = PartyEnv(world, truth="hidden", feedback={"every": 1, "queries": 2, "segment_length": 2})
    assert env.reset(seed=0)[1] == {}
    heard = []
    for _, reward, _, info, _ in episodes(env, 0, 10):
        assert reward == 0.0
        assert type(reward) is float
        heard += info
    assert set(heard) == {"comparisons"}


def test_hidden_and_visible_are_the_same_world(world):
    pairs = zip(
        episodes(PartyEnv(world, truth="hidden"), 2, 5),
        episodes(PartyEnv(world), 2, 5),
        strict=True,
    )
    for hidden, visible in pairs:
        np.testing.assert_array_equal(hidden[0], visible[0])
        assert hidden[2] == visible[2]


def test_vector_reward_and_its_space(world):
    env = PartyEnv(world, vector_reward=True)
    for _, reward, _, info, _ in episodes(env, 0, 5):
        assert reward in env.reward_space
        np.testing.assert_array_equal(reward, info["party_rewards"])
        assert not np.shares_memory(reward, info["party_rewards"])
    assert not hasattr(PartyEnv(world), "reward_space")


def test_last_step_is_what_happened(world):
    env = PartyEnv(world)
    before, _ = env.reset(seed=0)
    assert env.last_step is None
    env.action_space.seed(0)
    action = env.action_space.sample()
    env.step(action)
    np.testing.assert_array_equal(env.last_step.obs, before)
    np.testing.assert_array_equal(env.last_step.action, action)
    assert env.last_step.features.shape == (world.population.num_features,)
    env.reset()
    assert env.last_step is None


@pytest.mark.parametrize("length", [None, 1, 4])
def test_answers_come_with_their_segments(world, length):
    settings = Feedback(segment_length=length, every=3, queries=5, budget=12)
    comparisons = [
        info["comparisons"]
        for *_, info, _ in episodes(PartyEnv(world, feedback=settings), 0, 40)
        if "comparisons" in info
    ]
    assert [len(c) for c in comparisons] == [5, 5, 2]
    answers = Comparisons.concatenate(comparisons)
    assert answers.num_parties == world.population.num_parties
    assert answers.segments.length <= (length or world.horizon)
    assert answers.segments.num_features == world.population.num_features


def test_asking_changes_nothing_in_the_world(world):
    asked = episodes(PartyEnv(world, feedback={"every": 1}), 4, 10)
    silent = episodes(PartyEnv(world, feedback=None), 4, 10)
    for loud, still in zip(asked, silent, strict=True):
        np.testing.assert_array_equal(loud[0], still[0])
        assert loud[1] == still[1]
        assert "comparisons" not in still[3]


def test_a_segment_never_crosses_a_reset(make_grid):
    world = make_grid(observations=None)
    env = PartyEnv(world, feedback={"segment_length": 4, "every": 1, "window": 2})
    env.reset(seed=0)
    time_left = []
    for k in range(60):
        *_, ended, _, info = env.step(k % 4)
        if "comparisons" in info:
            bank = info["comparisons"].segments
            time_left += [row[mask] for row, mask in zip(bank.obs[..., -1], bank.mask, strict=True)]
        if ended or k % 7 == 6:  # some episodes are cut short
            env.reset()
    assert time_left
    assert all((np.diff(row) < 0).all() for row in time_left)


@pytest.mark.parametrize("action", [4, -1, 1.0, np.float64(2.0), None, "north", np.array([1, 2])])
def test_bad_action_is_refused(make_grid, action):
    env = PartyEnv(make_grid())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action should be a whole number in 0\.\.3, is"):
        env.step(action)
    assert env.step(np.int64(1))[1] is not None  # the world goes on


@pytest.mark.parametrize("action", [np.array([2.0]), np.zeros(2), "left", np.array([np.nan])])
def test_action_outside_a_box_is_refused(drift, action):
    env = PartyEnv(drift)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action should be in Box"):
        env.step(action)


@pytest.mark.parametrize("kind", ["fresh", "over"])
def test_step_needs_a_reset(make_grid, kind):
    env = PartyEnv(make_grid(horizon=1))
    if kind == "over":
        env.reset(seed=0)
        env.step(0)
    with pytest.raises(ResetNeeded, match="reset"):
        env.step(0)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"truth": "maybe"}, ValueError, "truth should be one of hidden, visible"),
        ({"truth": "hidden", "vector_reward": True}, ValueError, "choose one"),
        ({"vector_reward": "yes"}, ValueError, "vector_reward"),
        ({"render_mode": "human"}, ValueError, "render_mode should be one of"),
        ({"render_mode": "ansi"}, ValueError, "no view"),
        ({"feedback": {"evry": 3}}, ValueError, "Did you mean 'every'"),
        ({"feedback": {"every": 0}}, ValueError, "every should be 1 or more"),
        ({"num_parties": 3}, TypeError, r"no knobs \['num_parties'\]"),
    ],
)
@pytest.mark.parametrize("face", ["single", "vector"])
def test_bad_settings_are_refused(make_grid, face, settings, error, text):
    from multiparty_envs.faces import PartyVectorEnv

    make = PartyEnv if face == "single" else lambda *a, **k: PartyVectorEnv(2, *a, **k)
    with pytest.raises(error, match=text):
        make(make_grid(), **settings)


@pytest.mark.parametrize(
    ("knobs", "error", "text"),
    [
        ({"num_parties": 0}, ValueError, "num_parties"),
        ({"colour": "red"}, TypeError, "colour"),
        ({"truth": "open"}, ValueError, "truth"),
    ],
)
def test_bad_knobs_are_refused_by_make(knobs, error, text):
    with pytest.raises(error, match=text):
        gym.make("multiparty/Delivery-v0", **knobs)


def test_knobs_reach_the_world():
    env = gym.make("multiparty/Delivery-v0", num_parties=7, horizon=4)
    assert env.unwrapped.dynamics.population.num_parties == 7
    assert isinstance(env.unwrapped.dynamics, FiniteMDP)


@pytest.mark.parametrize(("mode", "kind"), [("rgb_array", np.ndarray), ("ansi", str), (None, None)])
def test_rendering(make_grid, mode, kind):
    env = PartyEnv(make_grid(view=Letters()), render_mode=mode)
    env.reset(seed=0)
    env.step(2)
    drawn = env.render()
    assert drawn is None if kind is None else isinstance(drawn, kind)
    if mode == "ansi":
        assert drawn == "cell 4 at 1\n"
    if mode == "rgb_array":
        assert (drawn == 4).all()


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_alike(make_grid, twin):
    env = PartyEnv(make_grid(slip=0.3), feedback={"segment_length": 2, "every": 1})
    env.reset(seed=0)
    env.step(1)
    other = twin(env)
    for action in (2, 1, 3, 0):
        ours, theirs = env.step(action), other.step(action)
        np.testing.assert_array_equal(ours[0], theirs[0])
        heard = [info["comparisons"].label for *_, info in (ours, theirs) if "comparisons" in info]
        assert len(heard) in (0, 2)
        assert all((label == heard[0]).all() for label in heard)


def test_mo_gymnasium_takes_the_vector_reward(make_grid):
    wrappers = pytest.importorskip("mo_gymnasium.wrappers")
    env = wrappers.LinearReward(PartyEnv(make_grid(), vector_reward=True), np.array([1.0, 0, 2]))
    env.reset(seed=0)
    _, reward, _, _, info = env.step(1)
    party = info["party_rewards"]
    assert reward == pytest.approx(party[0] + 2 * party[2])
