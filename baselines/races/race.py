"""What a race is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Race:
    """Two ways to do the same thing; each call does it once and returns how many a second.

    Attributes:
        what: is done.
        ours: our way.
        peer: the other way, in words.
        theirs: the other way.
    """

    what: str
    ours: Callable[[], float]
    peer: str
    theirs: Callable[[], float]
