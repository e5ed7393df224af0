"""The gradient steps of PPO, with the slope of its loss written out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

from agents.batch import Batch, Part, Samples
from agents.config import PPOConfig
from agents.distribution import Chances, Distribution
from agents.optimiser import FlatAdam
from agents.towers import Towers
from multiparty_envs.streams import Draw

METRICS = ("kl", "entropy", "clip_fraction")
"""What is measured after the gradient steps of a batch: divergence from the policy that acted,
entropy, share of the samples whose ratio left the clip range."""

WeightsOf = Callable[[Tensor], Tensor] | Tensor


class Rates(NamedTuple):
    """What shrinks as training goes on, [] each."""

    learning: Tensor
    entropy: Tensor
    clip: Tensor


class Outcome(NamedTuple):
    """What the gradient steps of a batch have done."""

    change: Tensor  # [H] predicted change of the heads' expected returns
    metrics: Tensor  # [len(METRICS)]


def surrogate(ratio: Tensor, advantage: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Return the slope [B] of PPO's lower bound for each sample's log-probability.

    The bound is min(ratio A, clip(ratio) A) [Schulman2017, eq. 7]: its slope is ratio A, but zero
    where the ratio has left [low, high] in the direction that pays.
    """
    gain = ratio * advantage
    # NaN, of a ratio that overflowed, is no gain
    return torch.where(gain <= torch.clamp(ratio, low, high) * advantage, gain, 0.0)


def value_slope(part: Part, values: Tensor, clip: float | None) -> Tensor:
    """Return the slope [U, H] of the critic's mean squared error, summed over heads.

    Args:
        part: what it should have said.
        values: [U, H] what it says, in its units.
        clip: how far a value may leave the last batch's; None: anywhere. The larger of the errors
            of the value and of the bounded one counts, as in PPO's first implementation.
    """
    if clip is None:
        # the mean over steps of (v - target)^2 has the slope of that of the mean targets
        share = part.share[:, None] if isinstance(part.share, Tensor) else part.share
        return (values - part.target).mul_(2.0 * share)
    samples = part.samples
    value, before = values.index_select(0, samples.row), samples.value_before
    bounded = before + (value - before).clamp(-clip, clip)
    error = value - samples.target
    counts = (error.abs() >= (bounded - samples.target).abs()) | (bounded == value)
    each = torch.where(counts, error, 0.0) * (2.0 / len(samples.row))
    return torch.zeros_like(values).index_add_(0, samples.row, each)


def divergence(ratio: Tensor) -> Tensor:
    """Return an estimate [] of KL(acted, now) from probability ratios [B]: never negative.

    Source: [Schulman2020], the third estimator.
    """
    return ((ratio - 1.0) - ratio.log()).mean()


@final
class Updater:
    """Takes gradient steps.

    Args:
        towers: actor and critic, are changed.
        distribution: what the actor's outputs mean.
        config: how to learn.
    """

    def __init__(self, towers: Towers, distribution: Distribution, config: PPOConfig) -> None:
        self.towers, self.distribution, self.config = towers, distribution, config
        norm = config.max_gradient_norm
        self.optimiser = FlatAdam(towers.vector, towers.gradient, towers.split, norm)

    @torch.no_grad()
    def improve(self, batch: Batch, weights: WeightsOf, rates: Rates, draw: Draw) -> Outcome:
        """Take the gradient steps of one batch.

        Args:
            batch: what was learned.
            weights: from a change of the heads' expected returns [H] to their weights [H]; or
                weights [H] that do not change.
            rates: as they are now.
            draw: [B] draws orders of the samples.
        """
        limit = self.config.target_kl
        going = None if limit is None else torch.ones_like(rates.learning)
        low, high = 1.0 - rates.clip, 1.0 + rates.clip
        weighed = batch
        if isinstance(weights, Tensor):
            once = self._advantage(batch, batch.samples, weights)
            weighed = batch._replace(samples=batch.samples._replace(advantage=once))
        for part in weighed.passes(self.config.epochs, self.config.minibatches, draw):
            samples, seen = part.samples, self.towers.forward(part.samples.obs)
            chances = self.distribution.at(seen.outputs, self.towers.free)
            ratio = _ratio(chances, samples)
            if limit is not None and going is not None:
                going = going * (divergence(ratio) <= limit)
                if going.device.type == "cpu" and not bool(going):
                    break  # where looking costs nothing, the rest need not be computed
            advantage = samples.advantage
            if not isinstance(weights, Tensor):
                now = weights(batch.change(samples, ratio))
                advantage = self._advantage(batch, samples, now)
            of_log = surrogate(ratio, advantage, low, high).mul_(-1.0 / len(ratio))
            of_entropy = None
            if self.config.entropy:
                of_entropy = (part.share * -rates.entropy).expand(len(samples.obs))
            slopes = chances.slopes(samples.row, samples.action, of_log, of_entropy)
            of_values = value_slope(part, seen.values, self.config.value_clip)
            of_values *= self.config.value_coefficient
            self.towers.backward(seen, slopes.outputs, of_values, slopes.free)
            self.optimiser.step(rates.learning, going)
        return self._outcome(batch)

    def _advantage(self, batch: Batch, samples: Samples, weight: Tensor) -> Tensor:
        """Return one advantage for each sample [B], the heads' weighed by `weight` [H]."""
        advantage = samples.advantage @ weight
        if not self.config.normalise_advantages:
            return advantage
        # the heads' spreads do not cancel out where their advantages do: near the optimum,
        # where they cancel, steps become small
        return advantage / (batch.spread @ weight + 1e-8)

    def _outcome(self, batch: Batch) -> Outcome:
        samples = batch.samples
        outputs = self.towers.outputs(samples.obs)
        chances = self.distribution.at(outputs, self.towers.free)
        ratio, share = _ratio(chances, samples), Part.of(samples).share
        apart = ((ratio - 1.0).abs() > self.config.clip).float().mean()
        measured = (divergence(ratio), (share * chances.entropy()).sum(), apart)
        return Outcome(batch.change(samples, ratio), torch.stack(measured))


def _ratio(chances: Chances, samples: Samples) -> Tensor:
    return torch.exp(chances.log_prob(samples.row, samples.action) - samples.log_before)
