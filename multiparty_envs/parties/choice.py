"""How a party answers "which of these two do you prefer?": a distribution over four answers."""

from __future__ import annotations

import copy
import operator
from abc import ABC, abstractmethod
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import array_api_compat
import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from typing_extensions import Self

    from multiparty_envs.parties.population import Population

Array = Any
"""NumPy array or torch tensor."""

LABELS = np.array([1.0, 0.0, 0.5, np.nan])
"""What each column of `ChoiceModel.probabilities` is written as: first, second, tie, skip."""


class Behaviour(NamedTuple):
    """What a party sees of K segments, one row each.

    `obs` is only for parties whose answer depends on where the agent was.
    """

    features: Array  # [K, L, D]
    action: Array  # [K, L, *A]
    mask: Array  # [K, L] bool, true where there is a step
    obs: Array | None = None  # [K, L, *O]

    def at(self, rows: Array) -> Behaviour:
        """Return the segments `rows` [K]."""
        obs = None if self.obs is None else self.obs[rows]
        return Behaviour(self.features[rows], self.action[rows], self.mask[rows], obs)


class ChoiceModel(ABC):
    """A distribution over the answers of every party to a pair of segments.

    Chances are computed in NumPy, or in torch on the device of a copy from `on`.
    """

    @property
    @abstractmethod
    def additive(self) -> bool:
        """Whether a segment matters only through the sum of its features over its steps."""

    @property
    def tires(self) -> bool:
        """Whether it matters how many queries a party had answered before."""
        return True

    def on(self, device: Any) -> Self:
        """Return a copy whose arrays are torch tensors on `device`."""
        import torch

        twin = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray | torch.Tensor):
                # models are frozen, and a tensor made of a read-only array would be warned about
                own = value.copy() if isinstance(value, np.ndarray) else value
                object.__setattr__(twin, name, torch.asarray(own, device=device))
        return twin

    @abstractmethod
    def check(self, num_parties: int) -> None:
        """Raise `ValueError` unless the settings fit this number of parties."""

    @abstractmethod
    def probabilities(
        self,
        population: Population,
        first: Behaviour,
        second: Behaviour,
        party: Array,
        scale: Array,
        *,
        answered: Array | None = None,
    ) -> Array:
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
        first: Array,
        second: Array,
        party: Array,
        *,
        masks: tuple[Array, Array] | None = None,
        answered: Array | None = None,
    ) -> Array:
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

    def compare(
        self,
        population: Population,
        shown: Behaviour,
        pairs: tuple[Array, Array],
        party: Array,
        scale: Array,
        *,
        answered: Array | None = None,
    ) -> Array:
        """As `probabilities`, about pairs of a bank of G segments.

        Args:
            population: who the parties are.
            shown: the bank.
            pairs: [K] places in it of the first segments, and [K] of the second.
            party: [K], who is asked.
            scale: [M], spread of segment returns per party.
            answered: [K], how many queries the party had answered before; None: none.
        """
        first, second = (shown.at(place) for place in pairs)
        return self.probabilities(population, first, second, party, scale, answered=answered)

    def answer(
        self,
        population: Population,
        first: Behaviour,
        second: Behaviour,
        party: Array,
        scale: Array,
        *,
        rng: Any,
        answered: Array | None = None,
    ) -> Array:
        """Draw labels [K]: 1 first, 0 second, 0.5 tie, NaN skip. One uniform number a row.

        `rng` is a generator of NumPy's or torch's, or the uniform numbers themselves, [K].
        """
        chances = self.probabilities(population, first, second, party, scale, answered=answered)
        return labels_of(draw_columns(chances, rng))


def namespace(array: Array) -> Any:
    """Return the functions for an array: NumPy's, or those of the array API on torch."""
    return np if isinstance(array, np.ndarray) else array_api_compat.array_namespace(array)


def columns(parts: list[Array]) -> Array:
    """Return C columns [K] as [K, C], each of them lying in one stretch of memory."""
    return namespace(parts[0]).stack(parts).T


def draw_columns(chances: Array, rng: Any) -> Array:
    """Draw one column index for each row of `chances` [K, C], by one uniform number a row.

    `rng` is a generator of NumPy's or torch's, or the uniform numbers themselves, [K].
    """
    # column by column: many rows and few columns make sums along a row slow
    borders = list(accumulate((chances[:, j] for j in range(chances.shape[1])), operator.add))
    # Rounding may leave the last sum just below 1; scaled, no column of chance 0 can be drawn.
    points = _uniform(rng, borders[-1]) * borders[-1]
    xp = namespace(points)
    drawn = xp.zeros_like(points, dtype=xp.int64)
    for border in borders[:-1]:
        drawn += points >= border
    return drawn


def labels_of(drawn: Array) -> Array:
    """Return the labels [K] float64 of drawn columns [K]."""
    if isinstance(drawn, np.ndarray):
        return LABELS[drawn]
    # no table: it would have to be sent to the device
    label = 1.0 - drawn.double()
    return label.masked_fill(drawn == 2, 0.5).masked_fill(drawn == 3, np.nan)


def _uniform(rng: Any, like: Array) -> Array:
    """Return uniform numbers of the shape of `like`, which are given or drawn."""
    if isinstance(rng, np.random.Generator):
        return rng.random(like.shape)
    if hasattr(rng, "shape"):
        return rng
    import torch

    return torch.rand(like.shape, generator=rng, dtype=like.dtype, device=like.device)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    # the two are the same function; tanh saturates where exp would overflow
    return 0.5 + 0.5 * namespace(x).tanh(0.5 * x)


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


def of_rows(setting: Array, party: Array) -> Array:
    """Return the setting of each row's party: [K], or a scalar where all parties share it."""
    return setting if setting.ndim == 0 else setting[party]


def check_length(num_parties: int, **settings: np.ndarray) -> None:
    """Raise `ValueError` naming a setting that is neither a scalar nor one value per party."""
    for name, setting in settings.items():
        if setting.ndim and len(setting) != num_parties:
            raise ValueError(
                f"{name} should be one number or {num_parties} (num_parties), has {len(setting)}"
            )
