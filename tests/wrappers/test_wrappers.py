"""Wrappers: both faces alike, what each pays and shows, and what they refuse."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.env_checker import check_env

from multiparty_envs.checks import check_vector
from multiparty_envs.faces import PartyEnv, PartyVectorEnv
from multiparty_envs.feedback import Feedback
from multiparty_envs.rewards import Pooled
from multiparty_envs.welfare import GeneralizedGini, MaxMin, Nash, Scale, Utilitarian
from multiparty_envs.wrappers import (
    LearnedReward,
    LearnedRewardVector,
    RecordPartyReturns,
    RecordPartyReturnsVector,
    WelfareReward,
    WelfareRewardVector,
)

SCALE = Scale(np.array([0.0, 1.0, -1.0]), np.array([1.0, 2.0, 4.0]))


def single(world, **settings):
    return PartyEnv(world, **{"feedback": None, **settings})


def vector(world, count, **settings):
    return PartyVectorEnv(count, world, **{"feedback": None, **settings})


def rollout(env, steps=12):
    """Step with given actions and begin anew where an episode ends; [reward, info, obs] each."""
    env.reset(seed=3)
    rng, told = np.random.default_rng(1), []
    for _ in range(steps):
        obs, reward, terminated, truncated, info = env.step(int(rng.integers(4)))
        told.append((reward, info, obs, terminated or truncated))
        if terminated or truncated:
            env.reset()
    return told


FACES = {
    "record": (
        lambda env, learner: RecordPartyReturns(env),
        lambda env, learner: RecordPartyReturnsVector(env),
    ),
    "step": (
        lambda env, learner: WelfareReward(env, MaxMin(), "step", source="true", scale=SCALE),
        lambda env, learner: WelfareRewardVector(env, MaxMin(), "step", source="true", scale=SCALE),
    ),
    "episode": (
        lambda env, learner: WelfareReward(env, Nash(), "episode", source="true", scale=SCALE),
        lambda env, learner: WelfareRewardVector(
            env, Nash(), "episode", source="true", scale=SCALE
        ),
    ),
    "policy": (
        lambda env, learner: WelfareReward(env, Utilitarian(), source="true"),
        lambda env, learner: WelfareRewardVector(env, Utilitarian(), source="true"),
    ),
    "learned": (
        lambda env, learner: LearnedReward(env, learner, first_fit=None),
        lambda env, learner: LearnedRewardVector(env, learner, first_fit=None),
    ),
    "all": (
        lambda env, learner: RecordPartyReturns(
            WelfareReward(LearnedReward(env, learner, first_fit=None), Nash(), "episode"),
            source="learned",
        ),
        lambda env, learner: RecordPartyReturnsVector(
            WelfareRewardVector(
                LearnedRewardVector(env, learner, first_fit=None), Nash(), "episode"
            ),
            source="learned",
        ),
    ),
}


@pytest.mark.parametrize("name", FACES)
def test_vector_face_is_the_single_face_n_times(name, world, learner):
    one, many = FACES[name]
    check_vector(
        lambda count: many(vector(world, count), learner),
        lambda: one(single(world), learner),
    )


@pytest.mark.parametrize("name", FACES)
def test_reset_says_what_step_will_say(name, world, learner):
    env = FACES[name][0](single(world), learner)
    obs, info = env.reset(seed=0)
    assert env.observation_space.contains(obs)
    vectors = {key for key in info if key.endswith("_rewards")}
    assert vectors == {key for key in env.step(0)[4] if key.endswith("_rewards")}
    assert all(not info[key].any() for key in vectors)


def test_step_level_pays_welfare_of_the_scaled_rewards(world):
    env = WelfareReward(single(world), MaxMin(), "step", source="true", scale=SCALE)
    for reward, info, *_ in rollout(env):
        assert reward == pytest.approx((info["party_rewards"] / SCALE.unit).min())


def test_episode_level_pays_at_the_end_and_shows_the_account(world):
    env = WelfareReward(single(world), Nash(), "episode", source="true", scale=SCALE)
    gained, time = np.zeros(3), 0
    for reward, info, obs, done in rollout(env, steps=20):
        gained, time = gained + world.discount**time * info["party_rewards"], time + 1
        np.testing.assert_allclose(obs[-3:], gained / SCALE.unit, rtol=1e-5)
        assert reward == pytest.approx(Nash().value(SCALE.returns(gained)) if done else 0.0)
        if done:
            gained, time = np.zeros(3), 0


@pytest.mark.parametrize(
    ("welfare", "moves"), [(Utilitarian(), False), (MaxMin(), True), (GeneralizedGini(), True)]
)
def test_policy_level_pays_by_weights_that_lean_to_the_worst_off(world, welfare, moves):
    env = WelfareReward(single(world), welfare, source="true", episodes=4)
    told = rollout(env, steps=60)
    paid = told[0][1]["party_rewards"].mean()  # before the first change: everybody alike
    assert told[0][0] == pytest.approx(paid)
    core = env.core
    assert core.weights.sum() == pytest.approx(1.0)
    worst = core.returns.argmin()
    assert core.weights.argmax() == (worst if moves else 0)
    assert (core.weights[worst] > 1.0 / 3.0 + 1e-6) == moves


@pytest.mark.parametrize("discount", [1.0, 0.5])
def test_returns_are_discounted_sums(make_grid, discount):
    env = RecordPartyReturns(single(make_grid(discount=discount)), buffer_length=2)
    told = rollout(env, steps=18)  # three episodes of six steps
    rewards = np.array([info["party_rewards"] for _, info, *_ in told]).reshape(3, 6, 3)
    wanted = (discount ** np.arange(6)[:, None] * rewards).sum(axis=1)
    found = [info["party_episode"] for _, info, *_ in told if "party_episode" in info]
    np.testing.assert_allclose([episode["r"] for episode in found], wanted, rtol=1e-6)
    assert [episode["l"] for episode in found] == [6, 6, 6]
    np.testing.assert_allclose(env.core.return_queue, wanted[1:], rtol=1e-6)


@pytest.mark.parametrize("vector_reward", [False, True])
def test_recording_leaves_the_reward_alone(world, vector_reward):
    plain, recorded = (single(world, vector_reward=vector_reward) for _ in range(2))
    for (here, *_), (there, *_) in zip(
        rollout(plain), rollout(RecordPartyReturns(recorded)), strict=True
    ):
        np.testing.assert_array_equal(here, there)
        assert type(here) is type(there)


@pytest.mark.parametrize("name", FACES)
def test_stable_baselines3_finds_no_fault(name, world, learner):
    check_env(FACES[name][0](single(world), learner))


def test_a_truncated_episode_ends_too(make_grid):
    told = rollout(RecordPartyReturns(TimeLimit(single(make_grid()), 4)), steps=8)
    assert [info["party_episode"]["l"] for _, info, *_ in told if "party_episode" in info] == [4, 4]


def test_learned_reward_is_the_mean_of_what_the_learner_says(world, learner):
    env = LearnedReward(single(world, truth="hidden"), learner, first_fit=None)
    for _ in range(2):
        env.reset(seed=0)
        _, reward, _, _, info = env.step(1)
        wanted = learner.rewards(env.unwrapped.last_step)
        np.testing.assert_allclose(info["learned_rewards"], wanted, rtol=1e-6)
        assert reward == pytest.approx(wanted.mean())


@pytest.mark.parametrize("truth", ["visible", "hidden"])
def test_learner_is_refitted_as_answers_come_in(world, truth):
    feedback = Feedback(segment_length=2, every=8, queries=8)
    envs = LearnedRewardVector(
        vector(world, 4, truth=truth, feedback=feedback), Pooled(), first_fit=16, growth=2.0
    )
    envs.reset(seed=0)
    for step in range(60):
        _, reward, *_, info = envs.step(np.full(4, step % 4))
        if not envs.core.fits:
            assert not reward.any()
    count = len(envs.core.comparisons)
    assert envs.core.fits == 1 + int(np.log2(count / 16))
    assert info["learned_rewards"].shape == (4, 3)
    assert reward.any()


@pytest.mark.parametrize(("identity", "columns"), [("party", 3), ("none", 1)])
def test_there_are_as_many_learned_rewards_as_kinds_of_answerers(world, identity, columns):
    feedback = Feedback(segment_length=1, every=4, queries=8, identity=identity)
    env = LearnedReward(single(world, feedback=feedback), Pooled(), first_fit=8)
    assert env.reset(seed=0)[1]["learned_rewards"].shape == (columns,)
    assert rollout(env, steps=20)[-1][1]["learned_rewards"].shape == (columns,)
    assert env.core.fits


def test_partial_reset_clears_one_account_alone(world):
    envs = WelfareRewardVector(vector(world, 2), Nash(), "episode", source="true")
    envs.reset(seed=0)
    before, *_ = envs.step(np.array([1, 2]))
    after, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    assert before[:, -3:].any(axis=1).all()
    assert not after[0, -3:].any()
    np.testing.assert_array_equal(after[1], before[1])


def test_hidden_truth_cannot_be_paid(world):
    env = WelfareReward(single(world, truth="hidden"), MaxMin(), "step", source="true")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="truth='visible'"):
        env.step(0)


BAD = {
    "level": (lambda env: WelfareReward(env, Nash(), "polici", source="true"), "policy"),
    "source": (lambda env: WelfareReward(env, Nash(), source="tru"), "learned, true"),
    "nothing learned": (lambda env: WelfareReward(env, Nash()), "LearnedReward"),
    "scale": (
        lambda env: WelfareReward(env, Nash(), source="true", scale=Scale.none(2)),
        "for 2 parties, the rewards for 3",
    ),
    "episodes": (lambda env: WelfareReward(env, Nash(), source="true", episodes=0), "episodes"),
    "no answers": (lambda env: LearnedReward(env, Pooled()), "feedback=None"),
    "first_fit": (
        lambda env: LearnedReward(PartyEnv(env.dynamics), Pooled(), first_fit=0),
        "first_fit",
    ),
    "growth": (lambda env: LearnedReward(PartyEnv(env.dynamics), Pooled(), growth=0.5), "growth"),
    "buffer": (lambda env: RecordPartyReturns(env, buffer_length=0), "buffer_length"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_refused(case, world):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make(single(world))


def test_other_environments_are_refused(world):
    with pytest.raises(TypeError, match="RecordPartyReturnsVector"):
        RecordPartyReturns(vector(world, 2))
    with pytest.raises(TypeError, match="VectorEnv"):
        RecordPartyReturnsVector(single(world))
    with pytest.raises(TypeError, match="welfare"):
        WelfareReward(single(world), "nash", source="true")
    with pytest.raises(TypeError, match="learner should be a RewardLearner, is 'pooled'"):
        LearnedReward(single(world), "pooled")
    with pytest.raises(RuntimeError, match="not fitted"):
        LearnedReward(single(world), Pooled(), first_fit=None)


def test_copies_that_reset_a_step_late_are_refused(world):
    late = SyncVectorEnv([lambda: single(world)], autoreset_mode=AutoresetMode.NEXT_STEP)
    with pytest.raises((TypeError, ValueError), match=r"SAME_STEP|PartyEnv"):
        RecordPartyReturnsVector(late)
