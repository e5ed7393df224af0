"""Settings of PPO, one flat table, for our own and for stable-baselines3's."""

from __future__ import annotations

from dataclasses import dataclass

from multiparty_envs import expect
from multiparty_envs.wrappers.weighting import ARMS

BATCH = 2_500
FEWEST_COPIES = 64
SCHEDULES = ("linear", "constant")


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
    max_episode_steps: int | None = None
    """Episodes are cut (truncated) after so many steps, and bootstrapped there; None: never."""
    epochs: int = 10
    """Passes over a batch. Usual 3 to 20."""
    minibatches: int = 1
    """Parts of a batch with a gradient step each, drawn anew each pass. Usual 1 to 32."""
    learning_rate: float = 3e-3
    """Adam's first step size. Usual 1e-4 to 1e-2."""
    schedule: str = "linear"
    """Step size and entropy bonus: "linear" to zero, or "constant"."""
    clip: float = 0.2
    """How far the new policy's probability ratio may leave 1. Usual 0.1 to 0.3."""
    clip_schedule: str = "constant"
    """The same of `clip`."""
    value_clip: float | None = None
    """How far a value may leave the last batch's, in units of the critic; None: anywhere."""
    target_kl: float | None = None
    """A batch is left when the policy is further from the one that acted; None: never. 0.01-0.1."""
    gae_lambda: float = 0.95
    """Weight of later steps in the advantage: 0 trusts the critic, 1 the returns."""
    normalise_advantages: bool = True
    """Divide advantages by their spread over the batch."""
    normalise_observations: bool = False
    """Shift and scale observations by their running mean and spread, which the policy keeps."""
    normalise_rewards: bool = True
    """Predict values in units of the returns' running size, one unit for all parties."""
    entropy: float = 0.01
    """First weight of the entropy bonus. Usual 0 to 0.05."""
    kl_coefficient: float = 0.0
    """Price of a nat away from the reference policy, in units of the welfare; 0: none."""
    kl_target: float | None = None
    """Let the price move so that an episode is so many nats away; None: the price stays."""
    value_coefficient: float = 0.5
    """Weight of the critic's squared error."""
    max_gradient_norm: float = 0.5
    """Longer gradients, of the actor or of the critic, are cut to this length."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers, of the actor and of the critic."""
    max_min: str = "exponentiated"
    """How max-min weighs parties: "exponentiated", "softmin", "argmin" or "per-sample"."""
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
    capture: bool = True
    """On a CUDA device: record a batch's work once and replay it (a CUDA graph)."""

    def __post_init__(self) -> None:
        self._check_counts()
        for name in ("learning_rate", "clip", "max_gradient_norm"):
            expect.number(getattr(self, name), name=name, low=0.0, open_=True)
        for name in ("value_clip", "target_kl", "kl_target"):
            if getattr(self, name) is not None:
                expect.number(getattr(self, name), name=name, low=0.0, open_=True)
        weights = ("entropy", "kl_coefficient", "value_coefficient")
        for name in (*weights, "weight_rate", "weight_sharpness"):
            expect.number(getattr(self, name), name=name, low=0.0)
        for name in ("gae_lambda", "return_memory", "averaging"):
            expect.number(getattr(self, name), name=name, low=0.0, high=1.0)
        for name in ("schedule", "clip_schedule"):
            expect.choice(getattr(self, name), SCHEDULES, name=name)
        expect.choice(self.max_min, ARMS, name="max_min")
        if self.kl_target is not None and self.kl_coefficient == 0.0:
            raise ValueError("kl_target should come with a kl_coefficient above 0 to start from")

    def _check_counts(self) -> None:
        for name in ("total_steps", "epochs", "minibatches", "threads"):
            expect.integer(getattr(self, name), name=name, low=1)
        for name in ("num_steps", "num_copies", "max_episode_steps"):
            if getattr(self, name) is not None:
                expect.integer(getattr(self, name), name=name, low=1)
        for width in self.hidden:
            expect.integer(width, name="hidden", low=1)

    def steps_per_copy(self, horizon: int) -> int:
        """Return T for a world of that horizon."""
        return min(horizon, 128) if self.num_steps is None else self.num_steps

    def copies(self, horizon: int) -> int:
        """Return N for a world of that horizon."""
        if self.num_copies is not None:
            return self.num_copies
        # few copies would say little about the parties' expected returns
        return max(BATCH // self.steps_per_copy(horizon), FEWEST_COPIES)

    def batch_size(self, horizon: int) -> int:
        """Return N times T.

        Raises:
            ValueError: when a batch has fewer steps than minibatches.
        """
        size = self.copies(horizon) * self.steps_per_copy(horizon)
        expect.integer(self.minibatches, name="minibatches", low=1, high=size)
        return size

    def iterations(self, horizon: int) -> int:
        """Return how many batches of N copies times T steps fit into `total_steps`, at least 1."""
        return max(1, self.total_steps // self.batch_size(horizon))
