"""Races between ways to solve the game of many actions."""

from __future__ import annotations

import numpy as np

from agents.winners import quick_winner, von_neumann_winner
from baselines.races import peers_winners
from baselines.races.race import Race, rate
from multiparty_envs.streams import Streams

PARTIES = 8
NOISE = 0.1
"""Spread of the margins of a mixed game that no reward explains."""

FEW, MANY = 500, 1_000
"""Actions of the dense games and of the mixed ones that are solved exactly."""

DIGITS = 1e-3
"""How exploitable what is found by either quick way may be."""


def mixed_game(actions: int, seed: int) -> np.ndarray:
    """Return a margin of Bradley-Terry parties and a part that goes in circles: few are in play."""
    rng = Streams(seed).numpy("game")
    worth = rng.normal(size=(PARTIES, actions))
    margin = sum(np.tanh(0.5 * (each[:, None] - each)) for each in worth) / PARTIES
    noise = NOISE * rng.normal(size=(actions, actions))
    return np.clip(margin + (noise - noise.T) / 2, -1.0, 1.0)


def dense_game(actions: int, seed: int) -> np.ndarray:
    """Return a margin whose entries are drawn one by one: half of the actions are in play."""
    upper = np.triu(Streams(seed).numpy("game").uniform(-1, 1, size=(actions, actions)), 1)
    return upper - upper.T


def winners() -> Race:
    """Exact winners of games in which few of a thousand actions are in play."""
    return _exact(mixed_game(MANY, 0), f"exact winners of {MANY} actions, few of them in play")


def dense_winners() -> Race:
    """Exact winners of games in which half of the actions are in play."""
    return _exact(dense_game(FEW, 0), f"exact winners of {FEW} actions, half of them in play")


def quick_winners() -> Race:
    """Winners of a thousand actions to three digits."""
    game = mixed_game(MANY, 0)
    return Race(
        f"winners of {MANY} actions, exploitable by {DIGITS}",
        lambda: rate(lambda: quick_winner(game, DIGITS)),
        f"multiplicative weights, {peers_winners.ROUNDS:,} rounds",
        lambda: rate(lambda: peers_winners.multiplicative_weights(game)),
    )


def _exact(game: np.ndarray, what: str) -> Race:
    return Race(
        what,
        lambda: rate(lambda: von_neumann_winner(game)),
        "scipy linprog (HiGHS)",
        lambda: rate(lambda: peers_winners.by_programme(game)),
    )
