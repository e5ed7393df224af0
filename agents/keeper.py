"""When to store a training."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final


@final
class Keeper:
    """Stores a training now and then, so that an interruption costs no more than that.

    Args:
        save: stores it.
        seconds: between two stores.
    """

    def __init__(self, save: Callable[[], None], seconds: float = 10.0) -> None:
        self._save, self._seconds = save, seconds
        self._last = time.monotonic()

    def __call__(self, over: bool) -> None:
        """Store, if it is time or the training is over."""
        if over or time.monotonic() - self._last >= self._seconds:
            self._save()
            self._last = time.monotonic()
