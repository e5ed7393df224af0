"""Asking people about what an agent does, where it does it: on its device."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor

from agents.config import PPOConfig
from agents.distribution import Distribution
from agents.distributions import distribution_of
from agents.rollout import Acting
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.tensor import TensorEnv
from multiparty_envs.feedback import Comparisons, Feedback
from multiparty_envs.feedback.device import DeviceEmitter
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.wrappers.accrued import AccruedReturns

WINDOW = 4_096
"""Segments that pairs are taken from, at most."""

PATIENCE = 50
"""Times that people who skip are asked again, before they are given up."""


@final
class Wanderer:
    """Acts at random: every choice equally likely, or normally around the centre of a box."""

    def __init__(self, distribution: Distribution, device: Any) -> None:
        self.distribution, self._device = distribution, device

    @property
    def free(self) -> Tensor:
        """[F] zeros."""
        return torch.zeros(self.distribution.num_free, device=self._device)

    def outputs_now(self) -> Callable[[Tensor], Tensor]:
        """Return zeros [B, K] for whatever is seen."""
        return lambda obs: obs.new_zeros(len(obs), self.distribution.num_outputs)


def listen(
    dynamics: Dynamics,
    feedback: Feedback,
    count: int,
    agent: Acting | None,
    *,
    config: PPOConfig,
    streams: Streams,
) -> Comparisons:
    """Return `count` answers about what an agent does.

    Args:
        dynamics: the world, whose parties answer.
        feedback: about what they are asked, and who.
        count: answers; skipped queries do not count.
        agent: None for one that acts at random.
        config: device and copies.
        streams: everything random.

    Raises:
        RuntimeError: when people skip every query.
    """
    asked = dataclasses.replace(
        feedback,
        budget=None,
        window=max(2, min(count, WINDOW)),
        watched=config.copies(dynamics.horizon),
    )
    env = TensorEnv(
        dynamics,
        asked.watched,
        config.device,
        seed=streams.key("world"),
        max_episode_steps=config.max_episode_steps,
        feedback=asked,
    )
    _wander(
        env,
        agent or Wanderer(distribution_of(dynamics.action_space), config.device),
        asked,
        streams,
    )
    assert env.emitter is not None
    inner = dynamics.inner if isinstance(dynamics, AccruedReturns) else dynamics
    # what parties have got so far, in the rewards of one round, is nothing to learn from
    (seen,) = inner.observation_space.shape or (0,)
    return _answers(env.emitter, count, seen)


def _wander(env: TensorEnv, agent: Acting, asked: Feedback, streams: Streams) -> None:
    """Step the copies until the window is full of whole segments."""
    longest = min(asked.segment_length or env.dynamics.horizon, env.dynamics.horizon)
    steps = longest * -(-asked.window // env.num_copies)
    obs = env.reset()
    key = streams.key("policy")
    draw = Draw.seeded(range(key, key + env.num_copies), "policy").to(env.device)
    chance = agent.distribution.chance(draw, steps)
    with torch.no_grad():
        outputs, sample = agent.outputs_now(), agent.distribution.sample
        for t in range(steps):
            action: Any = agent.distribution.playable(sample(outputs(obs), agent.free, chance[t]))
            obs = env.step(action).obs


def _answers(emitter: DeviceEmitter, count: int, seen: int) -> Comparisons:
    """Ask until there are `count` answers, about the first `seen` entries of observations."""
    heard: list[Comparisons] = []
    for _ in range(PATIENCE):
        missing = count - sum(map(len, heard))
        if not missing:
            return Comparisons.concatenate(heard)
        asked = emitter.ask(missing)
        heard.append(emitter.comparisons(asked._replace(obs=asked.obs[..., :seen])))
    found = sum(map(len, heard))
    raise RuntimeError(f"people skipped: {PATIENCE} times asked, they gave {found} of {count}")
