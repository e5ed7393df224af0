"""What PPO trains: actor and critic, with the running statistics that belong to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from agents.advantages import gae
from agents.config import PPOConfig
from agents.distribution import Distribution
from agents.networks import NetworkPolicy, mlp
from agents.normaliser import Normaliser
from agents.problem import Problem
from agents.rollout import Rollout
from agents.towers import Towers
from multiparty_envs.streams import Streams


@final
class Agent:
    """Actor and critic on one device.

    Args:
        towers: the networks.
        distribution: what the actor's outputs mean.
        observation_size: O.
        config: whether observations and rewards are normalised.

    Attributes:
        unit: [] of the critic's values.
    """

    def __init__(
        self,
        towers: Towers,
        distribution: Distribution,
        observation_size: int,
        config: PPOConfig,
    ) -> None:
        self.towers, self.distribution = towers, distribution
        self._size, self._hidden = observation_size, config.hidden
        device = towers.vector.device
        self.normaliser = (
            Normaliser(observation_size, device) if config.normalise_observations else None
        )
        self._measures = config.normalise_rewards
        self.unit = torch.ones((), device=device)
        self._seen = torch.zeros((), device=device)  # batches that the unit was measured by

    @classmethod
    def new(cls, problem: Problem, heads: int, config: PPOConfig, streams: Streams) -> Agent:
        """Return an agent with its first weights."""
        distribution, size = problem.distribution, problem.observation_size
        towers = Towers(
            inputs=size,
            hidden=config.hidden,
            num_outputs=distribution.num_outputs,
            num_free=distribution.num_free,
            num_values=heads,
            generator=streams.torch("network"),
            device=config.device,
        )
        return cls(towers, distribution, size, config)

    def seen(self, obs: Tensor) -> Tensor:
        """Return obs [..., O] as the networks see them."""
        return obs if self.normaliser is None else self.normaliser.apply(obs)

    @property
    def free(self) -> Tensor:
        """[F] parameters of the distribution that depend on no observation."""
        return self.towers.free

    def outputs_now(self) -> Callable[[Tensor], Tensor]:
        """Return the function from obs [B, O] to outputs [B, K], while nothing is learned."""
        outputs = self.towers.actor_now()
        return outputs if self.normaliser is None else lambda obs: outputs(self.seen(obs))

    def outputs_on_arrays(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the same function on NumPy's arrays, on a CPU."""
        outputs, normaliser = self.towers.actor_on_arrays(), self.normaliser
        if normaliser is None:
            return outputs
        return lambda obs: outputs(normaliser.apply(torch.from_numpy(obs)).numpy())

    def look(self, rollout: Rollout) -> None:
        """Take in a batch's observations, once it has been learned from as it was seen."""
        if self.normaliser is None:
            return
        row = rollout.row[:-1].flatten()
        count = rollout.obs.new_zeros(len(rollout.obs))
        count.index_add_(0, row, torch.ones_like(row, dtype=count.dtype))
        self.normaliser.update(rollout.obs, count / len(row), len(row))

    def measure(self, rewards: Tensor, rollout: Rollout, discount: float) -> None:
        """Let the critic's unit be the running root mean square of the returns.

        One unit serves all heads, so that it leaves their weights alone.

        Args:
            rewards: [T, N, H].
            rollout: the batch.
            discount: of later rewards.
        """
        if not self._measures:
            return
        nothing = torch.zeros_like(rewards)
        returns = gae(rewards, nothing, nothing, rollout.ended, discount=discount, decay=1.0)[1]
        size = returns.square().mean()
        trust = 1.0 / (self._seen + 1.0)
        square = (1.0 - trust) * self.unit.square() + trust * size
        self.unit = torch.where(square > 0.0, square.sqrt(), self.unit)
        self._seen = self._seen + (size > 0.0)

    def policy(self, vector: Tensor | None = None) -> NetworkPolicy:
        """Return the policy with the parameters `vector` [P], or with its own, as they change."""
        own = self.towers.vector if vector is None else vector
        layers, free = self.towers.actor(own)
        sizes = (self._size, *self._hidden, self.distribution.num_outputs)
        actor = mlp(sizes)
        for part, (weight, bias) in zip(list(actor)[::2], layers, strict=True):
            part.weight, part.bias = nn.Parameter(weight.T), nn.Parameter(bias)
        return NetworkPolicy(
            self._size,
            self.distribution,
            self._hidden,
            actor=actor,
            free=free,
            normaliser=self.normaliser,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return parameters and statistics by name."""
        found = {"vector": self.towers.vector, "unit": self.unit, "seen": self._seen}
        if self.normaliser is not None:
            found |= {f"normaliser.{n}": t for n, t in self.normaliser.tensors().items()}
        return found

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from the statistics of `tensors`; the parameters stay in their place."""
        self.unit, self._seen = tensors["unit"], tensors["seen"]
        if self.normaliser is not None:
            start = "normaliser."
            inner = {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
            self.normaliser.put(inner)
