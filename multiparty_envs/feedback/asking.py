"""Putting queries to the parties of a population."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback.answers import order_within, whole
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Segments
from multiparty_envs.feedback.settings import IDENTITIES
from multiparty_envs.parties import Behaviour, PlackettLuce, Population
from multiparty_envs.parties.choice import Array, draw_columns, labels_of, namespace

CHUNK = 1 << 16
"""Queries answered at once, so that a million of them need little memory."""


def ask(
    population: Population,
    segments: Segments,
    first: np.ndarray,
    second: np.ndarray,
    party: np.ndarray,
    *,
    scale: np.ndarray,
    rng: np.random.Generator,
    identity: str = "party",
    answered: np.ndarray | None = None,
) -> Comparisons:
    """Ask K queries and write down the answers; a skipped query leaves no row.

    Args:
        population: who answers.
        segments: the bank that is shown, G segments.
        first: [K] places in the bank.
        second: [K] places in the bank.
        party: [K] who is asked.
        scale: [M] spread of segment returns per party; zero leaves a party unscaled.
        rng: draws the answers, one number a query.
        identity: what is written down of who answered: "party", "cluster" or "none".
        answered: [K] queries each had answered before; None counts up within this call.
    """
    expect.choice(identity, IDENTITIES, name="identity")
    ids, num_parties, names = written(population, identity)
    asked = whole(party, None, name="party", high=population.num_parties - 1)
    pairs = [
        whole(place, len(asked), name=name, high=segments.num_segments - 1)
        for name, place in (("first", first), ("second", second))
    ]
    if answered is None:
        answered = order_within(asked)
    additive = population.choice.additive
    shown = collapsed(segments.feature_sums()) if additive else segments.behaviour()
    scale = unit_scale(scale, population.num_parties)
    chance = rng.random(len(asked))
    label = draw_labels(
        population,
        shown,
        (pairs[0], pairs[1]),
        asked,
        scale=scale,
        chance=chance,
        answered=answered,
    )
    given = ~np.isnan(label)
    return Comparisons(
        segments,
        pairs[0][given],
        pairs[1][given],
        ids[asked[given]],
        label[given],
        num_parties,
        names,
    )


def rank(
    population: Population,
    segments: Segments,
    options: np.ndarray,
    party: np.ndarray,
    *,
    scale: np.ndarray,
    rng: np.random.Generator,
    model: PlackettLuce,
    depth: int = 1,
    identity: str = "party",
) -> Rankings:
    """Ask K times which of several segments is best, second, and so on.

    Args:
        population: whose rewards rule the answers.
        segments: the bank that is shown, G segments.
        options: [K, J] places in the bank, -1 where there is no alternative.
        party: [K] who is asked.
        scale: [M] spread of segment returns per party; zero leaves a party unscaled.
        rng: draws the answers.
        model: how they rank.
        depth: places asked for; of fewer alternatives, all are ranked.
        identity: what is written down of who answered: "party", "cluster" or "none".
    """
    expect.choice(identity, IDENTITIES, name="identity")
    expect.integer(depth, name="depth", low=1)
    model.check(population.num_parties)
    places = whole(options, None, None, name="options", low=-1, high=segments.num_segments - 1)
    asked = whole(party, len(places), name="party", high=population.num_parties - 1)
    returns = population.rewards(segments.feature_sums())  # [G, M]
    returns = returns / unit_scale(scale, population.num_parties)
    available = places >= 0
    order = model.order(returns[places, asked[:, None]], asked, rng=rng, available=available)
    ids, num_parties, names = written(population, identity)
    return Rankings(
        segments,
        np.take_along_axis(places, order, axis=1),
        np.minimum(depth, available.sum(axis=1)),
        ids[asked],
        num_parties,
        names,
    )


def unit_scale(scale: np.ndarray, num_parties: int) -> np.ndarray:
    """Return `scale` [M] checked, with 1 for parties whose returns never vary.

    Raises:
        ValueError: when it has another shape, or an entry is negative or not finite.
    """
    array = expect.shape(expect.finite(scale, name="scale"), num_parties, name="scale")
    if (array < 0.0).any():
        raise ValueError(f"scale should be 0 or more, is {array.min():g}")
    return np.where(array > 0.0, array, 1.0)


def draw_labels(
    population: Population,
    shown: Behaviour,
    pairs: tuple[Array, Array],
    party: Array,
    *,
    scale: Array,
    chance: Array,
    answered: Array | None,
) -> Array:
    """Draw labels about pairs of a bank, in NumPy or on a device.

    Args:
        population: who answers.
        shown: the bank, G segments.
        pairs: [K] places in the bank of the first segments, and [K] of the second.
        party: [K] who is asked.
        scale: [M] spread of segment returns per party, without zeros.
        chance: [K] uniform numbers.
        answered: [K] queries each had answered before; None: none.

    Returns:
        [K] 1 first, 0 second, 0.5 tie, NaN skip.
    """
    labels = [chance[:0]]
    for at in range(0, len(party), CHUNK):
        rows = slice(at, at + CHUNK)
        chances = population.choice.compare(
            population,
            shown,
            (pairs[0][rows], pairs[1][rows]),
            party[rows],
            scale,
            answered=None if answered is None else answered[rows],
        )
        labels.append(labels_of(draw_columns(chances, chance[rows])))
    return namespace(chance).concatenate(labels)


def collapsed(sums: Array) -> Behaviour:
    """Return what additive parties see of segments with feature sums [G, D]: one step of each."""
    step, xp = sums[:, None, :], namespace(sums)
    mask = xp.ones_like(step[..., 0], dtype=bool)
    return Behaviour(step, action=step[..., :0], mask=mask)


def written(population: Population, identity: str) -> tuple[np.ndarray, int, tuple | None]:
    """Return what is written down of each party [M], how many of these there are, their names."""
    count = population.num_parties
    if identity == "party":
        return np.arange(count), count, population.names
    if identity == "cluster":
        return np.asarray(population.cluster), population.num_clusters, None
    return np.zeros(count, dtype=np.int64), 1, None
