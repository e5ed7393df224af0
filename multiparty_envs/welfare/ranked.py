"""Welfare by rank: max-min, leximin and the generalized Gini function.

Sources: max-min, [Chakraborty2024] eq. 14; generalized Gini, [Weymark1981], with the weights of
[Siddique2020] by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

from multiparty_envs.welfare import axioms
from multiparty_envs.welfare.axioms import Axiom
from multiparty_envs.welfare.base import Welfare, like, profile, shares

Array = Any

_RANKED = frozenset(
    {
        axioms.WEAK_PARETO,
        axioms.CONTINUITY,
        axioms.CONCAVITY,
        axioms.COMMON_SCALE,
        axioms.COMMON_ZERO,
        axioms.SYMMETRY,
        axioms.PIGOU_DALTON,
    }
)


@final
@dataclass(frozen=True)
class MaxMin(Welfare):
    """What the worst-off party has. Source: [Chakraborty2024] eq. 14."""

    name: ClassVar[str] = "max-min"

    def value(self, u: Array) -> Array:
        """Return the smallest entry, `[..., M] -> [...]`."""
        xp, u = profile(u)
        return xp.min(u, axis=-1)

    def weights(self, u: Array) -> Array:
        """Return all weight on the worst-off party, shared equally among exact ties."""
        return _on_the_worst(u)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """Neither strong Pareto nor separability: it does not see those who are better off."""
        return _RANKED


@final
@dataclass(frozen=True)
class Leximin(Welfare):
    """The worst-off first, then the second worst-off, and so on; an order rather than a number.

    `value` is the minimum, its first term (no number can express the whole order), and `weights`
    belongs to it; `compare` is the order itself.
    """

    name: ClassVar[str] = "leximin"

    def value(self, u: Array) -> Array:
        """Return the smallest entry, `[..., M] -> [...]`."""
        xp, u = profile(u)
        return xp.min(u, axis=-1)

    def weights(self, u: Array) -> Array:
        """Return all weight on the worst-off party, shared equally among exact ties."""
        return _on_the_worst(u)

    def compare(self, u: Array, v: Array, tol: float = 1e-9) -> Array:
        """Return the sign of the first of the sorted differences larger than `tol`, `[...]`."""
        xp, u = profile(u)
        _, v = profile(v)
        difference = xp.sort(u, axis=-1) - xp.sort(v, axis=-1)
        counts = xp.astype(xp.abs(difference) > tol, xp.int64)
        first = counts * xp.astype(xp.cumulative_sum(counts, axis=-1) == 1, xp.int64)
        return xp.sum(first * xp.astype(xp.sign(difference), xp.int64), axis=-1)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """All but continuity and independence of individual scales and zeros."""
        gained = {axioms.STRONG_PARETO, axioms.SEPARABILITY, axioms.STRICT_PIGOU_DALTON}
        return (_RANKED | gained) - {axioms.CONTINUITY}


@final
@dataclass(frozen=True)
class GeneralizedGini(Welfare):
    """A weighted mean of the sorted profile that weighs the worse-off more.

    Source: [Weymark1981]; [Siddique2020] use the default weights, 1/2, 1/4, 1/8, ... scaled to
    sum one.

    Attributes:
        rank_weights: weights from the worst-off to the best-off, not increasing; scaled to sum
            one. Default 2^-i for as many parties as there are.
    """

    rank_weights: tuple[float, ...] | None = None
    name: ClassVar[str] = "gini"

    def __post_init__(self) -> None:
        given = shares(self.rank_weights, name="rank_weights")
        if given is not None and any(b > a for a, b in pairwise(given)):
            raise ValueError(f"rank_weights should not increase, are {self.rank_weights}")
        object.__setattr__(self, "rank_weights", given)

    def value(self, u: Array) -> Array:
        """Return the rank-weighted mean, `[..., M] -> [...]`."""
        xp, u = profile(u)
        return xp.sum(xp.sort(u, axis=-1) * self._ranked(u), axis=-1)

    def weights(self, u: Array) -> Array:
        """Return each party's rank weight, `[..., M]`; ties are ranked by party number."""
        xp, u = profile(u)
        rank = xp.argsort(xp.argsort(u, axis=-1, stable=True), axis=-1, stable=True)
        chosen = xp.take(self._ranked(u), xp.reshape(rank, (-1,)), axis=0)
        return xp.reshape(chosen, u.shape)

    def for_parties(self, num_parties: int) -> tuple[float, ...]:
        """Return the rank weights for so many parties, worst-off first, sum one.

        Raises:
            ValueError: when the weights given are for another number.
        """
        if self.rank_weights is None:
            total = 1.0 - 0.5**num_parties
            return tuple(0.5 ** (i + 1) / total for i in range(num_parties))
        if len(self.rank_weights) != num_parties:
            given = len(self.rank_weights)
            raise ValueError(f"rank_weights are for {given} parties, u has {num_parties}")
        return self.rank_weights

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """Strict Pigou-Dalton where the weights fall strictly (the default's do)."""
        given = self.rank_weights
        strict = given is None or all(a > b for a, b in pairwise(given))
        return _RANKED | {axioms.STRONG_PARETO, *([axioms.STRICT_PIGOU_DALTON] if strict else [])}

    def _ranked(self, u: Array) -> Array:
        return like(self.for_parties(u.shape[-1]), u, name="rank_weights")


def _on_the_worst(u: Array) -> Array:
    xp, u = profile(u)
    tied = xp.astype(u == xp.min(u, axis=-1, keepdims=True), u.dtype)
    return tied / xp.sum(tied, axis=-1, keepdims=True)
