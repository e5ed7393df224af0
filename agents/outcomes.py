"""What whole episodes of a finite world come to, and the game between policies that it makes.

Parties compare episodes by the sums of their features. So a policy is, to them, a distribution
over the sums that can come out, and whoever plays against it gets a reward at the end which
depends on the sum alone: with the sum so far beside the cell, a best response is found by backward
induction. Two policies that respond to each other's mixtures until neither gains are the von
Neumann winner among all policies, those that remember the episode included.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from agents.winners import von_neumann_winner
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.faces import segment_scale
from multiparty_envs.feedback.asking import unit_scale
from multiparty_envs.parties import Behaviour

MOST = 2_000_000
"""Places, cells with sums and times, from which a world is too large."""

MOST_OUTCOMES = 5_000
"""Sums from which the game between them is too large."""

_DIGITS = 9  # of sums that count as the same


class _Level(NamedTuple):
    """The B places that can be reached after some steps."""

    cell: np.ndarray  # [B]
    total: np.ndarray  # [B, D] sums of features so far
    after: np.ndarray  # [B, A, K] place in the next level, or number of the outcome if over
    over: np.ndarray  # [B, A, K] bool
    chance: np.ndarray  # [B, A, K]


class Play(NamedTuple):
    """A mixture of policies as a distribution over outcomes, and how it fares in the game."""

    chances: np.ndarray  # [U]
    exploitability: float  # what the best response wins against it on average
    responses: int  # policies in the mixture


@final
class Outcomes:
    """The sums of features `totals` [U, D] that episodes of a world can come to.

    Args:
        mdp: a finite world with one first cell, whose parties look at sums of features alone.

    Raises:
        ValueError: when the world has several first cells, its parties look at more than sums, or
            there are too many sums.
    """

    def __init__(self, mdp: FiniteMDP) -> None:
        if mdp.start is None:
            raise ValueError("the world should have one first cell, so that episodes can compare")
        if not mdp.population.choice.additive:
            raise ValueError("the parties should judge episodes by sums of features, look at more")
        self._mdp = mdp
        self._levels: list[_Level] = []
        ended: list[np.ndarray] = []
        cell, total = np.array([mdp.start]), np.zeros((1, mdp.num_features))
        for time in range(mdp.horizon):
            level, (cell, total), done = _grown(mdp, cell, total, time, sum(map(len, ended)))
            self._levels.append(level)
            ended.append(done)
            if sum(len(each.cell) for each in self._levels) * mdp.num_actions > MOST:
                raise ValueError(f"the world should have at most {MOST:,} places, has more")
            if not len(cell):
                break
        # the same sum may come out after different times
        self.totals, same = _distinct(np.concatenate(ended))
        if len(self.totals) > MOST_OUTCOMES:
            raise ValueError(
                f"the world should have at most {MOST_OUTCOMES:,} sums of features, has "
                f"{len(self.totals):,}"
            )
        self._levels = [
            level._replace(
                after=np.where(level.over, same[np.where(level.over, level.after, 0)], level.after)
            )
            for level in self._levels
        ]

    def margin(self) -> np.ndarray:
        """Return N [U, U]: how much more often an outcome is preferred, a mean over the parties."""
        mdp, count = self._mdp, len(self.totals)
        bank = Behaviour(
            self.totals[:, None], np.zeros((count, 1), np.int64), np.ones((count, 1), bool)
        )
        first, second = (place.ravel() for place in np.indices((count, count)))
        scale = unit_scale(segment_scale(mdp, None), mdp.num_parties)
        margin = np.zeros((count, count))
        for party in range(mdp.num_parties):  # one at a time: U x U chances each
            who = np.full(count * count, party)
            chance = mdp.population.choice.compare(
                mdp.population, bank, (first, second), who, scale
            )
            asked = 1.0 - (chance[:, 3] if chance.shape[1] > 3 else 0.0)
            net = (chance[:, 0] - chance[:, 1]) / np.where(asked > 0.0, asked, 1.0)
            margin += net.reshape(count, count)
        return (margin - margin.T) / (2 * mdp.num_parties)  # antisymmetric but for rounding

    def best(self, worth: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Return the most that can be expected of `worth` [U] at the end, and how to act for it.

        Actions are per level of places, [B] each.
        """
        value, acts = np.zeros(0), []
        for level in reversed(self._levels):
            gain = (level.chance * _ahead(level, value, worth)).sum(axis=2)
            acts.append(gain.argmax(axis=1))
            value = gain.max(axis=1)
        return float(value[0]), acts[::-1]

    def of_acts(self, acts: list[np.ndarray]) -> np.ndarray:
        """Return the distribution [U] of outcomes of acting as `best` says."""
        eye = np.eye(self._mdp.num_actions)
        return self._spread([eye[chosen] for chosen in acts])

    def of_policy(self, policy: np.ndarray) -> np.ndarray:
        """Return the distribution [U] of outcomes of a policy [H, S, A].

        Raises:
            ValueError: when its shape does not fit, or rows are no distributions.
        """
        mdp = self._mdp
        table = expect.distribution(policy, name="policy", atol=1e-5)
        expect.shape(table, mdp.horizon, mdp.num_states, mdp.num_actions, name="policy")
        return self._spread([table[time, level.cell] for time, level in enumerate(self._levels)])

    def _spread(self, chances: list[np.ndarray]) -> np.ndarray:
        """Return the distribution [U] from chances of actions [B, A] per level."""
        found, here = np.zeros(len(self.totals)), np.ones(1)
        for place, (level, chance) in enumerate(zip(self._levels, chances, strict=True)):
            flow = here[:, None, None] * chance[:, :, None] * level.chance
            over = level.over
            found += np.bincount(level.after[over], flow[over], len(found))
            last = place + 1 == len(self._levels)
            size = 0 if last else len(self._levels[place + 1].cell)
            here = np.bincount(level.after[~over], flow[~over], size)
        return found

    def exploitability(self, chances: np.ndarray, margin: np.ndarray | None = None) -> float:
        """Return what the best response wins against a distribution of outcomes [U]."""
        return self.best((self.margin() if margin is None else margin) @ chances)[0]

    def winner(self, tolerance: float = 1e-6, limit: int = 1_000) -> Play:
        """Return the von Neumann winner among all policies, by exact best responses.

        The game between the policies found so far is solved, and the best response to its winner
        joins them, until that wins `tolerance` or less.

        Raises:
            RuntimeError: when `limit` policies are not enough.
        """
        expect.integer(limit, name="limit", low=1)
        margin, gain = self.margin(), np.inf
        found = [self.of_acts(self.best(np.zeros(len(margin)))[1])]
        for count in range(1, limit + 1):
            known = np.stack(found)
            game = known @ margin @ known.T
            mixture = von_neumann_winner((game - game.T) / 2).chances @ known
            gain, acts = self.best(margin @ mixture)
            if gain <= tolerance:
                return Play(mixture, gain, count)
            found.append(self.of_acts(acts))
        raise RuntimeError(f"after {limit} policies the best response still wins {gain:g}")


def _grown(
    mdp: FiniteMDP, cell: np.ndarray, total: np.ndarray, time: int, outcomes: int
) -> tuple[_Level, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Return a level of places, the cells and sums that come after it, and sums that are final."""
    after = mdp.successors[cell]  # [B, A, K]
    chance = mdp.probabilities[cell]
    gone = (total[:, None] + mdp.feature_table[cell])[:, :, None]
    gone = np.broadcast_to(gone, (*after.shape, gone.shape[-1]))
    last = time + 1 == mdp.horizon
    possible, over = chance > 0.0, mdp.terminal[after] | last
    place = np.zeros(after.shape, dtype=np.int64)
    done, at = _distinct(gone[possible & over])
    place[possible & over] = outcomes + at
    here = possible & ~over
    both, at = _distinct(np.column_stack([after[here], gone[here]]))
    place[here] = at
    # a move without a chance leads nowhere; it counts as over, with the first outcome
    level = _Level(cell, total, place, over | ~possible, chance)
    return level, (both[:, 0].astype(np.int64), both[:, 1:]), done


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct rows, sums equal to many digits being one, and which each of them is."""
    found, at = np.unique(np.round(rows, _DIGITS) + 0.0, axis=0, return_inverse=True)
    return found, at.reshape(-1)


def _ahead(level: _Level, value: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """Return what comes after each move [B, A, K]: values of places, or the worth of outcomes."""
    found = worth[np.where(level.over, level.after, 0)]
    if len(value):
        found = np.where(level.over, found, value[np.where(level.over, 0, level.after)])
    return found
