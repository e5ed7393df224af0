"""The pieces of PPO, each against a plain loop or a closed form."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete

from agents.advantages import gae
from agents.batch import Batch, Part, Samples
from agents.distributions import distribution_of
from agents.objective import EpisodeLevel, PolicyLevel, StepLevel
from agents.rollout import Rollout, StepCollector
from agents.table_rollout import TableCollector
from agents.update import divergence, surrogate, value_slope
from multiparty_envs.dynamics import FiniteState
from multiparty_envs.faces import TensorEnv
from multiparty_envs.streams import Draw
from multiparty_envs.welfare import MaxMin, Nash, Scale
from multiparty_envs.wrappers.weighting import weighting


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def looped_gae(rewards, values, following, ended, rates):
    """Sum the discounted temporal differences that follow each step, up to the episode's end."""
    steps, copies = ended.shape
    discount, decay = rates
    advantages = np.zeros_like(rewards)
    for n in range(copies):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                after = discount * following[k, n]
                advantages[t, n] += weight * (rewards[k, n] + after - values[k, n])
                weight *= discount * decay
                if ended[k, n]:
                    break
    return advantages


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_advantages_are_those_of_a_plain_loop(discount, decay):
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(7, 3, 2)), rng.normal(size=(7, 3, 2))
    following = rng.normal(size=(7, 3, 2))
    ended = rng.random((7, 3)) < 0.3
    arrays = map(torch.tensor, (rewards, values, following, ended))
    found, targets = gae(*arrays, discount=discount, decay=decay)
    wanted = looped_gae(rewards, values, following, ended, (discount, decay))
    np.testing.assert_allclose(found, wanted)
    np.testing.assert_allclose(targets, found.numpy() + values)


class Actor:
    """Acts by a network of its own."""

    distribution, free = distribution_of(Discrete(4)), torch.zeros(0)

    def __init__(self, outputs):
        self.outputs = outputs

    def outputs_now(self):
        return self.outputs

    def outputs_on_arrays(self):
        return lambda obs: self.outputs(torch.from_numpy(obs)).numpy()


def collector_of(world, copies, steps, distinct, cut=None):
    """The copies of seeds 1, 2, ... under a policy of seed 2, in tables or step by step."""
    if distinct:
        return TableCollector(world, copies, steps, 2, world_seed=1, max_episode_steps=cut)
    return StepCollector(TensorEnv(world, copies, seed=1, max_episode_steps=cut), steps, 2)


both_ways = pytest.mark.parametrize("distinct", [True, False], ids=["distinct", "one by one"])


@pytest.fixture(params=[True, False], ids=["distinct", "one by one"])
def collected(request, make_grid):
    """Two batches in a row, of copies that end early and late; the world; whether distinct."""
    world = make_grid(slip=0.3, starts=(0, 3), terminal=(15,), horizon=5, discount=0.8)
    actor = Actor(lambda obs: obs @ torch.randn(9, 4, generator=generator()))
    collector = collector_of(world, 6, 7, request.param)
    rollouts = [collector.collect(actor, torch.tensor(n)) for n in range(2)]
    return rollouts, world, request.param


def test_observations_are_the_ones_that_were_seen(collected):
    (first, second), world, distinct = collected
    env = TensorEnv(world, 6, seed=1)
    obs = env.reset()
    for rollout in (first, second):
        assert (len(rollout.obs) == len(torch.unique(rollout.obs, dim=0))) == distinct
        for t in range(7):
            assert torch.equal(rollout.obs[rollout.row[t]], obs)
            step = env.step(rollout.action[t])
            obs = step.obs
            torch.testing.assert_close(rollout.rewards[t], step.rewards.float())
            assert torch.equal(rollout.ended[t], step.terminated)
        assert torch.equal(rollout.obs[rollout.row[7]], obs)


@both_ways
def test_a_batch_has_its_own_chance(make_grid, distinct):
    """What is drawn depends on the number of the batch alone, so that there is no state to keep."""
    actor = Actor(lambda obs: torch.zeros(len(obs), 4))
    actions = [
        collector_of(make_grid(), 6, 7, distinct).collect(actor, torch.tensor(number)).action
        for number in (0, 1, 1)
    ]
    assert not torch.equal(actions[0], actions[1])
    assert torch.equal(actions[1], actions[2])


@both_ways
def test_cuts_are_told_from_ends(make_grid, distinct):
    world = make_grid(starts=(0, 2), terminal=(1,), horizon=5)
    # from cell 0 to the right and out; from cell 2 against the wall until the cut
    wishes = torch.zeros(9, 4)  # by column and time left
    wishes[4, 1] = wishes[6, 0] = 90.0
    collector = collector_of(world, 6, 4, distinct, cut=3)
    rollout = collector.collect(Actor(lambda obs: obs @ wishes), torch.tensor(0))
    seen = rollout.obs[rollout.row[:-1]]
    left, third = seen[..., 4] == 1.0, seen[..., -1] == torch.tensor(world.time_left[2])
    assert left.any()
    assert (third & ~left).any()
    assert torch.equal(rollout.terminated, left)
    assert torch.equal(rollout.ended, left | third)
    last = world.observe(FiniteState(np.array([2]), np.array([3])))[0]
    np.testing.assert_array_equal(rollout.after[third][0], last)


def test_returns_go_on_over_batches_and_stop_at_ends(collected):
    rollouts, *_ = collected
    account, factor, returns = np.zeros((6, 3)), np.ones((6, 1)), []
    for rollout in rollouts:
        for t in range(7):
            account, factor = account + factor * rollout.rewards[t].numpy(), factor * 0.8
            np.testing.assert_allclose(rollout.gained[t], account, rtol=1e-5, atol=1e-6)
            ended = rollout.ended[t].numpy()
            returns.append(account[ended].copy())
            account[ended], factor[ended] = 0.0, 1.0
    last = np.concatenate(returns[7:])
    mean, count = rollouts[1].mean_return()
    np.testing.assert_allclose(mean, last.mean(axis=0), rtol=1e-5)
    assert count == len(last)
    assert rollouts[1].mean_length() == pytest.approx(7 * 6 / len(last))


def samples(rows=None, count=12, heads=2, seed=0):
    """Steps with random numbers in them; `rows` observations, or one a step."""
    rng = generator(seed)
    row = torch.arange(count) if rows is None else torch.randint(rows, (count,), generator=rng)
    obs = torch.randn(rows or count, 3, generator=rng)
    action = torch.randint(4, (count,), generator=rng)
    log_before = -torch.rand(count, generator=rng) - 1.0
    rest = torch.randn(3, count, heads, generator=rng)
    return Samples(obs, row, action, log_before, *rest, single=rows is None)


@pytest.mark.parametrize("rows", [None, 5])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_pass_sees_every_sample_once(rows, parts):
    given = samples(rows)
    batch = Batch(given, torch.ones(2), torch.tensor(1.0))
    draw = Draw.seeded(range(12)).to("cpu")
    found = list(batch.passes(2, parts, draw))
    assert len(found) == 2 * parts
    for epoch in (found[:parts], found[parts:]):
        seen = torch.cat([part.samples.obs[part.samples.row] for part in epoch])
        for mine, theirs in ((seen, given.obs[given.row]), *_columns(epoch, given)):
            assert sorted(mine.flatten().tolist()) == sorted(theirs.flatten().tolist())
    if parts > 1:
        orders = [torch.cat([p.samples.action for p in e]) for e in (found[:parts], found[parts:])]
        assert not torch.equal(*orders)


def _columns(epoch, given):
    for name in ("action", "log_before", "advantage", "target", "value_before"):
        yield torch.cat([getattr(p.samples, name) for p in epoch]), getattr(given, name)


@pytest.mark.parametrize("rows", [None, 5])
def test_a_part_has_the_sums_over_equal_observations(rows):
    given = samples(rows)
    part = Part.of(given)
    for place in range(len(given.obs)):
        here = given.row == place
        share = part.share if rows is None else part.share[place]
        assert share == pytest.approx(here.float().mean().item())
        if here.any():
            torch.testing.assert_close(part.target[place], given.target[here].mean(dim=0))


@pytest.mark.parametrize("rows", [None, 5])
@pytest.mark.parametrize("clip", [None, 0.4])
def test_the_slope_of_the_value_error_is_autograds(rows, clip):
    part = Part.of(samples(rows))
    values = torch.randn(len(part.samples.obs), 2, generator=generator(1), requires_grad=True)
    each, before = values[part.samples.row], part.samples.value_before
    error = (each - part.samples.target).square()
    if clip is not None:
        bounded = before + (each - before).clamp(-clip, clip)
        error = torch.maximum(error, (bounded - part.samples.target).square())
    error.sum(dim=1).mean().backward()
    found = value_slope(part, values.detach(), clip)
    torch.testing.assert_close(found, values.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "slope"),
    [(1.1, 2.0, 2.0), (1.3, 2.0, 0.0), (0.7, -1.0, 0.0), (1.3, -1.0, -1.0), (0.7, 2.0, 2.0)],
)
def test_the_ratio_is_clipped_where_it_would_pay(ratio, advantage, slope):
    log = torch.tensor([np.log(ratio)], dtype=torch.float32, requires_grad=True)
    bound = torch.minimum(log.exp() * advantage, log.exp().clamp(0.8, 1.2) * advantage)
    bound.backward()
    bounds = torch.tensor(0.8), torch.tensor(1.2)
    found = surrogate(log.exp().detach(), torch.tensor([advantage]), *bounds)
    torch.testing.assert_close(found, log.grad)
    assert found.item() == pytest.approx(slope * ratio)


def test_divergence_is_estimated_without_bias():
    rng = generator()
    acted, now = torch.randn(2, 4, generator=rng).log_softmax(dim=1)
    drawn = torch.multinomial(acted.exp(), 200_000, replacement=True, generator=rng)
    found = divergence((now - acted)[drawn].exp())
    assert found.item() == pytest.approx((acted.exp() * (acted - now)).sum().item(), rel=0.02)


def test_the_change_of_the_returns_is_predicted(bandit):
    """In a world of one decision the prediction is exact, up to who happened to be drawn."""
    payoffs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    before, after = torch.randn(2, 3, generator=generator(5)).softmax(dim=1)
    action = torch.multinomial(before, 50_000, replacement=True, generator=generator(6))
    advantage = payoffs[action] - payoffs[action].mean(dim=0)
    nothing = torch.zeros(50_000)
    given = Samples(nothing, nothing, action, nothing, advantage, nothing, nothing, single=True)
    batch = Batch(given, torch.ones(2), torch.tensor(1.0))
    found = batch.change(given, (after / before)[action])
    torch.testing.assert_close(found, (after - before) @ payoffs, atol=0.02, rtol=0.0)
    assert (after - before).abs().max() > 0.2


def episode(rewards):
    """One copy's episode as a batch; rewards [T, M]."""
    rewards = torch.tensor(rewards)[:, None]
    ended = torch.zeros(rewards.shape[:2], dtype=torch.bool)
    ended[-1] = True
    nothing = torch.zeros(1)
    action = torch.zeros(ended.shape)
    return Rollout(nothing, nothing, action, rewards, ended, ended, rewards.cumsum(0))


SCALE = Scale(np.array([0.0, 1.0]), np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("objective", "wanted"),
    [
        (StepLevel(MaxMin(), SCALE), [[1.0], [0.0], [0.5]]),
        (EpisodeLevel(MaxMin(), SCALE), [[0.0], [0.0], [2.5]]),
        (
            PolicyLevel(SCALE, weighting(Nash()), 0.5, torch.zeros(1)),
            [[1.0, 2.0], [2.0, 0.0], [0.5, 1.0]],
        ),
    ],
    ids=["step", "episode", "policy"],
)
def test_each_level_has_its_rewards(objective, wanted):
    rollout = episode([[1.0, 4.0], [2.0, 0.0], [0.5, 2.0]])
    np.testing.assert_allclose(objective.rewards(rollout)[:, 0], wanted)
    assert objective.heads == len(wanted[0])


def test_policy_level_weighs_at_the_predicted_returns():
    objective = PolicyLevel(SCALE, weighting(Nash()), 0.75, torch.zeros(1))
    objective.measure(episode([[1.0, 5.0]]))  # scaled: 1, 2
    change = torch.tensor([3.0, -1.0])
    np.testing.assert_allclose(objective.weights(change), [0.5 / 4.0, 0.5 / 1.0])
    objective.predict(change)  # 4, 1
    objective.measure(episode([[2.0, 2.0]]))  # scaled: 2, 0.5; a quarter of the way
    np.testing.assert_allclose(objective.weights(torch.zeros(2)), [0.5 / 3.5, 0.5 / 0.875])
