"""Rooms that share a heat pump: their physics, and what their people can judge."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, final

import numpy as np
from array_api_compat import array_namespace
from gymnasium.spaces import Box, Discrete

from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import clip, take
from multiparty_envs.parties import Population
from multiparty_envs.streams import Draw

Array = Any

ACTIONS = ("cool", "off", "low", "half", "full")
POWER = np.array([-0.5, 0.0, 0.25, 0.5, 1.0])  # share of the full power, below zero to cool
WINDOWS = ("day", "home")
FEATURES = (
    *(f"{window} {power}" for window in WINDOWS for power in ("presence", "warmth", "warmth^2")),
    "savings",
)

HOURS = 0.5  # of a step
RESISTANCE = 5.0  # K/kW, between the rooms and the weather
CAPACITY = 4.0  # kWh/K, of the rooms: with the resistance a time constant of 20 hours
HEAT = 9.0  # kW at full power
EFFICIENCY = 3.0  # heat moved for each kWh paid
FROST, SWELTER = 16.0, 28.0  # beyond these the heat pump's own guard decides, degrees
STAKE = 0.3  # euros that weigh as much as half an hour of perfect comfort
BUDGET = 0.15  # euros for a step
CENTRE, UNIT = 21.0, 5.0  # warmth is (temperature - CENTRE) / UNIT
FIRST = (17.0, 23.0)  # of the rooms at the start
DAILY, SPREAD, MEMORY = 5.0, 3.0, 24.0  # weather: K by the hour, K by chance, hours
LIMIT = 3.0  # the most standard deviations that the weather goes astray
OUTSIDE_UNIT = 10.0  # of the observed temperature outside

# hour of the day, then what holds there; straight lines between
DAY = ((7.0, 9.0, 16.0, 18.0), (0.0, 1.0, 1.0, 0.0))
# who sleeps minds half as much
HOME = (
    (0.0, 5.0, 6.5, 7.5, 9.0, 16.0, 18.5, 22.5, 24.0),
    (0.5, 0.5, 1.0, 1.0, 0.1, 0.1, 1.0, 1.0, 0.5),
)
GAIN = ((6.0, 13.0, 20.0), (0.4, 1.6, 0.4))  # kW, sun and people
NIGHT, NORMAL, PEAK = 0.2, 0.3, 0.45  # euros for a kWh


class Room(NamedTuple):
    """Where N copies are."""

    temperature: Array  # [N] degrees
    weather: Array  # [N] K, outside above what is usual at this hour
    heat: Array  # [N] kW, of the step that led here
    time: Array  # [N] int64, steps taken


class Clock(NamedTuple):
    """What the time of day says, for each of T steps."""

    hour: np.ndarray  # [T]
    presence: np.ndarray  # [T, 2], how many are in the building, of each window
    outside: np.ndarray  # [T] degrees, the usual ones
    gain: np.ndarray  # [T] kW
    price: np.ndarray  # [T] euros for a kWh

    @classmethod
    def of(cls, steps: int, outdoor: float) -> Clock:
        """Return the clock from midnight on."""
        hour = HOURS * np.arange(steps) % 24.0
        presence = np.stack([np.interp(hour, *DAY), np.interp(hour, *HOME)], axis=1)
        evening = (hour >= 17.0) & (hour < 21.0)
        night = (hour < 6.0) | (hour >= 22.0)
        price = np.where(evening, PEAK, np.where(night, NIGHT, NORMAL))
        usual = outdoor + DAILY * np.cos(2.0 * math.pi * (hour - 15.0) / 24.0)
        return cls(hour, presence, usual, np.interp(hour, *GAIN), price)


@final
class Building(Dynamics):
    """Rooms, weather and a heat pump.

    Args:
        population: the parties, who judge `FEATURES`.
        clock: of horizon + 1 steps.
        outdoor: mean temperature outside, degrees.
        spread: standard deviation of the weather, K.
        continuous: whether actions are shares of the full power instead of numbers of levels.
    """

    def __init__(
        self,
        population: Population,
        clock: Clock,
        outdoor: float,
        spread: float,
        *,
        continuous: bool,
    ) -> None:
        self.population = population
        self.horizon = len(clock.hour) - 1
        self.continuous = continuous
        full = Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = full if continuous else Discrete(len(ACTIONS))
        self.spread = spread
        self.keeps = math.exp(-HOURS / (RESISTANCE * CAPACITY))
        self.remembers = math.exp(-HOURS / MEMORY)
        self.observation_space = _seen_space(clock, spread, self.keeps)
        self._levels = HEAT * POWER
        self._unheated = clock.outside + RESISTANCE * clock.gain  # [T] where T ends without heat
        self._usual = (clock.outside - outdoor) / OUTSIDE_UNIT
        self._presence = clock.presence
        self._cost = clock.price * HOURS / EFFICIENCY / STAKE  # [T] for each kW of heat
        self._seen = _seen_table(clock)

    def initial(self, count: int, draw: Draw) -> Room:
        """Draw the rooms' temperature, then the weather."""
        low, high = FIRST
        rooms = low + (high - low) * draw.uniform()
        weather = self.spread * clip(draw.normal(), -LIMIT, LIMIT)
        return Room(rooms, weather, 0.0 * rooms, 0 * draw.key)

    def transition(self, state: Room, action: Array, draw: Draw) -> Room:
        """Let half an hour pass; the weather that acts is that of its beginning."""
        heat = self._heat(state, action)
        ends = take(self._unheated, state.time) + state.weather + RESISTANCE * heat
        rooms = ends + (state.temperature - ends) * self.keeps
        return Room(rooms, self._weather(state.weather, draw), heat, state.time + 1)

    def _heat(self, state: Room, action: Array) -> Array:
        """Return the kW [N] that flow into the rooms."""
        xp = array_namespace(state.temperature)
        if self.continuous:
            heat = HEAT * clip(xp.astype(action[:, 0], xp.float64), -1.0, 1.0)
        else:
            heat = take(self._levels, action)
        heat = xp.where(state.temperature < FROST, HEAT, heat)
        return xp.where(state.temperature > SWELTER, -HEAT, heat)

    def _weather(self, weather: Array, draw: Draw) -> Array:
        new = self.spread * math.sqrt(1.0 - self.remembers**2)
        most = LIMIT * self.spread
        return clip(self.remembers * weather + new * draw.normal(), -most, most)

    def observe(self, state: Room) -> Array:
        """Return temperatures, what the clock says, and the time left."""
        seen = take(self._seen, state.time)
        seen[:, 0] = (state.temperature - CENTRE) / UNIT
        seen[:, 1] = take(self._usual, state.time) + state.weather / OUTSIDE_UNIT
        return seen

    def features(self, state: Room, action: Array, next_state: Room) -> Array:
        """Return, for either window, presence times powers of the warmth reached; then savings."""
        xp = array_namespace(state.temperature)
        there = take(self._presence, state.time)
        warmth = (next_state.temperature - CENTRE) / UNIT
        savings = BUDGET / STAKE - xp.abs(next_state.heat) * take(self._cost, state.time)
        columns = []
        for window in range(len(WINDOWS)):
            zeroth = there[:, window]
            first = zeroth * warmth
            columns += [zeroth, first, first * warmth]
        return xp.stack((*columns, savings), axis=1)

    def terminated(self, state: Room) -> Array:
        """Return whether the horizon is reached."""
        return state.time >= self.horizon


def _seen_table(clock: Clock) -> np.ndarray:
    """Return [T, 8] float32, the observation at each time but for the two temperatures."""
    angle = 2.0 * math.pi * clock.hour / 24.0
    unknown = np.zeros((len(angle), 2))
    left = np.linspace(1.0, 0.0, len(angle))
    known = (np.sin(angle), np.cos(angle), *clock.presence.T, clock.price / PEAK, left)
    return np.column_stack([unknown, *known]).astype(np.float32)


def _seen_space(clock: Clock, spread: float, keeps: float) -> Box:
    """Return the space of observations, from the most extreme weather."""
    most = LIMIT * spread
    low, high = _extremes(clock, most, keeps)
    astray = (DAILY + most) / OUTSIDE_UNIT + 1e-3
    warmth = (low - CENTRE) / UNIT - 1e-3, (high - CENTRE) / UNIT + 1e-3
    least = np.array([warmth[0], -astray, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    return Box(
        least.astype(np.float32),
        np.array([warmth[1], astray, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], dtype=np.float32),
        dtype=np.float32,
    )


def _extremes(clock: Clock, most: float, keeps: float) -> tuple[float, float]:
    """Return the lowest and highest temperature of the rooms, degrees.

    Beyond its limits the guard turns the rooms round, unless the weather is stronger; a step that
    begins within them may end beyond.
    """
    still = clock.outside + RESISTANCE * clock.gain
    cold, hot = float(still.min()) - most, float(still.max()) + most
    power = RESISTANCE * HEAT
    low = (cold - power) + (FROST - cold + power) * keeps
    high = (hot + power) + (SWELTER - hot - power) * keeps
    return min(low, cold + power, FIRST[0]), max(high, hot - power, FIRST[1])
