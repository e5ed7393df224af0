"""Finite worlds as sparse tables over time: best responses, occupancies and exact returns."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import final

import numpy as np
from scipy import sparse

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP


@final
class World:
    """The tables of a `FiniteMDP`, laid out for sweeps over time, with rewards to plan for.

    Time runs over t < H; entering a terminal cell ends the episode, so those moves are left out
    and the occupancies of later times sum to less than one.

    Args:
        mdp: the world.
        rewards: `[S, A, M]`, default the true ones.

    Raises:
        ValueError: when the rewards are not finite or do not fit the world.
    """

    def __init__(self, mdp: FiniteMDP, rewards: np.ndarray | None = None) -> None:
        table = mdp.party_table if rewards is None else expect.finite(rewards, name="rewards")
        self.shape = (mdp.num_states, mdp.num_actions)
        expect.shape(table, *self.shape, None, name="rewards")
        self.horizon, self.discount = mdp.horizon, mdp.discount
        self.initial = np.asarray(mdp.initial_table)  # [S]
        self.rewards = table.reshape(-1, table.shape[-1])  # [S * A, M]
        self.moves = _moves(mdp)  # [S * A, S]
        self.allowed: np.ndarray | None = None  # [H, S, A] bool, None: every action everywhere

    @property
    def num_parties(self) -> int:
        """M of the rewards, which may differ from that of the world."""
        return self.rewards.shape[1]

    @cached_property
    def arrivals(self) -> sparse.csr_matrix:
        """The moves seen from where they lead, `[S, S * A]`."""
        return sparse.csr_matrix(self.moves.T)

    def best(self, reward: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Maximise expected return by backward induction, for one reward or B at once.

        Args:
            reward: `[S * A]` or `[S * A, B]`.

        Returns:
            The best values `[]` or `[B]`, and the actions that reach them `[H, S]` or
            `[H, S, B]`, of equals the first.
        """
        batch = reward.shape[1:]
        choice = np.empty((self.horizon, self.shape[0], *batch), dtype=np.int16)
        value = np.zeros((self.shape[0], *batch))
        for time, gain in self._sweep(reward):
            choice[time] = gain.argmax(axis=1)
            value = gain.max(axis=1)
        return self.initial @ value, choice

    def near_best(self, reward: np.ndarray, tolerance: float) -> World:
        """Return the world in which only actions within `tolerance` of the best are allowed.

        Args:
            reward: `[S * A]`.
            tolerance: in units of return from the action on.
        """
        world = copy(self)
        world.allowed = np.empty((self.horizon, *self.shape), dtype=bool)
        for time, gain in self._sweep(reward):
            world.allowed[time] = gain >= gain.max(axis=1, keepdims=True) - tolerance
        return world

    def _sweep(self, reward: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yield each time, the last first, with the best return of every action `[S, A, ...]`."""
        batch = reward.shape[1:]
        value = np.zeros((self.shape[0], *batch))
        for time in reversed(range(self.horizon)):
            gain = reward + self.discount * (self.moves @ value)
            gain = gain.reshape(*self.shape, *batch)
            if self.allowed is not None:
                gain[~self.allowed[time]] = -np.inf
            yield time, gain
            value = gain.max(axis=1)

    def occupancy(self, policy: np.ndarray) -> np.ndarray:
        """Return the chance of each (t, s, a) under a policy `[H, S, A]`, same shape."""
        visits = np.empty(policy.shape)
        here = self.initial
        for time in range(self.horizon):
            visits[time] = here[:, None] * policy[time]
            here = self.arrivals @ visits[time].ravel()
        return visits

    def visits(self, choice: np.ndarray) -> np.ndarray:
        """Return the discounted sum over time of the occupancy of actions `[H, S]`, `[S * A]`."""
        states, actions = self.shape
        first = np.arange(states) * actions
        total = np.zeros(states * actions)
        here, worth = self.initial, 1.0
        for row in first + choice:
            acted = np.zeros(states * actions)
            acted[row] = here
            total += worth * acted
            here = self.arrivals @ acted
            worth *= self.discount
        return total

    def returns(self, occupancy: np.ndarray) -> np.ndarray:
        """Return the parties' expected returns `[M]` under an occupancy `[H, S, A]`."""
        worth = self.discount ** np.arange(self.horizon)
        return (worth @ occupancy.reshape(self.horizon, -1)) @ self.rewards


def _moves(mdp: FiniteMDP) -> sparse.csr_matrix:
    pairs = mdp.num_states * mdp.num_actions
    source = np.repeat(np.arange(pairs), mdp.successors.shape[2])
    target, chance = mdp.successors.ravel(), mdp.probabilities.ravel()
    on = ~np.asarray(mdp.terminal)[target] & (chance > 0)
    entries = (chance[on], (source[on], target[on]))
    return sparse.csr_matrix(entries, shape=(pairs, mdp.num_states))
