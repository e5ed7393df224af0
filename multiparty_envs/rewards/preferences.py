"""What each party prefers to what, counted: for parties that may follow no reward.

Counts assume nothing, neither rewards nor that preferences are transitive. They can be had where
states and actions are few and single actions were compared. Source: [Zhong2024], section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons

BONUSES = ("paper", "averaged", "none")
"""How much counts may mislead: by the party that answered least, on average, or not at all."""


@final
@dataclass(frozen=True, eq=False)
class PreferenceCounts:
    """How often parties preferred actions to others, in each of S states. Read-only.

    Raises:
        ValueError: when counts are negative or not finite, or the shape does not fit.
    """

    wins: np.ndarray
    """[S, M, A, A] float64, answers for the row's action over the column's; half for a tie."""

    def __post_init__(self) -> None:
        wins = expect.shape(
            expect.finite(self.wins, name="wins"), None, None, None, None, name="wins"
        )
        expect.shape(wins, *wins.shape[:3], wins.shape[2], name="wins")
        if wins.min(initial=0.0) < 0.0:
            raise ValueError(f"wins should be 0 or more, hold {wins.min():g}")
        own = wins.copy()
        own.setflags(write=False)
        object.__setattr__(self, "wins", own)

    @classmethod
    def of(
        cls,
        state: ArrayLike,
        first: ArrayLike,
        second: ArrayLike,
        party: ArrayLike,
        label: ArrayLike,
        *,
        shape: tuple[int, int, int],
    ) -> PreferenceCounts:
        """Count K answers.

        Args:
            state: [K] in which the two actions were compared.
            first: [K] the one action.
            second: [K] the other.
            party: [K] who answered.
            label: [K] in [0, 1], 1 where the first was preferred, 0.5 for a tie.
            shape: S, M, A.

        Raises:
            ValueError: when lengths differ or a number is out of range.
        """
        states, parties, actions = (expect.integer(n, name="shape", low=1) for n in shape)
        label = expect.finite(label, name="label")
        expect.shape(label, None, name="label")
        if len(label) and (label.min() < 0.0 or label.max() > 1.0):
            raise ValueError(f"label should be in [0, 1], is in [{label.min():g}, {label.max():g}]")
        columns = [
            _whole(value, len(label), most, name)
            for name, value, most in (
                ("state", state, states),
                ("party", party, parties),
                ("first", first, actions),
                ("second", second, actions),
            )
        ]
        sizes = (states, parties, actions, actions)
        forth = np.ravel_multi_index(columns, sizes)
        back = np.ravel_multi_index([*columns[:2], columns[3], columns[2]], sizes)
        total = int(np.prod(sizes))
        wins = np.bincount(forth, label, total) + np.bincount(back, 1.0 - label, total)
        return cls(wins.reshape(sizes))

    @classmethod
    def from_comparisons(
        cls, comparisons: Comparisons, observations: ArrayLike, num_actions: int
    ) -> PreferenceCounts:
        """Count answers about single steps.

        Args:
            comparisons: of segments of one step, both in the same state.
            observations: [S, O], what is seen of each state, no two alike. Answers may hold more
                than O numbers of an observation (the time left, say); those are not looked at.
            num_actions: A.

        Raises:
            ValueError: when segments are longer, two steps are of different states, what was seen
                is no state's, or an action is not in 0..A-1.
        """
        bank = comparisons.segments
        if not (bank.mask.sum(axis=1) == 1).all():
            raise ValueError("segments should have one step each to be counted by action")
        step = np.arange(bank.num_segments), bank.mask.argmax(axis=1)
        state = _states(bank.obs[step], expect.finite(observations, name="observations"))
        first, second = comparisons.first, comparisons.second
        apart = np.flatnonzero(state[first] != state[second])
        if len(apart):
            raise ValueError(f"answer {apart[0]} compares steps of different states")
        action = np.asarray(bank.action[step])
        expect.shape(action, len(state), name="action")
        sizes = (len(np.asarray(observations)), comparisons.num_parties, num_actions)
        return cls.of(
            state[first],
            action[first],
            action[second],
            comparisons.party,
            comparisons.label,
            shape=sizes,
        )

    @property
    def answers(self) -> np.ndarray:
        """n0 [S, M, A, A]: answers about each pair, in whichever order they were asked."""
        return self.wins + self.wins.swapaxes(-1, -2)

    def margins(self) -> np.ndarray:
        """N [S, M, A, A]: wins less losses, of all answers about a pair; 0 where there are none."""
        answers = self.answers
        return (self.wins - self.wins.swapaxes(-1, -2)) / np.where(answers > 0.0, answers, 1.0)

    def mean_margin(self) -> np.ndarray:
        """[S, A, A], the mean of the parties' margins, each counting the same."""
        return self.margins().mean(axis=1)

    def bonus(self, kind: str, delta: float = 0.1) -> np.ndarray:
        """Return B [S, A, A], how far the mean margin may be off; zero of an action with itself.

        "paper" is what [Zhong2024] subtracts, sqrt(2 log(4 M S A^2 / delta) / n) with the n of the
        party that answered least. "averaged" is Hoeffding's bound of the mean over parties, whose
        errors are independent and partly cancel: sqrt(2 log(4 S A^2 / delta) sum_m 1 / n_m) / M.

        Args:
            kind: a name in `BONUSES`.
            delta: chance that some entry is further off.
        """
        expect.choice(kind, BONUSES, name="bonus")
        expect.number(delta, name="delta", low=0.0, high=1.0, open_=True)
        states, parties, actions, _ = self.wins.shape
        rare = np.maximum(self.answers, 1.0)
        entries = 4.0 * states * actions**2 / delta
        if kind == "paper":
            bonus = np.sqrt(2.0 * np.log(parties * entries) / rare.min(axis=1))
        else:
            bonus = np.sqrt(2.0 * np.log(entries) * (1.0 / rare).sum(axis=1)) / parties
        return bonus * (1.0 - np.eye(actions)) * (kind != "none")


def _whole(value: ArrayLike, count: int, most: int, name: str) -> np.ndarray:
    array = np.asarray(value)
    expect.shape(array, count, name=name)
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"{name} should be whole numbers, is {array.dtype}")
    if count and not 0 <= array.min() <= array.max() < most:
        raise ValueError(f"{name} should be in 0..{most - 1}, is in {array.min()}..{array.max()}")
    return array


def _states(seen: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return which of the known observations [S, O] each of [G, O or more] begins with."""
    expect.shape(known, None, None, name="observations")
    expect.shape(seen, None, None, name="obs")
    width = known.shape[1]
    if seen.shape[1] < width:
        raise ValueError(f"obs should have {width} numbers or more, has {seen.shape[1]}")
    # as float32, which is how environments show them
    rows = np.concatenate([_exact(known), _exact(seen[:, :width])])
    code = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    own, met = np.split(code, [len(known)])
    if len(np.unique(own)) < len(own):
        raise ValueError(f"of {len(own)} states only {len(np.unique(own))} can be told apart")
    state_of = np.full(len(rows), -1)
    state_of[own] = np.arange(len(own))
    state = state_of[met]
    if (state < 0).any():
        raise ValueError(f"what segment {int(np.argmin(state))} saw is no state's observation")
    return state


def _exact(rows: np.ndarray) -> np.ndarray:
    """Return float32 rows that are equal where they look equal (no minus zero)."""
    return np.asarray(rows, dtype=np.float32) + np.float32(0.0)
