"""What holds for the worlds that are no tables, whatever their knobs."""

import re

import gymnasium as gym
import numpy as np
import pytest

from multiparty_envs import checks
from multiparty_envs.envs import building, lake
from multiparty_envs.faces.scale import segment_scale
from multiparty_envs.faces.tensor import TensorEnv
from multiparty_envs.registration import find_builder, make_dynamics
from multiparty_envs.streams import Draw, Streams

NAMES = ("Reservoir-v0", "Thermostat-v0")
every = pytest.mark.parametrize("name", NAMES)
# knobs that change how many there are of something, or which code runs
VARIANTS = [
    ("Thermostat-v0", {"actions": "continuous"}),
    ("Thermostat-v0", {"payer": "everybody", "num_parties": 9, "minority_share": 0.5}),
    ("Thermostat-v0", {"payer": "everybody", "num_parties": 1, "horizon": 1}),
    ("Thermostat-v0", {"noise": 0.0, "horizon": 60}),
    ("Thermostat-v0", {"preferred": [18.0, 19.0], "num_parties": 3, "tolerance": [2.0, 3.0]}),
    ("Reservoir-v0", {"actions": "continuous"}),
    ("Reservoir-v0", {"num_parties": 12, "minority_share": 0.5}),
    ("Reservoir-v0", {"num_parties": 2, "minority_share": 0.0, "horizon": 1}),
    ("Reservoir-v0", {"noise": 0.0, "evaporation": 0.0, "horizon": 60}),
]
variants = pytest.mark.parametrize(("name", "knobs"), VARIANTS)


def episodes(world, act, count=4096):
    """Return the parties' returns [N, M] and the states on the way."""
    draw = Draw.seeded(range(count))
    state, returns, states = world.initial(count, draw), 0.0, []
    for _ in range(world.horizon):
        states.append(state)
        action = act(state)
        after = world.transition(state, action, draw)
        returns = returns + world.party_rewards(state, action, after)
        state = after
    return returns, [*states, state]


@variants
def test_checks_are_silent(name, knobs):
    checks.check_dynamics(make_dynamics(name, **knobs))
    checks.check_vector(
        lambda count: gym.make_vec(f"multiparty/{name}", num_envs=count, **knobs),
        lambda: gym.make(f"multiparty/{name}", **knobs),
        num_envs=3,
        episodes=2,
    )


@every
def test_checkers_of_others_are_silent_about_continuous_actions(name):
    from gymnasium.utils.env_checker import check_env as gymnasium_check
    from stable_baselines3.common.env_checker import check_env as sb3_check

    made = gym.make(f"multiparty/{name}", actions="continuous", render_mode="rgb_array")
    gymnasium_check(made.unwrapped)  # warnings are errors here
    sb3_check(gym.make(f"multiparty/{name}", actions="continuous"))


@pytest.mark.parametrize("actions", ["discrete", "continuous"])
@every
def test_tensors_are_the_vector_face(name, actions):
    envs = gym.make_vec(
        f"multiparty/{name}", num_envs=4, actions=actions, horizon=5, vector_reward=True
    )
    twin = TensorEnv(make_dynamics(name, actions=actions, horizon=5), 4, seed=7)
    obs = envs.reset(seed=7)[0]
    envs.action_space.seed(0)
    assert np.asarray(twin.reset()) == pytest.approx(obs, rel=1e-5, abs=1e-6)
    for _ in range(12):  # over two ends
        action = envs.action_space.sample()
        obs, reward, *_ = envs.step(action)
        step = twin.step(twin.dynamics.population.theta.new_tensor(action).to(_dtype(action)))
        assert np.asarray(step.obs) == pytest.approx(obs, rel=1e-5, abs=1e-6)
        assert np.asarray(step.rewards) == pytest.approx(reward, rel=1e-5, abs=1e-6)


def _dtype(action):
    import torch

    return torch.as_tensor(action).dtype


@variants
def test_conflict_is_how_much_of_the_difference_is_kept(name, knobs):
    none, half, full = (
        make_dynamics(name, conflict=share, **knobs).population.theta for share in (0.0, 0.5, 1.0)
    )
    assert (none == none[:, :1]).all()
    assert none[:, 0] == pytest.approx(full.mean(axis=1))
    assert half == pytest.approx((none + full) / 2)
    assert full.shape[1] == 1 or np.ptp(full, axis=1).max() > 0.5


@every
def test_party_rewards_are_linear_in_the_features(name):
    world = make_dynamics(name)
    draw = Draw.seeded(range(100))
    state = world.initial(100, draw)
    action = np.arange(100) % world.action_space.n
    after = world.transition(state, action, draw)
    wanted = world.features(state, action, after) @ world.population.theta
    assert world.party_rewards(state, action, after) == pytest.approx(wanted)


@every
def test_answers_see_standardised_segments(name):
    world = make_dynamics(name)
    for length in (10, None):
        assert (segment_scale(world, length) > 0.1).all()
    env = gym.make(f"multiparty/{name}", feedback={"budget": 40, "segment_length": 10})
    env.action_space.seed(0)
    answers = []
    for episode in range(30):
        env.reset(seed=0 if episode == 0 else None)
        ended = False
        while not ended:
            *_, ended, _, info = env.step(env.action_space.sample())
            answers.append(info.get("comparisons", ()))
    assert sum(map(len, answers)) == 40


@every
def test_seeds_decide_everything(name):
    def run(seed):
        env = gym.make(f"multiparty/{name}")
        env.action_space.seed(0)
        steps = [env.reset(seed=seed)[0]]
        steps += [env.step(env.action_space.sample())[0] for _ in range(20)]
        return np.stack(steps)

    assert (run(3) == run(3)).all()
    assert (run(3)[1:] != run(4)[1:]).any()


def hold(degrees):
    """Return the level that ends the step nearest to a temperature, by the stated physics."""

    def act(state):
        clock = building.Clock.of(49, 8.0)
        keeps = np.exp(-0.5 / (5.0 * 4.0))
        outside = clock.outside[state.time] + state.weather
        levels = 9.0 * building.POWER
        ends = (outside + 5.0 * clock.gain[state.time])[:, None] + 5.0 * levels
        after = ends + (state.temperature[:, None] - ends) * keeps
        return np.abs(after - degrees).argmin(axis=1)

    return act


def keep(share):
    """Return the release that leaves the lake nearest to a share, half of it for the canal."""

    def act(state):
        usual = lake.Calendar.of(53, 1.0).inflow[state.time] * 0.6048
        after = (state.storage + usual - 2.5 * 0.6048)[:, None] - 0.6048 * 60.0 * lake.RELEASES
        return 3 * np.abs(after - share * 150.0).argmin(axis=1) + 1

    return act


def behave(world):
    rng = Streams(0).numpy("behaviour")
    return lambda state: rng.integers(world.action_space.n, size=len(state.time))


CONTROLLERS = {
    "Thermostat-v0": lambda world: [behave(world), hold(21.0), hold(22.0)],
    "Reservoir-v0": lambda world: [behave(world), keep(0.6)],
}


@every
def test_stated_returns_are_what_controllers_reach(name):
    world = make_dynamics(name)
    stated = re.findall(
        r"mean party (-?\d+\.\d), worst party (-?\d+\.\d)", find_builder(name).__doc__
    )
    controllers = CONTROLLERS[name](world)
    assert len(stated) == len(controllers) + 2  # and two that are planned
    for act, (mean, worst) in zip(controllers, stated, strict=False):
        returns = episodes(world, act)[0].mean(axis=0)
        assert returns.mean() == pytest.approx(float(mean), abs=0.3)
        assert returns.min() == pytest.approx(float(worst), abs=0.4)


BAD = [
    ("Thermostat-v0", {"num_parties": 1}, ValueError, "num_parties"),
    ("Thermostat-v0", {"num_parties": 2.5}, TypeError, "num_parties"),
    ("Thermostat-v0", {"minority_share": 0.6}, ValueError, "minority_share"),
    ("Thermostat-v0", {"conflict": 1.1}, ValueError, "conflict"),
    ("Thermostat-v0", {"payer": "nobody"}, ValueError, "payer should be one of"),
    ("Thermostat-v0", {"preferred": [20.0]}, ValueError, "preferred should have shape"),
    ("Thermostat-v0", {"preferred": [20.0] * 4 + [90.0]}, ValueError, "preferred should be in"),
    ("Thermostat-v0", {"tolerance": 0.0}, ValueError, "tolerance should be in"),
    ("Thermostat-v0", {"tolerance": [4.0, 4.0]}, ValueError, "tolerance should have shape"),
    ("Thermostat-v0", {"outdoor": 50.0}, ValueError, "outdoor"),
    ("Thermostat-v0", {"noise": -1.0}, ValueError, "noise"),
    ("Thermostat-v0", {"actions": "both"}, ValueError, "actions should be one of"),
    ("Thermostat-v0", {"horizon": 0}, ValueError, "horizon"),
    ("Thermostat-v0", {"beta": -1.0}, ValueError, "beta"),
    ("Reservoir-v0", {"num_parties": 1}, ValueError, "num_parties"),
    ("Reservoir-v0", {"minority_share": -0.1}, ValueError, "minority_share"),
    ("Reservoir-v0", {"conflict": -0.1}, ValueError, "conflict"),
    ("Reservoir-v0", {"evaporation": 6.0}, ValueError, "evaporation"),
    ("Reservoir-v0", {"noise": 3.0}, ValueError, "noise"),
    ("Reservoir-v0", {"actions": "some"}, ValueError, "actions should be one of"),
    ("Reservoir-v0", {"horizon": 0}, ValueError, "horizon"),
    ("Reservoir-v0", {"beta": float("nan")}, ValueError, "beta"),
]


@pytest.mark.parametrize(("name", "knobs", "error", "text"), BAD)
def test_knobs_out_of_range_are_refused(name, knobs, error, text):
    with pytest.raises(error, match=text):
        make_dynamics(name, **knobs)
