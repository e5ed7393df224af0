"""The true rewards as the faces hand them out: float32 for each party, float64 for their mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, final

import array_api_compat

from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.dynamics.arrays import take

Array = Any


class Verdict(NamedTuple):
    """What N steps were worth."""

    party: Array  # [N, M] float32
    mean: Array  # [N] float64

    def at(self, rows: Array) -> Verdict:
        """Return the verdict on the steps `rows`."""
        return Verdict(take(self.party, rows), take(self.mean, rows))


class Judge(ABC):
    """Tells the true rewards of steps."""

    @abstractmethod
    def verdict(self, state: Any, action: Array, after: Any) -> Verdict:
        """Judge the N steps (state, action, next state)."""

    @abstractmethod
    def party(self, state: Any, action: Array, after: Any, features: Array) -> Array:
        """Return the parties' rewards [N, M] float32 alone; `features` [N, D] are the steps'."""


@final
class TableJudge(Judge):
    """For a finite world: rounding and averaging are done once, for all cells and actions."""

    def __init__(self, mdp: FiniteMDP) -> None:
        self._mdp = mdp
        table = array_api_compat.array_namespace(mdp.party_table).reshape(
            mdp.party_table, (-1, mdp.num_parties)
        )
        self.table = _rounded(table)

    def verdict(self, state: Any, action: Array, after: Any) -> Verdict:
        """Look the steps up."""
        return self.table.at(self._mdp.row(state, action))

    def party(self, state: Any, action: Array, after: Any, features: Array) -> Array:
        """Look the steps up."""
        return take(self.table.party, self._mdp.row(state, action))


@final
class WorldJudge(Judge):
    """For any world."""

    def __init__(self, dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        # whoever knows no shorter way to the rewards has them of the features
        self._of_features = type(dynamics).party_rewards is Dynamics.party_rewards

    def verdict(self, state: Any, action: Array, after: Any) -> Verdict:
        """Ask the world."""
        return _rounded(self._dynamics.party_rewards(state, action, after))

    def party(self, state: Any, action: Array, after: Any, features: Array) -> Array:
        """Weigh the features, or ask the world."""
        world, xp = self._dynamics, array_api_compat.array_namespace(features)
        if self._of_features:
            return xp.astype(world.population.rewards(features), xp.float32)
        return xp.astype(world.party_rewards(state, action, after), xp.float32)


def judge_of(dynamics: Dynamics) -> Judge:
    """Return the quickest judge of a world."""
    return TableJudge(dynamics) if isinstance(dynamics, FiniteMDP) else WorldJudge(dynamics)


def _rounded(rewards: Array) -> Verdict:
    xp = array_api_compat.array_namespace(rewards)
    # the mean is taken before rounding, so that every face returns the same number
    exact = xp.astype(rewards, xp.float64)
    return Verdict(xp.astype(exact, xp.float32), xp.mean(exact, axis=-1))
