"""Answers for studies of one quantity: pairs of actions, or of whole episodes, put to all parties.

Answers are Bradley-Terry-Luce in raw units of reward, as in [Zhong2024]: no scale, no lapse.
"""

from __future__ import annotations

import numpy as np

from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Comparisons, Segments, ask
from multiparty_envs.parties import Population
from multiparty_envs.streams import Draw


def about_actions(
    mdp: FiniteMDP, counts: np.ndarray, rng: np.random.Generator, pairs: np.ndarray | None = None
) -> Comparisons:
    """Ask each party about pairs of actions in the same state.

    Args:
        mdp: a world, of which the first decision counts.
        counts: [M] answers of each party.
        rng: draws states, pairs and answers.
        pairs: [A, A], chances of pairs; default two different actions as the behaviour policy
            takes them.
    """
    party = np.repeat(np.arange(len(counts)), counts)
    state = rng.choice(mdp.num_states, len(party), p=mdp.initial_table)
    chance = _pairs(mdp) if pairs is None else np.asarray(pairs)
    chance = np.broadcast_to(chance, (mdp.num_states, mdp.num_actions, mdp.num_actions))
    cumulative = chance.reshape(mdp.num_states, -1).cumsum(axis=1)
    drawn = (rng.random(len(party))[:, None] * cumulative[state, -1:] > cumulative[state]).sum(1)
    actions = np.divmod(drawn, mdp.num_actions)
    bank = segments(mdp.feature_table.reshape(-1, mdp.num_features))
    first, second = (state * mdp.num_actions + action for action in actions)
    return asked(mdp.population, bank, (first, second), party, rng)


def about_episodes(mdp: FiniteMDP, counts: np.ndarray, rng: np.random.Generator) -> Comparisons:
    """Ask each party about pairs of whole episodes of the behaviour policy from the same state."""
    party = np.repeat(np.arange(len(counts)), counts)
    start = rng.choice(mdp.num_states, len(party), p=mdp.initial_table)
    sums = episodes(mdp, np.tile(start, 2), rng)
    place = np.arange(len(party))
    return asked(mdp.population, segments(sums), (place, place + len(party)), party, rng)


def episodes(mdp: FiniteMDP, start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the feature sums [N, D] of episodes of the behaviour policy from `start` [N]."""
    draw = Draw(rng.integers(1 << 62, size=len(start)))
    state = mdp.initial(len(start), draw)._replace(cell=start)
    likely = mdp.behaviour.cumsum(axis=1)
    total, going = np.zeros((len(start), mdp.num_features)), np.ones((len(start), 1))
    for _ in range(mdp.horizon):
        chance = rng.random(len(start))[:, None] * likely[state.cell, -1:]
        action = (chance > likely[state.cell]).sum(axis=1)
        later = mdp.transition(state, action, draw)
        total += going * mdp.features(state, action, later)
        going *= ~mdp.terminated(later)[:, None]
        state = later
    return total


def segments(features: np.ndarray) -> Segments:
    """Return segments of one step each with `features` [G, D]; of anything else they hold none."""
    nothing = np.zeros((len(features), 1, 0))
    return Segments(nothing, nothing, features[:, None], np.ones((len(features), 1), dtype=bool))


def asked(
    population: Population,
    bank: Segments,
    pairs: tuple[np.ndarray, np.ndarray],
    party: np.ndarray,
    rng: np.random.Generator,
) -> Comparisons:
    """Put pairs of a bank, two arrays [K] of places, to `party` [K]."""
    raw = np.ones(population.num_parties)
    return ask(population, bank, *pairs, party, scale=raw, rng=rng)


def _pairs(mdp: FiniteMDP) -> np.ndarray:
    """Return [S, A, A]: two different actions, as the behaviour policy takes them."""
    both = mdp.behaviour[:, :, None] * mdp.behaviour[:, None]
    both = both * (1.0 - np.eye(mdp.num_actions))
    return both / both.sum(axis=(1, 2), keepdims=True)
