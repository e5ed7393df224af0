"""Ways to draw or build a population; `subspaces` has those of low rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.parties.bradley_terry import BradleyTerryLuce
from multiparty_envs.parties.choice import ChoiceModel
from multiparty_envs.parties.population import Population
from multiparty_envs.streams import Streams

STREAM = "parties"
"""Name of the random stream that all of them draw from."""


def clusters(
    centres: ArrayLike,
    sizes: Sequence[int],
    *,
    streams: Streams,
    shares: ArrayLike | None = None,
    spread: float = 0.0,
    choice: ChoiceModel | None = None,
) -> Population:
    """Draw parties round a few centres, one for each kind of party.

    Args:
        centres: [D, C] reward weights of the kinds.
        sizes: [C] parties of each kind, one or more.
        streams: where to draw from.
        shares: [C] share of the answers that comes from each kind, divided evenly among its
            parties; by size if not given.
        spread: standard deviation of each party's weights round its centre.
        choice: how they answer; `BradleyTerryLuce()` if not given.

    Raises:
        ValueError: when shapes do not fit or a knob is out of range.
    """
    middle = expect.shape(expect.finite(centres, name="centres"), None, len(sizes), name="centres")
    counts = np.array([expect.integer(size, name="sizes", low=1) for size in sizes])
    expect.number(spread, name="spread", low=0.0, high=np.finfo(np.float64).max)
    weight = counts / counts.sum() if shares is None else expect.distribution(shares, name="shares")
    expect.shape(weight, len(sizes), name="shares")
    cluster = np.repeat(np.arange(len(sizes)), counts)
    noise = streams.numpy(STREAM).standard_normal((len(middle), len(cluster)))
    return Population(
        theta=middle[:, cluster] + spread * noise,
        cluster=cluster,
        share=(weight / counts)[cluster],
        choice=choice or BradleyTerryLuce(),
    )


def conflict(
    num_parties: int,
    minority_share: float,
    angle: float,
    *,
    num_features: int = 2,
    norm: float = 1.0,
    choice: ChoiceModel | None = None,
) -> Population:
    """Build a majority and a minority whose wishes differ by an angle; nothing is drawn.

    The majority wants the first feature, the minority the direction at `angle` to it towards the
    second. The minority gives exactly `minority_share` of the answers and is as near to that
    share of the parties as whole numbers allow, but one at least.

    Args:
        num_parties: M, 2 or more.
        minority_share: from 0.01 to 0.5.
        angle: in radians, from 0 (all agree) to pi (opposite wishes).
        num_features: D, 2 or more.
        norm: length of every theta_m.
        choice: how they answer; `BradleyTerryLuce()` if not given.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.integer(num_parties, name="num_parties", low=2)
    share = expect.number(minority_share, name="minority_share", low=0.01, high=0.5)
    expect.number(angle, name="angle", low=0.0, high=np.pi)
    expect.integer(num_features, name="num_features", low=2)
    expect.number(norm, name="norm", low=0.0, high=np.inf, open_=True)
    minority = max(1, round(share * num_parties))
    counts = np.array([num_parties - minority, minority])
    cluster = np.repeat([0, 1], counts)
    centres = np.zeros((num_features, 2))
    centres[0] = 1.0, np.cos(angle)
    centres[1, 1] = np.sin(angle)
    return Population(
        theta=norm * centres[:, cluster],
        cluster=cluster,
        share=(np.array([1.0 - share, share]) / counts)[cluster],
        choice=choice or BradleyTerryLuce(),
    )


def dirichlet_traits(
    traits: ArrayLike,
    num_parties: int,
    concentration: float,
    *,
    streams: Streams,
    choice: ChoiceModel | None = None,
) -> Population:
    """Draw parties as mixtures of trait models: theta_m = traits @ w_m, w_m ~ Dirichlet.

    Source: the simulated users of [Bose2025], which take ten traits and concentrations from 0.001
    (nearly one trait each) to 0.1.

    Args:
        traits: [D, R] reward weights of the trait models.
        num_parties: M.
        concentration: parameter of the symmetric Dirichlet distribution, above 0.
        streams: where to draw from.
        choice: how they answer; `BradleyTerryLuce()` if not given.

    Raises:
        ValueError: when a knob is out of range.
    """
    basis = expect.shape(expect.finite(traits, name="traits"), None, None, name="traits")
    expect.integer(num_parties, name="num_parties", low=1)
    expect.number(concentration, name="concentration", low=0.0, high=np.inf, open_=True)
    weights = _dirichlet(streams.numpy(STREAM), basis.shape[1], num_parties, concentration)
    return Population(
        theta=basis @ weights,
        choice=choice or BradleyTerryLuce(),
        basis=basis,
        coefficients=weights,
    )


def from_table(
    columns: Mapping[str, Any], features: Sequence[str], *, choice: ChoiceModel | None = None
) -> Population:
    """Build a population from a table with one row for each party, as of real people.

    Args:
        columns: a column of numbers (or of text that reads as numbers) for each feature, and if
            wanted "name", "cluster" and "share"; shares are brought to sum 1.
        features: names of the columns that hold theta, in order.
        choice: how they answer; `BradleyTerryLuce()` if not given.

    Raises:
        ValueError: when a column is missing or a cell is no number.
    """
    missing = [name for name in features if name not in columns]
    if missing or not features:
        raise ValueError(f"the table should have columns {list(features)}, lacks {missing}")
    share = _numbers(columns["share"], "share") if "share" in columns else None
    cluster = _numbers(columns["cluster"], "cluster") if "cluster" in columns else None
    if cluster is not None and (cluster != np.rint(cluster)).any():
        raise ValueError("column 'cluster' should hold whole numbers")
    return Population(
        theta=np.stack([_numbers(columns[name], name) for name in features]),
        cluster=None if cluster is None else cluster.astype(np.int64),
        share=None if share is None else share / share.sum(),
        choice=choice or BradleyTerryLuce(),
        names=tuple(columns["name"]) if "name" in columns else None,
    )


def zipf_shares(num_parties: int, exponent: float) -> np.ndarray:
    """Return [M] shares of the answers that fall as a power of a party's place: Zipf's law.

    Args:
        num_parties: M.
        exponent: 0 (all alike) or more; at 1 the second gives half as many as the first.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.integer(num_parties, name="num_parties", low=1)
    expect.number(exponent, name="exponent", low=0.0, high=100.0)
    weight = np.arange(1.0, num_parties + 1) ** -exponent
    return weight / weight.sum()


def _dirichlet(rng: np.random.Generator, size: int, count: int, concentration: float) -> np.ndarray:
    """Draw weights [size, count] that sum to one.

    In logarithms (a gamma variate of shape a is one of shape a + 1 times U^(1/a)), because at
    small concentrations the plain gamma variates of a whole column underflow to zero.
    """
    logs = np.log(rng.gamma(concentration + 1.0, size=(size, count)))
    logs += np.log1p(-rng.random((size, count))) / concentration
    weights = np.exp(logs - logs.max(axis=0))
    return weights / weights.sum(axis=0)


def _numbers(cells: Any, name: str) -> np.ndarray:
    try:
        return expect.finite(np.asarray(cells).astype(np.float64), name=name)
    except ValueError as error:
        raise ValueError(f"column {name!r} should hold finite numbers: {error}") from error
