"""Chances of a multinomial choice, exact or averaged over normally distributed utilities.

Utilities [..., P] are differences to a reference alternative, whose own utility is 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

CHUNK = 1 << 18  # numbers held at once while averaging, so that they stay in the cache
NARROW = 0.5  # standard deviation of a utility up to which a few Gauss–Hermite nodes are exact
MAX_NODES = 161
TAIL = 5.5  # standard deviations, beyond which lies 4e-8 of the mass
SPREAD_NODES = 64  # of each sign, for three alternatives or more
JITTER = 1e-10


class Moments(NamedTuple):
    """A choice, or its average over normal utilities."""

    log_rest: np.ndarray  # [...] log-probability of the reference
    chance: np.ndarray  # [..., P] probability of the others
    curvature: np.ndarray  # [..., P, P] diag(p) - p p'


def choose(utility: np.ndarray, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probability [...] of the reference and probabilities [..., P] of the others.

    Args:
        utility: [..., P].
        available: [..., P] of 0 and 1.
    """
    rest, chance = _choose(utility[..., None], available[..., None])
    return rest[..., 0], chance[..., 0]


def moments(utility: np.ndarray, available: np.ndarray) -> Moments:
    """Return the moments at `utility` [..., P] itself."""
    rest, chance = choose(utility, available)
    return Moments(rest, chance, _curvature(chance, chance[..., :, None] * chance[..., None, :]))


def averaged(mean: np.ndarray, covariance: np.ndarray, available: np.ndarray) -> Moments:
    """Return the moments averaged over utilities N(mean [..., P], covariance [..., P, P]).

    Two alternatives: a one-dimensional integral, to about 1e-4. More: quasi-random nodes that
    match the normal's mean and covariance, to about 1e-2 of a chance.
    """
    size = mean.shape[-1]
    factor = _factor(covariance.reshape(-1, size, size))
    nodes, weights = _line(float(factor.max(initial=0.0))) if size == 1 else _spread(size)
    center, present = mean.reshape(-1, size, 1), available.reshape(-1, size, 1)
    rest, chance = np.empty(len(center)), np.empty((len(center), size))
    square = np.empty((len(center), size, size))
    step = max(1, CHUNK // (size * len(weights)))
    for low in range(0, len(center), step):
        rows = slice(low, low + step)
        part, chances = _choose(center[rows] + _times(factor[rows], nodes), present[rows])
        rest[rows], chance[rows] = part @ weights, chances @ weights
        square[rows] = _times(chances * weights, chances.swapaxes(1, 2))
    shape = mean.shape
    chance = chance.reshape(shape)
    return Moments(
        rest.reshape(shape[:-1]), chance, _curvature(chance, square.reshape(*shape, size))
    )


def _choose(utility: np.ndarray, available: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[..., P, S] -> [..., S], [..., P, S]."""
    if utility.shape[-2] == 1:
        # by hand: several times faster than logaddexp and expit, and as exact
        power = np.exp(-np.abs(utility))
        rest = -np.log1p(power) - np.maximum(utility, 0.0)
        chance = np.exp(np.minimum(utility, 0.0)) / (1.0 + power)
        return rest[..., 0, :], chance * available
    utility = np.where(available > 0, utility, -np.inf)
    top = np.maximum(utility.max(axis=-2), 0.0)
    power = np.exp(utility - top[..., None, :])
    total = power.sum(axis=-2) + np.exp(-top)
    power /= total[..., None, :]
    return -(top + np.log(total)), power


def _times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix products; many of 1 x n by n x 1, or 1 x 1 by 1 x n, are slow as such."""
    if left.shape[-2] > 1:
        return left @ right
    if left.shape[-1] == 1:
        return left * right
    return np.einsum("rps,rsp->rp", left, right)[..., None]


def _curvature(chance: np.ndarray, square: np.ndarray) -> np.ndarray:
    return chance[..., None] * np.eye(chance.shape[-1]) - square


def _factor(covariance: np.ndarray) -> np.ndarray:
    if covariance.shape[-1] == 1:
        return np.sqrt(np.maximum(covariance, 0.0))
    # absent and identical alternatives make it singular
    return np.linalg.cholesky(covariance + JITTER * np.eye(covariance.shape[-1]))


def _line(deviation: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [1, S] and weights [S] for one standard normal scaled by at most `deviation`."""
    if deviation <= NARROW:
        nodes, weights = np.polynomial.hermite_e.hermegauss(7 if deviation > NARROW / 5 else 3)
    else:
        # The trapezoid rule converges exponentially while its steps stay well below the distance
        # of the logistic function's poles, pi.
        step = min(0.75, 1.75 / deviation)
        count = min(2 * int(np.ceil(TAIL / step)) + 1, MAX_NODES)
        nodes = np.linspace(-TAIL, TAIL, count)
        weights = np.exp(-0.5 * nodes**2)
    return nodes[None, :], weights / weights.sum()


@lru_cache(maxsize=8)
def _spread(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [size, S] and weights [S]: a Kronecker sequence in pairs of opposite sign."""
    ratio = 1.5
    for _ in range(60):  # the root of x^(size + 1) = x + 1, whose powers are badly approximable
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    steps = ratio ** -np.arange(1.0, size + 1)
    half = ndtri((0.5 + np.arange(1, SPREAD_NODES + 1)[:, None] * steps) % 1.0)
    nodes = np.concatenate([half, -half])
    whiten = np.linalg.cholesky(np.linalg.inv(nodes.T @ nodes / len(nodes)))
    return (nodes @ whiten).T, np.full(len(nodes), 1.0 / len(nodes))
