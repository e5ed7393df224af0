"""The test kit: silent about what is right, and it finds what is wrong."""

import warnings

import gymnasium as gym
import numpy as np
import pytest

from multiparty_envs import checks
from multiparty_envs.checks.claims import close, same
from multiparty_envs.dynamics import Dynamics, FiniteState
from multiparty_envs.faces import PartyEnv, PartyVectorEnv
from multiparty_envs.registration import ENVS
from multiparty_envs.rewards import LEARNERS, Independent, make_learner
from multiparty_envs.welfare import (
    GeneralizedGini,
    GeneralizedMean,
    Isoelastic,
    Leximin,
    MaxMin,
    Nash,
    Utilitarian,
)

NAMES = sorted(ENVS)


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_is_a_world(name):
    checks.check_dynamics(gym.make(f"multiparty/{name}").unwrapped.dynamics)


@pytest.mark.parametrize("truth", ["visible", "hidden"])
@pytest.mark.parametrize("name", NAMES)
def test_every_environment_is_its_vector(name, truth):
    full = f"multiparty/{name}"
    checks.check_vector(
        lambda count: gym.make_vec(full, num_envs=count, truth=truth),
        lambda: gym.make(full, truth=truth),
        num_envs=3,
        episodes=2,
    )


def test_a_world_without_tables_passes(drift):
    checks.check_dynamics(drift)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_learners_pass(name):
    settings = {"learner": Independent()} if name == "pessimistic" else {}
    learner = make_learner(name, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few answers may be separable, and say so
        checks.check_learner(learner)
    assert not hasattr(learner, "theta_")


@pytest.mark.parametrize(
    "welfare",
    [
        *(Utilitarian(), Nash(), Nash(reference=0.5), MaxMin(), Leximin(), GeneralizedGini()),
        *(GeneralizedMean(-1.0), GeneralizedMean(0.5), Isoelastic(-1.0)),
    ],
    ids=repr,
)
def test_welfare_functions_pass(welfare):
    checks.check_welfare(welfare)


class Wrapped(Dynamics):
    """A world with one thing wrong."""

    def __init__(self, world):
        self.world = world
        for name in ("population", "observation_space", "action_space", "horizon", "discount"):
            setattr(self, name, getattr(world, name))

    def to(self, device):
        moved = super().to(device)
        moved.world = self.world.to(device)
        return moved

    def initial(self, count, draw):
        return self.world.initial(count, draw)

    def transition(self, state, action, draw):
        return self.world.transition(state, action, draw)

    def observe(self, state):
        return self.world.observe(state)

    def features(self, state, action, next_state):
        return self.world.features(state, action, next_state)

    def terminated(self, state):
        return self.world.terminated(state)


def _endless(world):
    world.terminated = lambda state: state.time < 0


def _wide(world):
    world.observe = lambda state: world.world.observe(state).repeat(2, axis=1)


def _double(world):
    world.observe = lambda state: world.world.observe(state).astype(np.float64)


def _shared(world):
    memory = np.zeros(5 * 9, dtype=np.float32)
    cell = memory[:10].view(np.int64)
    world.initial = lambda count, draw: FiniteState(cell, np.zeros(count, dtype=int))
    world.observe = lambda state: memory.reshape(5, 9)


def _poisoned(world):
    world.features = lambda *step: world.world.features(*step) * np.nan


def _single(world):
    world.features = lambda *step: world.world.features(*step).astype(np.float32)


def _narrow(world):
    world.features = lambda *step: world.world.features(*step)[:, :1]


def _global(world):
    weather = np.random.default_rng(0)  # one generator for all copies and episodes
    plain = world.transition
    world.transition = lambda state, action, draw: plain(
        state, weather.integers(4, size=len(action)), draw
    )


def _crowded(world):
    plain = world.transition
    world.transition = lambda state, action, draw: plain(state, action[::-1], draw)


def _writing(world):
    def transition(state, action, draw):
        state.time[:] += 1
        return FiniteState(state.cell.copy(), state.time.copy())

    world.transition = transition


def _stuck(world):
    plain = world.world
    world.to = lambda device: plain  # never leaves NumPy


def _discounted(world):
    world.discount = 1.5


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_endless, "should end within the horizon"),
        (_wide, "is not in Box"),
        (_double, "is not in Box"),
        (_shared, "should return a new array"),
        (_poisoned, "features should be finite"),
        (_single, "features should be float64"),
        (_narrow, "features should have shape"),
        (_global, "the same seed should give the same states"),
        (_crowded, "a copy alone differs"),
        (_writing, "should not write into its state"),
        (_stuck, "on torch|on cpu|Tensor|tensor"),
        (_discounted, "discount should be in"),
    ],
)
def test_broken_worlds_are_found(make_grid, spoil, text):
    world = Wrapped(make_grid(slip=0.3))
    checks.check_dynamics(world)
    spoil(world)
    with pytest.raises((AssertionError, TypeError, AttributeError), match=text):
        checks.check_dynamics(world)


class Spoilt(gym.vector.VectorWrapper):
    """A vector environment with one thing wrong."""

    def __init__(self, envs, spoil):
        super().__init__(envs)
        self.spoil = spoil

    def step(self, actions):
        return self.spoil(*self.env.step(actions))


def _late(obs, reward, terminated, truncated, info):
    return obs, np.roll(reward, 1), terminated, truncated, info


def _float32(obs, reward, terminated, truncated, info):
    return obs, reward.astype(np.float32), terminated, truncated, info


def _no_final(obs, reward, terminated, truncated, info):
    return obs, reward, terminated, truncated, {k: v for k, v in info.items() if "final" not in k}


def _no_mask(obs, reward, terminated, truncated, info):
    info.pop("_party_rewards")
    return obs, reward, terminated, truncated, info


def _nudged(obs, reward, terminated, truncated, info):
    return np.nextafter(obs, np.float32(0.5)), reward, terminated, truncated, info


def _reused(obs, reward, terminated, truncated, info):
    _reused.kept[:] = obs
    return _reused.kept, reward, terminated, truncated, info


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_late, "reward of step 0"),
        (_float32, "reward should be"),
        (_no_final, "info of step"),
        (_no_mask, "info of step"),
        (_nudged, "obs of step"),
        (_reused, "share memory"),
    ],
)
def test_broken_vector_faces_are_found(make_grid, spoil, text):
    world = make_grid(slip=0.3)
    _reused.kept = np.zeros((3, 9), dtype=np.float32)
    with pytest.raises(AssertionError, match=text):
        checks.check_vector(
            lambda count: (
                Spoilt(PartyVectorEnv(count, world), spoil)
                if count == 3
                else PartyVectorEnv(count, world)
            ),
            lambda: PartyEnv(world),
        )


def test_next_step_reset_is_found(make_grid):
    world = make_grid()
    with pytest.raises(AssertionError, match="autoreset_mode should be SAME_STEP"):
        checks.check_vector(
            lambda count: gym.vector.SyncVectorEnv([lambda: PartyEnv(world)] * count),
            lambda: PartyEnv(world),
        )


def test_another_world_behind_the_vector_is_found(make_grid):
    world, other = make_grid(slip=0.3), make_grid(slip=0.4)
    with pytest.raises(AssertionError, match="of step"):
        checks.check_vector(lambda n: PartyVectorEnv(n, world), lambda: PartyEnv(other))


class Learner(Independent):
    """A learner with one thing wrong."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def fit(self, comparisons):
        kept = getattr(self, "theta_", 0.0)
        if self.fault == "empty" and not len(comparisons):
            return self
        super().fit(comparisons)
        if self.fault == "remembers":
            self.theta_ = self.theta_ + kept
        if self.fault == "reversed":
            self.theta_ = -self.theta_
        return None if self.fault == "silent" else self

    def rewards(self, steps):
        rewards = super().rewards(steps)
        return rewards[..., :1] if self.fault == "one column" else rewards

    def stderr(self, steps):
        stderr = super().stderr(steps)
        return 1.0 / stderr if self.fault == "overconfident" else stderr


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("silent", "return the learner itself"),
        ("one column", "rewards should have shape"),
        ("remembers", "forget the first"),
        ("reversed", "learned wrong"),
        ("overconfident", "known better"),
        ("empty", "should raise ValueError"),
    ],
)
def test_broken_learners_are_found(fault, text):
    with pytest.raises(AssertionError, match=text):
        checks.check_learner(Learner(fault))


class Odd:
    """A welfare function with one thing wrong."""

    def __init__(self, value, weights):
        self.value, self.weights, self.satisfies = value, weights, frozenset()


@pytest.mark.parametrize(
    ("value", "weights", "text"),
    [
        (lambda u: u.mean(-1), lambda u: u * 0 + 1, "supergradient|slope"),
        (lambda u: u.max(-1), lambda u: (u == u.max(-1, keepdims=True)) * 1.0, "not concave"),
        (lambda u: -u.mean(-1), lambda u: u * 0 - 1 / u.shape[-1], "never be negative"),
        (lambda u: u.mean(), lambda u: u * 0 + 1, "value of"),
        (lambda u: u.mean(-1), lambda u: u.mean(-1), "weights of"),
        (lambda u: np.sqrt(u - 1).mean(-1), lambda u: 0.5 / np.sqrt(u - 1), "finite"),
    ],
)
def test_broken_welfare_functions_are_found(value, weights, text):
    with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match=text):
        checks.check_welfare(Odd(value, weights), on_torch=False)


def test_a_false_axiom_is_found():
    claims = Odd(MaxMin().value, MaxMin().weights)
    claims.compare = MaxMin().compare
    claims.satisfies = Utilitarian().satisfies
    with pytest.raises(AssertionError, match="claims"):
        checks.check_welfare(claims)


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ({"a": np.zeros(2)}, {"a": np.zeros(2)}, True),
        ({"a": np.zeros(2)}, {"b": np.zeros(2)}, False),
        (np.zeros(2), np.zeros(2, dtype=np.float32), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.array([0.0]), np.array([1e-300]), False),
        ((1, "a"), (1, "a"), True),
        (np.array([None, np.ones(2)], dtype=object), np.array([None, np.ones(2)], object), True),
        (np.array([None, np.ones(2)], dtype=object), np.array([None, np.ones(3)], object), False),
    ],
)
def test_sameness_is_bit_for_bit(first, second, equal):
    assert same(first, second) is equal


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        (np.array([1.0, 0.0]), np.array([1.0 + 4e-16, 1e-17]), True),
        (np.array([1.0]), np.array([1.0 + 1e-9]), False),
        (np.array([1.0]), np.array([1.0], dtype=np.float32), False),
        ((np.ones(2), np.arange(2)), (np.ones(2), np.arange(2)), True),
        ((np.ones(2), np.arange(2)), (np.ones(2), np.arange(1, 3)), False),
        (np.ones(2), np.ones(3), False),
    ],
)
def test_closeness_forgives_rounding_alone(first, second, alike):
    assert close(first, second) is alike
