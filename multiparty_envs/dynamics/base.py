"""What an environment provides: its world as batched functions over N copies."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from multiparty_envs.dynamics.arrays import on_device, weigh
from multiparty_envs.streams import Draw

if TYPE_CHECKING:
    from gymnasium.spaces import Space
    from typing_extensions import Self

    from multiparty_envs.parties.population import Population

Array = Any
State = Any


class View(ABC):
    """How one copy's state is drawn for people."""

    @abstractmethod
    def frame(self, state: State) -> np.ndarray:
        """Return a picture, uint8 [height, width, 3]."""

    @abstractmethod
    def text(self, state: State) -> str:
        """Return a drawing in letters, lines separated by newlines."""


class Dynamics(ABC):
    """A world with M parties, written once, batched over N copies, against the array API.

    The state is an array or a NamedTuple of arrays [N, ...]. Time is part of it: the observation
    holds the time left, and `terminated` is true at the horizon. Everything here is a pure
    function of its arguments and the numbers drawn, so faces may recompute what they need.

    Attributes:
        population: who judges.
        observation_space: of one copy, shape O.
        action_space: of one copy, shape A.
        horizon: the most steps of an episode.
        discount: of the parties' returns, sum over t < horizon of discount^t r_t.
        behaviour: how copies act before anybody is trained; None: uniformly over the action space.
            A table of a finite world, else a function `(state, rng) -> action [N, *A]`, on NumPy.
        view: how to draw a state, or None.
    """

    population: Population
    observation_space: Space
    action_space: Space
    horizon: int
    discount: float = 1.0
    behaviour: Any = None
    view: View | None = None

    @abstractmethod
    def initial(self, count: int, draw: Draw) -> State:
        """Return the first states of `count` copies."""

    @abstractmethod
    def transition(self, state: State, action: Array, draw: Draw) -> State:
        """Return the next states of N copies; action [N, *A]."""

    @abstractmethod
    def observe(self, state: State) -> Array:
        """Return what the agent sees, float32 [N, *O]."""

    @abstractmethod
    def features(self, state: State, action: Array, next_state: State) -> Array:
        """Return phi(s, a), float64 [N, D]: what the parties judge."""

    @abstractmethod
    def terminated(self, state: State) -> Array:
        """Return [N] bool: whether the episode ended on entering `state`."""

    def party_rewards(self, state: State, action: Array, next_state: State) -> Array:
        """Return the true rewards [N, M]: features @ theta, unless a world knows a shorter way."""
        features = self.features(state, action, next_state)
        if isinstance(features, np.ndarray):
            return weigh(features, self.population.theta)
        return self.population.rewards(features)

    def to(self, device: Any) -> Self:
        """Return a copy whose arrays, the population's included, are torch tensors on `device`."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            setattr(moved, name, on_device(value, device))
        moved.population = self.population.on(device)
        return moved
