"""Settings of stable-baselines3's PPO, and what they are called here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from agents.config import PPOConfig


@final
@dataclass(frozen=True, kw_only=True)
class SB3Settings:
    """The settings that races and parity vary, under stable-baselines3's own names and defaults.

    Attributes:
        n_envs: N.
        n_steps: T.
        batch_size: steps of a gradient step.
        n_epochs: passes over a batch.
        learning_rate: at first.
        falling: whether learning rate and clipping range fall linearly to zero.
        clip_range: at first.
        gae_lambda: weight of later steps in the advantage.
        gamma: discount that the learner uses.
        ent_coef: weight of the entropy bonus.
        net_arch: widths of the hidden layers of actor and critic.
        max_grad_norm: longest gradient; ours cuts actor and critic each on its own.
    """

    n_envs: int = 1
    n_steps: int = 2048
    batch_size: int = 64
    n_epochs: int = 10
    learning_rate: float = 3e-4
    falling: bool = False
    clip_range: float = 0.2
    gae_lambda: float = 0.95
    gamma: float = 0.99
    ent_coef: float = 0.0
    net_arch: tuple[int, ...] = (64, 64)
    max_grad_norm: float = 0.5

    def keywords(self) -> Mapping[str, Any]:
        """Return what stable-baselines3's PPO is called with, the environment aside."""
        given = {
            name: getattr(self, name)
            for name in ("n_steps", "batch_size", "n_epochs", "gae_lambda", "gamma", "ent_coef")
        }
        given["max_grad_norm"] = self.max_grad_norm
        given["policy_kwargs"] = {"net_arch": list(self.net_arch)}
        return {
            **given,
            "learning_rate": _schedule(self.learning_rate, self.falling),
            "clip_range": _schedule(self.clip_range, self.falling),
        }


ZOO = SB3Settings(
    n_envs=8,
    n_steps=32,
    batch_size=256,
    n_epochs=20,
    learning_rate=1e-3,
    falling=True,
    gae_lambda=0.8,
    gamma=0.98,
)
"""Those of rl-zoo3 for CartPole-v1."""


def as_config(settings: SB3Settings, total_steps: int, **changes: Any) -> PPOConfig:
    """Return the same settings for our PPO.

    The discount is the world's: `gamma` has no effect.

    Args:
        settings: of stable-baselines3.
        total_steps: of the training.
        changes: settings of ours that it does not know, or that are to differ.

    Raises:
        ValueError: when minibatches would not be of equal size.
    """
    batch = settings.n_envs * settings.n_steps
    minibatches, rest = divmod(batch, settings.batch_size)
    if rest or not minibatches:
        raise ValueError(
            f"batch_size should cut n_envs * n_steps into equal parts, is {settings.batch_size} "
            f"of {settings.n_envs} * {settings.n_steps}"
        )
    schedule = "linear" if settings.falling else "constant"
    given: dict[str, Any] = {
        "total_steps": total_steps,
        "num_copies": settings.n_envs,
        "num_steps": settings.n_steps,
        "minibatches": minibatches,
        "epochs": settings.n_epochs,
        "learning_rate": settings.learning_rate,
        "schedule": schedule,
        "clip": settings.clip_range,
        "clip_schedule": schedule,
        "gae_lambda": settings.gae_lambda,
        "entropy": settings.ent_coef,
        "hidden": settings.net_arch,
        "max_gradient_norm": settings.max_grad_norm,
        "averaging": 0.0,  # it takes the last parameters
    }
    return PPOConfig(**{**given, **changes})


def _schedule(first: float, falling: bool) -> Any:
    return (lambda left: first * left) if falling else first
