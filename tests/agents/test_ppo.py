"""PPO, ours and stable-baselines3's: what they learn, and that it is always the same."""

import numpy as np
import pytest
import torch
from array_api_compat import array_namespace
from gymnasium.spaces import Box, MultiDiscrete

from agents import ppo, sb3
from agents.config import PPOConfig
from agents.evaluation import evaluate
from agents.planning import party_scale, policy_returns, solve, uniform_policy
from agents.policy import load_policy
from agents.regularised import kl_maxmin
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.parties import Population
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Draw
from multiparty_envs.welfare import GeneralizedGini, Leximin, MaxMin, Nash, Scale, Utilitarian
from multiparty_envs.wrappers import AccruedReturns

TRAINERS = {"ppo": ppo.train, "sb3": sb3.train}
SMALL = PPOConfig(total_steps=20_000, num_copies=64)
QUICK = PPOConfig(total_steps=1_500, num_copies=16, epochs=3)
ARMS = [[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]]  # fixture F5: two parties, and a poor compromise


def table(world, policy):
    return np.stack([policy.probabilities(world.observations_at(t)) for t in range(world.horizon)])


def reached(world, policy, welfare, scale):
    """Return the welfare of a policy: 0 for the uniform one's, 1 for the exact optimum's."""
    low, value = (
        float(welfare.value(scale.returns(policy_returns(world, tabled))))
        for tabled in (uniform_policy(world), table(world, policy))
    )
    return (value - low) / (solve(world, welfare, scale=scale).welfare - low)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize(
    "settings",
    [
        {"slip": 0.2, "starts": (5,)},
        {"terminal": (15,), "starts": (0, 10), "discount": 0.9},
    ],
    ids=["slippery", "terminal"],
)
def test_trainers_reach_the_utilitarian_optimum(trainer, settings, make_grid):
    world, welfare = make_grid(**settings), Utilitarian()
    scale = party_scale(world, "range")
    policy = TRAINERS[trainer](world, welfare=welfare, scale=scale, config=SMALL)
    assert reached(world, policy, welfare, scale) >= 0.95


@pytest.mark.parametrize("welfare", [Nash(), MaxMin(), Leximin(), GeneralizedGini()])
def test_ppo_reaches_the_optimum_of_other_welfare(welfare, make_grid):
    world = make_grid(slip=0.2, starts=(5,))
    scale = party_scale(world, "range")
    policy = ppo.train(world, welfare=welfare, scale=scale, config=SMALL)
    assert reached(world, policy, welfare, scale) >= 0.95


@pytest.mark.parametrize(
    ("level", "arm", "value"),
    [
        ("policy", "exponentiated", 0.5),
        ("policy", "softmin", 0.5),
        ("policy", "per-sample", 0.4),
        ("step", "exponentiated", 0.4),
        ("episode", "exponentiated", 0.4),
    ],
)
def test_levels_are_not_the_same(level, arm, value, bandit):
    """The worst-off get 1/2 if the policy is judged, by tossing a coin, but 0.4 if each step is."""
    world = bandit(ARMS)
    config = PPOConfig(total_steps=100_000, max_min=arm)
    policy = ppo.train(world, welfare=MaxMin(), level=level, config=config, seed=1)
    if level == "episode":
        world_of = AccruedReturns(world, None, Scale.none(2))
        found = evaluate(world_of, policy, episodes=4000, seed=0).mean
    else:
        found = policy_returns(world, table(world, policy))
    assert found.min() == pytest.approx(value, abs=0.02)


def test_the_worst_of_a_batch_alone_runs_to_and_fro(bandit):
    """Of two opposed options, the one for who was worst off; the average over batches is even."""
    told, world = [], bandit(ARMS)
    config = PPOConfig(total_steps=100_000, max_min="argmin", averaging=0.0)
    ppo.train(world, welfare=MaxMin(), config=config, callback=told.append)
    weights = np.array([progress.weights for progress in told])
    assert set(weights.flatten()) == {0.0, 1.0}
    assert (np.diff(weights[:, 0]) != 0).sum() >= 5


@pytest.mark.parametrize(
    ("payoffs", "wanted"),
    [
        # the first party has nothing to gain, the others should share
        ([[0, 1, 0], [0, 0, 1], [0, 0.3, 0.3]], [0, 0.5, 0.5]),
        # two who share, then one who can have more or less at no cost to them
        ([[1, 0, 0.9], [0, 1, 0.9], [1, 0, 0.1], [0, 1, 0.1]], [0.5, 0.5, 0.9]),
    ],
)
def test_leximin_goes_on_to_those_who_are_better_off(payoffs, wanted, bandit):
    world = bandit(payoffs)
    best = solve(world, Leximin()).returns
    assert best == pytest.approx(np.array(wanted), abs=1e-6)
    policy = ppo.train(world, welfare=Leximin(), config=PPOConfig(total_steps=300_000))
    found = np.sort(policy_returns(world, table(world, policy)))
    np.testing.assert_allclose(found, np.sort(best), atol=0.05)


@pytest.mark.parametrize("price", [0.1, 0.5])
def test_a_price_on_divergence_has_the_optimum_of_its_dual(price, bandit):
    """Max-min less the divergence from the first, even policy: exact by its convex dual."""
    payoffs = np.array([[1.0, 0.0], [0.0, 0.8], [0.5, 0.3], [0.1, 0.2]])
    exact = kl_maxmin(payoffs[None], np.full((1, 4), 0.25), price)
    config = PPOConfig(total_steps=300_000, kl_coefficient=price, entropy=0.0)
    policy = ppo.train(bandit(payoffs), welfare=MaxMin(), config=config)
    chances = table(bandit(payoffs), policy)[0, 0]
    reached = (chances @ payoffs).min() - price * (chances * np.log(4.0 * chances)).sum()
    start = payoffs.mean(axis=0).min()
    assert (reached - start) / (exact.value - start) >= 0.97
    np.testing.assert_allclose(chances, exact.policy[0], atol=0.04)


def test_the_price_moves_until_the_divergence_is_the_one_asked_for(bandit):
    payoffs = np.array([[1.0], [0.0], [0.3], [0.1]])
    config = PPOConfig(total_steps=300_000, kl_coefficient=1.0, kl_target=0.3, entropy=0.0)
    policy = ppo.train(bandit(payoffs), welfare=Utilitarian(), config=config)
    chances = table(bandit(payoffs), policy)[0, 0]
    assert (chances * np.log(4.0 * chances)).sum() == pytest.approx(0.3, abs=0.05)


def test_another_policy_can_be_the_reference(bandit):
    world = bandit([[1.0], [0.9], [0.0]])
    first = ppo.train(world, welfare=Utilitarian(), config=PPOConfig(total_steps=100_000))
    other = bandit([[0.0], [0.0], [0.1]])
    config = PPOConfig(total_steps=50_000, kl_coefficient=10.0)
    near = ppo.train(other, welfare=Utilitarian(), config=config, reference=first)
    chances = [table(world, policy)[0, 0] for policy in (first, near)]
    np.testing.assert_allclose(chances[0], chances[1], atol=0.03)
    with pytest.raises(ValueError, match="reference should have"):
        ppo.train(bandit([[1.0], [0.0]]), welfare=Utilitarian(), config=config, reference=first)


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("welfare", [Nash(), MaxMin()])
def test_step_level_is_the_planners(trainer, welfare, make_grid):
    world = make_grid(slip=0.2, starts=(5,), discount=0.9)
    policy = TRAINERS[trainer](world, welfare=welfare, level="step", config=SMALL)
    worth = welfare.value(world.party_table)[..., None]
    best = solve(world, welfare, level="step").welfare
    found, low = (
        policy_returns(world, tabled, worth)[0]
        for tabled in (table(world, policy), uniform_policy(world))
    )
    assert (found - low) / (best - low) >= 0.95


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_welfare_of_an_episode_is_not_discounted_again(trainer):
    """To stop brings 0.5; to go on, 0.9 a step later, worth 0.45: less, but a loss put off."""
    world = FiniteMDP(
        successors=np.array([[[2], [1]], [[2], [2]], [[2], [2]]]),
        probabilities=np.ones((3, 2, 1)),
        features=np.array([[[0.5], [0.0]], [[0.9], [0.9]], [[0.0], [0.0]]]),
        initial=np.array([1.0, 0.0, 0.0]),
        terminal=np.array([False, False, True]),
        population=Population(np.ones((1, 1))),
        horizon=2,
        discount=0.5,
    )
    config = PPOConfig(total_steps=40_000)
    policy = TRAINERS[trainer](world, welfare=Nash(), level="episode", config=config)
    start = np.concatenate([world.observations_at(0)[:1], np.zeros((1, 1))], axis=1)
    assert policy.probabilities(start)[0, 0] > 0.9


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("level", ["policy", "episode", "step"])
def test_same_seed_same_policy_bit_for_bit(trainer, level, make_grid, tmp_path):
    world = make_grid(slip=0.2)
    train = TRAINERS[trainer]
    settings = {"welfare": Nash(), "level": level, "config": QUICK}
    first, again, other = (train(world, seed=seed, **settings) for seed in (3, 3, 4))
    obs = np.random.default_rng(0).random((20, first.observation_size), dtype=np.float32)
    np.testing.assert_array_equal(first.probabilities(obs), again.probabilities(obs))
    assert not np.array_equal(first.probabilities(obs), other.probabilities(obs))
    first.save(tmp_path)
    np.testing.assert_array_equal(
        load_policy(tmp_path).probabilities(obs), first.probabilities(obs)
    )


@pytest.mark.parametrize("trainer", TRAINERS)
def test_learned_rewards_stand_in_for_the_true_ones(trainer, make_grid, told):
    """Told the truth as learned rewards, a trainer does what it does with the truth itself."""
    world = make_grid(slip=0.2, population=Population(np.array([[1.0, -0.5], [0.2, 1.5]])))
    settings = {"welfare": Nash(), "config": QUICK}
    with_truth = TRAINERS[trainer](world, **settings)
    learned = TRAINERS[trainer](world, rewards=told(world.population.theta), **settings)
    obs = world.observations_at(0)
    np.testing.assert_allclose(learned.probabilities(obs), with_truth.probabilities(obs), atol=1e-3)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_truth_is_not_looked_at_where_rewards_are_learned(trainer, make_grid, told):
    policies = [
        TRAINERS[trainer](
            make_grid(slip=0.2, population=Population(theta)),
            welfare=MaxMin(),
            rewards=told([[1.0, 0.0, -1.0], [0.0, 1.0, 1.0]]),  # three clusters of two parties
            config=QUICK,
        )
        for theta in (np.eye(2), np.full((2, 2), 1e9))
    ]
    obs = make_grid().observations_at(1)
    np.testing.assert_array_equal(*(policy.probabilities(obs) for policy in policies))


@pytest.mark.parametrize("trainer", TRAINERS)
def test_callbacks_hear_of_the_progress_and_can_stop_it(trainer, make_grid):
    told = []

    def callback(progress):
        told.append(progress)
        return len(told) < 3

    TRAINERS[trainer](make_grid(), welfare=MaxMin(), config=QUICK, callback=callback)
    assert [progress.iteration for progress in told] == [1, 2, 3]
    assert told[-1].iterations == 1_500 // (16 * 6)
    assert told[-1].steps == 3 * 16 * 6
    assert told[-1].returns.shape == told[-1].weights.shape == (3,)
    assert told[-1].policy.probabilities(make_grid().observations_at(0)).shape == (16, 4)


def test_parts_of_a_batch_teach_too(make_grid):
    world, welfare = make_grid(slip=0.2, starts=(5,)), Utilitarian()
    config = PPOConfig(total_steps=20_000, num_copies=64, minibatches=4, epochs=4, num_steps=9)
    scale = party_scale(world, "range")
    policy = ppo.train(world, welfare=welfare, scale=scale, config=config)
    assert reached(world, policy, welfare, scale) >= 0.95


def test_every_environment_can_be_trained_in(finite_name, tmp_path):
    world = make_dynamics(finite_name)
    config = PPOConfig(total_steps=2 * world.horizon * 16, num_copies=16, epochs=2)
    policy = ppo.train(world, welfare=MaxMin(), config=config)
    policy.save(tmp_path)
    chances = load_policy(tmp_path).probabilities(world.observations_at(0))
    assert chances.shape == (world.num_states, world.num_actions)
    assert np.isfinite(chances).all()


def test_large_and_tiny_rewards_are_learned_alike(bandit):
    for size in (1e-4, 1e4):
        world = bandit(size * np.array([[0.0, 1.0], [1.0, 2.0], [0.5, 1.0]]))
        policy = ppo.train(world, welfare=Utilitarian(), config=PPOConfig(total_steps=100_000))
        assert policy.probabilities(world.observations_at(0))[0, 1] > 0.98


BAD = {
    "level": ({"level": "polici"}, ValueError, "policy"),
    "scale": ({"scale": Scale.none(2)}, ValueError, "scale is for 2 parties, the rewards for 3"),
    "welfare": ({"welfare": "nash"}, TypeError, "welfare"),
    "world": ({"dynamics": "Delivery-v0"}, TypeError, "dynamics"),
    "rewards": ({"rewards": np.full((2, 3), np.nan)}, ValueError, "learned rewards"),
    "seed": ({"seed": -1}, ValueError, "seed"),
}


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_at_the_door(trainer, case, make_grid, told):
    changed, error, message = BAD[case]
    if "rewards" in changed:
        changed = {"rewards": told(changed["rewards"])}
    given = {"dynamics": make_grid(), "welfare": Nash(), "config": QUICK, **changed}
    with pytest.raises(error, match=message):
        TRAINERS[trainer](given.pop("dynamics"), **given)


class Aim(Dynamics):
    """One decision: to hit what is seen. The loss of each of two parties is the squared miss."""

    population = Population(-np.ones((2, 2)))
    observation_space = Box(-1.0, 1.0, (2,), np.float32)
    horizon = 1

    def __init__(self, parts):
        box = Box(-2.0, 4.0, (2,), np.float32)
        self.action_space = MultiDiscrete([parts] * 2) if parts else box
        self.step = 2.0 / (parts - 1) if parts else 1.0
        self.zero = -1.0 if parts else 0.0

    def initial(self, count, draw):
        return 2.0 * draw.uniform(2) - 1.0

    def transition(self, state, action, draw):
        return state * 0.0 + 2.0  # out of sight: the episode is over

    def observe(self, state):
        xp = array_namespace(state)
        return xp.astype(xp.clip(state, -1.0, 1.0), xp.float32)

    def features(self, state, action, next_state):
        return (self.zero + self.step * action - state) ** 2

    def terminated(self, state):
        return state[:, 0] > 1.5


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("parts", [None, 5], ids=["box", "parts"])
def test_other_actions_are_learned(trainer, parts, tmp_path):
    world = Aim(parts)
    config = PPOConfig(total_steps=100_000, num_copies=512, minibatches=4)
    policy = TRAINERS[trainer](world, welfare=Utilitarian(), config=config)
    policy.save(tmp_path)
    loaded = load_policy(tmp_path)
    draw = Draw.seeded(range(2000))
    state = world.initial(2000, draw)
    for rng in (None, np.random.default_rng(0)):
        action = loaded.act(world.observe(state), rng)
        assert world.action_space.contains(action[0])
        loss = world.party_rewards(state, action, state).mean()
        # the nearest of five places is 1/48 away, in squares on average, for each of two parts
        assert loss > (-0.1 if rng is None else -0.4)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with ppo.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
