"""The face that `gym.make_vec` gives: the single face N times."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import TimeLimit
from gymnasium.wrappers import vector as wrappers

from multiparty_envs.checks import check_vector
from multiparty_envs.dynamics import View
from multiparty_envs.faces import PartyEnv, PartyVectorEnv
from multiparty_envs.feedback import Comparisons, Feedback


@pytest.mark.parametrize("settings", [{}, {"truth": "hidden"}, {"feedback": None}], ids=str)
def test_is_the_single_face_many_times(world, settings):
    check_vector(
        lambda count: PartyVectorEnv(count, world, **settings),
        lambda: PartyEnv(world, **settings),
        num_envs=4,
    )


@pytest.mark.parametrize("limit", [1, 3, 6])
def test_time_limit_truncates_as_gymnasium_does(world, limit):
    check_vector(
        lambda count: PartyVectorEnv(count, world, max_episode_steps=limit),
        lambda: TimeLimit(PartyEnv(world), limit),
    )


def test_make_vec_gives_it_with_a_time_limit():
    envs = gym.make_vec("multiparty/Delivery-v0", num_envs=2, max_episode_steps=2)
    assert isinstance(envs, PartyVectorEnv)
    envs.reset(seed=0)
    zero = np.zeros(2, dtype=int)
    assert not envs.step(zero)[3].any()
    assert envs.step(zero)[3].all()
    assert not envs.step(zero)[3].any()


def test_metadata_and_spaces(make_grid):
    envs = PartyVectorEnv(3, make_grid())
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.observation_space.shape == (3, 9)
    assert envs.action_space.nvec.tolist() == [4, 4, 4]
    assert not hasattr(envs, "reward_space")


def test_vector_reward(world):
    envs = PartyVectorEnv(3, world, vector_reward=True)
    scalar = PartyVectorEnv(3, world)
    envs.action_space.seed(0)
    envs.reset(seed=0), scalar.reset(seed=0)
    for _ in range(12):
        action = envs.action_space.sample()
        reward, mean = envs.step(action)[1], scalar.step(action)[1]
        assert all(row in envs.reward_space for row in reward)
        assert reward.dtype == np.float32
        np.testing.assert_allclose(reward.mean(axis=1), mean, atol=1e-6)


def test_a_reward_belongs_to_the_step_that_ended(make_grid):
    world = make_grid(horizon=1)
    envs = PartyVectorEnv(2, world)
    envs.reset(seed=0)
    obs, reward, terminated, _, info = envs.step(np.array([0, 1]))
    assert terminated.all()
    np.testing.assert_allclose(info["final_info"]["party_rewards"].mean(axis=1), reward, atol=1e-6)
    assert (info["party_rewards"] == 0.0).all()
    assert (obs[:, -1] == 1.0).all()
    assert all(last[-1] == 0.0 for last in info["final_obs"])


@pytest.mark.parametrize("seeds", [[5, None, 9], [None, None, 1]])
def test_seeds_one_by_one(world, seeds):
    envs = PartyVectorEnv(3, world, feedback=None)
    plain = PartyVectorEnv(3, world, feedback=None)
    envs.reset(seed=0), plain.reset(seed=0)
    seeded, kept = envs.reset(seed=seeds)[0], plain.reset()[0]
    for row, seed in enumerate(seeds):
        alone = kept[row] if seed is None else PartyEnv(world).reset(seed=seed)[0]
        np.testing.assert_array_equal(seeded[row], alone)


def test_partial_reset_begins_the_next_episode(make_grid):
    envs = PartyVectorEnv(3, make_grid(starts=tuple(range(16))), feedback=None)
    envs.reset(seed=0)
    envs.step(np.zeros(3, dtype=int))
    mask = np.array([False, True, False])
    obs, info = envs.reset(options={"reset_mask": mask})
    assert obs[:, -1].tolist() == pytest.approx([5 / 6, 1.0, 5 / 6])
    np.testing.assert_array_equal(info["_party_rewards"], mask)
    single = PartyEnv(envs.dynamics)
    single.reset(seed=1)
    np.testing.assert_array_equal(single.reset()[0], obs[1])


def test_last_step_is_before_any_reset(make_grid):
    envs = PartyVectorEnv(2, make_grid(horizon=1))
    before, _ = envs.reset(seed=0)
    assert envs.last_step is None
    envs.step(np.array([1, 3]))
    np.testing.assert_array_equal(envs.last_step.obs, before)
    assert envs.last_step.action.tolist() == [1, 3]
    np.testing.assert_array_equal(envs.last_step.features, envs.dynamics.feature_table[0, [1, 3]])
    envs.reset()
    assert envs.last_step is None


def test_arrays_of_the_caller_and_ours_are_apart(world):
    envs, quiet = (PartyVectorEnv(3, world, feedback=None) for _ in range(2))
    envs.action_space.seed(0)
    envs.reset(seed=0), quiet.reset(seed=0)
    for _ in range(10):
        action = envs.action_space.sample()
        mine = action.copy()
        careless, careful = envs.step(mine), quiet.step(action)
        for a, b in zip(careless[:4], careful[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(careless[4]["party_rewards"], careful[4]["party_rewards"])
        mine[:] = 0
        np.testing.assert_array_equal(envs.last_step.action, action)
        for array in (*careless[:4], *careless[4].values()):
            if isinstance(array, np.ndarray) and array.dtype != object:
                array[...] = 1


@pytest.mark.parametrize("slip", [0.0, 0.3])
def test_final_observations_cannot_be_spoilt(make_grid, slip):
    envs = PartyVectorEnv(3, make_grid(slip=slip, horizon=2))
    seen = []
    for _ in range(2):
        envs.reset(seed=0)
        envs.step([1, 1, 1])
        final = envs.step([2, 2, 2])[4]["final_obs"]
        seen.append(np.stack(list(final)))
        for row in final:
            if row.flags.writeable:
                row[:] = np.nan
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("length", [None, 1, 3])
def test_answers_pair_segments_across_copies(world, length):
    envs = PartyVectorEnv(6, world, feedback=Feedback(segment_length=length, budget=50))
    envs.action_space.seed(0)
    envs.reset(seed=0)
    heard = []
    for _ in range(200):
        info = envs.step(envs.action_space.sample())[4]
        heard += [info["comparisons"]] if "comparisons" in info else []
    answers = Comparisons.concatenate(heard)
    assert len(answers) == 50
    assert set(answers.party) == set(range(world.population.num_parties))


def test_only_the_watched_copies_are_shown(make_grid):
    world = make_grid(observations=np.arange(16.0)[:, None] / 16, starts=tuple(range(16)))
    feedback = Feedback(segment_length=1, watched=2, window=2)
    envs = PartyVectorEnv(5, world, feedback=feedback)
    envs.reset(seed=0)
    for _ in range(40):
        shown = envs.dynamics.observe(envs.state)[:2]
        info = envs.step(np.array([0, 0, 1, 1, 1]))[4]
        if "comparisons" in info:
            bank = info["comparisons"].segments
            assert (bank.action == 0).all()
            assert {row.tobytes() for row in bank.obs[:, 0]} <= {row.tobytes() for row in shown}


@pytest.mark.parametrize(
    "actions",
    [
        *([0, 1, 4], [0, -1, 1], [0, 1], [[0, 1, 2]], [0.0, 1.0, 2.0]),
        *(None, "abc", [0, 1, np.nan], np.array([0, 1, 2**63], dtype=np.uint64)),
    ],
)
def test_bad_actions_are_refused(make_grid, actions):
    envs = PartyVectorEnv(3, make_grid())
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"action should be in MultiDiscrete\(\[4 4 4\]\), is"):
        envs.step(actions)
    assert envs.step([0, 1, 2])[1].shape == (3,)


@pytest.mark.parametrize("actions", [[[2.0]] * 3, [[0.0]] * 2, [[np.nan]] * 3])
def test_actions_outside_a_box_are_refused(drift, actions):
    envs = PartyVectorEnv(3, drift)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="action should be in Box"):
        envs.step(np.array(actions, dtype=np.float32))


@pytest.mark.parametrize(
    ("mask", "text"),
    [
        (np.array([True, False]), "reset_mask should have shape"),
        (np.array([1, 0, 0]), "reset_mask should be bool"),
        (np.zeros(3, dtype=bool), "hold a copy"),
    ],
)
def test_bad_reset_masks_are_refused(make_grid, mask, text):
    envs = PartyVectorEnv(3, make_grid())
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=text):
        envs.reset(options={"reset_mask": mask})


@pytest.mark.parametrize(
    ("seed", "error"), [([1, 2], ValueError), (-1, ValueError), ([0, 1, -2], ValueError)]
)
def test_bad_seeds_are_refused(make_grid, seed, error):
    envs = PartyVectorEnv(3, make_grid())
    with pytest.raises(error, match="seed"):
        envs.reset(seed=seed)


@pytest.mark.parametrize(
    ("count", "limit", "error"),
    [(0, None, ValueError), (2.5, None, TypeError), (2, 0, ValueError), (2, 1.5, TypeError)],
)
def test_bad_sizes_are_refused(make_grid, count, limit, error):
    with pytest.raises(error, match=r"num_envs|max_episode_steps"):
        PartyVectorEnv(count, make_grid(), max_episode_steps=limit)


@pytest.mark.parametrize("options", [None, {"reset_mask": np.array([True, False])}])
def test_step_and_partial_reset_need_a_first_episode(make_grid, options):
    envs = PartyVectorEnv(2, make_grid())
    with pytest.raises(ResetNeeded, match="reset"):
        envs.step([0, 0]) if options is None else envs.reset(options=options)


@pytest.mark.parametrize(
    "wrap",
    [
        wrappers.RecordEpisodeStatistics,
        wrappers.NormalizeReward,
        lambda envs: wrappers.TransformReward(envs, lambda reward: 2 * reward),
    ],
    ids=["statistics", "reward", "transform"],
)
def test_gymnasium_wrappers_work(make_grid, wrap):
    envs = wrap(PartyVectorEnv(3, make_grid()))
    envs.reset(seed=0)
    for _ in range(20):
        obs, reward, *_ = envs.step(envs.action_space.sample())
        assert np.isfinite(obs).all()
        assert np.isfinite(reward).all()


def test_rendering_draws_every_copy(make_grid):
    class Letters(View):
        def frame(self, state):
            return np.full((2, 2, 3), state.cell, dtype=np.uint8)

        def text(self, state):
            return str(int(state.cell))

    world = make_grid(view=Letters())
    for mode, wanted in (("ansi", ("1", "4")), (None, None)):
        envs = PartyVectorEnv(2, world, render_mode=mode)
        envs.reset(seed=0)
        envs.step([1, 2])
        assert envs.render() == wanted
