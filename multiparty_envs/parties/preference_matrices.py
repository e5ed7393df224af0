"""Parties that follow no reward: how likely each prefers one action to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.parties.choice import Array, Behaviour, ChoiceModel, columns, namespace

if TYPE_CHECKING:
    from multiparty_envs.parties.population import Population


@final
@dataclass(frozen=True, eq=False)
class PreferenceMatrices(ChoiceModel):
    """Party m prefers action a to action b with chance `matrices[m, a, b]`; cycles are allowed.

    Of longer segments, one step of each is compared, every pair of steps equally likely, so the
    chance is the mean over pairs. With a context, matrices are [S, M, A, A], the context of a step
    is the largest of the first S numbers of its observation, and only steps of the same context
    can be compared; a query without such a pair of steps is skipped.

    Source: [Zhong2024], section 6, with N = 2 P - 1.

    Raises:
        ValueError: when an entry is no chance or P(a, b) + P(b, a) is not one.
    """

    matrices: ArrayLike
    """[M, A, A] or [S, M, A, A]."""

    def __post_init__(self) -> None:
        table = expect.finite(self.matrices, name="matrices")
        if table.ndim not in (3, 4):
            raise ValueError(f"matrices should be [M, A, A] or [S, M, A, A], are {table.shape}")
        expect.shape(table, *table.shape[:-1], table.shape[-2], name="matrices")
        error = np.abs(table + table.swapaxes(-1, -2) - 1.0).max()
        if table.min() < 0.0 or table.max() > 1.0 or error > 1e-8:
            raise ValueError(
                f"matrices should hold chances with P(a, b) + P(b, a) = 1; entries are in "
                f"[{table.min():g}, {table.max():g}], sums are up to {error:g} off"
            )
        own = table.copy()
        own.setflags(write=False)
        object.__setattr__(self, "matrices", own)

    @property
    def additive(self) -> bool:
        """False: answers depend on actions."""
        return False

    @property
    def tires(self) -> bool:
        """False."""
        return False

    @property
    def table(self) -> Array:
        """[S, M, A, A], with S = 1 where there is no context."""
        array: Array = self.matrices
        return array if array.ndim == 4 else array[None]

    def check(self, num_parties: int) -> None:
        """Raise `ValueError` when there is not one matrix for each party."""
        if self.table.shape[1] != num_parties:
            raise ValueError(
                f"matrices should be for {num_parties} parties (num_parties), are for "
                f"{self.table.shape[1]}"
            )

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
        """Chances [K, 4] of first, second, tie and skip; rewards and `scale` play no part."""
        context = self._context(first), self._context(second)  # [K, L] each
        comparable = (
            first.mask[:, :, None]
            & second.mask[:, None, :]
            & (context[0][:, :, None] == context[1][:, None, :])
        )  # [K, L, L]
        chance = self.table[
            context[0][:, :, None],
            party[:, None, None],
            self._actions(first)[:, :, None],
            self._actions(second)[:, None, :],
        ]
        pairs = comparable.sum((1, 2))
        silent = pairs == 0
        prefers = (chance * comparable).sum((1, 2)) / (pairs + silent)
        nobody = namespace(prefers).zeros_like(prefers)
        return columns(
            [
                prefers,
                namespace(prefers).where(silent, nobody, 1.0 - prefers),
                nobody,
                nobody + silent,
            ]
        )

    def from_rewards(
        self,
        first: Array,
        second: Array,
        party: Array,
        *,
        masks: tuple[Array, Array] | None = None,
        answered: Array | None = None,
    ) -> Array:
        """Refuse: these parties follow no reward."""
        raise TypeError("parties with preference matrices follow no reward, but judge actions")

    def _actions(self, seen: Behaviour) -> Array:
        count = self.table.shape[-1]
        action = seen.action
        if action.ndim != 2 or not _holds_integers(action):
            raise TypeError(
                f"action should be whole numbers [K, L] for preference matrices, is "
                f"{action.dtype} {tuple(action.shape)}"
            )
        # a device would have to be waited for
        if not isinstance(action, np.ndarray) or not action.size:
            return action
        if not 0 <= action.min() <= action.max() < count:
            raise ValueError(
                f"action should be in 0..{count - 1}, is in {action.min()}..{action.max()}"
            )
        return action

    def _context(self, seen: Behaviour) -> Array:
        count = len(self.table)
        if count == 1:
            return seen.mask * 0
        if seen.obs is None or seen.obs.ndim != 3 or seen.obs.shape[2] < count:
            raise ValueError(
                f"obs should begin with {count} numbers that tell the context, has shape "
                f"{None if seen.obs is None else tuple(seen.obs.shape)}"
            )
        return seen.obs[:, :, :count].argmax(2)


def _holds_integers(array: Array) -> bool:
    if isinstance(array, np.ndarray):
        return np.issubdtype(array.dtype, np.integer)
    return not (array.is_floating_point() or array.is_complex())
