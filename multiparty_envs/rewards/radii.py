"""How far the truth may be from what was learned: radii of `ConfidenceSets` without the truth.

By the formula of the theory, up to a constant that it does not tell, or by the parametric
bootstrap: answers are drawn anew to the same questions from what was learned, the same learner
is fitted again, and its distances from what the answers were drawn from are what errors look like.

The plain bootstrap covers too often: what is learned is longer than the truth (squared noise adds
to its length), long rewards make certain answers, and certain answers tell little, so that errors
around it are larger than around the truth. Studentised, each distance is counted in units of
what the learner itself takes for its size, on the redrawn answers as on the real ones
([Efron1993] section 12.5); those units grow and shrink along, and the sets become right and
smaller. `docs/results/confidence` has the coverage of both.
"""

from __future__ import annotations

import copy
import warnings
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.rewards.base import LinearLearner
from multiparty_envs.rewards.confidence import metric
from multiparty_envs.rewards.errors import distances
from multiparty_envs.rewards.independent import Independent, SeparableWarning
from multiparty_envs.rewards.newton import DEFAULT_RIDGE

CHUNK = 8_000_000
"""Numbers of feature differences fitted at once."""


def theory_radius(
    answers: int | np.ndarray,
    *,
    num_features: int,
    rank: int,
    num_parties: int | None = None,
    delta: float = 0.05,
    constant: float = 1.0,
) -> np.ndarray:
    """Return K sqrt(r^2 / n + (d r^2 log d + r log(M / delta)) / (M n)), [M].

    Source: [Zhong2024] theorem 1, which leaves K open; single parties, r = d, need another one.
    With n of each party, the first term has the party's own n and M n is the total.

    Args:
        answers: n, one number or [M].
        num_features: d.
        rank: r.
        num_parties: M; not needed where `answers` is [M].
        delta: chance that some party's truth is outside.
        constant: K.

    Raises:
        ValueError: when a party has no answers, or a setting is out of its range.
    """
    count = np.atleast_1d(expect.finite(answers, name="answers"))
    if num_parties is not None:
        expect.integer(num_parties, name="num_parties", low=1)
        count = np.broadcast_to(count, (num_parties,))
    if count.min() < 1:
        raise ValueError(f"answers should be 1 or more of each party, are {count.min():g}")
    d, r, parties = num_features, rank, len(count)
    expect.integer(r, name="rank", low=1, high=expect.integer(d, name="num_features", low=1))
    expect.number(delta, name="delta", low=0.0, high=1.0, open_=True)
    expect.number(constant, name="constant", low=0.0)
    shared = (d * r**2 * np.log(d) + r * np.log(parties / delta)) / count.sum()
    return constant * np.sqrt(r**2 / count + shared)


def bootstrap_radius(
    learner: LinearLearner,
    answers: Comparisons,
    rng: np.random.Generator,
    *,
    delta: float = 0.05,
    replicates: int = 199,
    ridge: float = DEFAULT_RIDGE,
    simultaneous: bool = True,
    studentised: bool = True,
) -> np.ndarray:
    """Return the radii [M] that errors of redrawn answers stay within with chance 1 - delta.

    Args:
        learner: fitted to `answers`; a copy of it is fitted anew.
        answers: to comparisons.
        rng: draws answers.
        delta: see above.
        replicates: how often answers are drawn.
        ridge: of the metric, as in `ConfidenceSets.of`.
        simultaneous: whether all parties stay within at once, or each by itself.
        studentised: whether a party's radius follows its own standard errors, and so about the
            root of the number of its answers; otherwise simultaneous radii are all the same.

    Raises:
        TypeError: when the answers are no comparisons.
        ValueError: when there are too few replicates for `delta`.
    """
    _quantile_place(replicates, delta)
    errors = bootstrap_errors(learner, answers, rng, replicates=replicates, ridge=ridge)
    return errors.radius(delta, simultaneous=simultaneous, studentised=studentised)


class BootstrapErrors(NamedTuple):
    """How far refitted thetas are from what the answers were drawn from, and the units for it."""

    distance: np.ndarray  # [B, M]
    unit: np.ndarray  # [B, M], the learner's own idea of each distance
    own: np.ndarray  # [M], the same of the real answers

    def radius(
        self, delta: float = 0.05, *, simultaneous: bool = True, studentised: bool = True
    ) -> np.ndarray:
        """Return the radii [M] of `bootstrap_radius`."""
        if not studentised:
            return quantile_radius(self.distance, delta, simultaneous)
        return self.own * quantile_radius(self.distance / self.unit, delta, simultaneous)


def bootstrap_errors(
    learner: LinearLearner,
    answers: Comparisons,
    rng: np.random.Generator,
    *,
    replicates: int = 199,
    ridge: float = DEFAULT_RIDGE,
) -> BootstrapErrors:
    """Draw answers anew from what was learned and fit them; arguments as `bootstrap_radius`."""
    sigma, centre = metric(answers, ridge), learner.fitted
    drawn = redrawn(learner, answers, centre, rng, replicates)
    return BootstrapErrors(
        distances(sigma, drawn.theta - centre),
        error_size(sigma, drawn.covariance),
        error_size(sigma, learner.covariance_),
    )


def error_size(sigma: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the root mean square of ||error||_sigma under a `covariance`, [..., M].

    Args:
        sigma: [M, D, D].
        covariance: [..., M, D, D] of the errors.
    """
    return np.sqrt(np.einsum("mij,...mij->...m", sigma, covariance))


def quantile_radius(
    errors: np.ndarray, delta: float = 0.05, simultaneous: bool = True
) -> np.ndarray:
    """Return the radii [M] that errors [B, M] stay within with chance 1 - delta.

    The quantile is that of B + 1 exchangeable errors, so that B draws promise no more than they
    can tell.

    Args:
        errors: of B data sets, for M parties.
        delta: see above.
        simultaneous: one radius for all, within which all parties stay at once; otherwise each
            party's own, and of M parties some will be outside.

    Raises:
        ValueError: when there are too few errors for `delta`.
    """
    errors = expect.shape(expect.finite(errors, name="errors"), None, None, name="errors")
    place = _quantile_place(len(errors), delta)
    if simultaneous:
        return np.full(errors.shape[1], np.sort(errors.max(axis=1))[place])
    return np.sort(errors, axis=0)[place]


class Redrawn(NamedTuple):
    """What a learner makes of B sets of answers."""

    theta: np.ndarray  # [B, D, M]
    covariance: np.ndarray  # [B, M, D, D]


def redrawn(
    learner: LinearLearner,
    answers: Comparisons,
    theta: np.ndarray,
    rng: np.random.Generator,
    replicates: int,
) -> Redrawn:
    """Return what `learner` makes of answers drawn from `theta` [D, M].

    Parties that are fitted one by one are fitted all at once, those of a replicate being
    so many parties more; where parties share, one replicate is fitted after the other.
    """
    expect.integer(replicates, name="replicates", low=1)
    if not isinstance(answers, Comparisons):
        raise TypeError(f"answers should be Comparisons, are {type(answers).__name__}")
    margin = (answers.differences() * theta.T[answers.party]).sum(axis=1)
    label = (rng.random((replicates, len(answers))) < expit(margin)).astype(np.float64)
    again = copy.copy(learner)
    if getattr(again, "rank_", None) is not None:
        again.rank = again.rank_  # type: ignore[attr-defined]  # as chosen, not chosen anew
    size = CHUNK // max(answers.num_features * len(answers), 1)
    size = max(1, size) if isinstance(learner, Independent) else 1
    parts = [
        _refitted(again, answers, label[low : low + size]) for low in range(0, replicates, size)
    ]
    return Redrawn(*map(np.concatenate, zip(*parts, strict=True)))


def _refitted(learner: LinearLearner, answers: Comparisons, label: np.ndarray) -> Redrawn:
    """Fit labels [B, K], the parties of each replicate being others."""
    count, parties = len(label), answers.num_parties
    number = parties * np.arange(count)[:, None]
    many = Comparisons(
        segments=answers.segments,
        first=np.tile(answers.first, count),
        second=np.tile(answers.second, count),
        party=(answers.party + number).ravel(),
        label=label.ravel(),
        num_parties=count * parties,
    )
    with warnings.catch_warnings():
        # that drawn answers happen to be separable is no news
        warnings.simplefilter("ignore", SeparableWarning)
        learner.fit(many)
    theta = learner.theta_.T.reshape(count, parties, -1).swapaxes(1, 2)
    return Redrawn(theta, learner.covariance_.reshape(count, parties, *theta.shape[1:2] * 2))


def _quantile_place(count: int, delta: float) -> int:
    """Return the place, from 0, of the quantile among `count` sorted errors."""
    expect.number(delta, name="delta", low=0.0, high=1.0, open_=True)
    place = int(np.ceil(round((1.0 - delta) * (count + 1), 9))) - 1
    if place >= count:
        least = int(np.ceil(round(1.0 / delta, 9))) - 1
        raise ValueError(
            f"{count} replicates are too few for delta {delta:g}; take {least} or more"
        )
    return place
