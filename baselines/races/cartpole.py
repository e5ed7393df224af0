"""CartPole: Gymnasium's CartPole-v1 as a world of ours, to race on observations that are no table.

The physics is that of `gymnasium.envs.classic_control.cartpole`, number by number; a test steps
both side by side.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, final

import numpy as np
from array_api_compat import array_namespace
from gymnasium.spaces import Box, Discrete

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import cast
from multiparty_envs.parties import Population
from multiparty_envs.streams import Draw

GRAVITY = 9.8  # m/s^2
CART, POLE = 1.0, 0.1  # kg
MASS = CART + POLE
HALF = 0.5  # m, half the pole's length
MOMENT = POLE * HALF  # kg m
FORCE = 10.0  # N
TICK = 0.02  # s
EDGE = 2.4  # m
FALLEN = 12 * 2 * math.pi / 360  # rad
START = 0.05
"""The first place, speed, angle and spin are drawn from -START to START."""


class CartPoleState(NamedTuple):
    """N carts, all float64 [N], and the steps of their episodes."""

    place: Any  # m
    speed: Any  # m/s
    angle: Any  # rad from upright
    spin: Any  # rad/s
    time: Any  # int64


@final
class CartPole(Dynamics):
    """A pole on a cart, one party, which gets 1 for every step.

    The observation is exactly Gymnasium's: place, speed, angle, spin. So the end at the horizon
    cannot be seen coming. Gymnasium makes its 500 steps a truncation; here the horizon is
    part of the problem, as in every world of ours, and its end a termination. For Gymnasium's
    reading take a longer horizon, and an environment that cuts episodes at 500: nothing
    but the falling of the pole is then an end.

    Args:
        horizon: the most steps of an episode.
        discount: of the return.

    Raises:
        ValueError: when one is out of range.
    """

    def __init__(self, horizon: int = 500, discount: float = 1.0) -> None:
        self.horizon = expect.integer(horizon, name="horizon", low=1)
        self.discount = expect.number(discount, name="discount", low=0.0, high=1.0)
        self.population = Population(theta=np.ones((1, 1)), names=("balance",))
        bound = np.array([2 * EDGE, np.inf, 2 * FALLEN, np.inf], dtype=np.float32)
        self.observation_space = Box(-bound, bound, dtype=np.float32)
        self.action_space = Discrete(2)  # push left, push right

    def initial(self, count: int, draw: Draw) -> CartPoleState:
        """Return carts that nearly stand."""
        drawn = (2.0 * draw.uniform(4) - 1.0) * START
        place, speed, angle, spin = (drawn[:, column] for column in range(4))
        return CartPoleState(place, speed, angle, spin, draw.key * 0)

    def transition(self, state: CartPoleState, action: Any, draw: Draw) -> CartPoleState:
        """Push for a tick, by Euler's method as Gymnasium does."""
        xp = array_namespace(state.place)
        cosine, sine = xp.cos(state.angle), xp.sin(state.angle)
        force = (2.0 * cast(action, state.place.dtype) - 1.0) * FORCE
        push = (force + MOMENT * xp.square(state.spin) * sine) / MASS
        inertia = HALF * (4.0 / 3.0 - POLE * xp.square(cosine) / MASS)
        twist = (GRAVITY * sine - cosine * push) / inertia
        return CartPoleState(
            state.place + TICK * state.speed,
            state.speed + TICK * (push - MOMENT * twist * cosine / MASS),
            state.angle + TICK * state.spin,
            state.spin + TICK * twist,
            state.time + 1,
        )

    def observe(self, state: CartPoleState) -> Any:
        """Return place, speed, angle and spin."""
        xp = array_namespace(state.place)
        return cast(xp.stack(tuple(state[:4]), axis=1), xp.float32)

    def features(self, state: CartPoleState, action: Any, next_state: CartPoleState) -> Any:
        """Return 1: another step."""
        return array_namespace(state.place).ones_like(state.place)[:, None]

    def terminated(self, state: CartPoleState) -> Any:
        """Return whether the pole has fallen, the cart left the track or the time is over."""
        xp = array_namespace(state.place)
        lost = (xp.abs(state.place) > EDGE) | (xp.abs(state.angle) > FALLEN)
        return lost | (state.time >= self.horizon)
