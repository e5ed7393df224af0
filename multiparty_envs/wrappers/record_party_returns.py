"""What each party got, episode by episode."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, final

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from multiparty_envs import expect
from multiparty_envs.wrappers.core import (
    Account,
    Core,
    Episode,
    Moment,
    Outcome,
    count_copies,
    count_parties,
    world_of,
)
from multiparty_envs.wrappers.faces import SingleFace, VectorFace

BUFFER = 100


@final
class ReturnsCore(Core):
    """Adds the parties' rewards up and keeps the latest episodes.

    Attributes:
        names: of the parties.
        return_queue: [M] each, discounted returns of the latest episodes.
        length_queue: their steps.
    """

    def __init__(
        self, source: str, account: Account, names: Sequence[str], buffer_length: int
    ) -> None:
        self.names = tuple(names)
        expect.integer(buffer_length, name="buffer_length", low=1)
        self.source = source
        self.account = account
        self.return_queue: deque[np.ndarray] = deque(maxlen=buffer_length)
        self.length_queue: deque[int] = deque(maxlen=buffer_length)

    def step(self, moment: Moment) -> Outcome:
        """Leave the reward as it is, and tell of episodes that end."""
        self.account.add(moment.rewards_from(self.source))
        for row in np.flatnonzero(moment.done):
            self.return_queue.append(self.account.returns[row].copy())
            self.length_queue.append(int(self.account.lengths[row]))
        episode = Episode(self.account.returns, self.account.lengths)
        return Outcome(moment.reward, episode=episode)

    def begin(self, mask: np.ndarray) -> None:
        """Clear the accounts."""
        self.account.clear(mask)


@final
class RecordPartyReturns(SingleFace[ReturnsCore]):
    """Tells what each party got in an episode, when it ends.

    `info["party_episode"]` then holds "r" [M], the discounted returns, and "l", the steps.
    `core.return_queue` and `core.length_queue` keep those of the latest episodes.

    Args:
        env: of ours.
        source: "true" rewards, or "learned" by a `LearnedReward` inside.
        buffer_length: how many episodes are kept.

    Raises:
        TypeError: when `env` is another environment.
        ValueError: for an unknown source, or rewards that the info does not hold.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], *, source: str = "true", buffer_length: int = BUFFER
    ) -> None:
        super().__init__(env, _core(env, 1, source, buffer_length))


@final
class RecordPartyReturnsVector(VectorFace[ReturnsCore]):
    """`RecordPartyReturns` for a vector of copies; same arguments.

    `info["final_info"]["party_episode"]` holds "r" [N, M] and "l" [N] of the copies that ended,
    with masks, as Gymnasium's SyncVectorEnv would have it.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, np.ndarray],
        *,
        source: str = "true",
        buffer_length: int = BUFFER,
    ) -> None:
        super().__init__(env, _core(env, count_copies(env), source, buffer_length))


def _core(env: Any, num_copies: int, source: str, buffer_length: int) -> ReturnsCore:
    world, parties = world_of(env).dynamics, count_parties(env, source)
    names = world.population.names
    if names is None or len(names) != parties:  # the learned ones may be clusters
        names = [str(number) for number in range(parties)]
    account = Account(num_copies, parties, world.discount)
    return ReturnsCore(source, account, names, buffer_length)
