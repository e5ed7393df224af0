"""The four structures of the linear learners over small networks."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.rewards.neural_answers import Groups, Part
from multiparty_envs.rewards.neural_base import Estimate, NeuralLearner
from multiparty_envs.rewards.neural_inputs import Table
from multiparty_envs.rewards.neural_network import Layout
from multiparty_envs.rewards.neural_training import PlainTraining, Training


class PlainLearner(NeuralLearner):
    """Networks each of which learns from given answers that all count alike."""

    def _training(self, table: Table, answers: Comparisons | Rankings) -> Training:
        return PlainTraining(self._problem(table, answers))

    def _keep(self, training: Training, weights: Tensor) -> Tensor:
        return weights


@final
class NeuralPooled(PlainLearner):
    """One network fitted to all answers, whoever gave them.

    Every party gets the same reward, one never asked too; the standard error knows nothing of
    how the parties differ. Settings are those of `NeuralLearner`.
    """

    def _layout(self, inputs: int, parties: int) -> Layout:
        return Layout((inputs, *self.hidden, 1))

    def _networks(self, parties: int) -> int:
        return 1

    def _groups(self, part: Part, parties: int) -> Groups:
        return Groups.everything(part, 1)

    def _estimate(self, columns: Tensor) -> Estimate:
        return _over_members(columns.expand(-1, self.answered_[1], -1))

    def _cases(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((len(party), 1), dtype=np.int64), np.ones((len(party), 1))


@final
class NeuralIndependent(PlainLearner):
    """A network fitted to each party's own answers, all of them trained at once.

    All networks of a member stop together, when the parties' answers that are held out are
    predicted best on average. A party never asked has reward zero and a standard error that
    is what the most uncertain party's is, plus how far the parties asked are from zero. Settings
    are those of `NeuralLearner`.
    """

    def _layout(self, inputs: int, parties: int) -> Layout:
        return Layout((inputs, *self.hidden, 1))

    def _networks(self, parties: int) -> int:
        return parties

    def _groups(self, part: Part, parties: int) -> Groups:
        return Groups.by_party(part, parties)

    def _estimate(self, columns: Tensor) -> Estimate:
        return _with_unasked(
            _over_members(columns), self._on("asked_", columns.device), self.asked_
        )

    def _cases(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return party[:, None], np.ones((len(party), 1))


@final
class NeuralShared(PlainLearner):
    """A trunk that all parties share and a linear head for each: low rank over a network.

    r_m = w_m' phi(step) with phi of `rank` dimensions, as in SharedRep-RLHF and, where phi
    is linear, [Zhong2024]. A party's head is the head that all share plus its own, which weight
    decay draws to zero. A party never asked has the shared head, and a standard error that is
    what the most uncertain party's is, plus how far the parties asked are from the shared head.

    Args:
        rank: dimensions of what the trunk says of a step.
        settings: those of `NeuralLearner`.
    """

    def __init__(self, rank: int = 4, **settings: Any) -> None:
        self.rank = expect.integer(rank, name="rank", low=1)
        super().__init__(**settings)

    def _layout(self, inputs: int, parties: int) -> Layout:
        return Layout((inputs, *self.hidden, self.rank), heads=parties)

    def _networks(self, parties: int) -> int:
        return 1

    def _groups(self, part: Part, parties: int) -> Groups:
        return Groups.everything(part, 1)

    def _estimate(self, columns: Tensor) -> Estimate:
        return _with_unasked(
            _over_members(columns), self._on("asked_", columns.device), self.asked_
        )

    def _cases(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return party[:, None], np.ones((len(party), 1))


def _over_members(columns: Tensor) -> Estimate:
    """Mean and variance over members of rewards [E, M, B]."""
    variance = columns.var(dim=0, correction=min(1, len(columns) - 1))
    return Estimate(columns.mean(dim=0).T, variance.T)


def _with_unasked(estimate: Estimate, asked: Tensor, known: np.ndarray) -> Estimate:
    """Return the estimate with variances of the parties never asked, who all have one reward."""
    if known.all():
        return estimate
    mean, variance = estimate
    off = (mean - mean[:, [int(np.argmin(known))]]).square()
    spread = (off * asked).sum(dim=1, keepdim=True) / int(known.sum())
    most = (variance * asked).amax(dim=1, keepdim=True)
    return Estimate(mean, torch.where(asked, variance, most + spread))
