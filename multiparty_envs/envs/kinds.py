"""Two kinds of party, a majority and a minority, for the worlds that have them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiparty_envs import expect


class Kinds(NamedTuple):
    """Who belongs to which kind, and how much of the answers comes from each."""

    cluster: np.ndarray  # [M], 0 for the majority, who come first, 1 for the minority
    share: np.ndarray  # [M], sums to one


def majority_and_minority(num_parties: int, minority_share: float) -> Kinds:
    """Divide the parties by number, to the nearest whole party, and the answers exactly.

    Args:
        num_parties: M, at least 2.
        minority_share: in [0, 0.5]; above 0 the minority is one party at least.

    Raises:
        ValueError: when either is out of range.
    """
    expect.integer(num_parties, name="num_parties", low=2)
    expect.number(minority_share, name="minority_share", low=0.0, high=0.5)
    few = max(1, round(minority_share * num_parties)) if minority_share > 0.0 else 0
    count = np.array([num_parties - few, few])
    answers = np.array([1.0 - minority_share, minority_share]) / np.maximum(count, 1)
    cluster = np.repeat((0, 1), count)
    return Kinds(cluster, answers[cluster])
