"""Whether one reward for all keeps what the parties agree on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from multiparty_envs import expect

TOLERANCE = 1e-9


@final
@dataclass(frozen=True)
class Violations:
    """Shares of pairs of actions that an aggregate orders against the parties.

    Attributes:
        unanimous: of the pairs on which all parties agree, the share that it reverses; NaN if
            there are none.
        agreed: how many those are.
        majority: of the pairs with more than half of the parties on one side, the same.
        decided: how many those are.
    """

    unanimous: float
    agreed: int
    majority: float
    decided: int


def violations(rewards: np.ndarray, aggregate: np.ndarray) -> Violations:
    """Return how often an aggregate reward reverses what all parties, or most of them, prefer.

    A tie of the aggregate reverses nothing. Source: [Ge2024]: Pareto optimality, and pairwise
    majority consistency, of a reward learned for all.

    Args:
        rewards: `[B, A, M]`, the parties' true rewards of the A actions at B states.
        aggregate: `[B, A]`, for instance a pooled reward, or the welfare of learned rewards.

    Raises:
        ValueError: when shapes do not fit.
    """
    r = expect.shape(expect.finite(rewards, name="rewards"), None, None, None, name="rewards")
    one = expect.shape(expect.finite(aggregate, name="aggregate"), *r.shape[:2], name="aggregate")
    first, second = np.triu_indices(r.shape[1], 1)
    side = _sign(r[:, first] - r[:, second], np.ptp(r, axis=1)[:, None])  # [B, pairs, M]
    ours = _sign(one[:, first] - one[:, second], np.ptp(one, axis=1)[:, None])
    votes = side.sum(axis=-1)
    agreed = np.abs(votes) == r.shape[2]
    for_first, for_second = (side > 0).sum(axis=-1), (side < 0).sum(axis=-1)
    decided = 2 * np.maximum(for_first, for_second) > r.shape[2]
    wrong = ours * np.sign(votes) < 0
    return Violations(
        _share(wrong, agreed), int(agreed.sum()), _share(wrong, decided), int(decided.sum())
    )


def _sign(difference: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the signs, zero where a difference is no more than rounding."""
    return np.where(np.abs(difference) > TOLERANCE * size, np.sign(difference), 0.0)


def _share(wrong: np.ndarray, among: np.ndarray) -> float:
    return float(wrong[among].mean()) if among.any() else float("nan")
