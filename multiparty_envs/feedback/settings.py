"""When people are asked, about what, and who."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, final

from multiparty_envs import expect

ASSIGNMENTS = ("balanced", "share")
IDENTITIES = ("party", "cluster", "none")
PAIRS = ("uniform", "same-start", "disagreement", "information")


@final
@dataclass(frozen=True, kw_only=True)
class Feedback:
    """Settings of the feedback that an environment emits. All are numbers, text or None (JSON).

    Raises:
        ValueError: when a setting is out of range or unknown.
    """

    segment_length: int | None = None
    """Steps of a segment, unless its episode ends sooner. None: whole episodes; 1: one action."""
    budget: int | None = None
    """Answers in all, after which the environment is silent; a skip is not an answer. None: any."""
    every: int = 16
    """New segments between two rounds of queries."""
    queries: int = 16
    """Queries of a round."""
    window: int = 128
    """The latest segments, from which pairs are taken; 2 or more."""
    watched: int = 64
    """Copies of a vector environment that are watched at most; the rest only run."""
    assignment: str = "balanced"
    """Who is asked: everybody equally often ("balanced") or by the population's "share"."""
    identity: str = "party"
    """What is known of who answered: the "party", only its "cluster", or "none"."""
    pairs: str = "uniform"
    """How pairs are chosen: "uniform"; with the same first observation ("same-start"); or by an
    ensemble's "disagreement" or "information" gain."""

    def __post_init__(self) -> None:
        for name in ("segment_length", "budget"):
            if getattr(self, name) is not None:
                expect.integer(getattr(self, name), name=name, low=1)
        for name, low in (("every", 1), ("queries", 1), ("window", 2), ("watched", 1)):
            expect.integer(getattr(self, name), name=name, low=low)
        expect.choice(self.assignment, ASSIGNMENTS, name="assignment")
        expect.choice(self.identity, IDENTITIES, name="identity")
        expect.choice(self.pairs, PAIRS, name="pairs")

    @classmethod
    def of(cls, settings: Feedback | Mapping[str, Any]) -> Feedback:
        """Return `settings` as `Feedback`; a mapping names what differs from the defaults.

        Raises:
            TypeError: when it is neither.
            ValueError: when the mapping names an unknown setting.
        """
        if isinstance(settings, Feedback):
            return settings
        if not isinstance(settings, Mapping):
            raise TypeError(f"feedback should be Feedback or a mapping, is {settings!r}")
        known = [field.name for field in fields(cls)]
        for name in settings:
            expect.choice(name, known, name="feedback setting")
        return cls(**settings)
