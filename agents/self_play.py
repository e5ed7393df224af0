"""Learning from preferences without any reward: self-play preference optimisation [Swamy2024].

A batch of episodes is compared with itself, and PPO raises how often an episode is preferred to
the others, on average over the parties. Where preferences go in circles the policy that learns
goes round with them, but what it did on average over the training comes near the von Neumann
winner, which nothing beats. So the result is a mixture: a policy is drawn for each episode.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from agents.config import PPOConfig
from agents.evaluation import Choosing, tabulate
from agents.networks import NetworkPolicy
from agents.occupancy import World
from agents.ppo import threads
from agents.problem import Problem
from agents.progress import Callback
from agents.trainer import Trainer
from agents.winning import Parties, Preferring, WinRate
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale, Utilitarian

STEADY: dict[str, Any] = {
    "learning_rate": 1e-3,
    "epochs": 4,
    "entropy": 0.1,
    "normalise_advantages": False,
}
"""Settings of PPO that differ in self-play.

Near the winner every advantage vanishes. Divided by their spread they would not, and the policy
would run round in circles to the corners; the entropy bonus, in the same units, then outweighs
them, and both steps and bonus fall linearly to zero.
"""


@final
@dataclass(frozen=True, kw_only=True)
class SelfPlayConfig:
    """How to play; checked when made.

    Raises:
        ValueError: naming the setting, its value and what is allowed.
    """

    opponents: int = 8
    """Other episodes of the batch that each one is compared with. Usual 4 to 32."""
    policies: int = 50
    """Policies in the mixture, evenly spread over the last part of the training."""
    averaging: float = 0.3
    """That last part, as a share of the batches. Usual 0.3 to 0.7."""
    ppo: PPOConfig = field(default_factory=lambda: PPOConfig(**STEADY))
    """How the policy is improved; its own `averaging` is not used."""

    def __post_init__(self) -> None:
        expect.integer(self.opponents, name="opponents", low=1)
        expect.integer(self.policies, name="policies", low=1)
        expect.number(self.averaging, name="averaging", low=0.0, high=1.0, open_=True)
        if self.ppo.kl_coefficient > 0.0:
            raise ValueError("kl_coefficient should be 0 in self-play, which has no reference")


@final
class Mixture:
    """Policies one of which, each as likely as any other, is drawn for every episode.

    Attributes:
        policies: K of them, the last learned last.
    """

    def __init__(self, policies: Sequence[Choosing]) -> None:
        if not policies:
            raise ValueError("a mixture should have a policy at least, has none")
        self.policies = tuple(policies)

    def draw(self, rng: np.random.Generator) -> Choosing:
        """Return the policy of the next episode."""
        return self.policies[rng.integers(len(self.policies))]

    def tabulate(self, mdp: FiniteMDP) -> np.ndarray:
        """Return the table [H, S, A] that does, from each cell and time, what the mixture does.

        The policies count there by how likely they come by. It has the same chances of being in
        a cell and acting so; of whole episodes only where H is 1.
        """
        tables = [tabulate(policy, mdp) for policy in self.policies]
        world = World(mdp)
        visits = np.sum([world.occupancy(table) for table in tables], axis=0)
        plain = np.mean(tables, axis=0)  # where none ever comes
        total = visits.sum(axis=-1, keepdims=True)
        return np.where(total > 0.0, visits / np.where(total > 0.0, total, 1.0), plain)


def train(
    dynamics: Dynamics,
    *,
    config: SelfPlayConfig = SelfPlayConfig(),
    preferring: Preferring | None = None,
    seed: int = 0,
    callback: Callback | None = None,
) -> Mixture:
    """Return a mixture of policies that others are hardly ever preferred to.

    Args:
        dynamics: the world, with spaces as `agents.ppo.train` takes them.
        config: how to play.
        preferring: who compares episodes; None: the world's parties. They see whole episodes, so
            that any choice model will do, circles and short memories included. Episodes with
            other starts are compared too, unless the parties skip such queries.
        seed: of everything random; the same seed gives the same mixture on a CPU.
        callback: told of every batch; its `returns` are the mean sums of features. Training ends
            early where it returns False.

    Raises:
        ValueError: for spaces or settings that do not fit.
    """
    ppo, problem = config.ppo, _problem(dynamics)
    longest = min(dynamics.horizon, ppo.max_episode_steps or dynamics.horizon)
    judge = Parties(dynamics, ppo.device) if preferring is None else preferring
    objective = WinRate(judge, config.opponents, longest, Streams(seed))
    # which episodes ended is asked of the device, and a recorded graph cannot ask
    open_ = dataclasses.replace(ppo, capture=False)
    with threads(ppo.threads):
        trainer = Trainer(problem, open_, Streams(seed), objective=objective)
        return _played(trainer, config, callback)


def _problem(dynamics: Dynamics) -> Problem:
    """Return the problem in which the features of a step stand in the place of its rewards."""
    checked = Problem.of(dynamics, Utilitarian(), "policy", None, None)
    own = Scale.none(dynamics.population.num_features)
    return dataclasses.replace(checked, rewards=_features, scale=own)


def _features(steps: Steps) -> Any:
    return steps.features


def _played(trainer: Trainer, config: SelfPlayConfig, callback: Callback | None) -> Mixture:
    first = int((1.0 - config.averaging) * trainer.iterations)
    last = trainer.iterations - 1
    kept = set(np.linspace(min(first, last), last, config.policies).round().astype(int))
    found: list[NetworkPolicy] = []
    for number in range(trainer.iterations):
        trainer.iterate()
        if number in kept:
            found.append(trainer.agent.policy().copy())
        if callback is not None and callback(trainer.progress()) is False:
            break
    return Mixture(found or [trainer.agent.policy().copy()])
