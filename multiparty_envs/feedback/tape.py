"""The latest steps of N copies on a torch device, and where the latest segments lie among them."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from multiparty_envs.feedback.segments import Steps


@final
class Tape:
    """A ring of R rows of steps of N copies, and the places in it of the latest W segments.

    A segment ends after L steps or with its episode, so every copy ends one in any L steps, and
    R = (ceil(W / N) + 1) * L rows are enough: none of the latest W segments is overwritten. No
    shape depends on a value, nothing waits for the device, and all that is remembered stays in
    the same memory, so that a captured graph may do it again.

    Args:
        length: L, the most steps of a segment.
        window: W.
        num_copies: N.
        device: where everything is.
    """

    def __init__(self, length: int, window: int, num_copies: int, device: Any) -> None:
        self.length, self.window, self.num_copies = length, window, num_copies
        self._rows = (-(-window // num_copies) + 1) * length
        whole: dict[str, Any] = {"dtype": torch.int64, "device": device}
        self.ended = torch.zeros((), **whole)
        """Segments that have ended so far, []."""
        self._row = torch.zeros((), **whole)  # [] where the next step is written
        self._age = torch.zeros(num_copies, **whole)  # [N] steps of the running episodes
        # [2, W] of segments, latest first: place of the first step, row * N + copy; steps
        self._latest = torch.zeros((2, window), **whole)
        self._ring: list[Tensor] = []  # [R * N + 1, ...] each; the last entry stays zero

    @property
    def held(self) -> Tensor:
        """Segments held, []: at most W."""
        return self.ended.clamp_max(self.window)

    def forget(self, copies: Tensor | None = None) -> None:
        """Drop the unfinished segments of some copies ([N] bool), or of all."""
        self._age.mul_(0 if copies is None else ~copies)

    def record(self, steps: Steps, done: Tensor) -> None:
        """Take T steps of all copies, [T, N, ...], and where [T, N] these ended an episode."""
        self._write(steps)
        time = torch.arange(len(done), device=done.device)
        # [T, N] when the running episode began: the latest of the moments at which one did
        begun = torch.cat([-self._age[None], torch.where(done[:-1], time[1:, None], -self._age)])
        before = time[:, None] - begun.cummax(0).values
        length = before % self.length + 1
        ended = done | (length == self.length)
        self._enter(ended.flatten().cumsum(0), length.flatten())
        self._age.copy_((before[-1] + 1) * ~done[-1])
        self._row.copy_((self._row + len(done)) % self._rows)

    def segments(self, place: Tensor) -> tuple[Steps, Tensor]:
        """Return the segments `place` [G], latest first: steps [G, L, ...] and mask [G, L].

        Places from `held` on are empty.

        Raises:
            RuntimeError: before anything was recorded.
        """
        if not self._ring:
            raise RuntimeError("nothing was recorded that people could be asked about")
        first, length = self._latest.index_select(1, place)[:, :, None]
        ahead = torch.arange(self.length, device=place.device)
        mask = ahead < length
        size = self._rows * self.num_copies
        # what is masked is read from the entry that is zero
        step = torch.where(mask, (first + ahead * self.num_copies) % size, size).flatten()
        parts = [ring.index_select(0, step).unflatten(0, mask.shape) for ring in self._ring]
        return Steps(*parts), mask

    def _write(self, steps: Steps) -> None:
        count = len(steps.features)
        if not self._ring:
            size = self._rows * self.num_copies + 1
            self._ring = [part.new_zeros((size, *part.shape[2:])) for part in steps]
        kept = min(count, self._rows)  # of more, only the last have a place
        ahead = torch.arange(count - kept, count, device=steps.features.device)
        row = (self._row + ahead) % self._rows
        for ring, part in zip(self._ring, steps, strict=True):
            rows = ring[:-1].unflatten(0, (self._rows, self.num_copies))
            rows.index_copy_(0, row, part[count - kept :])

    def _enter(self, count: Tensor, length: Tensor) -> None:
        """Enter segments, given how many had ended and their steps at each step, [T * N]."""
        new, back = count[-1], torch.arange(self.window, device=count.device)
        # the one that ended k before the last is where the count reached new - k
        end = torch.searchsorted(count, new - back).clamp_max(len(count) - 1)
        steps = length[end]
        row = self._row + end // self.num_copies - steps + 1
        first = row % self._rows * self.num_copies + end % self.num_copies
        older = self._latest.index_select(1, (back - new).clamp_min(0))
        self._latest.copy_(torch.where(back < new, torch.stack((first, steps)), older))
        self.ended.add_(new)
