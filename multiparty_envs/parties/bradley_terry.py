"""Bradley–Terry–Luce answers with the irrationalities of simulated teachers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs.parties.choice import (
    Behaviour,
    ChoiceModel,
    check_length,
    knob,
    logistic,
    of_rows,
)

if TYPE_CHECKING:
    from multiparty_envs.parties.population import Population

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

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            object.__setattr__(self, name, knob(getattr(self, name), name=name, low=low, high=high))
        if (np.abs(self._settings()["sign"]) != 1.0).any():
            raise ValueError(f"sign should be 1 or -1, is {self.sign}")

    def _settings(self) -> dict[str, np.ndarray]:
        return {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}

    @property
    def additive(self) -> bool:
        """True without myopia."""
        return bool((np.asarray(self.myopia) == 1.0).all())

    def check(self, num_parties: int) -> None:
        """Raise `ValueError` when a setting is neither a scalar nor [num_parties]."""
        check_length(num_parties, **self._settings())

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
        """Chances [K, 4] of first, second, tie and skip."""
        theta = (population.theta / scale).T[party]  # [K, D]
        # masked steps may hold anything, so they are zeroed after the product
        rewards = [
            np.where(seen.mask, np.einsum("kld,kd->kl", seen.features, theta), 0.0)
            for seen in (first, second)
        ]
        masks = (first.mask, second.mask)
        return self.from_rewards(rewards[0], rewards[1], party, masks=masks, answered=answered)

    def from_rewards(
        self,
        first: np.ndarray,
        second: np.ndarray,
        party: np.ndarray,
        *,
        masks: tuple[np.ndarray, np.ndarray] | None = None,
        answered: np.ndarray | None = None,
    ) -> np.ndarray:
        """Chances [K, 4] from standardised rewards [K, L], zero where the masks are false."""
        own = {name: of_rows(setting, party) for name, setting in self._settings().items()}
        plain = first.sum(axis=1), second.sum(axis=1)
        skips = np.maximum(*plain) <= own["skip_margin"]
        ties = np.abs(plain[0] - plain[1]) < own["tie_margin"]
        ones = np.ones(first.shape, dtype=bool)
        seen = (ones, ones) if masks is None else masks
        gap = _myopic(first, seen[0], own["myopia"]) - _myopic(second, seen[1], own["myopia"])
        prefers = self._prefers(gap, own, answered)
        # thresholds look at plain sums, and each overrides all that stands after it in the list
        answers = ~skips & ~ties
        return np.stack(
            [answers * prefers, answers * (1.0 - prefers), ~skips & ties, skips], axis=1
        ).astype(np.float64)

    @staticmethod
    def _prefers(
        gap: np.ndarray, own: dict[str, np.ndarray], answered: np.ndarray | None
    ) -> np.ndarray:
        beta = own["beta"] * own["sign"]
        if answered is not None:
            beta = beta * np.exp(-own["drift"] * answered)
        # an infinite beta times a gap of zero is a fair coin, not NaN
        margin = np.multiply(beta, gap, out=np.zeros_like(gap), where=gap != 0.0)
        return own["lapse"] + (1.0 - 2.0 * own["lapse"]) * logistic(margin)


def _myopic(rewards: np.ndarray, mask: np.ndarray, myopia: np.ndarray) -> np.ndarray:
    if (myopia == 1.0).all():  # the usual case needs no powers
        return rewards.sum(axis=1)
    # number of steps that come after each step
    later = np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] - mask
    return (rewards * np.expand_dims(myopia, -1) ** later).sum(axis=1)
