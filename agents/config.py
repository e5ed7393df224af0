"""Settings of PPO, one flat table, for our own and for stable-baselines3's."""

from __future__ import annotations

from dataclasses import dataclass

from multiparty_envs import expect

BATCH = 2_500
FEWEST_COPIES = 64


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """How to train; checked when made.

    Raises:
        ValueError: naming the setting, its value and what is allowed.
        TypeError: when a count is not a whole number.
    """

    total_steps: int = 300_000
    """Environment steps of all copies together. Usual 1e5 to 1e7."""
    num_copies: int | None = None
    """N, copies that are stepped together; None: for a batch of 2,500 steps. Usual 8 to 1024."""
    num_steps: int | None = None
    """T, steps per copy between updates; None: the horizon, at most 128. Usual 32 to 2048."""
    epochs: int = 10
    """Passes over a batch. Usual 3 to 20."""
    minibatches: int = 1
    """Parts of a batch, of whole copies, with a gradient step each. Usual 1 to 32."""
    learning_rate: float = 3e-3
    """Adam's first step size; it falls linearly to zero. Usual 1e-4 to 1e-2."""
    clip: float = 0.2
    """How far the new policy's probability ratio may leave 1. Usual 0.1 to 0.3."""
    gae_lambda: float = 0.95
    """Weight of later steps in the advantage: 0 trusts the critic, 1 the returns."""
    entropy: float = 0.01
    """First weight of the entropy bonus; it falls linearly to zero. Usual 0 to 0.05."""
    value_coefficient: float = 0.5
    """Weight of the critic's squared error."""
    max_gradient_norm: float = 0.5
    """Longer gradients are cut to this length."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the actor and of the critic."""
    weight_rate: float = 3.0
    """Max-min: how far a return moves the logit of its weight, each batch. Usual 0.3 to 10."""
    weight_sharpness: float = 30.0
    """Max-min: inverse temperature of the weights' softmin of present returns. Usual 10 to 100."""
    return_memory: float = 0.7
    """Share of the past in the estimate of the parties' returns. Usual 0.5 to 0.95."""
    averaging: float = 0.3
    """The policy has the mean parameters of this last share of the batches; 0: the last ones."""
    device: str = "cpu"
    """Where everything lives, as torch names it."""
    threads: int = 1
    """torch's threads on a CPU: small networks lose by more than one."""

    def __post_init__(self) -> None:
        self._check_counts()
        for name in ("learning_rate", "clip", "max_gradient_norm"):
            expect.number(getattr(self, name), name=name, low=0.0, open_=True)
        for name in ("entropy", "value_coefficient", "weight_rate", "weight_sharpness"):
            expect.number(getattr(self, name), name=name, low=0.0)
        for name in ("gae_lambda", "return_memory", "averaging"):
            expect.number(getattr(self, name), name=name, low=0.0, high=1.0)

    def _check_counts(self) -> None:
        for name in ("total_steps", "epochs", "minibatches", "threads"):
            expect.integer(getattr(self, name), name=name, low=1)
        for name in ("num_steps", "num_copies"):
            if getattr(self, name) is not None:
                expect.integer(getattr(self, name), name=name, low=1)
        for width in self.hidden:
            expect.integer(width, name="hidden", low=1)
        if self.num_copies is not None:
            expect.integer(self.minibatches, name="minibatches", low=1, high=self.num_copies)

    def steps_per_copy(self, horizon: int) -> int:
        """Return T for a world of that horizon."""
        return min(horizon, 128) if self.num_steps is None else self.num_steps

    def copies(self, horizon: int) -> int:
        """Return N for a world of that horizon."""
        if self.num_copies is not None:
            return self.num_copies
        # few copies would say little about the parties' expected returns
        return max(BATCH // self.steps_per_copy(horizon), FEWEST_COPIES)

    def iterations(self, horizon: int) -> int:
        """Return how many batches of N copies times T steps fit into `total_steps`, at least 1."""
        return max(1, self.total_steps // (self.copies(horizon) * self.steps_per_copy(horizon)))
