"""What the study `reward-free` measures: games, answers about them, and winners of the counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agents.audits.efficiency import dominated_in, ex_post
from agents.games import (
    exploitability,
    is_transitive,
    margins,
    party_margins,
    unilateral_coverage,
    winner_bound,
)
from agents.winners import pessimistic_winners, winners
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.condorcet import condorcet
from multiparty_envs.parties import PreferenceMatrices
from multiparty_envs.rewards.preferences import BONUSES, PreferenceCounts
from multiparty_envs.streams import Streams

ACTIONS = 5
DELTA = 0.1
"""Chance that a bound may fail."""

WORLDS = 30
"""Games of a cell, each with its own answers; what a cell measures is their mean."""

RARE = 1.0
"""Answers of a party about a pair that is hardly ever asked about, on average."""


class Game(NamedTuple):
    """Preferences `[1, M, A, A]` in one state, and how often pairs are asked about `[1, A, A]`."""

    preferences: np.ndarray
    pairs: np.ndarray


def even(parties: int, n: int, seed: int) -> Game:
    """Return parties drawn one by one, half ranking and half circles, asked about every pair."""
    world = condorcet(num_actions=ACTIONS, num_parties=parties, conflict=1.0, seed=seed)
    return Game(_table(world), _even(ACTIONS))


def skewed(parties: int, n: int, seed: int) -> Game:
    """Return a game in which one option is compared with all others and these hardly ever.

    On average the parties like the first option as well as any other, so that it loses to none;
    of the others they prefer some strongly to some. Each of those pairs is asked about `RARE`
    times among the n answers of a party.
    """
    rng = Streams(seed).numpy("parties")
    raw = rng.uniform(-1.0, 1.0, size=(parties, ACTIONS, ACTIONS))
    margin = np.triu(raw, 1) - np.triu(raw, 1).swapaxes(1, 2)
    common = np.triu(rng.choice([-0.8, 0.8], size=(ACTIONS, ACTIONS)), 1)
    margin = np.clip(0.2 * margin + common - common.T, -1.0, 1.0)
    margin[:, 0] = margin[:, :, 0] = 0.0
    pairs = np.full((ACTIONS, ACTIONS), RARE / (2.0 * n))
    pairs[0] = pairs[:, 0] = 0.0
    np.fill_diagonal(pairs, 0.0)
    pairs[0, 1:] = pairs[1:, 0] = (1.0 - pairs.sum()) / (2 * (ACTIONS - 1))
    return Game(0.5 + 0.5 * margin[None], pairs[None])


def ranked(parties: int, n: int, seed: int) -> Game:
    """Return parties with rankings, asked about every pair, of whose options some is dominated."""
    for attempt in range(1_000):
        world = condorcet(
            num_actions=ACTIONS,
            num_parties=parties,
            conflict=1.0,
            intransitivity=0.0,
            seed=Streams(seed).key(f"attempt {attempt}"),
        )
        table = _table(world)
        if dominated_in(table).any():
            return Game(table, _even(ACTIONS))
    raise RuntimeError(f"no game of {parties} parties with a dominated option was drawn")


def circle(parties: int, n: int, seed: int) -> Game:
    """Return parties who all go round in the same circle of three options."""
    beats = np.array([[0.0, 1.0, -1.0], [-1.0, 0.0, 1.0], [1.0, -1.0, 0.0]])
    return Game(np.stack([0.5 + 0.4 * beats] * parties)[None], _even(3))


GAMES: dict[str, Callable[[int, int, int], Game]] = {
    each.__name__: each for each in (even, skewed, ranked, circle)
}
"""Kinds of games by name: from parties, answers of each, and a seed."""


def _table(world: FiniteMDP) -> np.ndarray:
    choice = world.population.choice
    assert isinstance(choice, PreferenceMatrices)
    return choice.table


def _even(actions: int) -> np.ndarray:
    return ((1.0 - np.eye(actions)) / (actions * (actions - 1)))[None]


def answered(game: Game, n: int, rng: np.random.Generator) -> PreferenceCounts:
    """Return the counts of n answers of each party about pairs drawn by their chances."""
    parties, actions = game.preferences.shape[1:3]
    asked = rng.multinomial(n, game.pairs[0].ravel(), size=parties)
    asked = asked.reshape(1, parties, actions, actions)
    won = rng.binomial(asked, game.preferences)
    return PreferenceCounts(won + (asked - won).swapaxes(-1, -2))


def measure(kind: str, seed: int, parties: int, n: int) -> dict[str, float]:
    """Return the means of what is measured over `WORLDS` games and their answers."""
    streams = Streams(seed).child(f"{kind} {parties}")
    found = [
        _measured(GAMES[kind](parties, n, streams.key(f"game {world}")), n, streams, world)
        for world in range(WORLDS)
    ]
    means = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    return {name: float(f"{value:.4g}") for name, value in means.items()}  # rows are kept small


def _measured(game: Game, n: int, streams: Streams, world: int) -> dict[str, float]:
    truth, dominated = margins(game.preferences), dominated_in(game.preferences)
    counts = answered(game, n, streams.numpy(f"answers {n} {world}"))
    values: dict[str, float] = {}
    for bonus in BONUSES:
        chances = pessimistic_winners(counts, bonus, DELTA)
        values[f"{bonus} exploitability"] = float(exploitability(chances, truth)[0])
        values[f"{bonus} tau"] = float(ex_post(dominated, chances)[0])
    values["transitive"] = float(is_transitive(party_margins(game.preferences)).all())
    return values | _theory(game, counts, truth, n, values["paper exploitability"])


def _theory(
    game: Game, counts: PreferenceCounts, truth: np.ndarray, n: int, reached: float
) -> dict[str, float]:
    """Return what theorems 8 and 9 foresee, and whether it came so.

    "bonus bound" is what the proof of theorem 8 has before it is made simple: where the bounds
    hold, the loss is at most twice the bonus that the winner meets, max_b 2 (p @ B)_b.
    """
    best = winners(truth)
    _, parties, actions, _ = game.preferences.shape
    coverage = float(unilateral_coverage(best, game.pairs)[0])
    bound = winner_bound(n, coverage, shape=(1, parties, actions), delta=DELTA)
    met = 2.0 * float((best[0] @ counts.bonus("paper", DELTA)[0]).max())
    entries = 2.0 * parties * actions**2 / DELTA
    return {
        "coverage": coverage,
        "theorem 8": bound,
        "theorem 8 holds": float(reached <= bound),
        "bonus bound": met,
        "bonus bound holds": float(reached <= met + 1e-9),
        "theorem 9": float(np.sqrt(actions * np.log(entries) * np.sqrt(coverage / n))),
    }
