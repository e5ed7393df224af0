"""Parties whose rewards lie in, near, or narrowly within a subspace of few dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.parties.bradley_terry import BradleyTerryLuce
from multiparty_envs.parties.choice import ChoiceModel
from multiparty_envs.parties.generators import STREAM
from multiparty_envs.parties.population import Population
from multiparty_envs.streams import Streams


def low_rank(
    num_features: int,
    num_parties: int,
    rank: int,
    *,
    streams: Streams,
    norm: float = 1.0,
    outside: float = 0.0,
    alike: float = 0.0,
    share: ArrayLike | None = None,
    choice: ChoiceModel | None = None,
) -> Population:
    """Draw parties that share a few directions: theta_m = U alpha_m, U orthonormal.

    U is spread evenly over all subspaces, alpha_m over the sphere of radius `norm`.
    Source: [Zhong2024], assumption 2.

    Args:
        num_features: D.
        num_parties: M.
        rank: R, at most D; more than M is of no use and refused.
        streams: where to draw from.
        norm: length of every theta_m.
        outside: share of the squared length that lies outside the shared directions, in [0, 1];
            above 0 the assumption is broken, and basis and coefficients are not given.
        alike: how near alpha_m is moved towards one point of the sphere, the same for all, in
            [0, 1). Towards 1 all want nearly the same, and what [Zhong2024], assumption 4,
            calls nu tends to 0.
        share: [M] share of the answers that come from each; equal if not given.
        choice: how they answer; `BradleyTerryLuce()` if not given.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.integer(num_features, name="num_features", low=1)
    expect.integer(num_parties, name="num_parties", low=1)
    expect.integer(rank, name="rank", low=1, high=min(num_features, num_parties))
    expect.number(norm, name="norm", low=0.0, high=np.inf, open_=True)
    expect.number(outside, name="outside", low=0.0, high=1.0)
    expect.number(alike, name="alike", low=0.0, high=1.0 - 1e-9)
    if outside > 0.0 and rank == num_features:
        raise ValueError(f"outside should be 0 when rank is num_features, is {outside}")
    if alike > 0.0 and rank == 1:
        raise ValueError(f"alike should be 0 when rank is 1, is {alike}")
    rng = streams.numpy(STREAM)
    # a QR decomposition gives even directions only with the signs of the diagonal taken out
    full, triangle = np.linalg.qr(rng.standard_normal((num_features, num_features)))
    full = full * np.sign(np.diag(triangle))
    basis, rest = full[:, :rank], full[:, rank:]
    coefficients = norm * _towards_first(_even_directions(rng, rank, num_parties), alike)
    answers = choice or BradleyTerryLuce()
    if outside == 0.0:
        theta = basis @ coefficients
        return Population(
            theta, share=share, choice=answers, basis=basis, coefficients=coefficients
        )
    strange = norm * _even_directions(rng, num_features - rank, num_parties)
    shared = np.sqrt(1.0 - outside) * basis @ coefficients
    return Population(shared + np.sqrt(outside) * rest @ strange, share=share, choice=answers)


def _even_directions(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Draw unit vectors, evenly over the sphere: [size, count]."""
    drawn = rng.standard_normal((size, count))
    return drawn / np.linalg.norm(drawn, axis=0)


def _towards_first(directions: np.ndarray, alike: float) -> np.ndarray:
    """Move unit vectors [size, count] towards the first axis, along the sphere."""
    if alike == 0.0:
        return directions
    moved = np.sqrt(1.0 - alike) * directions
    moved[0] += np.sqrt(alike)
    return moved / np.linalg.norm(moved, axis=0)
