"""Ways to learn several parties' rewards that studies of synthetic answers compare.

Separate and joint maximum likelihood have a ridge of a hundredth of an answer, so that answers
without contradiction have an optimum. Joint ridge is `LowRank` as it comes, with that of a third
of an answer. The other ridges are what held-out answers ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from baselines.studies.synthetic import answers
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import (
    Independent,
    LinearLearner,
    LowRank,
    LowRankResidual,
    Pooled,
)
from multiparty_envs.rewards.errors import data_covariance, error_norms
from multiparty_envs.streams import Streams

TINY = 0.01  # ridge of maximum likelihood, in answers
RIDGES = tuple(float(ridge) for ridge in 0.1 * 10.0 ** np.arange(0.0, 2.6, 0.25))
"""Ridges of separate fits among which held-out answers choose."""

TEST = 100  # answers of each party that accuracy is measured on

Fit = Callable[[Comparisons, int, int], LinearLearner]
"""(answers, true rank, seed) -> a fitted learner."""


def _ridge(data: Comparisons, _: int, seed: int) -> LinearLearner:
    """Each party by itself, under the ridge that predicts a held-out fifth of answers best."""
    train, test = data.split(0.2, Streams(seed).numpy("ridge"))

    def score(ridge: float) -> float:
        return float(Independent(ridge).fit(train).log_likelihood(test).sum())

    return Independent(max(RIDGES, key=score)).fit(data)


def _more(data: Comparisons, rank: int, _: int) -> LinearLearner:
    return LowRank(min(rank + 2, data.num_features, data.num_parties), TINY).fit(data)


METHODS: dict[str, Fit] = {
    "pooled": lambda data, rank, seed: Pooled(TINY).fit(data),
    "separate": lambda data, rank, seed: Independent(TINY).fit(data),
    "separate ridge": _ridge,
    "joint": lambda data, rank, seed: LowRank(rank, TINY).fit(data),
    "joint ridge": lambda data, rank, seed: LowRank(rank).fit(data),
    "joint, rank + 2": _more,
    "joint, rank selected": lambda data, rank, seed: LowRank(None, TINY, seed=seed).fit(data),
    "hybrid": lambda data, rank, seed: LowRankResidual(rank, seed=seed).fit(data),
}


def compared(
    theta: np.ndarray,
    counts: int | np.ndarray,
    rank: int,
    seed: int,
    methods: Iterable[str],
    *,
    norm: str = "data",
) -> dict[str, float]:
    """Return what each method makes of the same answers.

    Args:
        theta: [D, M] true rewards.
        counts: answers of each party, one number for all or [M].
        rank: R of the truth, which some of the methods are told.
        seed: of the answers.
        methods: keys of `METHODS`.
        norm: "data", the parties' data covariances, or "expected", that of a fresh answer, in
            which one who was never asked has an error too.

    Returns:
        {"METHOD mean": mean over parties of the error norm, "METHOD max": the largest,
        "METHOD square": mean of its square, "METHOD accuracy": part of fresh answers predicted
        right}
    """
    streams = Streams(seed)
    data = answers(theta, counts, streams)
    test = answers(theta, TEST, Streams(streams.key("test")))
    everybody = np.broadcast_to(np.eye(len(theta)), (theta.shape[1], len(theta), len(theta)))
    sigma = data_covariance(data) if norm == "data" else everybody
    values = {}
    for name in methods:
        fitted = METHODS[name](data, rank, seed)
        errors = error_norms(fitted.theta_, theta, sigma)
        found = {"mean": errors.mean(), "max": errors.max(), "square": (errors**2).mean()}
        found["accuracy"] = fitted.accuracy(test).mean()
        # five digits are more than seeds agree on, and keep rows short
        values |= {f"{name} {what}": float(f"{value:.5g}") for what, value in found.items()}
    return values
