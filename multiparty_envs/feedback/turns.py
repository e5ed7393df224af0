"""Who is asked next, decided on a torch device; `queries.Assignment` is the NumPy twin."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor


class Turn(NamedTuple):
    """Whom K queries are put to."""

    party: Tensor  # [K] int64
    answered: Tensor | None  # [K] queries that the party had had before; None: not counted


@final
class Turns:
    """Decides who is asked.

    "balanced" goes round all parties in an order that is drawn anew each round, so that the
    numbers of queries never differ by more than one; "share" draws each party by its share.

    Args:
        kind: "balanced" or "share".
        share: [M].
        counted: whether it matters how often a party has been asked.
        generator: draws.
        device: where everything is.
    """

    def __init__(
        self, kind: str, share: np.ndarray, counted: bool, generator: torch.Generator, device: Any
    ) -> None:
        self._kind, self._counted, self._generator = kind, counted, generator
        self._share = torch.tensor(np.cumsum(share) / np.sum(share), device=device)
        self._asked = torch.zeros(len(share), dtype=torch.int64, device=device)
        # "balanced": the round that is being gone through, how far, and its number
        self._order = self._orders(1)[0]
        self._at, self._round = torch.zeros((2, 1), dtype=torch.int64, device=device)

    def draw(self, count: int, put: Tensor) -> Turn:
        """Return whom `count` queries go to, of which only the first `put` [] will be put."""
        return self._in_rounds(count, put) if self._kind == "balanced" else self._by_lot(count, put)

    def _in_rounds(self, count: int, put: Tensor) -> Turn:
        parties = len(self._share)
        orders = torch.cat([self._order[None], self._orders(-(-count // parties) + 1)])
        at = self._at + torch.arange(count, device=put.device)
        # everybody has been asked once in each earlier round
        answered = self._round + at // parties if self._counted else None
        turn = Turn(orders.flatten().index_select(0, at), answered)
        end = self._at + put
        over = end // parties  # [1] rounds that are over
        self._order.copy_(orders.index_select(0, over)[0])
        self._at.copy_(end % parties)
        self._round.add_(over)
        return turn

    def _by_lot(self, count: int, put: Tensor) -> Turn:
        lot = self._uniform(count)
        party = torch.searchsorted(self._share, lot, right=True).clamp_max(len(self._share) - 1)
        if not self._counted:
            return Turn(party, None)
        before = self._asked.index_select(0, party) + _order_within(party)
        heard = torch.arange(count, device=party.device) < put
        self._asked.index_add_(0, party, heard.long())
        return Turn(party, before)

    def _orders(self, count: int) -> Tensor:
        """Draw `count` orders of the parties, [count, M]."""
        return self._uniform(count, len(self._share)).argsort(1)

    def _uniform(self, *shape: int) -> Tensor:
        like = self._share
        return torch.rand(shape, generator=self._generator, dtype=like.dtype, device=like.device)


def _order_within(group: Tensor) -> Tensor:
    """Return how many earlier rows belong to the same group, [K]."""
    ordered, row = group.sort(stable=True)
    place = torch.arange(len(group), device=group.device) - torch.searchsorted(ordered, ordered)
    return torch.empty_like(place).index_copy_(0, row, place)
