"""Bradley–Terry–Luce answers with the irrationalities of simulated teachers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs.parties.choice import (
    Array,
    Behaviour,
    ChoiceModel,
    check_length,
    columns,
    knob,
    logistic,
    namespace,
    of_rows,
)

if TYPE_CHECKING:
    from multiparty_envs.parties.population import Population

CERTAIN = 1e200
"""An infinite beta in products: times a gap of zero it is a fair coin, where inf gives NaN."""

# name: lowest and highest allowed value
LIMITS = {
    "beta": (0.0, np.inf),
    "lapse": (0.0, 0.5),
    "tie_margin": (0.0, np.inf),
    "skip_margin": (-np.inf, np.finfo(np.float64).max),
    "myopia": (np.finfo(np.float64).tiny, 1.0),
    "sign": (-1.0, 1.0),
    "drift": (0.0, np.finfo(np.float64).max),
}


@final
@dataclass(frozen=True, eq=False)
class BradleyTerryLuce(ChoiceModel):
    """P(first preferred) = logistic(beta (S1 - S2)), with six ways to deviate, per party.

    S is the segment's true return divided by the party's `scale` (its spread over segments), so
    that all settings mean the same in every environment. Each is one number or [M].

    The order is that of B-Pref's code: skip, then tie, then the myopic sum, the noisy choice, the
    lapse; a tie overrides a lapse and a skip overrides everything. The thresholds are used as
    given: the original multiplies its factor in twice after the first session.

    Source: [Lee2021], section 4, and its published code.
    """

    beta: ArrayLike = 1.0
    """Rationality: 0 answers at random, inf always gives the better one (a fair coin if equal)."""
    lapse: ArrayLike = 0.0
    """Chance that the answer is turned round by mistake, up to a half."""
    tie_margin: ArrayLike = 0.0
    """A tie is answered when the two plain S differ by less than this."""
    skip_margin: ArrayLike = -np.inf
    """The query is skipped when neither plain S exceeds this; -inf never skips."""
    myopia: ArrayLike = 1.0
    """Factor by which a step counts less for every step after it; 1 is no myopia."""
    sign: ArrayLike = 1.0
    """-1 makes a party adversarial: it prefers what is worse for it."""
    drift: ArrayLike = 0.0
    """Fatigue: after k answers beta is beta * exp(-drift * k)."""

    _slope: Array = field(init=False, repr=False)
    """beta and sign as one factor."""
    _patient: bool = field(init=False, repr=False)
    _tires: bool = field(init=False, repr=False)
    _silent: bool = field(init=False, repr=False)
    """Whether there are ties or skips."""

    def __post_init__(self) -> None:
        own = {
            name: knob(getattr(self, name), name=name, low=low, high=high)
            for name, (low, high) in LIMITS.items()
        }
        if (np.abs(own["sign"]) != 1.0).any():
            raise ValueError(f"sign should be 1 or -1, is {self.sign}")
        # what decides which steps to take is known here, so that no device is asked for it
        own["_slope"] = np.asarray(np.minimum(own["beta"], CERTAIN) * own["sign"])
        for name, value in own.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_patient", bool((own["myopia"] == 1.0).all()))
        object.__setattr__(self, "_tires", bool((own["drift"] != 0.0).any()))
        silent = (own["tie_margin"] > 0.0).any() or (own["skip_margin"] > -np.inf).any()
        object.__setattr__(self, "_silent", bool(silent))

    @property
    def additive(self) -> bool:
        """True without myopia."""
        return self._patient

    @property
    def tires(self) -> bool:
        """True with drift."""
        return self._tires

    def check(self, num_parties: int) -> None:
        """Raise `ValueError` when a setting is neither a scalar nor [num_parties]."""
        check_length(num_parties, **{name: np.asarray(getattr(self, name)) for name in LIMITS})

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
        """Chances [K, 4] of first, second, tie and skip."""
        xp = namespace(first.features)
        theta = (population.theta / scale).T[party]  # [K, D]
        # masked steps may hold anything, so they are zeroed after the product
        rewards = [
            xp.where(seen.mask, xp.einsum("kld,kd->kl", seen.features, theta), 0.0)
            for seen in (first, second)
        ]
        masks = (first.mask, second.mask)
        return self.from_rewards(rewards[0], rewards[1], party, masks=masks, answered=answered)

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
        """Chances [K, 4] about pairs of a bank, from the rewards of all of it if K is large."""
        count, length = shown.mask.shape
        if len(party) < count * population.num_parties:
            return super().compare(population, shown, pairs, party, scale, answered=answered)
        xp = namespace(shown.features)
        rewards = shown.features @ (population.theta / scale)  # [G, L, M]
        rewards = xp.where(shown.mask[:, :, None], rewards, 0.0)
        rows = [place * population.num_parties + party for place in pairs]
        if self._patient:
            sums = rewards.sum(1).reshape(-1)  # [G * M]
            first, second = (xp.take(sums, row, axis=0) for row in rows)
            return self._chances((first, second), first - second, party, answered)
        rewards = rewards.swapaxes(1, 2).reshape(-1, length)  # [G * M, L]
        first, second = (xp.take(rewards, row, axis=0) for row in rows)
        masks = shown.mask[pairs[0]], shown.mask[pairs[1]]
        return self.from_rewards(first, second, party, masks=masks, answered=answered)

    def from_rewards(
        self,
        first: Array,
        second: Array,
        party: Array,
        *,
        masks: tuple[Array, Array] | None = None,
        answered: Array | None = None,
    ) -> Array:
        """Chances [K, 4] from standardised rewards [K, L], zero where the masks are false."""
        plain = first.sum(1), second.sum(1)
        gap = plain[0] - plain[1]
        if not self._patient:
            seen = (None, None) if masks is None else masks
            myopia = of_rows(self.myopia, party)
            gap = _myopic(first, seen[0], myopia) - _myopic(second, seen[1], myopia)
        return self._chances(plain, gap, party, answered)

    def _chances(
        self, plain: tuple[Array, Array], gap: Array, party: Array, answered: Array | None
    ) -> Array:
        """Chances [K, 4] from the plain sums [K] and the difference [K] that is seen."""
        xp = namespace(gap)
        prefers = self._prefers(xp.asarray(gap, dtype=xp.float64), party, answered)
        nobody = xp.zeros_like(prefers)
        if not self._silent:
            return columns([prefers, 1.0 - prefers, nobody, nobody])
        # thresholds look at plain sums, and each overrides all that stands after it in the list
        skips = xp.maximum(*plain) <= of_rows(self.skip_margin, party)
        ties = (xp.abs(plain[0] - plain[1]) < of_rows(self.tie_margin, party)) & ~skips
        prefers, other = (
            xp.where(skips | ties, nobody, chance) for chance in (prefers, 1.0 - prefers)
        )
        return columns([prefers, other, nobody + ties, nobody + skips])

    def _prefers(self, gap: Array, party: Array, answered: Array | None) -> Array:
        """Chance [K] to prefer the first, where there is neither tie nor skip."""
        margin = of_rows(self._slope, party) * gap
        if answered is not None and self._tires:
            margin = margin * namespace(gap).exp(-of_rows(self.drift, party) * answered)
        lapse = of_rows(self.lapse, party)
        return lapse + (1.0 - 2.0 * lapse) * logistic(margin)


def _myopic(rewards: Array, mask: Array | None, myopia: Array) -> Array:
    """Return the sums [K] in which a step counts less for every step after it."""
    steps = namespace(rewards).ones_like(rewards) if mask is None else mask
    done = steps.cumsum(1)
    return (rewards * myopia[..., None] ** (done[:, -1:] - done)).sum(1)
