"""Networks for parties of a few kinds, nobody knows which."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Segments
from multiparty_envs.rewards.mixture import Mixture
from multiparty_envs.rewards.neural_answers import Groups, Part
from multiparty_envs.rewards.neural_base import Estimate, NeuralLearner
from multiparty_envs.rewards.neural_inputs import Table
from multiparty_envs.rewards.neural_network import Layout
from multiparty_envs.rewards.neural_training import MixtureTraining, Training
from multiparty_envs.rewards.newton import ConvergenceWarning
from multiparty_envs.streams import Streams

START_FEATURES = 32  # random features by which parties are first put into clusters
START_RIDGE = 3.0  # answers; features outnumber what one party's answers could tell


@final
class NeuralMixture(NeuralLearner):
    """Every party belongs to one of C clusters with a network each ([Chakraborty2024], softly).

    Expectation maximisation in which every epoch is a partial M-step: networks learn from all
    answers, each counting as far as its party is of their cluster. It starts from the clusters
    that the linear `Mixture` finds in random features of the steps, the likeliest of its restarts.
    A party's reward is the mean of the clusters' by its responsibilities; one never asked has the
    clusters' shares. The standard error adds what is not known of the cluster's reward and of the
    party's cluster. `predict_proba` averages the clusters' chances, not their rewards.

    Args:
        clusters: C, at most the parties asked; None takes the number by which the linear mixture
            predicts held-out answers best.
        restarts: starts of the linear mixture.
        settings: those of `NeuralLearner`.

    Attributes:
        clusters_: C.
        responsibilities_: [M, C], clusters sorted by falling share.
        share_: [C].
    """

    clusters_: int
    responsibilities_: np.ndarray
    share_: np.ndarray

    def __init__(self, clusters: int | None = None, restarts: int = 5, **settings: Any) -> None:
        self.clusters = (
            None if clusters is None else expect.integer(clusters, name="clusters", low=1)
        )
        self.restarts = expect.integer(restarts, name="restarts", low=1)
        super().__init__(**settings)

    def _layout(self, inputs: int, parties: int) -> Layout:
        return Layout((inputs, *self.hidden, 1))

    def _networks(self, parties: int) -> int:
        return self.clusters_

    def _groups(self, part: Part, parties: int) -> Groups:
        return Groups.everything(part, self.clusters_)

    def _training(self, table: Table, answers: Comparisons | Rankings) -> Training:
        start = self._start(table, answers)
        self.clusters_ = start.shape[1]
        return MixtureTraining(self._problem(table, answers), start.T, self.asked_)

    def _keep(self, training: Training, weights: Tensor) -> Tensor:
        assert isinstance(training, MixtureTraining)
        every = torch.arange(len(training.data.orders.party), device=weights.device)
        each = training.expect(weights, every.expand(self.members, self.clusters_, -1))
        found = each.mean(dim=0).T.cpu().numpy().astype(np.float64)  # [M, C]
        share = found[self.asked_].mean(axis=0)
        found[~self.asked_] = share
        order = np.argsort(-share, kind="stable")
        self.responsibilities_, self.share_ = found[:, order].copy(), share[order]
        networks = weights.unflatten(0, (self.members, self.clusters_))
        return networks[:, order.tolist()].flatten(0, 1)

    def _start(self, table: Table, answers: Comparisons | Rankings) -> np.ndarray:
        """[M, C] responsibilities of a linear mixture over random features of the steps."""
        bank = _random_features(table, Streams(self.seed).numpy("random features"))
        linear = Mixture(self.clusters, restarts=self.restarts, ridge=START_RIDGE, seed=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # only a start
            return linear.fit(replace(answers, segments=bank)).responsibilities_

    def _estimate(self, columns: Tensor) -> Estimate:
        """Between the clusters by the party's responsibilities, between members within."""
        member = self._on("responsibilities_", columns.device).T.to(columns.dtype)  # [C, M]
        within = columns.var(dim=0, correction=min(1, len(columns) - 1)).T  # [B, C]
        cluster = columns.mean(dim=0).T
        mean = cluster @ member
        off = (cluster[:, :, None] - mean[:, None, :]).square()
        return Estimate(mean, within @ member + (member * off).sum(dim=1))

    def _cases(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        every = np.broadcast_to(np.arange(self.clusters_), (len(party), self.clusters_))
        return every, self.responsibilities_[party]


def _random_features(table: Table, rng: np.random.Generator) -> Segments:
    """Return every segment as a single step: sums of its inputs and of random bends of them."""
    inputs = table.inputs
    slope = rng.normal(size=(inputs.shape[1], START_FEATURES)) / max(1, inputs.shape[1]) ** 0.5
    bent = np.maximum(inputs @ slope + rng.normal(size=START_FEATURES), 0.0)
    features = np.concatenate([inputs, bent - bent.mean(axis=0)], axis=1)
    sums = np.stack([row @ features[at] for at, row in zip(table.place, table.mask, strict=True)])
    return Segments(
        obs=np.zeros((len(sums), 1, 0), dtype=np.float32),
        action=np.zeros((len(sums), 1, 0), dtype=np.int64),
        features=sums[:, None, :],
        mask=np.ones((len(sums), 1), dtype=bool),
    )
