"""Envy: who would rather be in another's place, where places can be exchanged at all."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect

ALIKE = 9
"""Decimals, relative to the largest weight, to which weights are compared."""


def envy(theta: np.ndarray, gained: np.ndarray) -> np.ndarray | None:
    """Return how much each party would gain in each other's place, `[M, M]`, or None.

    Parties i and j have symmetric roles where j's weights are i's with the features exchanged, as
    of residents of two districts who each want the parcels for their own. What i has is
    theta_i @ gained; in j's place, with what j's features brought brought by its own, it would
    have theta_j @ gained. Row i, column j holds the difference, zero where roles are not
    symmetric, negative where i would lose. None where no two parties that differ have such roles:
    their rewards are then not about shares of the same goods, and envy means nothing.

    Source: envy-freeness as in fair division, [Foley1967].

    Args:
        theta: `[D, M]`, the parties' weights.
        gained: `[D]`, the sums of the features that a policy brings.
    """
    weights = expect.shape(expect.finite(theta, name="theta"), None, None, name="theta")
    sums = expect.shape(expect.finite(gained, name="gained"), len(weights), name="gained")
    largest = np.abs(weights).max(initial=0.0) or 1.0
    rounded = np.round(weights / largest, ALIKE)
    roles = np.unique(np.sort(rounded, axis=0), axis=1, return_inverse=True)[1].ravel()
    kinds = np.unique(rounded, axis=1, return_inverse=True)[1].ravel()
    exchangeable = (roles[:, None] == roles) & (kinds[:, None] != kinds)
    if not exchangeable.any():
        return None
    have = sums @ weights
    return np.where(exchangeable, have[None, :] - have[:, None], 0.0)
