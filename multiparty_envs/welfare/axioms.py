"""Axioms of welfare orderings, as data: each can look for profiles where a welfare function fails.

Sources: the six axioms of the isoelastic family as listed by [Zhong2024], after [Moulin2004];
independence of scales and of zeros singles out Nash and utilitarian welfare.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np


class Ordering(Protocol):
    """What an axiom needs of a welfare function."""

    def value(self, u: Any) -> Any:
        """Welfare of profiles `[..., M] -> [...]`."""
        ...

    def compare(self, u: Any, v: Any) -> Any:
        """1, 0 or -1 where `u` is better than, as good as or worse than `v`."""
        ...


@final
@dataclass(frozen=True)
class Axiom:
    """One property that a welfare ordering may have.

    An axiom pairs every profile with changed copies of it and of its successor in the batch, so
    that the same profiles always try the same cases. Finding no violation is evidence, not proof.

    Attributes:
        name: short name, unique.
        statement: the axiom in one sentence.
        fails: `(welfare, profiles [P, M]) -> [P]` bool, true where the axiom is broken.
    """

    name: str
    statement: str
    fails: Callable[[Ordering, np.ndarray], np.ndarray] = field(repr=False)

    def violations(self, welfare: Ordering, profiles: np.ndarray) -> list[int]:
        """Return the indices of the positive `profiles` `[P, M]` at which `welfare` breaks it."""
        profiles = np.asarray(profiles, dtype=np.float64)
        return [int(i) for i in np.flatnonzero(self.fails(welfare, profiles))]


def _others(profiles: np.ndarray) -> np.ndarray:
    return np.roll(profiles, 1, axis=0)


def _breaks_weak_pareto(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    return welfare.compare(profiles + 0.1 * _others(profiles), profiles) <= 0


def _breaks_strong_pareto(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    better = profiles.copy()
    better[np.arange(len(profiles)), profiles.argmax(-1)] += 0.5
    return welfare.compare(better, profiles) <= 0


def _breaks_symmetry(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    turned = welfare.compare(np.roll(profiles, 1, axis=-1), profiles) != 0
    return turned | (welfare.compare(profiles[:, ::-1], profiles) != 0)


def _breaks_continuity(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    # the richest party loses what it has above the second: where that matters at all, it must
    # still matter after everybody has lost a hair
    poorer = np.minimum(profiles, np.sort(profiles, axis=-1)[:, -2:-1])
    nearly = profiles - 1e-6 * (profiles.max(-1) - poorer.max(-1))[:, None]
    return (welfare.compare(profiles, poorer) > 0) & (welfare.compare(nearly, poorer) < 0)


def _breaks_separability(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    concerned = np.arange(profiles.shape[-1]) < 2
    one, two = profiles, np.where(concerned, _others(profiles), profiles)
    orders = [
        welfare.compare(np.where(concerned, one, common), np.where(concerned, two, common))
        for common in (profiles, 0.1 * profiles, 10.0 * profiles)
    ]
    return (orders[0] != orders[1]) | (orders[0] != orders[2])


def _breaks_common_scale(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    return _order_changes(welfare, profiles, lambda u: 3.0 * u)


def _breaks_individual_scale(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    scale = np.geomspace(1.0, 10.0, profiles.shape[-1])
    return _order_changes(welfare, profiles, lambda u: scale * u)


def _breaks_common_zero(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    return _order_changes(welfare, profiles, lambda u: u + 3.0)


def _breaks_individual_zero(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    zero = np.linspace(0.0, 5.0, profiles.shape[-1])
    return _order_changes(welfare, profiles, lambda u: u + zero)


def _order_changes(
    welfare: Ordering, profiles: np.ndarray, change: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    others = _others(profiles)
    return welfare.compare(profiles, others) != welfare.compare(change(profiles), change(others))


def _after_transfer(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    """Return the order after the richest party has given the poorest a quarter of the gap."""
    rows = np.arange(len(profiles))
    gift = 0.25 * np.ptp(profiles, axis=-1)
    after = profiles.copy()
    after[rows, profiles.argmin(-1)] += gift
    after[rows, profiles.argmax(-1)] -= gift
    return welfare.compare(after, profiles)


def _breaks_pigou_dalton(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    return _after_transfer(welfare, profiles) < 0


def _breaks_strict_pigou_dalton(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    # also between the two richest, which a rule that sees the poorest alone does not notice
    top = np.sort(profiles, axis=-1)[:, -2:]
    level = top.mean(-1, keepdims=True)
    among_rich = np.where(profiles >= top[:, :1], level, profiles)
    # a gap that nobody would notice is left out: `compare` has a tolerance
    unmoved = (welfare.compare(among_rich, profiles) <= 0) & (np.ptp(top, axis=-1) > 1e-3)
    wide = np.ptp(profiles, axis=-1) > 1e-3
    return unmoved | ((_after_transfer(welfare, profiles) <= 0) & wide)


def _breaks_concavity(welfare: Ordering, profiles: np.ndarray) -> np.ndarray:
    others = _others(profiles)
    chord = 0.5 * (welfare.value(profiles) + welfare.value(others))
    return welfare.value(0.5 * (profiles + others)) < chord - 1e-9 * (1.0 + np.abs(chord))


WEAK_PARETO = Axiom("weak Pareto", "What is better for every party is better.", _breaks_weak_pareto)
STRONG_PARETO = Axiom(
    "strong Pareto",
    "What is better for one party and worse for none is better.",
    _breaks_strong_pareto,
)
SYMMETRY = Axiom("symmetry", "Names do not matter: permuted profiles are equal.", _breaks_symmetry)
CONTINUITY = Axiom(
    "continuity", "A strict order survives a change that is small enough.", _breaks_continuity
)
SEPARABILITY = Axiom(
    "independence of unconcerned agents",
    "Parties who are equally well off in both profiles do not affect the order.",
    _breaks_separability,
)
COMMON_SCALE = Axiom(
    "independence of common scale",
    "Measuring all parties in another unit leaves the order.",
    _breaks_common_scale,
)
INDIVIDUAL_SCALE = Axiom(
    "independence of individual scale",
    "Measuring each party in a unit of its own leaves the order.",
    _breaks_individual_scale,
)
COMMON_ZERO = Axiom(
    "independence of common zero",
    "Adding one constant to all parties leaves the order.",
    _breaks_common_zero,
)
INDIVIDUAL_ZERO = Axiom(
    "independence of individual zero",
    "Adding to each party a constant of its own leaves the order.",
    _breaks_individual_zero,
)
PIGOU_DALTON = Axiom(
    "Pigou-Dalton",
    "A transfer from a better-off to a worse-off party that keeps their order does not harm.",
    _breaks_pigou_dalton,
)
STRICT_PIGOU_DALTON = Axiom(
    "strict Pigou-Dalton", "Such a transfer is an improvement.", _breaks_strict_pigou_dalton
)
CONCAVITY = Axiom(
    "concavity", "A mixture is worth at least the mean of what it mixes.", _breaks_concavity
)

AXIOMS = (
    WEAK_PARETO,
    STRONG_PARETO,
    SYMMETRY,
    CONTINUITY,
    SEPARABILITY,
    COMMON_SCALE,
    INDIVIDUAL_SCALE,
    COMMON_ZERO,
    INDIVIDUAL_ZERO,
    PIGOU_DALTON,
    STRICT_PIGOU_DALTON,
    CONCAVITY,
)
