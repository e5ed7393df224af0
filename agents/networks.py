"""The networks of actor and critic, and the policy that an actor is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from agents import storage
from agents.policy import Policy
from multiparty_envs import expect


@final
class Tanh(nn.Module):
    """The hyperbolic tangent; on a CPU by the sigmoid, of which torch has a faster kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return tanh(x), the same function as 2 sigmoid(2 x) - 1."""
        if x.is_cuda:
            return torch.tanh(x)
        return 2.0 * torch.sigmoid(2.0 * x) - 1.0


def mlp(sizes: Sequence[int], last_gain: float, generator: torch.Generator | None) -> nn.Sequential:
    """Return linear layers with tanh between, orthogonal at first as PPO's references have them.

    Args:
        sizes: widths from input to output.
        last_gain: of the last layer; the others have sqrt(2).
        generator: of the first weights; None leaves them open, for weights that are loaded.
    """
    layers: list[nn.Module] = []
    for place, (width, next_) in enumerate(itertools.pairwise(sizes)):
        last = place == len(sizes) - 2
        # without torch's own first weights, which would draw from the global generator
        linear = nn.utils.skip_init(nn.Linear, width, next_)
        assert isinstance(linear, nn.Linear)
        if generator is not None:
            gain = last_gain if last else math.sqrt(2.0)
            nn.init.orthogonal_(linear.weight, gain, generator=generator)
            nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, Tanh()]
    return nn.Sequential(*layers)


@final
class Critic(nn.Module):
    """A network of values whose outputs are in units of the returns' usual size.

    Args:
        network: [B, O] -> [B, H].
    """

    unit: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("unit", torch.ones(()))

    def forward(self, obs: Tensor) -> Tensor:
        """Return expected returns [B, H]."""
        return self.network(obs) * self.unit

    def measure(self, returns: Tensor) -> None:
        """Let the unit be the root of the mean square of `returns`, or one where all are zero."""
        size = returns.square().mean().sqrt()
        self.unit.copy_(torch.where(size > 0.0, size, 1.0))

    def error(self, obs: Tensor, target: Tensor) -> Tensor:
        """Return the squared error [B], summed over heads, in units."""
        return (self.network(obs) - target / self.unit).square().sum(dim=-1)


@final
class NetworkPolicy(Policy):
    """A softmax policy whose logits a network gives.

    Args:
        observation_size: O.
        num_actions: A.
        hidden: widths of the hidden layers.
        actor: the network [B, O] -> [B, A]; None makes one, to be filled.
    """

    kind = "network"

    def __init__(
        self,
        observation_size: int,
        num_actions: int,
        hidden: Sequence[int],
        actor: nn.Module | None = None,
    ) -> None:
        self.observation_size = expect.integer(observation_size, name="observation_size", low=1)
        self.num_actions = expect.integer(num_actions, name="num_actions", low=1)
        self.hidden = tuple(expect.integer(width, name="hidden", low=1) for width in hidden)
        sizes = (self.observation_size, *self.hidden, self.num_actions)
        self.actor = mlp(sizes, 0.01, None) if actor is None else actor

    @torch.no_grad()
    def _probabilities(self, obs: np.ndarray) -> np.ndarray:
        device = next(self.actor.parameters()).device
        logits = self.actor(torch.as_tensor(obs, device=device))
        # normalised in float64, so that a row sums to one as exactly as planning's own tables
        return torch.softmax(logits.double(), dim=-1).cpu().numpy()

    def _stored(self) -> storage.Stored:
        arrays = {name: value.cpu().numpy() for name, value in self.actor.state_dict().items()}
        settings = {
            "observation_size": self.observation_size,
            "num_actions": self.num_actions,
            "hidden": list(self.hidden),
        }
        return storage.Stored(self.kind, arrays, settings)

    @classmethod
    def _rebuilt(cls, stored: storage.Stored) -> NetworkPolicy:
        policy = cls(**stored.settings)
        weights: dict[str, Any] = {n: torch.from_numpy(a) for n, a in stored.arrays.items()}
        policy.actor.load_state_dict(weights)
        return policy
