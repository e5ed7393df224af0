"""The pieces of PPO, each against a plain loop or a closed form."""

import numpy as np
import pytest
import torch

from agents.advantages import gae
from agents.batch import divide
from agents.networks import mlp
from agents.objective import EpisodeLevel, PolicyLevel, StepLevel
from agents.ppo import clipped
from agents.rollout import Collector, Rollout, pick
from multiparty_envs.faces import TensorEnv
from multiparty_envs.welfare import MaxMin, Nash, Scale
from multiparty_envs.wrappers.weighting import weighting


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def looped_gae(rewards, values, ended, discount, decay):
    """Sum the discounted temporal differences that follow each step, up to the episode's end."""
    steps, copies = ended.shape
    advantages = np.zeros_like(rewards)
    for n in range(copies):
        for t in range(steps):
            weight = 1.0
            for k in range(t, steps):
                after = 0.0 if ended[k, n] else values[k + 1, n]
                advantages[t, n] += weight * (rewards[k, n] + discount * after - values[k, n])
                weight *= discount * decay
                if ended[k, n]:
                    break
    return advantages


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.7, 1.0])
def test_advantages_are_those_of_a_plain_loop(discount, decay):
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(7, 3, 2)), rng.normal(size=(8, 3, 2))
    ended = rng.random((7, 3)) < 0.3
    found, targets = gae(
        torch.tensor(rewards), torch.tensor(values), torch.tensor(ended), discount, decay
    )
    np.testing.assert_allclose(found, looped_gae(rewards, values, ended, discount, decay))
    np.testing.assert_allclose(targets, found.numpy() + values[:-1])


def test_actions_follow_the_softmax():
    logits = torch.tensor([0.0, 1.0, -1.0, 3.0])
    drawn = pick(logits.expand(50_000, 4), torch.rand(50_000, 1, generator=generator()))
    share = torch.bincount(drawn, minlength=4) / len(drawn)
    torch.testing.assert_close(share, torch.softmax(logits, 0), atol=0.01, rtol=0.0)


@pytest.mark.parametrize("chance", [0.0, 1.0 - 2**-24])
def test_the_ends_of_the_unit_interval_are_actions(chance):
    drawn = pick(torch.full((1, 3), 1 / 3), torch.tensor([[chance]]))
    assert drawn.item() == (2 if chance else 0)


@pytest.fixture
def collected(make_grid):
    """Two batches in a row, of copies that end early and late; the world; the actor."""
    world = make_grid(slip=0.3, starts=(0, 3), terminal=(15,), horizon=5, discount=0.8)
    actor = mlp((9, 8, 4), 1.0, generator())
    collector = Collector(TensorEnv(world, 6, seed=1), 7, generator(2))
    return [collector.collect(actor) for _ in range(2)], world, actor


def test_distinct_observations_are_the_ones_that_were_seen(collected):
    (first, second), world, _ = collected
    env = TensorEnv(world, 6, seed=1)
    obs = env.reset()
    for rollout in (first, second):
        assert len(rollout.obs) == len(torch.unique(rollout.obs, dim=0))
        for t in range(7):
            assert torch.equal(rollout.obs[rollout.row[t]], obs)
            step = env.step(rollout.action[t])
            obs = step.obs
            torch.testing.assert_close(rollout.rewards[t], step.rewards.float())
            assert torch.equal(rollout.ended[t], step.terminated)
        assert torch.equal(rollout.obs[rollout.row[7]], obs)


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


@pytest.mark.parametrize("parts", [1, 3])
def test_sums_over_pairs_are_sums_over_steps(collected, parts):
    (rollout, _), _, actor = collected
    rng = generator(3)
    advantages, targets = torch.randn(2, 7, 6, 3, generator=rng)
    batch = divide(rollout, advantages, targets, actor, parts)
    assert len(batch.parts) == parts
    centred = advantages - advantages.mean(dim=(0, 1))
    torch.testing.assert_close(batch.spread, centred.square().mean(dim=(0, 1)).sqrt())
    other = mlp((9, 8, 4), 1.0, generator(4))  # any function of observation and action will do
    for part, copies in zip(batch.parts, torch.arange(6).chunk(parts), strict=True):
        log_other = torch.log_softmax(other(rollout.obs), -1)[rollout.row[:-1, copies]]
        taken = log_other.gather(-1, rollout.action[:, copies, None])[..., 0]
        wanted = (taken.exp()[..., None] * centred[:, copies]).mean(dim=(0, 1))
        log_pair = torch.log_softmax(other(part.obs), -1).flatten()[part.pair]
        torch.testing.assert_close((log_pair.exp() @ part.advantage), wanted)
        values = other(rollout.obs)[rollout.row[:-1, copies]][..., :3]
        squares = (part.share[:, None] * other(part.obs)[:, :3] * part.target).sum(dim=0)
        torch.testing.assert_close(squares, (values * targets[:, copies]).mean(dim=(0, 1)))
        assert part.share.sum() == pytest.approx(1.0)


def test_the_change_of_the_returns_is_predicted(bandit):
    """In a world of one decision the prediction is exact, up to who happened to be drawn."""
    payoffs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])
    actor, other = (mlp((2, 3), gain, generator(5)) for gain in (0.5, 2.0))
    collector = Collector(TensorEnv(bandit(payoffs.numpy()), 50_000), 1, generator(6))
    rollout = collector.collect(actor)
    before, after = (torch.softmax(net(rollout.obs[:1])[0], -1).detach() for net in (actor, other))
    batch = divide(rollout, rollout.rewards, rollout.rewards, actor, 1)
    part = batch.parts[0]
    log_now = torch.log_softmax(other(part.obs), -1).flatten()[part.pair]
    torch.testing.assert_close(
        batch.change(part, log_now), (after - before) @ payoffs, atol=0.02, rtol=0.0
    )
    assert (after - before).abs().max() > 0.2


@pytest.mark.parametrize(
    ("ratio", "advantage", "wanted", "slope"),
    [(1.1, 2.0, 2.2, 2.0), (1.3, 2.0, 2.4, 0.0), (0.7, -1.0, -0.8, 0.0), (1.3, -1.0, -1.3, -1.0)],
)
def test_the_ratio_is_clipped_where_it_would_pay(ratio, advantage, wanted, slope):
    ratio = torch.tensor([ratio], requires_grad=True)
    gain = clipped(ratio, torch.tensor([advantage]), 0.2)
    gain.backward()
    assert gain.item() == pytest.approx(wanted)
    assert ratio.grad.item() == slope


def episode(rewards):
    """One copy's episode as a batch; rewards [T, M]."""
    rewards = torch.tensor(rewards)[:, None]
    ended = torch.zeros(rewards.shape[:2], dtype=torch.bool)
    ended[-1] = True
    nothing = torch.zeros(1)
    return Rollout(nothing, nothing, torch.zeros(ended.shape), rewards, ended, rewards.cumsum(0))


SCALE = Scale(np.array([0.0, 1.0]), np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("objective", "wanted"),
    [
        (StepLevel(MaxMin(), SCALE), [[1.0], [0.0], [0.5]]),
        (EpisodeLevel(MaxMin(), SCALE), [[0.0], [0.0], [2.5]]),
        (PolicyLevel(SCALE, weighting(Nash()), 0.5), [[1.0, 2.0], [2.0, 0.0], [0.5, 1.0]]),
    ],
    ids=["step", "episode", "policy"],
)
def test_each_level_has_its_rewards(objective, wanted):
    rollout = episode([[1.0, 4.0], [2.0, 0.0], [0.5, 2.0]])
    np.testing.assert_allclose(objective.rewards(rollout)[:, 0], wanted)
    assert objective.heads == len(wanted[0])


def test_policy_level_weighs_at_the_predicted_returns():
    objective = PolicyLevel(SCALE, weighting(Nash()), 0.75)
    objective.measure(episode([[1.0, 5.0]]))  # scaled: 1, 2
    change = torch.tensor([3.0, -1.0])
    np.testing.assert_allclose(objective.weights(change), [0.5 / 4.0, 0.5 / 1.0])
    objective.predict(change)  # 4, 1
    objective.measure(episode([[2.0, 2.0]]))  # scaled: 2, 0.5; a quarter of the way
    np.testing.assert_allclose(objective.weights(torch.zeros(2)), [0.5 / 3.5, 0.5 / 0.875])
