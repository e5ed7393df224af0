"""Plackett–Luce answers: choices of one among several, and full orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.parties.choice import check_length, knob, of_rows


@final
@dataclass(frozen=True, eq=False)
class PlackettLuce:
    """P(order) = the product over places of exp(beta S_i) / sum of exp(beta S_j) over those left.

    S are true returns divided by the party's `scale`. With two alternatives it is
    `BradleyTerryLuce` with the same beta. Source: [Luce1959], [Plackett1975].
    """

    beta: ArrayLike = 1.0
    """Rationality, one number or [M]: 0 orders at random, inf always puts the best first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", knob(self.beta, name="beta", low=0.0, high=np.inf))

    def check(self, num_parties: int) -> None:
        """Raise `ValueError` when beta is neither a scalar nor [num_parties]."""
        check_length(num_parties, beta=np.asarray(self.beta))

    def probabilities(
        self, returns: np.ndarray, party: np.ndarray, available: np.ndarray | None = None
    ) -> np.ndarray:
        """Chance of each alternative to be put first.

        Args:
            returns: [K, J] standardised true returns of the alternatives.
            party: [K] who is asked.
            available: [K, J] bool, true where there is an alternative; None: everywhere.

        Returns:
            [K, J], zero where there is no alternative; equal among the best if beta is infinite.
        """
        values = self._values(returns, party, available)
        weights = np.exp(values)
        return weights / weights.sum(axis=1, keepdims=True)

    def log_probability(
        self,
        returns: np.ndarray,
        depth: np.ndarray,
        party: np.ndarray,
        available: np.ndarray | None = None,
    ) -> np.ndarray:
        """Log-chance [K] that the first `depth` [K] places come as `returns` [K, J] has them."""
        total = np.zeros(len(returns))
        for place in range(returns.shape[1]):
            left = None if available is None else available[:, place:]
            values = self._values(returns[:, place:], party, left)
            chance = values[:, 0] - np.log(np.exp(values).sum(axis=1))
            total += np.where(place < np.asarray(depth), chance, 0.0)
        return total

    def order(
        self,
        returns: np.ndarray,
        party: np.ndarray,
        *,
        rng: np.random.Generator,
        available: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw full orders [K, J] of the alternatives, best first; those not available are last.

        Sorting by value plus Gumbel noise draws from this model ([Yellott1977]).
        """
        noise = rng.gumbel(size=returns.shape)
        perfect = np.isinf(np.broadcast_to(of_rows(np.asarray(self.beta), party), len(returns)))
        values = self._values(returns, party, available)
        # the perfectly rational are ruled by the returns, and by chance only where these are equal
        chance = np.where(perfect[:, None], noise, values + noise)
        absent = np.zeros(returns.shape) if available is None else ~available
        ruled = np.where(perfect[:, None], -returns, 0.0)
        return np.lexsort((-chance, ruled, absent), axis=-1)

    def _values(
        self, returns: np.ndarray, party: np.ndarray, available: np.ndarray | None
    ) -> np.ndarray:
        """Beta times the distance to the best alternative on offer: 0 for it, -inf if absent."""
        expect.shape(returns, None, None, name="returns")
        beta = np.broadcast_to(of_rows(np.asarray(self.beta), party), len(returns))[:, None]
        shown = returns if available is None else np.where(available, returns, -np.inf)
        below = shown - shown.max(axis=1, keepdims=True)
        # nothing is multiplied by 0 or infinity: the best stay at 0, the absent at -inf
        other = (below != 0.0) & np.isfinite(below)
        return np.multiply(beta, below, out=below.copy(), where=other)
