"""Answers as orders of segments, and which of them every network is trained and judged by."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings


class Orders(NamedTuple):
    """K answers as orders of at most J segments, whose log-likelihood is linear in two things.

    By Plackett and Luce [Plackett1975] it is the sum of `credit` times returns, minus the sum of
    `stages` times the log of the total power of the segments from that place on. A comparison is
    an order of two of which a label of 0 credits the second.
    """

    place: np.ndarray  # [K, J] int64 segment of the bank, 0 where absent
    present: np.ndarray  # [K, J] bool
    credit: np.ndarray  # [K, J] float32
    stages: np.ndarray  # [K, J - 1] float32
    party: np.ndarray  # [K] int64


def orders_of(answers: Comparisons | Rankings) -> Orders:
    """Turn answers, already checked, into orders."""
    if isinstance(answers, Comparisons):
        place = np.stack([answers.first, answers.second], axis=1)
        credit = np.stack([answers.label, 1.0 - answers.label], axis=1)
        stages, present = np.ones((len(answers), 1)), np.ones(place.shape, dtype=bool)
    else:
        place, present = answers.ordered, answers.ordered >= 0
        # the last one left is taken for sure
        choices = np.minimum(answers.depth, present.sum(axis=1) - 1)
        credit = np.arange(place.shape[1]) < choices[:, None]
        stages = credit[:, :-1]
    return Orders(
        place=np.maximum(place, 0),
        present=present,
        credit=credit.astype(np.float32),
        stages=stages.astype(np.float32),
        party=np.asarray(answers.party),
    )


def order_likelihood(utility: np.ndarray, orders: Orders) -> np.ndarray:
    """Return the log-likelihood [E, K, C] of every answer by returns [E, K, C, J]."""
    credit, stages = orders.credit[:, None, :], orders.stages[:, None, :]
    value = (credit * np.where(credit > 0, utility, 0.0)).sum(axis=-1)
    total = utility[..., -1]
    for stage in reversed(range(stages.shape[-1])):
        total = np.logaddexp(total, utility[..., stage])
        # nothing was chosen where nothing is left
        value -= np.where(stages[..., stage] > 0, stages[..., stage] * total, 0.0)
    return value


class Part(NamedTuple):
    """Some of the answers, for each of E ensemble members, sorted by party."""

    rows: np.ndarray  # [E, T] answers
    party: np.ndarray  # [T], the same for all members


def split(
    party: np.ndarray, fraction: float, members: int, rng: np.random.Generator
) -> tuple[Part, Part]:
    """Return each member's answers to learn from and the `fraction` that it holds out.

    Spread evenly over the parties, of whom everyone keeps an answer to learn from. With several
    members the former are drawn anew with replacement from each party's own: a bootstrap, so that
    members differ as fits to other answers would.
    """
    count = len(party)
    order = np.argsort(party + rng.random((members, count)), axis=1)
    sorted_, number = np.sort(party), np.arange(count)
    first = np.diff(sorted_, prepend=-1) > 0
    held = (np.floor(fraction * (number + 1)) > np.floor(fraction * number)) & ~first
    train = Part(order[:, ~held], sorted_[~held])
    if members > 1:
        _, start, size = np.unique(train.party, return_index=True, return_counts=True)
        offset = rng.random(train.rows.shape) * np.repeat(size, size)
        again = np.repeat(start, size) + offset.astype(np.int64)
        train = train._replace(rows=np.take_along_axis(train.rows, again, axis=1))
    return train, Part(order[:, held], sorted_[held])


@final
class Groups:
    """Which columns of a `Part` each of n networks of a member reads: a run of them.

    Args:
        part: rows to read.
        start: [n] first column.
        count: [n] columns, perhaps none.
    """

    def __init__(self, part: Part, start: np.ndarray, count: np.ndarray) -> None:
        self._rows, self._start, self.count = part.rows, start, count
        self.longest = max(int(count.max(initial=0)), 1)

    @classmethod
    def everything(cls, part: Part, networks: int) -> Groups:
        """Every network reads all."""
        return cls(part, np.zeros(networks, dtype=np.int64), np.full(networks, len(part.party)))

    @classmethod
    def by_party(cls, part: Part, parties: int) -> Groups:
        """Every network reads the answers of the party that has its number."""
        count = np.bincount(part.party, minlength=parties)
        return cls(part, np.cumsum(count) - count, count)

    def epoch(self, number: int, batch_size: int, rng: np.random.Generator) -> np.ndarray:
        """Return rows [S, E, n, B]: as many steps as the network with the most rows needs.

        Every network goes through its rows in a new random order again and again, and goes on in
        the next epoch where this one ends.
        """
        size = min(batch_size, self.longest)
        steps = -(-self.longest // size)
        at = number * steps * size + np.arange(steps * size)
        cycle, column = np.divmod(at, np.maximum(self.count, 1)[:, None])  # [n, S * B]
        shape = (len(self._rows), *column.shape)
        order = np.argsort(cycle + rng.random(shape), axis=2)
        column = np.take_along_axis(np.broadcast_to(column, shape), order, axis=2)
        rows = self._read(column).reshape(*shape[:2], steps, size)
        return np.ascontiguousarray(rows.transpose(2, 0, 1, 3))

    def all(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all rows [E, n, T], shorter runs padded, and their weights [n, T] of 1 or 0."""
        number = np.arange(self.longest)
        column = np.minimum(number, np.maximum(self.count, 1)[:, None] - 1)
        shape = (len(self._rows), *column.shape)
        weight = (number < self.count[:, None]).astype(np.float32)
        return self._read(np.broadcast_to(column, shape)), weight

    def _read(self, column: np.ndarray) -> np.ndarray:
        """[E, n, T] columns of each network's run -> rows."""
        members, networks, length = column.shape
        last = self._rows.shape[1] - 1
        absolute = np.minimum(column + self._start[:, None], last)  # a network may have no rows
        flat = absolute.reshape(members, networks * length)
        return np.take_along_axis(self._rows, flat, axis=1).reshape(column.shape)
