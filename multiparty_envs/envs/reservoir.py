"""Reservoir: one lake for fields, a town, turbines, a river and those who live beside it."""

from __future__ import annotations

from typing import final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.drawing import Canvas
from multiparty_envs.envs.lake import (
    BANKS,
    CAPACITY,
    RIVER,
    SPREAD,
    TOWN,
    WEEK,
    YEAR,
    Calendar,
    Lake,
    Water,
    in_river,
    produced,
)
from multiparty_envs.parties import BradleyTerryLuce, Population

KINDS = ("farmers", "town", "hydropower", "river", "residents")
STAKES = np.array([-2.0, -2.0, 1.0, -1.0, -5.0])
"""What the one feature that each kind minds is worth to it; in the order of the features."""
MINORITY = KINDS.index("river")


def reservoir(
    *,
    num_parties: int = 5,
    minority_share: float = 0.2,
    conflict: float = 1.0,
    evaporation: float = 1.0,
    noise: float = 1.0,
    actions: str = "discrete",
    horizon: int = YEAR,
    beta: float = 1.0,
) -> Lake:
    """Build the world of a dam whose water cannot be everywhere.

    Description:
        A lake of 150 million m3 behind a dam, in weeks from the first of October. Each week
        storage' = storage + inflow - evaporation - town - release - spill,
        where the town draws 2.5 m3/s from the lake (less, in proportion, while it is less than
        40 % full), the release is what is chosen, up to 60 m3/s, as long as water stands above the
        outlets (10 %), and what does not fit spills. Of the release the farmers' canal takes what
        is allowed, up to what the fields need (20 m3/s in July, nothing in winter); the rest and
        the spill are the river's. Inflow is log-normal: 15 m3/s on average, 24 in May and 6 in
        November, times exp(s z - s^2 / 2) with s = 0.5 and z autoregressive (0.8 from week to
        week, cut at three standard deviations). Needs and inflow are about the same over the
        year, so that everybody's wishes can only be met in a wet one.
    Parties:
        Farmers, town, hydropower, the river's friends (the minority) and residents of the flood
        plain. Farmers and river want the same water in summer, town and turbines (head) a full
        lake, residents an empty one. At conflict 0 everybody has the mean of all reward weights.
    Action:
        Discrete(15): 3 * r + c; release r of 3, 6, 12, 24, 48 m3/s, and c: none, half or all of
        it may go into the canal. With "continuous" Box [2], -1 (shut) .. 1 (open): the release
        as (1 + a) / 2 of 60 m3/s, and likewise the share of it that may go into the canal.
    Observation:
        Box [7]: storage / capacity; z / 3; sine and cosine of the week of the year; usual inflow
        and need of the fields, each as a share of its most; last the share of time left.
    Reward per party:
        Farmers: -2 (unmet need / 20 m3/s)^2. Town: -2 (unmet share)^2. Hydropower: energy / the
        most there can be, head * flow through the turbines (24 m3/s, head 30 to 70 m), 0 .. 1.
        River: -(missing share of 6 m3/s)^2. Residents: -5 * flood, the share by which the river
        is beyond the 40 m3/s that it carries, at most 1. Linear in these five features.
    Start:
        First of October, lake 40 to 80 % full, weather as it has been for long.
    End:
        After 52 weeks, or `horizon`. Nobody minds what is left in the lake then.
    Known optimum:
        Not known exactly, for the world is no table. Mean returns of 4,096 episodes, default
        knobs: behaviour policy (uniform): mean party -7.4, worst party -26.4;
        the release that leaves the lake nearest to 60 % full after the usual inflow, half of it
        for the canal: mean party 0.3, worst party -10.0.
        Planned on a grid of storage, weather and time, and played in the world itself,
        for the mean: mean party 4.1, worst party -1.6;
        for the worst party (weights of duality gap 0.1): mean party 3.5, worst party -1.0.
    Source:
        [Castelletti2010] and [Giuliani2016] for reservoirs with several objectives, their
        quadratic shortages, floods and hydropower; [Thomas1962] for autoregressive inflow;
        [Tennant1976] for the need of a river as a share of its mean flow (here 40 %). Lake and
        people are ours, in the size of a dam in the foothills of the Alps.
    Versions:
        v0: first.

    Args:
        num_parties: M, at least 2.
        minority_share: of the parties that speak for the river, to the nearest whole one but one
            at least; 0 for none, up to a half. The others are farmers, town, hydropower and
            residents in turn.
        conflict: from 0 (everybody wants the same) to 1 (each minds its own water only).
        evaporation: as a multiple of 5 mm a week in winter and 35 in summer, 0 .. 5.
        noise: of the inflow, as a multiple of s = 0.5, 0 .. 2.
        actions: "discrete" or "continuous".
        horizon: weeks.
        beta: rationality of the answers, see `BradleyTerryLuce`.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.choice(actions, ("discrete", "continuous"), name="actions")
    calendar = Calendar.of(
        expect.integer(horizon, name="horizon", low=1) + 1,
        expect.number(evaporation, name="evaporation", low=0.0, high=5.0),
    )
    spread = SPREAD * expect.number(noise, name="noise", low=0.0, high=2.0)
    population = _population(num_parties, minority_share, conflict, beta)
    lake = Lake(population, calendar, spread, continuous=actions == "continuous")
    lake.view = LakeView(calendar)
    return lake


def _population(
    num_parties: int, minority_share: float, conflict: float, beta: float
) -> Population:
    """Return the parties, the kinds in the order of `KINDS`."""
    expect.integer(num_parties, name="num_parties", low=2)
    expect.number(minority_share, name="minority_share", low=0.0, high=0.5)
    expect.number(conflict, name="conflict", low=0.0, high=1.0)
    few = max(1, round(minority_share * num_parties)) if minority_share > 0.0 else 0
    others = [place for place in range(len(KINDS)) if place != MINORITY]
    kind = [others[place % len(others)] for place in range(num_parties - few)]
    kind = np.sort([*kind, *[MINORITY] * few])
    own = np.diag(STAKES)[:, kind]
    names = [KINDS[place] for place in kind]
    return Population(
        theta=conflict * own + (1.0 - conflict) * own.mean(axis=1, keepdims=True),
        cluster=np.unique(kind, return_inverse=True)[1],
        choice=BradleyTerryLuce(beta=beta),
        names=tuple(
            f"{name} {names[: place + 1].count(name)}" if names.count(name) > 1 else name
            for place, name in enumerate(names)
        ),
    )


MONTHS = (
    *("October", "November", "December", "January", "February", "March"),
    *("April", "May", "June", "July", "August", "September"),
)
SHORE, WALL, BED, FULL = 16.0, 236.0, 214.0, 140.0
"""Pixels: left end of the lake, the dam, the bottom, the height of a full lake."""
SKY, LAND, FIELD = (
    drawing.Colour(214, 230, 240),
    drawing.Colour(176, 160, 132),
    drawing.Colour(214, 190, 110),
)
PANEL, BAR = 344.0, 200.0


@final
class LakeView(View):
    """The lake from the side, and beside it what everybody got in the week before.

    Args:
        calendar: what the season says.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar

    def frame(self, state: Water) -> np.ndarray:
        """Return lake, dam, river and fields, and a bar for each party's water."""
        canvas = Canvas(560, 300)
        shares = self._shares(state)
        _draw_land(canvas, float(state.storage) / CAPACITY)
        _draw_below(canvas, float(in_river(state.flows)) / WEEK, shares["fields"])
        for place, (name, share) in enumerate(shares.items()):
            _draw_share(canvas, 24.0 + 38.0 * place, name, share)
        time = int(state.time)
        canvas.text((SHORE, 246), self._date(time), scale=2)
        canvas.text((SHORE, 272), f"inflow {float(state.flows.inflow) / WEEK:.1f} m3/s")
        left = 1.0 - time / (len(self.calendar.inflow) - 1)
        canvas.text((PANEL, 272), "time left", drawing.FAINT)
        canvas.rectangle((PANEL + 64, 271, BAR - 64, 8), drawing.LINE, radius=4)
        length = max((BAR - 64) * left, 0.01)
        canvas.rectangle((PANEL + 64, 271, length, 8), drawing.GOOD, radius=4)
        return canvas.pixels

    def _date(self, time: int) -> str:
        return f"{MONTHS[time % YEAR * 12 // YEAR]} week {time}"

    def _shares(self, state: Water) -> dict[str, float]:
        """Return what each kind got, as a share of what it wants; of the flood, how high it was.

        Nothing has happened yet at the start, where everything is 0.
        """
        need = WEEK * self.calendar.fields[max(int(state.time) - 1, 0)]
        flows, river = state.flows, float(in_river(state.flows)) / WEEK
        return {
            "fields": float(flows.canal) / need if need > 0.0 else 1.0 * (int(state.time) > 0),
            "town": float(flows.town) / (TOWN * WEEK),
            "turbines": float(produced(state.storage, state)),
            "river": min(river / RIVER, 1.0),
            "flood": min(max(river / BANKS - 1.0, 0.0), 1.0),
        }

    def text(self, state: Water) -> str:
        """Return the date and the lake, one line for each kind, and the time left."""
        time, flows = int(state.time), state.flows
        lines = [
            f"{self._date(time)}  lake {100 * float(state.storage) / CAPACITY:.0f} %  m3/s: "
            f"in {float(flows.inflow) / WEEK:.1f}, release {float(flows.release) / WEEK:.1f}, "
            f"canal {float(flows.canal) / WEEK:.1f}, spill {float(flows.spill) / WEEK:.1f}"
        ]
        for name, share in self._shares(state).items():
            lines.append(f"{name:9} {100 * share:3.0f} % {'#' * round(20 * share)}")
        return "\n".join([*lines, f"time left {len(self.calendar.inflow) - 1 - time}"])


def _draw_land(canvas: Canvas, full: float) -> None:
    """Draw the sky, the lake in its valley, and the dam."""
    canvas.rectangle((SHORE, 16, 312, 222), SKY, radius=10)
    canvas.rectangle((SHORE, BED, 312, 24), LAND, radius=10)
    for row in range(int(FULL)):  # the valley narrows towards its bottom
        shore = SHORE + 34.0 + 60.0 * (row / FULL) ** 2
        y = BED - FULL + row
        canvas.rectangle((SHORE, y, shore - SHORE, 1.5), LAND)
        if row >= FULL * (1.0 - full):
            canvas.rectangle((shore, y, WALL - shore, 1.5), drawing.WEST)
    for row in range(int(FULL) + 12):  # the dam widens
        width = 10.0 + 16.0 * row / FULL
        canvas.rectangle((WALL, BED - FULL - 12 + row, width, 1.5), drawing.FAINT)
    for place, tall in ((2.0, 18.0), (11.0, 28.0), (22.0, 14.0)):  # the town on the shore
        corner = (SHORE + 1 + place, BED - FULL - tall)
        canvas.rectangle((*corner, 9, tall), drawing.PALETTE[3], radius=1)
    words = f"{100 * full:.0f} %"
    canvas.text((WALL - 12, BED - FULL - 30), words, align="right", scale=2)


def _draw_below(canvas: Canvas, river: float, watered: float) -> None:
    """Draw the river, as thick as it flows, and fields, as green as they are watered."""
    left, right = WALL + 24.0, SHORE + 312.0
    deep = min(2.0 + 30.0 * river / (2.0 * BANKS), 40.0)
    colour = drawing.mix(drawing.WEST, drawing.EAST, 0.5 * (river > BANKS))
    hill = drawing.mix(LAND, drawing.PAPER, 0.4)
    for row in range(int(BED) - 112):  # a bank for the fields, steeper than the dam
        start = left + 6.0 - 0.1 * row
        canvas.rectangle((start, 112.0 + row, right - start, 1.5), hill)
    canvas.rectangle((left, BED + 2 - deep, right - left, deep + 2), colour)
    for row in range(4):
        colour = drawing.mix(FIELD, drawing.GOOD, watered)
        canvas.rectangle((left + 14, 118.0 + 13.0 * row, right - left - 22, 9), colour, radius=2)


def _draw_share(canvas: Canvas, y: float, name: str, share: float) -> None:
    bad = name == "flood"
    canvas.text((PANEL, y), name)
    canvas.text((PANEL + BAR, y), f"{100 * share:.0f} %", drawing.FAINT, align="right")
    canvas.rectangle((PANEL, y + 12, BAR, 8), drawing.LINE, radius=4)
    colour = drawing.EAST if bad else drawing.WEST
    canvas.rectangle((PANEL, y + 12, max(BAR * share, 0.01), 8), colour, radius=4)
