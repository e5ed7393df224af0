"""How a party answers "which of these two do you prefer?": a distribution over four answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from multiparty_envs.parties.population import Population

LABELS = np.array([1.0, 0.0, 0.5, np.nan])
"""What each column of `ChoiceModel.probabilities` is written as: first, second, tie, skip."""


class Behaviour(NamedTuple):
    """What a party sees of K segments, one row each.

    `obs` is only for parties whose answer depends on where the agent was.
    """

    features: np.ndarray  # [K, L, D]
    action: np.ndarray  # [K, L, *A]
    mask: np.ndarray  # [K, L] bool, true where there is a step
    obs: np.ndarray | None = None  # [K, L, *O]


class ChoiceModel(ABC):
    """A distribution over the answers of every party to a pair of segments."""

    @property
    @abstractmethod
    def additive(self) -> bool:
        """Whether a segment matters only through the sum of its features over its steps."""

    @abstractmethod
    def check(self, num_parties: int) -> None:
        """Raise `ValueError` unless the settings fit this number of parties."""

    @abstractmethod
    def probabilities(
        self,
        population: Population,
        first: Behaviour,
        second: Behaviour,
        party: np.ndarray,
        scale: np.ndarray,
        *,
        answered: np.ndarray | None = None,
    ) -> np.ndarray:
        """Chances of the four answers.

        Args:
            population: who the parties are.
            first: K segments.
            second: the K segments they are compared with.
            party: [K], who is asked.
            scale: [M], spread of segment returns per party; answers see returns divided by it.
            answered: [K], how many queries the party had answered before; None: none.

        Returns:
            [K, 4] chances of "first", "second", "tie", "skip".
        """

    @abstractmethod
    def from_rewards(
        self,
        first: np.ndarray,
        second: np.ndarray,
        party: np.ndarray,
        *,
        masks: tuple[np.ndarray, np.ndarray] | None = None,
        answered: np.ndarray | None = None,
    ) -> np.ndarray:
        """As `probabilities`, from what matters to a party that follows a reward.

        Args:
            first: [K, L] its rewards in the first segment, standardised; 0 where there is no step.
            second: [K, L] those in the second.
            party: [K], who is asked.
            masks: both [K, L] bool, true where there is a step; None: everywhere.
            answered: [K], how many queries the party had answered before; None: none.

        Raises:
            TypeError: when the parties follow no reward.
        """

    def answer(
        self,
        population: Population,
        first: Behaviour,
        second: Behaviour,
        party: np.ndarray,
        scale: np.ndarray,
        *,
        rng: np.random.Generator,
        answered: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw labels [K]: 1 first, 0 second, 0.5 tie, NaN skip. One uniform number a row."""
        chances = self.probabilities(population, first, second, party, scale, answered=answered)
        return LABELS[draw_columns(chances, rng)]


def draw_columns(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one column index for each row of `chances` [K, C], by one uniform number a row."""
    # column by column: many rows and few columns make sums along a row slow
    borders = list(accumulate(chances.T, np.add))
    # Rounding may leave the last sum just below 1; scaled, no column of chance 0 can be drawn.
    points = rng.random(len(chances)) * borders[-1]
    drawn = np.zeros(len(chances), dtype=np.int64)
    for border in borders[:-1]:
        drawn += points >= border
    return drawn


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    # the two are the same function; tanh saturates where exp would overflow
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def knob(value: ArrayLike, *, name: str, low: float, high: float) -> np.ndarray:
    """Return a per-party setting, a scalar or [M], as read-only float64 within [low, high].

    Raises:
        ValueError: naming the setting, a value outside and the interval.
    """
    array = np.array(value, dtype=np.float64)
    if array.ndim > 1:
        raise ValueError(f"{name} should be one number or one per party, has shape {array.shape}")
    outside = array[~((array >= low) & (array <= high))]  # NaN is outside too
    if outside.size:
        raise ValueError(f"{name} should be in [{low:g}, {high:g}], is {outside[0]:g}")
    array.setflags(write=False)
    return array


def of_rows(setting: np.ndarray, party: np.ndarray) -> np.ndarray:
    """Return the setting of each row's party: [K], or a scalar where all parties share it."""
    return setting if setting.ndim == 0 else setting[party]


def check_length(num_parties: int, **settings: np.ndarray) -> None:
    """Raise `ValueError` naming a setting that is neither a scalar nor one value per party."""
    for name, setting in settings.items():
        if setting.ndim and len(setting) != num_parties:
            raise ValueError(
                f"{name} should be one number or {num_parties} (num_parties), has {len(setting)}"
            )
