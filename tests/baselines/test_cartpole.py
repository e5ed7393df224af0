"""The twin of CartPole is Gymnasium's."""

import gymnasium as gym
import numpy as np
import pytest
import torch

from baselines.races.cartpole import EDGE, FALLEN, START, CartPole, CartPoleState
from multiparty_envs.checks import check_dynamics
from multiparty_envs.faces import PartyVectorEnv
from multiparty_envs.streams import Draw

NEVER = 501
"""A horizon that no episode of Gymnasium's reaches."""

LIBRARIES = {
    "numpy": (np.asarray, lambda world: world),
    "torch": (torch.as_tensor, lambda world: world.to("cpu")),
}


def translated(state, array, time=0):
    """Gymnasium's state [4] as a state of one copy of the twin."""
    numbers = (array(np.array([number])) for number in state)
    return CartPoleState(*numbers, array(np.array([time])))


def balancing(state, rng):
    place, speed, angle, spin = state
    return int(0.1 * place + 0.3 * speed + 3.0 * angle + spin > 0.0)


def whatever(state, rng):
    return int(rng.integers(2))


def always_right(state, rng):
    return 1


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("policy", "episodes", "shortest"),
    [(whatever, 20, 8), (always_right, 5, 8), (balancing, 2, 500)],
)
def test_every_step_of_whole_episodes_is_gymnasiums(policy, episodes, shortest, library):
    array, moved = LIBRARIES[library]
    theirs, ours = gym.make("CartPole-v1"), moved(CartPole(horizon=NEVER))
    rng = np.random.default_rng(0)
    for seed in range(episodes):
        obs, _ = theirs.reset(seed=seed)
        length, over = 0, False
        while not over:
            before = translated(theirs.unwrapped.state, array, length)
            np.testing.assert_array_equal(np.asarray(ours.observe(before))[0], obs)
            action = policy(theirs.unwrapped.state, rng)
            obs, reward, terminated, truncated, _ = theirs.step(action)
            taken = array(np.array([action]))
            after = ours.transition(before, taken, None)
            found = [float(number[0]) for number in after[:4]]
            np.testing.assert_allclose(found, theirs.unwrapped.state, rtol=1e-12, atol=1e-15)
            assert float(ours.party_rewards(before, taken, after)[0, 0]) == reward
            assert bool(ours.terminated(after)[0]) == terminated
            length += 1
            assert int(after.time[0]) == length
            over = terminated or truncated
        assert length >= shortest


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("beyond", [-1e-9, 0.0, 1e-9])
def test_the_borders_are_gymnasiums(column, sign, beyond):
    theirs, ours = gym.make("CartPole-v1").unwrapped, CartPole(horizon=NEVER)
    theirs.reset(seed=0)
    state = np.zeros(4)
    state[column] = sign * ((EDGE, 10.0, FALLEN, 10.0)[column] + beyond)
    theirs.state = state.copy()
    # with no speed, place and angle are after the step what they were before
    *_, terminated, _, _ = theirs.step(1)
    after = ours.transition(translated(state, np.asarray), np.array([1]), None)
    assert bool(ours.terminated(after)[0]) == terminated
    assert terminated == (column % 2 == 0 and beyond > 0)


def test_first_states_are_drawn_as_gymnasium_draws_them():
    state = CartPole().initial(4000, Draw.seeded(range(4000)))
    for drawn in state[:4]:
        assert abs(drawn).max() <= START
        assert drawn.mean() == pytest.approx(0.0, abs=0.003)
        assert drawn.std() == pytest.approx(START / np.sqrt(3.0), rel=0.05)
    assert np.abs(np.corrcoef(state[:4]) - np.eye(4)).max() < 0.06
    assert not state.time.any()


def test_spaces_are_gymnasiums():
    theirs, ours = gym.make("CartPole-v1"), CartPole()
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space


def test_keeps_the_promises_of_a_world():
    check_dynamics(CartPole(horizon=12, discount=0.98))


@pytest.mark.parametrize(
    ("horizon", "cut", "terminated", "truncated"), [(5, None, 1, 0), (NEVER, 5, 0, 1)]
)
def test_the_end_of_time_is_an_end_or_a_cut(horizon, cut, terminated, truncated):
    envs = PartyVectorEnv(3, CartPole(horizon), feedback=None, max_episode_steps=cut)
    envs.reset(seed=0)
    ends = [envs.step(np.zeros(3, dtype=int))[2:4] for _ in range(5)]
    assert not np.any(ends[:4])
    np.testing.assert_array_equal(ends[4], [[terminated] * 3, [truncated] * 3])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"horizon": 0}, "horizon should be 1 or more"),
        ({"discount": 1.1}, "discount should be"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        CartPole(**settings)
