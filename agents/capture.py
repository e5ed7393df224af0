"""Work that a CUDA device records once and then replays, without the host in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch

WARM_UP = 3
"""Calls before the recording: libraries choose their kernels in them."""


@final
class Replay:
    """Calls a function; on a CUDA device, replays the kernels that one call of it launched.

    Numbers that a call reads must be in tensors that stay where they are, and what it leaves
    must be written back into them: `agents.ppo.Trainer` does so at the end of each batch.

    Args:
        work: does not wait for the device.
        device: where it works.
        capture: whether to record at all.
    """

    def __init__(self, work: Callable[[], None], device: str, capture: bool) -> None:
        self._work, self._device = work, torch.device(device)
        self._left = WARM_UP if capture and self._device.type == "cuda" else -1
        self._graph: Any = None

    def __call__(self) -> None:
        """Do the work once."""
        if self._graph is not None:
            self._graph.replay()
        elif self._left:
            self._left = max(self._left - 1, -1) if self._left > 0 else self._left
            self._work()
        else:
            self._record()

    def _record(self) -> None:
        """Record a call; it is not done by that, so replay it once."""
        torch.cuda.synchronize(self._device)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(self._graph):
            self._work()
        self._graph.replay()
