"""A lake behind a dam: its water balance, and what people downstream can judge."""

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

FEATURES = ("thirsty fields", "thirsty town", "energy", "dry river", "flood")
RELEASES = np.array([0.05, 0.1, 0.2, 0.4, 0.8])  # share of OUTLET
CANALS = np.array([0.0, 0.5, 1.0])  # share of the release that farmers may take

YEAR = 52  # weeks
WEEK = 0.6048  # million cubic metres that 1 m3/s brings in a week
CAPACITY = 150.0  # million cubic metres
OUTLET = 60.0  # m3/s, with everything open
TURBINE = 24.0  # m3/s that fit through
HEAD = (30.0, 70.0)  # m, lake empty and full
INFLOW, SWING, FLOOD_WEEK = 15.0, 0.6, 32  # m3/s, seasonal share, week of the most
SPREAD, MEMORY = 0.5, 0.8  # of the logarithm of the inflow: standard deviation, week to week
LIMIT = 3.0  # the most standard deviations that it goes astray
FIELDS, DRY_WEEK = 20.0, 41  # m3/s that the fields need at most, and when
TOWN = 2.5  # m3/s
SILL = 0.1  # share of the capacity that the outlets cannot reach, only the town
RATIONED = 0.4  # share of the capacity below which the town gets less, in proportion
RIVER = 6.0  # m3/s that the river needs
BANKS = 40.0  # m3/s that it carries without flooding
AREA = 5.0  # km2, of the full lake
DRYING = (5.0, 35.0)  # mm that evaporate in a week, winter and summer
FIRST = (0.4, 0.8)  # share of the capacity at the start


class Flows(NamedTuple):
    """Where water came from and went to in a week, million cubic metres."""

    inflow: Array  # [N]
    evaporation: Array  # [N]
    town: Array  # [N] straight from the lake
    release: Array  # [N] through the dam
    canal: Array  # [N] of the release, to the fields
    spill: Array  # [N] over the dam


class Water(NamedTuple):
    """Where N copies are."""

    storage: Array  # [N] million cubic metres
    anomaly: Array  # [N] of the logarithm of the inflow, in standard deviations
    flows: Flows  # of the week that led here
    time: Array  # [N] int64, weeks


class Calendar(NamedTuple):
    """What the season says, for each of T weeks."""

    inflow: np.ndarray  # [T] m3/s, the usual one
    fields: np.ndarray  # [T] m3/s that the fields need
    drying: np.ndarray  # [T] million cubic metres that evaporate from a full lake

    @classmethod
    def of(cls, weeks: int, evaporation: float) -> Calendar:
        """Return the calendar from the first of October on."""
        week = np.arange(weeks)
        summer = np.maximum(_wave(week, DRY_WEEK), 0.0)
        depth = DRYING[0] + (DRYING[1] - DRYING[0]) * summer
        return cls(
            INFLOW * (1.0 + SWING * _wave(week, FLOOD_WEEK)),
            FIELDS * summer,
            evaporation * AREA * depth / 1000.0,
        )


def _wave(week: np.ndarray, top: int) -> np.ndarray:
    return np.cos(2.0 * math.pi * (week - top) / YEAR)


@final
class Lake(Dynamics):
    """Storage, a season, and inflow by chance.

    Args:
        population: the parties, who judge `FEATURES`.
        calendar: of horizon + 1 weeks.
        spread: standard deviation of the logarithm of the inflow.
        continuous: whether actions are openings, -1 .. 1, instead of numbers of levels.
    """

    def __init__(
        self, population: Population, calendar: Calendar, spread: float, *, continuous: bool
    ) -> None:
        self.population = population
        self.horizon = len(calendar.inflow) - 1
        self.continuous = continuous
        # symmetric, because that is where untrained Gaussian policies act
        openings = Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = openings if continuous else Discrete(len(RELEASES) * len(CANALS))
        low = np.array([0.0, -1.0, -1.0, -1.0, 0.0, 0.0, 0.0], dtype=np.float32)
        self.observation_space = Box(low, np.ones(7, dtype=np.float32), dtype=np.float32)
        self.spread = spread
        self._levels = np.stack(  # [A, 2], release and canal
            [np.repeat(RELEASES, len(CANALS)), np.tile(CANALS, len(RELEASES))], axis=1
        )
        # the mean of a log-normal number is beyond its median
        self._inflow = WEEK * calendar.inflow * math.exp(-(spread**2) / 2.0)
        self._fields = WEEK * calendar.fields
        self._drying = calendar.drying / CAPACITY  # share of the water that is there
        self._seen = _seen_table(calendar)

    def initial(self, count: int, draw: Draw) -> Water:
        """Draw how full the lake is, then the weather."""
        low, high = FIRST
        storage = CAPACITY * (low + (high - low) * draw.uniform())
        none = 0.0 * storage
        flows = Flows(none, none, none, none, none, none)
        return Water(storage, clip(draw.normal(), -LIMIT, LIMIT), flows, 0 * draw.key)

    def transition(self, state: Water, action: Array, draw: Draw) -> Water:
        """Let a week pass: its inflow is not known before."""
        xp = array_namespace(state.storage)
        fresh = math.sqrt(1.0 - MEMORY**2) * draw.normal()
        anomaly = clip(MEMORY * state.anomaly + fresh, -LIMIT, LIMIT)
        inflow = take(self._inflow, state.time) * xp.exp(self.spread * anomaly)
        release, canal = self._shares(action, xp)
        evaporation = take(self._drying, state.time) * state.storage
        water = state.storage + inflow - evaporation
        ration = clip(state.storage / (RATIONED * CAPACITY), 0.0, 1.0)
        town = xp.minimum(TOWN * WEEK * ration, water)
        above = clip(water - town - SILL * CAPACITY, 0.0, math.inf)
        released = xp.minimum(OUTLET * WEEK * release, above)
        kept = water - town - released
        storage = clip(kept, 0.0, CAPACITY)
        fields = xp.minimum(canal * released, take(self._fields, state.time))
        flows = Flows(inflow, evaporation, town, released, fields, kept - storage)
        return Water(storage, anomaly, flows, state.time + 1)

    def _shares(self, action: Array, xp: Any) -> tuple[Array, Array]:
        """Return how far the outlets and the canal are open, [N] each."""
        if self.continuous:
            shares = (1.0 + clip(xp.astype(action, xp.float64), -1.0, 1.0)) / 2.0
        else:
            shares = take(self._levels, action)
        return shares[:, 0], shares[:, 1]

    def observe(self, state: Water) -> Array:
        """Return how full the lake is, how wet the weather, the season and the time left."""
        seen = take(self._seen, state.time)
        seen[:, 0] = state.storage / CAPACITY
        seen[:, 1] = state.anomaly / LIMIT
        return seen

    def features(self, state: Water, action: Array, next_state: Water) -> Array:
        """Return squared shortages of fields, town and river, energy, and the flood, 0 .. 1."""
        xp = array_namespace(state.storage)
        flows, need = next_state.flows, take(self._fields, state.time)
        dry = (need - flows.canal) / (FIELDS * WEEK)
        thirst = 1.0 - flows.town / (TOWN * WEEK)
        river = in_river(flows)
        low = clip(1.0 - river / (RIVER * WEEK), 0.0, 1.0)
        flood = clip(river / (BANKS * WEEK) - 1.0, 0.0, 1.0)
        energy = produced(state.storage, next_state)
        return xp.stack((dry * dry, thirst * thirst, energy, low * low, flood), axis=1)

    def terminated(self, state: Water) -> Array:
        """Return whether the horizon is reached."""
        return state.time >= self.horizon


def in_river(flows: Flows) -> Array:
    """Return what flows down the river in a week [N], million cubic metres."""
    return flows.release - flows.canal + flows.spill


def produced(before: Array, after: Water) -> Array:
    """Return the energy of a week [N], a share of the most; `before` is the storage then."""
    full = (before + after.storage) / (2.0 * CAPACITY)
    head = (HEAD[0] + (HEAD[1] - HEAD[0]) * full) / HEAD[1]
    return head * clip(after.flows.release / (TURBINE * WEEK), 0.0, 1.0)


def _seen_table(calendar: Calendar) -> np.ndarray:
    """Return [T, 7] float32, the observation at each time but for lake and weather."""
    week = np.arange(len(calendar.inflow))
    angle = 2.0 * math.pi * week / YEAR
    unknown = np.zeros((len(week), 2))
    usual = calendar.inflow / (INFLOW * (1.0 + SWING))
    left = np.linspace(1.0, 0.0, len(week))
    known = (np.sin(angle), np.cos(angle), usual, calendar.fields / FIELDS, left)
    return np.column_stack([unknown, *known]).astype(np.float32)
