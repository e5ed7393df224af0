"""Proximal policy optimisation of a welfare of several parties, on one torch device.

Clipped PPO [Schulman2017] with generalised advantages [Schulman2016], a critic with one head a
party, and the heads' advantages added up by the parties' welfare weights. `train` is the story;
its steps are in `rollout` (experience), `advantages`, `objective` (welfare), `batch` and here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from agents.advantages import gae
from agents.batch import Batch, divide
from agents.config import PPOConfig
from agents.networks import Critic, NetworkPolicy, mlp
from agents.objective import EpisodeLevel, Objective, PolicyLevel, StepLevel
from agents.optimiser import FlatAdam, RunningMean
from agents.problem import Problem
from agents.progress import Callback, Progress
from agents.rollout import Collector, Rollout
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.tensor import TensorEnv
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.streams import Streams
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.scale import Scale
from multiparty_envs.wrappers.weighting import weighting


def train(
    dynamics: Dynamics,
    *,
    welfare: Welfare,
    level: str = "policy",
    rewards: RewardLearner | None = None,
    scale: Scale | None = None,
    config: PPOConfig = PPOConfig(),  # noqa: B008 - it is frozen
    seed: int = 0,
    callback: Callback | None = None,
) -> NetworkPolicy:
    """Return a policy trained to raise the welfare of the parties' returns.

    Args:
        dynamics: the world, with Discrete actions and a flat Box of observations.
        welfare: how the parties' rewards become one.
        level: where it sits: "policy" W(E[G]), "episode" E[W(G)] or "step" E[W(r)]. At "episode"
            the policy also looks at the returns accrued so far: it is one for the world
            `AccruedReturns(dynamics, rewards.rewards, scale)`.
        rewards: a fitted learner of the parties' rewards; None: the true ones.
        scale: the units in which parties are compared; None: those of the rewards.
        config: how to train.
        seed: of everything random; the same seed gives the same policy on a CPU.
        callback: told of the progress.

    Raises:
        ValueError: for a world, level or scale that does not fit, and rewards that are not finite.
    """
    problem = Problem.of(dynamics, welfare, level, rewards, scale)
    with threads(config.threads):
        return _train(problem, config, Streams(seed), callback)


def _train(
    problem: Problem, config: PPOConfig, streams: Streams, callback: Callback | None
) -> NetworkPolicy:
    objective = _objective(problem, config)
    agent = Agent.new(problem, objective.heads, config, streams)
    collector = _collector(problem, config, streams)
    iterations = config.iterations(problem.dynamics.horizon)
    late = RunningMean(agent.optimiser.moments[0].vector)
    for iteration in range(iterations):
        rollout = collector.collect(agent.actor)
        if iteration == 0:
            _measure(agent.critic, objective, rollout, problem.discount)
        objective.measure(rollout)
        values = agent.values(rollout)
        reward = objective.rewards(rollout)
        learned = gae(reward, values, rollout.ended, problem.discount, config.gae_lambda)
        batch = divide(rollout, *learned, agent.actor, config.minibatches)
        improve(agent, batch, objective, config, 1.0 - iteration / iterations)
        if iteration >= (1.0 - config.averaging) * iterations:
            late.add()
        if callback is not None:
            told = _progress(rollout, objective, agent.policy, (iteration + 1, iterations))
            if callback(told) is False:
                break
    late.put()
    return agent.policy


@final
@dataclass(frozen=True, eq=False)
class Agent:
    """What is trained."""

    policy: NetworkPolicy
    critic: Critic
    optimiser: FlatAdam

    @classmethod
    def new(cls, problem: Problem, heads: int, config: PPOConfig, streams: Streams) -> Agent:
        """Return networks with their first weights."""
        generator = streams.torch("network")
        before = (problem.observation_size, *config.hidden)
        actor = mlp((*before, problem.num_actions), 0.01, generator).to(config.device)
        critic = Critic(mlp((*before, heads), 1.0, generator)).to(config.device)
        optimiser = FlatAdam((actor, critic), config.max_gradient_norm)
        policy = NetworkPolicy(before[0], problem.num_actions, config.hidden, actor)
        return cls(policy, critic, optimiser)

    @property
    def actor(self) -> nn.Module:
        """The network of the policy's logits, [B, O] -> [B, A]."""
        return self.policy.actor

    @torch.no_grad()
    def values(self, rollout: Rollout) -> Tensor:
        """Return the expected returns [T + 1, N, H]: one pass over all that was seen."""
        return self.critic(rollout.obs)[rollout.row]


def improve(
    agent: Agent, batch: Batch, objective: Objective, config: PPOConfig, left: float
) -> None:
    """Take the gradient steps of one batch.

    Args:
        agent: is changed.
        batch: what was learned.
        objective: how the heads are weighed.
        config: how large the steps are.
        left: share of the training that is left, by which step size and entropy bonus shrink.
    """
    for _ in range(config.epochs):
        for part in batch.parts:
            log_policy = torch.log_softmax(agent.actor(part.obs), dim=-1)  # [U, A]
            log_now = log_policy.flatten()[part.pair]
            with torch.no_grad():
                weights = objective.weights(batch.change(part, log_now))
                # the parties' spreads do not cancel out where their advantages do: near the
                # optimum, where they cancel, steps become small
                advantage = part.advantage @ weights / (batch.spread @ weights + 1e-8)
            gain = clipped(torch.exp(log_now - part.log_before), advantage, config.clip)
            entropy = -(part.share * (log_policy.exp() * log_policy).sum(dim=-1)).sum()
            error = (part.share * agent.critic.error(part.obs, part.target)).sum()
            loss = config.value_coefficient * error - gain - config.entropy * left * entropy
            agent.optimiser.step(loss, config.learning_rate * left)
    objective.predict(_change(agent, batch))


def clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return the sum [] of PPO's lower bounds, for ratios and summed advantages [P].

    Source: [Schulman2017] eq. 7; the ratio leaves [1 - clip, 1 + clip] without reward.
    """
    bounded = ratio.clamp(1.0 - clip, 1.0 + clip)
    return torch.minimum(ratio * advantage, bounded * advantage).sum()


@torch.no_grad()
def _change(agent: Agent, batch: Batch) -> Tensor:
    """Return the predicted change of the heads' expected returns [H] by the whole update."""
    changes = []
    for part in batch.parts:
        log_policy = torch.log_softmax(agent.actor(part.obs), dim=-1)
        changes.append(batch.change(part, log_policy.flatten()[part.pair]))
    return torch.stack(changes).mean(dim=0)


def _objective(problem: Problem, config: PPOConfig) -> Objective:
    if problem.level == "policy":
        weights = weighting(problem.welfare, config.weight_rate, config.weight_sharpness)
        return PolicyLevel(problem.scale, weights, config.return_memory)
    at_level = {"step": StepLevel, "episode": EpisodeLevel}[problem.level]
    return at_level(problem.welfare, problem.scale)


def _collector(problem: Problem, config: PPOConfig, streams: Streams) -> Collector:
    env = TensorEnv(
        problem.dynamics,
        config.copies(problem.dynamics.horizon),
        config.device,
        rewards=problem.rewards,
        seed=streams.key("world"),
    )
    num_steps = config.steps_per_copy(problem.dynamics.horizon)
    return Collector(env, num_steps, streams.torch("policy", config.device))


def _progress(
    rollout: Rollout, objective: Objective, policy: NetworkPolicy, count: tuple[int, int]
) -> Progress:
    """Read what a callback is told from the device."""
    weights = objective.weights(rollout.rewards.new_zeros(objective.heads))
    returns, episodes = rollout.mean_return()
    return Progress(
        iteration=count[0],
        iterations=count[1],
        steps=count[0] * rollout.action.numel(),
        episodes=int(episodes),
        returns=returns.cpu().numpy(),
        weights=weights.cpu().numpy(),
        policy=policy,
    )


@torch.no_grad()
def _measure(critic: Critic, objective: Objective, rollout: Rollout, discount: float) -> None:
    """Give the critic its unit, and refuse rewards that are not finite."""
    reward = objective.rewards(rollout)
    if not bool(reward.isfinite().all()):
        raise ValueError("rewards should be finite, the first batch's are not")
    nothing = reward.new_zeros(len(reward) + 1, *reward.shape[1:])
    critic.measure(gae(reward, nothing, rollout.ended, discount, 1.0)[1])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads inside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
