"""Self-play: the reward of a batch by a plain loop, and winners that are known exactly."""

import numpy as np
import pytest
import torch

from agents import self_play
from agents.config import PPOConfig
from agents.evaluation import tabulate
from agents.games import exploitability, margins
from agents.outcomes import Outcomes
from agents.rollout import Rollout
from agents.self_play import STEADY, Mixture, SelfPlayConfig
from agents.winning import Parties, WinRate, _lengths
from multiparty_envs.envs.condorcet import condorcet
from multiparty_envs.envs.delivery import delivery
from multiparty_envs.parties import Behaviour
from multiparty_envs.streams import Streams

CYCLE = 0.5 + 0.4 * np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])


def settings(**ppo):
    return SelfPlayConfig(ppo=PPOConfig(**{**STEADY, "num_copies": 500, **ppo}))


def test_steps_of_running_episodes_are_counted_across_batches():
    ended = np.random.default_rng(0).random((12, 5)) < 0.3
    begun = np.array([0, 1, 2, 3, 4])
    length = np.zeros((12, 5), int)
    running = begun.copy()
    for t in range(12):
        running = running + 1
        length[t] = running
        running = np.where(ended[t], 0, running)
    found = _lengths(torch.tensor(ended), torch.tensor(begun))
    assert found.numpy().tolist() == length.tolist()


class Longer:
    """Prefers the episode whose features sum to more; keeps what it saw."""

    def __init__(self):
        self.sums = []

    def wins(self, bank, first, second):
        total = (bank.features[..., 0] * bank.mask).sum(dim=1)
        self.sums.append(total)
        gap = total[first] - total[second]
        return 0.5 + 0.5 * gap.sign(), torch.ones_like(gap)


def rollout(features, ended):
    steps, copies = ended.shape
    count = (steps + 1) * copies
    return Rollout(
        obs=torch.zeros(count, 1),
        row=torch.arange(count).view(steps + 1, copies),
        action=torch.zeros(steps, copies, dtype=torch.int64),
        rewards=features,
        terminated=ended,
        ended=ended,
        gained=features,
    )


def test_episodes_are_whole_wherever_batches_are_cut():
    # 12 steps of 3 copies whose episodes last 2, 3 and 4 steps, in batches of 4, 5 and 3
    ended = torch.tensor([[(t + 1) % (copy + 2) == 0 for copy in range(3)] for t in range(12)])
    features = torch.arange(36, dtype=torch.float32).view(12, 3, 1)
    judge = Longer()
    objective = WinRate(judge, 2, 4, Streams(0))
    rewards = []
    for part in (slice(0, 4), slice(4, 9), slice(9, 12)):
        rewards.append(objective.rewards(rollout(features[part], ended[part])))
    expected, running = [], np.zeros(3)
    for t in range(12):
        running = running + features[t, :, 0].numpy()
        expected += [running[copy] for copy in range(3) if ended[t, copy]]
        running = np.where(ended[t], 0.0, running)
    assert torch.cat(judge.sums).tolist() == expected
    given = torch.cat(rewards)[..., 0]
    assert given.shape == ended.shape
    assert not given[~ended].any()
    # of each batch the largest sum beats everybody, the smallest nobody
    parts = (ended[:4], ended[4:9], ended[9:])
    for sums, reward, part in zip(judge.sums, rewards, parts, strict=True):
        rate = reward[..., 0][part]
        assert rate[sums.argmax()] == 0.5
        assert rate[sums.argmin()] == -0.5


def test_one_episode_alone_wins_nothing():
    ended = torch.ones(1, 1, dtype=torch.bool)
    objective = WinRate(Longer(), 4, 1, Streams(0))
    assert not objective.rewards(rollout(torch.ones(1, 1, 1), ended)).any()


@pytest.mark.parametrize("contexts", [1, 2])
def test_parties_win_as_their_matrices_say(contexts):
    world = condorcet(num_contexts=contexts, num_parties=3, num_actions=4)
    rng = np.random.default_rng(0)
    cell, action = rng.integers(contexts, size=40), rng.integers(4, size=40)
    bank = Behaviour(
        features=torch.zeros(40, 1, world.num_features, dtype=torch.float64),
        action=torch.tensor(action)[:, None],
        mask=torch.ones(40, 1, dtype=torch.bool),
        obs=torch.tensor(world.observations_at(0)[cell])[:, None],
    )
    first, second = torch.tensor(rng.integers(40, size=(2, 100)))
    won, told = Parties(world).wins(bank, first, second)
    table = world.population.choice.table
    for k, (i, j) in enumerate(zip(first, second, strict=True)):
        same = cell[i] == cell[j]
        assert told[k] == pytest.approx(3.0 * same)
        if same:
            assert won[k] == pytest.approx(table[cell[i], :, action[i], action[j]].sum())


@pytest.mark.parametrize("seed", [0, 1])
def test_self_play_comes_near_the_winner_of_condorcet(seed):
    world = condorcet()
    margin = margins(world.population.choice.table)
    uniform = exploitability(np.full((1, 5), 0.2), margin)[0]
    mixture = self_play.train(world, config=settings(total_steps=100_000), seed=seed)
    assert exploitability(mixture.tabulate(world)[0], margin)[0] < 0.1 * uniform


def test_what_was_played_on_average_comes_near_the_winner_of_a_circle():
    # the first option wins by less, so that the winner is not uniform
    table = CYCLE.copy()
    table[0, 1], table[1, 0] = 0.6, 0.4
    world = condorcet(matrices=table[None])
    margin = margins(world.population.choice.table)
    uniform = exploitability(np.full((1, 3), 1 / 3), margin)[0]
    mixture = self_play.train(world, config=settings(total_steps=200_000), seed=0)
    assert exploitability(mixture.tabulate(world)[0], margin)[0] < 0.3 * uniform


def test_self_play_over_whole_episodes_comes_near_the_exact_winner():
    town = delivery(size=1, slipperiness=0.0)
    outcomes = Outcomes(town)
    mixture = self_play.train(town, config=settings(total_steps=300_000), seed=0)
    spread = np.mean([outcomes.of_policy(tabulate(p, town)) for p in mixture.policies], axis=0)
    start = outcomes.of_policy(np.full((town.horizon, town.num_states, 4), 0.25))
    assert outcomes.exploitability(spread) < 0.1 * outcomes.exploitability(start)
    # the winner is one outcome, which is what is played most
    assert spread.argmax() == outcomes.winner().chances.argmax()


def test_any_world_can_be_played(drift):
    config = settings(total_steps=2_000, num_copies=20, num_steps=5)
    told = []
    mixture = self_play.train(drift, config=config, seed=0, callback=told.append)
    assert len(told) == 20
    obs = np.zeros((3, 2), np.float32)
    assert mixture.draw(np.random.default_rng(0)).act(obs).shape == (3, 1)


def test_the_same_seed_plays_the_same():
    world = condorcet()
    config = settings(total_steps=5_000)
    one, two, other = (self_play.train(world, config=config, seed=s) for s in (3, 3, 4))
    assert np.array_equal(one.tabulate(world), two.tabulate(world))
    assert not np.array_equal(one.tabulate(world), other.tabulate(world))


def test_somebody_else_may_compare(drift):
    config = settings(total_steps=500, num_copies=10)
    judge = Longer()
    self_play.train(drift, config=config, preferring=judge, callback=lambda progress: False)
    assert len(judge.sums) == 1


def test_a_mixture_counts_its_policies_by_how_likely_they_come_by():
    town = delivery(size=1, slipperiness=0.0)
    rng = np.random.default_rng(0)
    shape = (town.horizon, town.num_states)

    class Table:
        def __init__(self):
            self.table = rng.dirichlet(np.ones(4), size=shape)
            self.time = 0

        def probabilities(self, obs):
            time, self.time = self.time, (self.time + 1) % town.horizon
            return self.table[time]

    from agents.occupancy import World

    policies = [Table(), Table()]
    visits = np.mean([World(town).occupancy(policy.table) for policy in policies], axis=0)
    found = Mixture(policies).tabulate(town)
    assert World(town).occupancy(found) == pytest.approx(visits)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"opponents": 0}, "opponents"),
        ({"policies": 0}, "policies"),
        ({"averaging": 1.0}, "averaging"),
        ({"ppo": PPOConfig(kl_coefficient=1.0)}, "kl_coefficient"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        SelfPlayConfig(**change)


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="a policy at least"):
        Mixture([])
