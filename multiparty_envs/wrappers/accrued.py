"""A world that remembers what each party has got so far in the episode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import array_api_compat
import numpy as np
from gymnasium.spaces import Box
from typing_extensions import Self

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.base import Array, State
from multiparty_envs.feedback import Steps
from multiparty_envs.streams import Draw
from multiparty_envs.welfare.scale import Scale


class AccruedState(NamedTuple):
    """A state of the world and the episode's account."""

    returns: Array  # [N, M] float64, discounted sum of the rewards so far
    factor: Array  # [N, 1] float64, discount of the next reward
    inner: State


@final
class AccruedReturns(Dynamics):
    """The same world with the returns accrued so far at the end of the observation.

    A welfare of an episode's returns, E[W(G)], is no sum over steps: what is best to do next
    depends on who has got how much. With that in sight it is an ordinary problem again.

    Args:
        dynamics: the world; its observations are a flat Box.
        rewards: from steps to rewards [..., M], for example a learner's; None: the true ones.
        scale: the units in which the returns are shown.

    Raises:
        ValueError: when the observations are not flat.
    """

    def __init__(
        self, dynamics: Dynamics, rewards: Callable[[Steps], Array] | None, scale: Scale
    ) -> None:
        seen = dynamics.observation_space
        if not isinstance(seen, Box):
            raise ValueError(f"the observation space should be a flat Box, is {seen}")
        expect.shape(seen.low, None, name="the observation space")
        endless = np.full(len(scale.unit), np.inf, dtype=np.float32)
        self.observation_space = Box(
            np.concatenate([seen.low, -endless]), np.concatenate([seen.high, endless])
        )
        self.inner = dynamics
        self.population = dynamics.population
        self.action_space = dynamics.action_space
        self.horizon, self.discount = dynamics.horizon, dynamics.discount
        self._rewards, self._scale = rewards, scale

    def initial(self, count: int, draw: Draw) -> AccruedState:
        """Return first states, with nothing on the account."""
        inner = self.inner.initial(count, draw)
        xp: Any = array_api_compat.array_namespace(draw.key)
        zero = xp.astype(draw.key * 0, xp.float64)[:, None]
        returns = zero * xp.ones(
            (1, len(self._scale.unit)), dtype=xp.float64, device=array_api_compat.device(zero)
        )
        return AccruedState(returns, zero + 1.0, inner)

    def transition(self, state: AccruedState, action: Array, draw: Draw) -> AccruedState:
        """Move, and add what the step was worth."""
        inner = self.inner.transition(state.inner, action, draw)
        xp: Any = array_api_compat.array_namespace(state.returns)
        reward = xp.astype(self._reward(state, action, inner), xp.float64)
        returns = state.returns + state.factor * reward
        return AccruedState(returns, state.factor * self.discount, inner)

    def _reward(self, state: AccruedState, action: Array, next_: State) -> Array:
        if self._rewards is None:
            return self.inner.party_rewards(state.inner, action, next_)
        features = self.inner.features(state.inner, action, next_)
        return self._rewards(Steps(self.inner.observe(state.inner), action, features))

    def observe(self, state: AccruedState) -> Array:
        """Return the world's observation and the accrued returns in their units [N, O + M]."""
        xp: Any = array_api_compat.array_namespace(state.returns)
        shown = xp.astype(self._scale.rewards(state.returns), xp.float32)
        return xp.concat((self.inner.observe(state.inner), shown), axis=1)

    def features(self, state: AccruedState, action: Array, next_state: AccruedState) -> Array:
        """Return the world's features."""
        return self.inner.features(state.inner, action, next_state.inner)

    def party_rewards(self, state: AccruedState, action: Array, next_state: AccruedState) -> Array:
        """Return the world's true rewards."""
        return self.inner.party_rewards(state.inner, action, next_state.inner)

    def terminated(self, state: AccruedState) -> Array:
        """Return whether the world's episode ended."""
        return self.inner.terminated(state.inner)

    def to(self, device: Any) -> Self:
        """Return a copy whose world is on `device`."""
        moved = super().to(device)
        moved.inner = self.inner.to(device)
        return moved
