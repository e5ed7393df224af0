"""What the running episodes of N copies have brought so far, on a torch device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, final

if TYPE_CHECKING:
    import torch


class Told(NamedTuple):
    """Statistics of the running episodes, the latest step included."""

    returns: torch.Tensor  # [N, M], discounted
    plain_returns: torch.Tensor  # [N, M], not discounted
    length: torch.Tensor  # [N] int64


@final
class Tally:
    """Keeps the statistics of N running episodes; nothing waits for the device.

    Args:
        horizon: the most steps of an episode.
        discount: of the returns.
        num_copies: N.
        device: where everything is.
    """

    def __init__(self, horizon: int, discount: float, num_copies: int, device: Any) -> None:
        import torch

        time = torch.arange(horizon, dtype=torch.float64, device=device)
        # looked up, which is quicker than powers; None: there is nothing to discount
        self._factors = None if discount == 1.0 else (discount**time).float()[:, None]
        self._none = torch.zeros(num_copies, dtype=torch.int64, device=device)
        self._nothing = torch.zeros(num_copies, 1, device=device)
        self.begin()

    def begin(self) -> None:
        """Forget the running episodes."""
        self._length = self._none
        # returns up to now, discounted and plain
        self._before: tuple[torch.Tensor, torch.Tensor] = (self._nothing, self._nothing)

    def add(self, rewards: torch.Tensor) -> Told:
        """Count a step of every copy, rewards [N, M]; return the statistics."""
        gained = rewards.detach()
        plain = self._before[1] + gained
        returns = plain
        if self._factors is not None:
            returns = self._before[0] + self._factors.index_select(0, self._length) * gained
        self._now = Told(returns, plain, self._length + 1)
        return self._now

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the statistics between two steps, by name."""
        return {"length": self._length, "returns": self._before[0], "plain": self._before[1]}

    def put(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from where `tensors` were taken."""
        self._length, self._before = tensors["length"], (tensors["returns"], tensors["plain"])

    def go_on(self) -> None:
        """Do what `close` does where no copy ended."""
        returns, plain, length = self._now
        self._before, self._length = (returns, plain), length

    def close(self, ended: torch.Tensor) -> None:
        """Begin the next episode where `ended` [N]."""
        returns, plain, length = self._now
        # a product, because choosing by a column of truth values takes three times as long
        goes_on = (~ended).to(plain.dtype)[:, None]
        after = plain * goes_on
        self._before = (after if returns is plain else returns * goes_on, after)
        self._length = length.masked_fill(ended, 0)
