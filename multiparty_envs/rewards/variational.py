"""Normal approximations of posteriors that maximise a lower bound on the marginal likelihood.

Source: the Gaussian variational approximation of [Opper2009], climbed by natural gradients
[Khan2023]. Unlike Laplace's, it averages the likelihood over the posterior instead of expanding it
at the mode, which with few and consistent answers per party lies far from the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiparty_envs.rewards.likelihood import Likelihood, Terms
from multiparty_envs.rewards.newton import MAX_ITERATIONS, SHORTEST_STEP, Prior

SLACK = 1e-3  # nats by which a bound may seem to fall: it is an integral by quadrature


class Posterior(NamedTuple):
    """theta of each party ~ N(mean, covariance), and how well that explains its answers."""

    mean: np.ndarray  # [M, D]
    covariance: np.ndarray  # [M, D, D]
    bound: np.ndarray  # [M], at most the log marginal likelihood of the party's answers


class _State(NamedTuple):
    """A posterior by its precision, with the averaged likelihood there."""

    mean: np.ndarray
    precision: np.ndarray
    covariance: np.ndarray
    target: Terms  # log-likelihood plus log-prior, averaged
    bound: np.ndarray


def posteriors(
    likelihood: Likelihood, prior: Prior, start: Posterior | None = None, tol: float = 1e-6
) -> Posterior:
    """Return the best normal posterior of every party.

    Args:
        likelihood: of M parties.
        prior: of theta; parties never asked keep it.
        start: where to begin, default the prior.
        tol: on how far the last step moved a posterior (in nats).
    """
    state = _start(likelihood, prior, start)
    size, move = np.ones(len(state.mean)), np.zeros_like(state.mean)
    for _ in range(MAX_ITERATIONS):
        new, size = _step(likelihood, prior, state, size)
        distance = _distance(state, new)
        size, move = _damped(size, move, new.mean - state.mean)
        state = new
        if distance.max() <= tol:
            break
    return Posterior(state.mean, state.covariance, state.bound)


def _distance(old: _State, new: _State) -> np.ndarray:
    """[M], twice the Kullback–Leibler divergence of two near posteriors, to second order."""
    move = new.mean - old.mean
    turn = new.covariance @ (new.precision - old.precision)
    return np.einsum("md,mde,me->m", move, new.precision, move) + 0.5 * np.einsum(
        "mde,med->m", turn, turn
    )


def _start(likelihood: Likelihood, prior: Prior, start: Posterior | None) -> _State:
    shape = (likelihood.num_parties, likelihood.num_features)
    if start is None:
        precision = np.broadcast_to(prior.precision, (*shape, shape[1]))
        return _state(likelihood, prior, np.broadcast_to(prior.mean, shape), precision)
    return _state(likelihood, prior, start.mean, np.linalg.inv(start.covariance))


def _state(likelihood: Likelihood, prior: Prior, mean: np.ndarray, precision: np.ndarray) -> _State:
    covariance = np.linalg.inv(precision)
    target = prior.posterior(mean, likelihood.terms(mean, covariance))
    # Normalising constants: of the prior, of the posterior's entropy, and of the prior's average.
    extra = np.linalg.slogdet(prior.precision)[1] - np.linalg.slogdet(precision)[1]
    extra = extra + mean.shape[1] - np.einsum("de,mde->m", prior.precision, covariance)
    return _State(mean, precision, covariance, target, target.value + 0.5 * extra)


def _step(
    likelihood: Likelihood, prior: Prior, state: _State, size: np.ndarray
) -> tuple[_State, np.ndarray]:
    """A natural-gradient step for every party, its `size` [M] halved until its bound rises."""
    size = size.copy()
    change = state.target.information - state.precision
    while True:
        precision = state.precision + size[:, None, None] * change
        move = np.linalg.solve(precision, state.target.gradient[..., None])[..., 0]
        new = _state(likelihood, prior, state.mean + size[:, None] * move, precision)
        worse = new.bound < state.bound - SLACK
        if not worse.any() or size.min() < SHORTEST_STEP:
            return new, size
        size[worse] *= 0.5


def _damped(
    size: np.ndarray, before: np.ndarray, move: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sizes [M] for the next step, from how the last move [M, D] relates to the one before.

    A mean and a covariance that answer each other's moves swing around the optimum; a move of
    -x times the one before says that a step of 1 / (1 + x) would have met it.
    """
    square = (before * before).sum(axis=1)
    ratio = (move * before).sum(axis=1) / np.where(square > 0, square, 1.0)
    return np.minimum(size / (1.0 - np.clip(ratio, -1.0, 0.5)), 1.0), move
