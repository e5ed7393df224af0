"""Policies carried over from stable-baselines3 and to it, without its pickle files."""

from __future__ import annotations

import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from agents.distributions import distribution_of
from agents.gaussian import Gaussian
from agents.networks import Affine, NetworkPolicy, mlp


def from_sb3(model: OnPolicyAlgorithm) -> NetworkPolicy:
    """Return the policy of an on-policy model of stable-baselines3 as one of ours.

    Its weights are then saved and loaded without pickle, which its own files need.

    Raises:
        ValueError: when it is not an "MlpPolicy" with tanh and Discrete, MultiDiscrete or flat Box
            actions.
    """
    linear = _linear(model)
    distribution = distribution_of(model.action_space)
    widths = [part.out_features for part in linear]
    actor = mlp((linear[0].in_features, *widths))
    for own, theirs in zip(list(actor)[::2], linear, strict=True):
        own.load_state_dict(theirs.state_dict())
    free = torch.zeros(distribution.num_free)
    if isinstance(distribution, Gaussian):
        centre, half = distribution.units()
        free = model.policy.log_std.detach().cpu() - half.log()
        _shift(actor[-1], -centre / half, 1.0 / half)
    size = linear[0].in_features
    return NetworkPolicy(size, distribution, widths[:-1], actor=actor, free=free)


def to_sb3(policy: NetworkPolicy, model: OnPolicyAlgorithm) -> None:
    """Give a model of stable-baselines3 the actor of one of our policies; its critic stays.

    Raises:
        ValueError: when the model's policy is of another kind or shape, or ours normalises
            observations, which its policies leave to a wrapper.
    """
    if policy.normaliser is not None:
        raise ValueError("policy should not normalise observations; stable-baselines3's do not")
    linear = _linear(model)
    own = [part for part in policy.actor.modules() if isinstance(part, Affine)]
    shapes = [[tuple(part.weight.shape) for part in parts] for parts in (own, linear)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"the model's actor should have layers {shapes[0]}, has {shapes[1]}")
    for theirs, ours in zip(linear, own, strict=True):
        theirs.load_state_dict(ours.state_dict())
    if isinstance(policy.distribution, Gaussian):
        centre, half = policy.distribution.units()
        model.policy.log_std.data.copy_(policy.free.cpu() + half.log())
        _shift(linear[-1], centre, half)


def _shift(layer: nn.Module, shift: Tensor, unit: Tensor) -> None:
    """Let a layer's outputs be `unit` times what they were, plus `shift`."""
    assert isinstance(layer, Affine | nn.Linear)
    device = layer.weight.device
    layer.weight.data *= unit.to(device)[:, None]
    layer.bias.data.mul_(unit.to(device)).add_(shift.to(device))


def _linear(model: OnPolicyAlgorithm) -> list[nn.Linear]:
    """Return the linear layers of the actor."""
    policy = model.policy
    if not isinstance(policy, ActorCriticPolicy) or not isinstance(policy.action_net, nn.Linear):
        raise ValueError(f"only an MlpPolicy can be carried over, not {policy}")
    layers = [*policy.mlp_extractor.policy_net, policy.action_net]
    linear = [part for part in layers[::2] if isinstance(part, nn.Linear)]
    if len(linear) != len(layers[::2]):
        raise ValueError(f"the policy should be linear layers with tanh between, is {layers}")
    if not all(isinstance(part, nn.Tanh) for part in layers[1::2]):
        raise ValueError(f"the policy's activations should be tanh, are {layers[1::2]}")
    return linear
