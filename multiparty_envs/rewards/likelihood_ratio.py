"""Bounds by the likelihood itself: every theta under which the answers are not much less likely.

{theta : l_m(theta) >= l_m(theta_hat) - drop}, l the log-likelihood of a party's answers with a
ridge. Unlike an ellipsoid the set is as lopsided as the likelihood is: where all answers agree,
it is open on the side on which nothing contradicts. Source: [Wilks1938]; half of the chi-squared
quantile of D degrees of freedom is the drop that holds with its chance, for many answers.
"""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import DEFAULT_RIDGE, Prior, maximise, ridge_prior

_OUTER, _INNER = 12, 8  # corrections of the multiplier, and Newton steps for each


def likelihood_ratio_bounds(
    answers: Comparisons, directions: np.ndarray, drop: float, ridge: float = DEFAULT_RIDGE
) -> np.ndarray:
    """Return the least theta_m @ x over each party's set, [B, D] -> [B, M].

    The least is where l(theta) - price * theta @ x is greatest, for the price at which the
    likelihood has dropped as far as it may. All pairs of a direction and a party are solved at
    once, each as a party of its own.

    Args:
        answers: to comparisons.
        directions: [B, D], of any length.
        drop: of the log-likelihood, positive.
        ridge: in answers, as the learners'.

    Raises:
        ValueError: when the drop is not positive or shapes do not fit.
    """
    expect.number(drop, name="drop", low=0.0, open_=True)
    x = expect.shape(expect.finite(directions, name="directions"), None, None, name="directions")
    expect.shape(x, None, answers.num_features, name="directions")
    choices = choices_of(answers)
    prior = ridge_prior(ridge, choices.scale, choices.num_features)
    centre = maximise(Likelihood(choices), prior, tol=1e-10)
    count, parties = len(x), answers.num_parties
    many = Likelihood(choices_of(_repeated(answers, count)))
    x, start = np.repeat(x, parties, axis=0), np.tile(centre.theta, (count, 1))  # [B * M, D]
    top = prior.posterior(start, many.terms(start)).value
    far = np.linalg.solve(np.tile(centre.information, (count, 1, 1)), x[..., None])[..., 0]
    size = np.sqrt(np.maximum((x * far).sum(axis=1), 1e-300))
    price, theta = np.sqrt(2.0 * drop) / size, start
    for _ in range(_OUTER):
        theta = _pulled(many, prior, theta, price[:, None] * x)
        fallen = top - prior.posterior(theta, many.terms(theta)).value
        # the drop is about quadratic in the price
        price = price * np.sqrt(drop / np.maximum(fallen, 1e-3 * drop))
    return (theta * x).sum(axis=1).reshape(count, parties)


def _repeated(answers: Comparisons, count: int) -> Comparisons:
    """Return the same answers as if `count` times as many parties had given them."""
    number = answers.num_parties * np.arange(count)[:, None]
    return Comparisons(
        segments=answers.segments,
        first=np.tile(answers.first, count),
        second=np.tile(answers.second, count),
        party=(answers.party + number).ravel(),
        label=np.tile(answers.label, count),
        num_parties=count * answers.num_parties,
    )


def _pulled(many: Likelihood, prior: Prior, theta: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Return where l(theta) - pull @ theta is greatest, by damped Newton steps from `theta`."""
    for _ in range(_INNER):
        terms = prior.posterior(theta, many.terms(theta))
        slope = terms.gradient - pull
        step = np.linalg.solve(terms.information, slope[..., None])[..., 0]
        length = np.sqrt(np.maximum((step * slope).sum(axis=1, keepdims=True), 0.0))
        theta = theta + step / np.where(length > 0.25, 1.0 + length, 1.0)
        if length.max() < 1e-5:
            break
    return theta
