"""The policy that a network is, with what it needs to be used: distribution and normaliser."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from agents import storage
from agents.distribution import Distribution
from agents.distributions import distribution_from
from agents.normaliser import Normaliser
from agents.policy import Policy
from multiparty_envs import expect


@final
class Tanh(nn.Module):
    """The hyperbolic tangent; on a CPU by the sigmoid, of which torch has a faster kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return tanh(x)."""
        return torch.tanh(x) if x.is_cuda else 2.0 * torch.sigmoid(2.0 * x) - 1.0


@final
class Affine(nn.Module):
    """A linear layer whose weights are still open.

    Torch's own would draw its first weights from the global generator, and take a millisecond.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(after, before))
        self.bias = nn.Parameter(torch.empty(after))

    def forward(self, x: Tensor) -> Tensor:
        """Return x @ weight.T + bias."""
        return nn.functional.linear(x, self.weight, self.bias)


def mlp(sizes: Sequence[int]) -> nn.Sequential:
    """Return linear layers with tanh between, whose weights are still open.

    Args:
        sizes: widths from input to output.
    """
    layers: list[nn.Module] = []
    for width, next_ in itertools.pairwise(sizes):
        layers += [Affine(width, next_), Tanh()]
    return nn.Sequential(*layers[:-1])


@final
class NetworkPolicy(Policy):
    """A policy whose distribution over actions a network gives.

    Args:
        observation_size: O.
        distribution: what the network's outputs mean.
        hidden: widths of the hidden layers.
        actor: the network [B, O] -> [B, K]; None makes one, to be filled.
        free: [F], parameters that depend on no observation; None makes some, to be filled.
        normaliser: of the observations; None: they are taken as they are.
    """

    kind = "network"

    def __init__(
        self,
        observation_size: int,
        distribution: Distribution,
        hidden: Sequence[int],
        *,
        actor: nn.Module | None = None,
        free: Tensor | None = None,
        normaliser: Normaliser | None = None,
    ) -> None:
        self.observation_size = expect.integer(observation_size, name="observation_size", low=1)
        self.distribution = distribution
        self.num_actions = distribution.num_outputs
        self.hidden = tuple(expect.integer(width, name="hidden", low=1) for width in hidden)
        sizes = (self.observation_size, *self.hidden, distribution.num_outputs)
        self.actor = mlp(sizes) if actor is None else actor
        self.free = torch.zeros(distribution.num_free) if free is None else free
        self.normaliser = normaliser

    @torch.no_grad()
    def outputs(self, obs: Tensor) -> Tensor:
        """Return the network's outputs [B, K] for observations [B, O] on its device."""
        return self.actor(obs if self.normaliser is None else self.normaliser.apply(obs))

    @torch.no_grad()
    def act(self, obs: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return actions [B, *A]: drawn with `rng`, or without it the likeliest ones."""
        if self.distribution.kind == "categorical" and self.distribution.settings()["flat"]:
            return super().act(obs, rng)
        outputs = self.outputs(self._placed(obs))
        if rng is None:
            action = self.distribution.likeliest(outputs)
        else:
            chance = self.distribution.chance_of(rng, len(outputs))
            there = torch.as_tensor(chance, dtype=outputs.dtype, device=outputs.device)
            action = self.distribution.sample(outputs, self.free, there)
        return self.distribution.playable(action).cpu().numpy()

    def probabilities(self, obs: Any) -> np.ndarray:
        """Return the chances [B, A] float64 of the actions, for observations [B, O].

        Raises:
            TypeError: when actions are not Discrete.
            ValueError: when the observations have another shape.
        """
        if self.distribution.kind != "categorical" or not self.distribution.settings()["flat"]:
            raise TypeError("only policies over Discrete actions have chances for each action")
        return super().probabilities(obs)

    def _placed(self, obs: Any) -> Tensor:
        seen = np.asarray(obs, dtype=np.float32)
        expect.shape(seen, None, self.observation_size, name="obs")
        return torch.as_tensor(seen, device=self.free.device)

    def _probabilities(self, obs: np.ndarray) -> np.ndarray:
        outputs = self.outputs(self._placed(obs))
        # normalised in float64, so that a row sums to one as exactly as planning's own tables
        return torch.softmax(outputs.double(), dim=-1).cpu().numpy()

    def copy(self) -> NetworkPolicy:
        """Return the policy as it is now, whatever becomes of this one."""
        return copy.deepcopy(self)

    def to(self, device: Any) -> NetworkPolicy:
        """Move to a device; returns itself."""
        self.actor.to(device)
        self.free = self.free.to(device)
        if self.normaliser is not None:
            self.normaliser.to(device)
        return self

    def _stored(self) -> storage.Stored:
        arrays = {name: value.cpu().numpy() for name, value in self.actor.state_dict().items()}
        arrays["free"] = self.free.cpu().numpy()
        if self.normaliser is not None:
            for name, value in self.normaliser.tensors().items():
                arrays[f"normaliser.{name}"] = value.cpu().numpy()
        settings = {
            "observation_size": self.observation_size,
            "hidden": list(self.hidden),
            "distribution": [self.distribution.kind, self.distribution.settings()],
        }
        # copied: a network in training goes on changing what its arrays are views of
        return storage.Stored(self.kind, {n: a.copy() for n, a in arrays.items()}, settings)

    @classmethod
    def _rebuilt(cls, stored: storage.Stored) -> NetworkPolicy:
        settings = dict(stored.settings)
        distribution = distribution_from(*settings.pop("distribution"))
        arrays = {name: torch.from_numpy(array) for name, array in stored.arrays.items()}
        normaliser, free = Normaliser.pop(arrays, "normaliser."), arrays.pop("free")
        policy = cls(distribution=distribution, free=free, normaliser=normaliser, **settings)
        policy.actor.load_state_dict(arrays)
        return policy
