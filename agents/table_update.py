"""The gradient steps of PPO where a batch's samples share few observations, in tables on a CPU.

A step needs of the samples no more than sums over those with the same observation and action, as
these have the same probability ratio. So it costs what the distinct observations cost, and is small
enough for NumPy's shorter calls to matter. The maths is that of `update`.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from agents.batch import Batch
from agents.categorical import Categorical
from agents.config import PPOConfig
from agents.distribution import Distribution
from agents.optimiser import FlatAdam
from agents.table_towers import TablePass, TableTowers
from agents.towers import Towers
from agents.update import Outcome, Rates, WeightsOf
from multiparty_envs.streams import Draw

MOST = 60.0  # logarithm of the largest ratio: infinity times nothing would be no number


def fits(distribution: Distribution, config: PPOConfig) -> bool:
    """Return whether gradient steps on distinct observations can be taken in tables.

    Each step should be on the whole batch, and bounds that look at single samples be off.
    """
    single = isinstance(distribution, Categorical) and len(distribution.sizes) == 1
    return single and config.minibatches == 1 and config.target_kl is config.value_clip is None


@final
class TableUpdater:
    """Takes gradient steps, as `update.Updater`; see `fits`.

    Args:
        towers: actor and critic on a CPU, are changed.
        num_actions: A.
        config: how to learn.
    """

    def __init__(self, towers: Towers, num_actions: int, config: PPOConfig) -> None:
        self.towers, self.config, self._num_actions = towers, config, num_actions
        self._networks = TableTowers(towers)
        norm = config.max_gradient_norm
        self.optimiser = FlatAdam(towers.vector, towers.gradient, towers.split, norm)

    def improve(self, batch: Batch, weights: WeightsOf, rates: Rates, draw: Draw) -> Outcome:
        """Take the gradient steps of one batch.

        Args:
            batch: what was learned, of distinct observations.
            weights: from a change of the heads' expected returns [H] to their weights [H]; or
                weights [H] that do not change.
            rates: as they are now.
            draw: not needed: all samples are in each step.
        """
        table = _Table.of(batch, self._num_actions)
        low, high = 1.0 - float(rates.clip), 1.0 + float(rates.clip)
        of_entropy = -float(rates.entropy) * table.share
        of_square = 2.0 * self.config.value_coefficient * table.share
        first = self._look(table)
        gains = self._gains(table, batch, weights, first)
        now = first
        for step in range(self.config.epochs):
            if step:
                now = self._look(table, first)
                if not isinstance(weights, Tensor):
                    gains = self._gains(table, batch, weights, now)
            slope = gains.slope(now.ratio, low, high)
            of_values = (now.seen.values - table.target) * of_square
            self._networks.backward(now.seen, now.through(slope, of_entropy), of_values)
            self.optimiser.step_on_arrays(float(rates.learning))
        return self._outcome(table, self._look(table, first))

    def _look(self, table: _Table, before: _Now | None = None) -> _Now:
        """Return what the networks say now; ratios are to what they said `before`."""
        seen = self._networks.forward(table.obs)
        off = seen.outputs - seen.outputs.max(axis=0)
        chance = np.exp(off)
        total = chance.sum(axis=0)
        chance /= total
        off -= np.log(total)
        apart = np.zeros_like(off) if before is None else np.minimum(off - before.log, MOST)
        return _Now(seen, off, chance, np.exp(apart))

    def _gains(self, table: _Table, batch: Batch, weights: WeightsOf, now: _Now) -> _Gains:
        """Return the advantages of the heads weighed and added up."""
        if not isinstance(weights, Tensor):
            weights = weights(torch.from_numpy(table.change(now.ratio)))
        weight = weights.numpy()
        each = table.advantage @ weight
        if self.config.normalise_advantages:
            each = each / (batch.spread.numpy() @ weight + 1e-8)
        return _Gains(table.sums(np.maximum(each, 0.0)), table.sums(np.minimum(each, 0.0)))

    def _outcome(self, table: _Table, now: _Now) -> Outcome:
        ratio = now.ratio.ravel().take(table.place)
        divergence = (ratio - 1.0 - np.log(ratio)).mean()
        entropy = -(now.chance * now.log).sum(axis=0) @ table.share
        apart = (np.abs(ratio - 1.0) > self.config.clip).mean()
        metrics = torch.tensor([divergence, entropy, apart], dtype=torch.float32)
        return Outcome(torch.from_numpy(table.change(now.ratio)), metrics)


class _Now(NamedTuple):
    """What the networks say of A actions in U observations."""

    seen: TablePass
    log: np.ndarray  # [A, U] of the chances
    chance: np.ndarray  # [A, U]
    ratio: np.ndarray  # [A, U] of the chances to those of the policy that acted

    def through(self, slope: np.ndarray, of_entropy: np.ndarray) -> np.ndarray:
        """Return the slopes for the logits from those for log-chances and for entropies [U]."""
        weighted = self.chance * self.log
        # d entropy / d logit = -p (log p + entropy); the parts with a column's sum are joined
        inner = of_entropy * weighted.sum(axis=0) - slope.sum(axis=0)
        slope += self.chance * inner
        slope -= of_entropy * weighted
        return slope


class _Gains(NamedTuple):
    """Minus the sums of good and of bad advantages over the samples, by [A, U], as a mean loss.

    They are held apart because the clipped bound treats them differently.
    """

    good: np.ndarray
    bad: np.ndarray

    def slope(self, ratio: np.ndarray, low: float, high: float) -> np.ndarray:
        """Return the slope of the loss for log-chances; see `update.surrogate`."""
        return ratio * (self.good * (ratio <= high) + self.bad * (ratio >= low))


class _Table(NamedTuple):
    """A batch of B samples in terms of U observations and A actions."""

    obs: np.ndarray  # [O, U]
    place: np.ndarray  # [B] of a sample among [A, U]
    shape: tuple[int, int]
    share: np.ndarray  # [U] of the samples
    target: np.ndarray  # [H, U] mean target of the critic
    advantage: np.ndarray  # [B, H]
    length: float  # mean steps of an episode

    @classmethod
    def of(cls, batch: Batch, num_actions: int) -> _Table:
        """Return a batch of distinct observations."""
        samples = batch.samples
        obs, row, action = samples.obs.numpy(), samples.row.numpy(), samples.action.numpy()
        count = np.bincount(row, minlength=len(obs))
        target = samples.target.numpy()
        sums = np.stack([np.bincount(row, column, len(obs)) for column in target.T])
        return cls(
            obs=np.ascontiguousarray(obs.T),
            place=action * len(obs) + row,
            shape=(num_actions, len(obs)),
            share=(count / len(row)).astype(np.float32),
            target=(sums / np.maximum(count, 1)).astype(np.float32),
            advantage=samples.advantage.numpy(),
            length=float(batch.length),
        )

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return [A, U], minus the sums of `values` [B] by B."""
        total = np.bincount(self.place, values, self.shape[0] * self.shape[1])
        return (total / -len(values)).astype(np.float32).reshape(self.shape)

    def change(self, ratio: np.ndarray) -> np.ndarray:
        """Return [H]; see `Batch.change`."""
        each = ratio.ravel().take(self.place) - 1.0
        return self.length / len(each) * (each @ self.advantage)
