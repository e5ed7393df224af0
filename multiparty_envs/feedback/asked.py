"""Queries and answers on a torch device, and their hand-over to the host."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.segments import Segments


class Asked(NamedTuple):
    """K queries about a bank of G segments of at most L steps, all of static shape."""

    obs: Tensor  # [G, L, *O]
    action: Tensor  # [G, L, *A]
    features: Tensor  # [G, L, D] float64
    mask: Tensor  # [G, L] bool, true where there is a step; the others hold zeros
    first: Tensor  # [K] int64, place in the bank
    second: Tensor  # [K] int64
    party: Tensor  # [K] int64, what is known of who was asked
    label: Tensor  # [K] float64: 1 first, 0 second, 0.5 tie; NaN: skipped, or not put at all

    def comparisons(self, num_parties: int, names: tuple[str, ...] | None = None) -> Comparisons:
        """Return the answers on the host, without the skipped queries; waits for the device.

        Args:
            num_parties: M, of those that `party` numbers.
            names: [M], for people.
        """
        *bank, first, second, party, label = (part.cpu().numpy() for part in self)
        given = ~np.isnan(label)
        if not given.all():
            first, second, party, label = (row[given] for row in (first, second, party, label))
        # only segments that an answer is about: the bank may have empty places
        used = np.zeros(len(bank[3]), dtype=bool)
        used[first] = used[second] = True
        if not used.all():
            bank = [part[used] for part in bank]
            first, second = ((np.cumsum(used) - 1)[place] for place in (first, second))
        length = int(bank[3].sum(axis=1).max(initial=1))
        return Comparisons(
            segments=Segments(*(part[:, :length] for part in bank)),
            first=first,
            second=second,
            party=party,
            label=label,
            num_parties=num_parties,
            names=names,
        )
