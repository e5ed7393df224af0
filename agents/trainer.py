"""A training by PPO, batch by batch: `Trainer.iterate` is the story.

Its steps are in `rollout` (experience), `advantages`, `objective` (welfare) and `update`.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from agents.actor import Agent
from agents.advantages import gae
from agents.batch import Batch, Samples
from agents.capture import Replay
from agents.config import PPOConfig
from agents.keeper import Keeper
from agents.networks import NetworkPolicy
from agents.objective import EpisodeLevel, Objective, PolicyLevel, StepLevel
from agents.optimiser import RunningMean
from agents.problem import Problem
from agents.progress import Callback, Progress
from agents.reference import Reference
from agents.rollout import Collector, Rollout, StepCollector
from agents.table_rollout import TableCollector
from agents.table_update import TableUpdater, fits
from agents.update import METRICS, Outcome, Rates, Updater
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.faces.tensor import TensorEnv
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.welfare import MaxMin
from multiparty_envs.welfare.scale import Scale
from multiparty_envs.wrappers.weighting import ARMS, weighting


@final
class Trainer:
    """A training that can be stopped after any batch, stored, and gone on with.

    Everything that changes is a tensor that stays in its place, by name in `tensors`.

    Args:
        problem: what to train for.
        config: how.
        streams: everything random.
        reference: the policy that `config.kl_coefficient` keeps it near; None: its first self.
        objective: what is to rise in place of the problem's welfare.
    """

    def __init__(
        self,
        problem: Problem,
        config: PPOConfig,
        streams: Streams,
        reference: NetworkPolicy | None = None,
        objective: Objective | None = None,
    ) -> None:
        self.problem, self.config, self.streams = problem, config, streams
        horizon = problem.dynamics.horizon
        self.iterations, self.batch_size = config.iterations(horizon), config.batch_size(horizon)
        self.number = torch.zeros((), dtype=torch.int64, device=config.device)
        self.objective = objective or _objective(problem, config, self.iterations, self.number)
        heads = self.objective.heads + (config.kl_coefficient > 0.0)
        self.agent = Agent.new(problem, heads, config, streams)
        self.reference = _reference(self.agent, reference, config)
        self._collector = _collector(problem, config, streams)
        self.updater = self._updater()
        self._late = RunningMean(self.agent.towers.vector)
        orders = range(streams.key("orders"), streams.key("orders") + self.batch_size)
        self._orders = torch.tensor(orders, device=config.device)
        self._kept: dict[str, Tensor] = {}
        self._told: dict[str, Tensor] = {}
        self._work = Replay(self._iterate, config.device, config.capture)
        self._live = self.agent.policy()  # its parameters are the agent's, as they change

    def _updater(self) -> Updater | TableUpdater:
        towers, distribution = self.agent.towers, self.agent.distribution
        if self._collector.distinct and fits(distribution, self.config):
            return TableUpdater(towers, distribution.num_outputs, self.config)
        return Updater(towers, distribution, self.config)

    @property
    def iteration(self) -> int:
        """Batches done; asks the device."""
        return int(self.number)

    def run(self, callback: Callback | None = None, keep: Keeper | None = None) -> None:
        """Train to the end, or until the callback returns False.

        Args:
            callback: told of every batch.
            keep: stores the training now and then.
        """
        for number in range(self.iteration, self.iterations):
            self.iterate()
            if keep is not None:
                keep(number + 1 == self.iterations)
            if callback is not None and callback(self.progress()) is False:
                return

    def iterate(self) -> None:
        """Collect a batch and learn from it, without waiting for the device.

        Raises:
            ValueError: when the first batch's rewards are not finite.
        """
        first = not self._told
        self._work()
        if first and not self.number.is_meta and not bool(self._told["finite"]):
            raise ValueError("rewards should be finite, the first batch's are not")

    def _iterate(self) -> None:
        rollout = self._collector.collect(self.agent, self.number)
        self.objective.measure(rollout)
        batch = self._digest(rollout)
        draw = Draw(self._orders, self.number.expand(len(self._orders)))
        weights = self._weights
        if self.objective.steady:  # then they need not be asked for at every step
            weights = self._weights(torch.zeros_like(batch.spread))
        outcome = self.updater.improve(batch, weights, self._rates(), draw)
        self.objective.predict(outcome.change[: self.objective.heads])
        self.agent.look(rollout)
        start = (1.0 - self.config.averaging) * self.iterations
        self._late.add((self.number >= start).float())
        self._tell(rollout, batch, outcome)
        self.number += 1
        self._hold()

    @torch.no_grad()
    def _digest(self, rollout: Rollout) -> Batch:
        """Turn experience into advantages and targets."""
        agent, row = self.agent, rollout.row[:-1]
        obs = agent.seen(rollout.obs)
        seen = agent.towers.forward(obs)
        chances = agent.distribution.at(seen.outputs, agent.towers.free)
        action = rollout.action.flatten(0, 1)
        log_before = chances.log_prob(row.flatten(), action)
        rewards = self.objective.rewards(rollout)
        if self.reference is not None:
            ratio = self.reference.log_ratio(rollout.obs, row.flatten(), action, log_before)
            nats = ratio.mean() * rollout.mean_length()
            self.reference.aim(nats)
            rewards = torch.cat([rewards, -ratio.view(*row.shape, 1)], dim=2)
        agent.measure(rewards, rollout, self._discount)
        values = seen.values.index_select(0, rollout.row.flatten()) * agent.unit
        values = values.view(*rollout.row.shape, -1)
        following = self._following(rollout, values)
        advantage, target = gae(
            rewards,
            values[:-1],
            following,
            rollout.ended,
            discount=self._discount,
            decay=self.config.gae_lambda,
        )
        advantage = advantage.flatten(0, 1)
        advantage -= advantage.mean(dim=0)
        single = len(obs) == rollout.row.numel() and not self._collector.distinct
        samples = Samples(
            obs[: row.numel()] if single else obs,
            row.flatten(),
            action,
            log_before,
            advantage,
            (target / agent.unit).flatten(0, 1),
            (values[:-1] / agent.unit).flatten(0, 1),
            single,
        )
        return Batch(samples, advantage.square().mean(dim=0).sqrt(), rollout.mean_length())

    def _following(self, rollout: Rollout, values: Tensor) -> Tensor:
        """Return the values [T, N, H] of what came after each step; 0 after an end."""
        over = rollout.ended if self.objective.cut_is_end else rollout.terminated
        following = values[1:]
        if rollout.after is not None:
            # of a copy that was cut, the next state is its next episode's
            last = self.agent.towers.values(self.agent.seen(rollout.after.flatten(0, 1)))
            following = (last * self.agent.unit).view(*over.shape, -1)
        return following * ~over[..., None]

    @property
    def _discount(self) -> float:
        """Of later rewards; none for W(G), whose G are discounted already."""
        return 1.0 if self.objective.cut_is_end else self.problem.dynamics.discount

    def _weights(self, change: Tensor) -> Tensor:
        """Return the weights [H] of all heads."""
        if self.reference is None:
            return self.objective.weights(change)
        own = self.objective.weights(change[:-1])
        return torch.cat([own, self.reference.price[None]])

    def _rates(self) -> Rates:
        """Return what shrinks, as it is now."""
        config, one = self.config, self.number.new_ones((), dtype=torch.float32)
        left = 1.0 - self.number / self.iterations
        falling = left if config.schedule == "linear" else one
        clip = left if config.clip_schedule == "linear" else one
        return Rates(config.learning_rate * falling, config.entropy * falling, config.clip * clip)

    def _tell(self, rollout: Rollout, batch: Batch, outcome: Outcome) -> None:
        """Leave what a callback may want to know."""
        heads = rollout.rewards.new_zeros(self.objective.heads)
        returns, episodes = rollout.mean_return()
        # of the critic, in its units, before it learned from the batch
        error = (batch.samples.target - batch.samples.value_before).square().mean()
        self._told = {
            "value_error": error,
            "returns": returns,
            "episodes": episodes,
            "weights": self.objective.weights(heads),
            "metrics": outcome.metrics,
            "finite": rollout.rewards.isfinite().all(),
        }
        if self.reference is not None:
            self._told["price"] = self.reference.price

    def progress(self) -> Progress:
        """Return what the last batch was like; asks the device."""
        told = {name: value.cpu().numpy() for name, value in self._told.items()}
        metrics: dict[str, float] = dict(zip(METRICS, told["metrics"].tolist(), strict=True))
        metrics["value_error"] = float(told["value_error"])
        if "price" in told:
            metrics["kl_price"] = float(told["price"])
        return Progress(
            iteration=self.iteration,
            iterations=self.iterations,
            steps=self.iteration * self.batch_size,
            returns=told["returns"],
            weights=told["weights"],
            policy=self._live,
            metrics=metrics,
            episodes=int(told["episodes"]),
        )

    def policy(self) -> NetworkPolicy:
        """Return the policy with its mean parameters of the last batches."""
        return self.agent.policy(self._late.value()).copy()

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that changes, by name."""
        fixed = {"optimiser": self.updater.optimiser, "late": self._late}
        found = {"number": self.number}
        for name, part in {**fixed, **self._movable()}.items():
            found |= {f"{name}.{key}": value for key, value in part.tensors().items()}
        return found

    def _movable(self) -> dict[str, Any]:
        """Return the parts that replace their tensors as they go."""
        parts = {
            "agent": self.agent,
            "objective": self.objective,
            "collector": self._collector,
            "reference": self.reference,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def _hold(self) -> None:
        """Bring everything that was replaced back to its place."""
        for name, value in self.tensors().items():
            place = self._kept.setdefault(name, value)
            if place is not value:
                place.copy_(value)
        self._place()

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` of an equal training were taken."""
        own = self.tensors()
        for name, value in tensors.items():
            # what the first batch makes, or makes larger, has no place yet
            fits = name in own and own[name].shape == value.shape
            new = own[name] if fits else torch.empty_like(value, device=self.number.device)
            self._kept.setdefault(name, new).copy_(value)
        self._place()

    def _place(self) -> None:
        for name, part in self._movable().items():
            start = f"{name}."
            inner = {k[len(start) :]: v for k, v in self._kept.items() if k.startswith(start)}
            part.put(inner)

    def relabel(self, rewards: RewardLearner, scale: Scale | None, name: str) -> None:
        """Go on with other learned rewards; episodes and estimates of returns begin anew.

        Args:
            rewards: a fitted learner.
            scale: the units in which parties are compared.
            name: of the streams from here on.

        Raises:
            ValueError: when they are of another number of parties.
        """
        old = self.problem
        problem = Problem.of(old.world, old.welfare, old.level, rewards, scale)
        have, want = len(problem.scale.unit), len(old.scale.unit)
        if have != want:
            raise ValueError(f"rewards should be of {want} parties, are of {have}")
        self.problem = problem
        self.objective = _objective(self.problem, self.config, self.iterations, self.number)
        self._collector = _collector(self.problem, self.config, self.streams.child(name))
        self._kept, self._told = {}, {}
        self._work = Replay(self._iterate, self.config.device, self.config.capture)


def _objective(problem: Problem, config: PPOConfig, settles: int, like: Tensor) -> Objective:
    arm = config.max_min
    if problem.level == "step":
        return StepLevel(problem.welfare, problem.scale)
    per_sample = isinstance(problem.welfare, MaxMin) and arm == "per-sample"
    if problem.level == "episode" or per_sample:
        return EpisodeLevel(problem.welfare, problem.scale)
    weights = weighting(
        problem.welfare,
        config.weight_rate,
        config.weight_sharpness,
        ARMS[0] if arm == "per-sample" else arm,
        settles,
    )
    return PolicyLevel(problem.scale, weights, config.return_memory, like)


def _reference(agent: Agent, given: NetworkPolicy | None, config: PPOConfig) -> Reference | None:
    if config.kl_coefficient == 0.0:
        return None
    policy = (agent.policy() if given is None else given).copy().to(config.device)
    sizes = [(p.observation_size, p.num_actions) for p in (policy, agent.policy())]
    if sizes[0] != sizes[1]:
        raise ValueError(f"reference should have (O, K) {sizes[1]}, has {sizes[0]}")
    return Reference(policy, config.kl_coefficient, config.kl_target, agent.towers.vector)


def _collector(problem: Problem, config: PPOConfig, streams: Streams) -> Collector:
    world = problem.dynamics
    copies, num_steps = config.copies(world.horizon), config.steps_per_copy(world.horizon)
    policy_seed, seed = streams.key("policy"), streams.key("world")
    cut: dict[str, Any] = {"max_episode_steps": config.max_episode_steps}
    if isinstance(world, FiniteMDP) and torch.device(config.device).type == "cpu":
        return TableCollector(
            world,
            copies,
            num_steps,
            policy_seed,
            world_seed=seed,
            rewards=problem.rewards,
            **cut,
        )
    env = TensorEnv(world, copies, config.device, rewards=problem.rewards, seed=seed, **cut)
    return StepCollector(env, num_steps, policy_seed)
