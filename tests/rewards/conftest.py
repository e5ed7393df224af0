"""Simulated answers: features, parties and labels of a known kind."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from multiparty_envs.feedback import Comparisons, Rankings, Segments


def bank(features):
    """One-step segments with `features` [G, D]; of anything else they hold nothing."""
    count = len(features)
    return Segments(
        obs=np.zeros((count, 1, 0), dtype=np.float32),
        action=np.zeros((count, 1, 0), dtype=np.int64),
        features=features[:, None, :],
        mask=np.ones((count, 1), dtype=bool),
    )


def compare(theta, counts, seed=0, noise=True):
    """`counts` [M] answers of each party about normal features under `theta` [D, M]."""
    rng = np.random.default_rng(seed)
    party = rng.permutation(np.repeat(np.arange(theta.shape[1]), counts))
    first = np.arange(len(party))
    features = rng.normal(size=(2 * len(party), len(theta)))
    margin = ((features[: len(party)] - features[len(party) :]) * theta.T[party]).sum(axis=1)
    label = rng.random(len(party)) < expit(margin) if noise else margin > 0
    return Comparisons(
        segments=bank(features),
        first=first,
        second=first + len(party),
        party=party,
        label=label.astype(np.float64),
        num_parties=theta.shape[1],
    )


def rank(theta, counts, alternatives=4, depth=1, seed=0):
    """Plackett–Luce rankings to `depth`; a third of the rows lack the last alternative."""
    rng = np.random.default_rng(seed)
    party = rng.permutation(np.repeat(np.arange(theta.shape[1]), counts))
    features = rng.normal(size=(len(party) * alternatives, len(theta)))
    place = np.arange(len(features)).reshape(len(party), alternatives)
    utility = (features[place] * theta.T[party][:, None]).sum(axis=2)
    # ordering by utility plus Gumbel noise draws from Plackett–Luce
    utility += rng.gumbel(size=utility.shape)
    absent = np.zeros(place.shape, dtype=bool)
    absent[::3, -1] = True
    order = np.argsort(np.where(absent, np.inf, -utility), axis=1)
    ordered = np.take_along_axis(np.where(absent, -1, place), order, axis=1)
    return Rankings(
        segments=bank(features),
        ordered=ordered,
        depth=np.full(len(party), depth),
        party=party,
        num_parties=theta.shape[1],
    )


def huge(theta, counts):
    """Answers about features that no network can hold."""
    data = compare(theta, counts)
    wide = bank(np.full((data.segments.num_segments, len(theta)), 1e300))
    return dataclasses.replace(data, segments=wide)


@pytest.fixture(scope="session")
def simulate():
    """The functions above, as attributes."""

    class Simulate:
        bank = staticmethod(bank)
        compare = staticmethod(compare)
        rank = staticmethod(rank)
        huge = staticmethod(huge)

    return Simulate
