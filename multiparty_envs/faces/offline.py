"""Answers recorded once, about single actions in the same state: the offline data of the theory."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Comparisons, Segments, ask
from multiparty_envs.streams import Streams


def offline(
    mdp: FiniteMDP,
    answers: int,
    seed: int,
    *,
    pairs: np.ndarray | None = None,
    drawn: bool = True,
) -> Comparisons:
    """Return `answers` comparisons by every party of two actions in one state.

    States come from the world's first cell, pairs of actions from its `pairs`, the same for every
    party, and answers from raw rewards, not from standardised ones as the faces give them: data
    D_m of [Zhong2024], section 3.

    Args:
        mdp: a world of one decision.
        answers: n, of each party; skipped queries count.
        seed: of states, pairs and answers.
        pairs: [S, A, A], in place of the world's own, see `FiniteMDP`.
        drawn: False: each pair comes up as often as its chance says, to the nearest whole number,
            instead of by chance.

    Raises:
        ValueError: when the world has more than one decision, or a table does not fit.
    """
    expect.integer(answers, name="answers", low=1)
    if mdp.horizon != 1:
        raise ValueError(
            f"offline answers are about worlds of one decision, horizon is {mdp.horizon}; "
            'collect(..., Feedback(pairs="same-start")) compares whole episodes'
        )
    chance = _chances(mdp, pairs)
    streams, parties = Streams(seed), mdp.num_parties
    rows = (
        _drawn(chance, (parties, answers), streams.numpy("pairs"))
        if drawn
        else np.broadcast_to(_spread(chance, answers), (parties, answers))
    )
    state, first, second = np.unravel_index(
        rows.ravel(), (mdp.num_states, mdp.num_actions, mdp.num_actions)
    )
    return ask(
        mdp.population,
        _bank(mdp),
        state * mdp.num_actions + first,
        state * mdp.num_actions + second,
        np.repeat(np.arange(parties), answers),
        scale=np.ones(parties),
        rng=streams.numpy("answers"),
    )


def pair_chances(mdp: FiniteMDP) -> np.ndarray:
    """Return [S, A, A]: the world's `pairs`, or two different draws of its behaviour policy.

    A state in which the behaviour policy always does the same cannot be compared: zeros.
    """
    if mdp.pairs is not None:
        return mdp.pairs
    both = mdp.behaviour[:, :, None] * mdp.behaviour[:, None]
    both = both * (1.0 - np.eye(mdp.num_actions))
    total = both.sum(axis=(1, 2), keepdims=True)
    return np.divide(both, total, out=np.zeros_like(both), where=total > 0.0)


def _chances(mdp: FiniteMDP, pairs: np.ndarray | None) -> np.ndarray:
    """Return the chance [S * A * A] of each state with a pair of actions."""
    table = pair_chances(mdp)
    if pairs is not None:
        flat = expect.shape(expect.finite(pairs, name="pairs"), *table.shape, name="pairs")
        expect.distribution(flat.reshape(len(flat), -1), name="pairs")
        table = flat
    chance = mdp.initial_table[:, None, None] * table
    if not chance.any():
        raise ValueError("pairs should be of two different actions, but one is always taken")
    return (chance / chance.sum()).ravel()


def _drawn(chance: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    ladder = np.cumsum(chance)
    return np.searchsorted(ladder, rng.random(shape) * ladder[-1], side="right")


def _spread(chance: np.ndarray, count: int) -> np.ndarray:
    """Return [count] places, each as often as its chance says; the largest remainders round up."""
    exact = count * chance
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = np.argsort(whole - exact, kind="stable")[: count - whole.sum()]
    whole[left] += 1
    return np.repeat(np.arange(len(chance)), whole)


def _bank(mdp: FiniteMDP) -> Segments:
    """Return a segment of one step for each state and action, state * A + action."""
    rows = mdp.num_states * mdp.num_actions
    seen = np.repeat(mdp.observations_at(0), mdp.num_actions, axis=0)
    return Segments(
        obs=seen[:, None],
        action=np.tile(np.arange(mdp.num_actions), mdp.num_states)[:, None],
        features=mdp.feature_table.reshape(rows, 1, -1),
        mask=np.ones((rows, 1), dtype=bool),
    )
