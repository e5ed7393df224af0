"""Welfare as a mean of utilities: utilitarian, Nash, isoelastic and the generalized mean.

Source: the isoelastic family and its axioms, [Zhong2024] section 4, after [Moulin2004].
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from multiparty_envs import expect
from multiparty_envs.welfare import axioms
from multiparty_envs.welfare.axioms import Axiom
from multiparty_envs.welfare.base import (
    Welfare,
    equal,
    like,
    numbers,
    profile,
    shares,
    spread,
    weighted_mean,
)
from multiparty_envs.welfare.utility import PowerUtility

Array = Any

_SEPARABLE = frozenset(
    {
        axioms.WEAK_PARETO,
        axioms.STRONG_PARETO,
        axioms.CONTINUITY,
        axioms.SEPARABILITY,
        axioms.CONCAVITY,
    }
)
_STEEPEST = -5.0  # beyond, powers of eps drown those of ordinary utilities; max-min is near
_IMPARTIAL = frozenset({axioms.SYMMETRY, axioms.PIGOU_DALTON})
_STRICT = _IMPARTIAL | {axioms.STRICT_PIGOU_DALTON}


@final
@dataclass(frozen=True)
class Utilitarian(Welfare):
    """The mean over parties, by `party_weights` if given."""

    party_weights: tuple[float, ...] | None = None
    name: ClassVar[str] = "utilitarian"

    def __post_init__(self) -> None:
        _set_shares(self)

    def value(self, u: Array) -> Array:
        """Return the mean, `[..., M] -> [...]`."""
        return weighted_mean(profile(u)[1], self.party_weights)

    def weights(self, u: Array) -> Array:
        """Return the parties' shares, whatever `u` is."""
        xp, u = profile(u)
        return spread(xp.ones_like(u), self.party_weights)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """All but strict Pigou-Dalton and individual scale; impartiality without weights only."""
        held = _SEPARABLE | {axioms.COMMON_SCALE, axioms.COMMON_ZERO, axioms.INDIVIDUAL_ZERO}
        return held | _IMPARTIAL if equal(self.party_weights) else held


@final
@dataclass(frozen=True)
class Nash(Welfare):
    """The mean log gain over `reference`; below a gain of `eps` the log goes on as its tangent.

    Its maximiser is that of the product of gains wherever all can gain more than `eps`. Axioms
    are claimed for gains above `eps`.

    Attributes:
        reference: what a party has without agreement, one number or one per party.
        eps: gain below which a party's log becomes a straight line of slope 1 / eps.
        party_weights: shares of the parties, default equal.
    """

    reference: float | tuple[float, ...] = 0.0
    eps: float = 1e-2
    party_weights: tuple[float, ...] | None = None
    name: ClassVar[str] = "nash"

    def __post_init__(self) -> None:
        _set_shares(self)
        object.__setattr__(self, "reference", numbers(self.reference, name="reference"))
        expect.number(self.eps, name="eps", low=0.0, open_=True)

    def value(self, u: Array) -> Array:
        """Return the mean log gain, `[..., M] -> [...]`."""
        return weighted_mean(self.utility(self._gain(u)), self.party_weights)

    def weights(self, u: Array) -> Array:
        """Return each party's share over its gain, `[..., M]`; at most share / eps."""
        return spread(self.utility.slope(self._gain(u)), self.party_weights)

    @property
    def utility(self) -> PowerUtility:
        """The log and its tangent."""
        return PowerUtility(0.0, self.eps)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """Units of their own for all parties where the reference is zero; impartial if equal."""
        held = _SEPARABLE
        if self.reference == 0 or set(_as_tuple(self.reference)) == {0.0}:
            held |= {axioms.COMMON_SCALE, axioms.INDIVIDUAL_SCALE}
        return held | _STRICT if equal(self.party_weights) and equal(self.reference) else held

    def _gain(self, u: Array) -> Array:
        _, u = profile(u)
        return u - like(self.reference, u, name="reference")


@final
@dataclass(frozen=True)
class Isoelastic(Welfare):
    """The mean of u^alpha (0 < alpha <= 1), log u (alpha = 0) or -u^alpha (alpha < 0).

    Source: [Zhong2024] section 4 (there the sum). Below `eps` each term goes on as its tangent.
    alpha is in [-5, 1].
    """

    alpha: float
    eps: float = 1e-2
    party_weights: tuple[float, ...] | None = None
    name: ClassVar[str] = "isoelastic"

    def __post_init__(self) -> None:
        _set_shares(self)
        expect.number(self.alpha, name="alpha", low=_STEEPEST, high=1.0)
        expect.number(self.eps, name="eps", low=0.0, open_=True)

    def value(self, u: Array) -> Array:
        """Return the mean utility, `[..., M] -> [...]`."""
        return weighted_mean(self.utility(profile(u)[1]), self.party_weights)

    def weights(self, u: Array) -> Array:
        """Return each party's share times its marginal utility, `[..., M]`."""
        return spread(self.utility.slope(profile(u)[1]), self.party_weights)

    @property
    def utility(self) -> PowerUtility:
        """The power and its tangent."""
        return PowerUtility(self.alpha, self.eps)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """Common scale above `eps`; strict Pigou-Dalton below alpha = 1."""
        return _power_axioms(self.alpha, self.party_weights)


@final
@dataclass(frozen=True)
class GeneralizedMean(Welfare):
    """The power mean (mean of u^p)^(1/p), -5 <= p <= 1; the geometric mean at p = 0.

    It orders profiles as `Isoelastic(p)` does but is measured in the units of `u`. Where a party
    has less than `eps` the powers go on as their tangents; there it still rises with every party
    but is no longer concave, so that `weights` is its gradient, not a supergradient.
    """

    p: float
    eps: float = 1e-2
    party_weights: tuple[float, ...] | None = None
    name: ClassVar[str] = "generalized-mean"

    def __post_init__(self) -> None:
        _set_shares(self)
        expect.number(self.p, name="p", low=_STEEPEST, high=1.0)
        expect.number(self.eps, name="eps", low=0.0, open_=True)

    def value(self, u: Array) -> Array:
        """Return the power mean, `[..., M] -> [...]`."""
        utility = self.utility
        return utility.inverse(weighted_mean(utility(profile(u)[1]), self.party_weights))

    def weights(self, u: Array) -> Array:
        """Return the gradient, `[..., M]`: share times (mean / u)^(1-p) above `eps`."""
        _, u = profile(u)
        slope = self.utility.slope(u)
        return spread(slope / self.utility.slope(self.value(u))[..., None], self.party_weights)

    @property
    def utility(self) -> PowerUtility:
        """The power and its tangent."""
        return PowerUtility(self.p, self.eps)

    @property
    def satisfies(self) -> frozenset[Axiom]:
        """Those of `Isoelastic(p)`, which has the same order."""
        return _power_axioms(self.p, self.party_weights)


def _set_shares(welfare: Utilitarian | Nash | Isoelastic | GeneralizedMean) -> None:
    given = shares(welfare.party_weights, name="party_weights")
    object.__setattr__(welfare, "party_weights", given)


def _as_tuple(value: float | Iterable[float]) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, Iterable) else (value,)


def _power_axioms(alpha: float, party_weights: tuple[float, ...] | None) -> frozenset[Axiom]:
    held = _SEPARABLE | {axioms.COMMON_SCALE}
    if alpha == 0:
        held |= {axioms.INDIVIDUAL_SCALE}
    if alpha == 1:
        held |= {axioms.COMMON_ZERO, axioms.INDIVIDUAL_ZERO}
    if not equal(party_weights):
        return held
    return held | (_IMPARTIAL if alpha == 1 else _STRICT)
