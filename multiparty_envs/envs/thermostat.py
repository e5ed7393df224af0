"""Thermostat: one temperature for people who like it warm, like it cool, or pay for it."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.dynamics import View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.building import (
    CENTRE,
    FEATURES,
    HEAT,
    SPREAD,
    UNIT,
    WINDOWS,
    Building,
    Clock,
    Room,
)
from multiparty_envs.envs.drawing import Canvas
from multiparty_envs.parties import BradleyTerryLuce, Population

PAYERS = ("owner", "everybody")
"""Who may pay for the energy."""
WARM, COOL = (22.5, 24.0), (18.5, 20.0)  # preferred temperatures of the two kinds, from .. to


def thermostat(
    *,
    num_parties: int = 6,
    minority_share: float = 0.2,
    conflict: float = 1.0,
    payer: str = "owner",
    preferred: ArrayLike | None = None,
    tolerance: ArrayLike = 4.0,
    outdoor: float = 8.0,
    noise: float = 1.0,
    actions: str = "discrete",
    horizon: int = 48,
    beta: float = 1.0,
) -> Building:
    """Build the world of a building whose people share one temperature.

    Description:
        A heat pump warms or cools rooms that are used as offices by day and as homes by night.
        Half-hour steps from midnight. Rooms are one heat capacity behind one resistance, solved
        exactly over a step:
        T' = T_eq + (T - T_eq) exp(-dt / RC), T_eq = T_out + R (heat + sun and people),
        with R = 5 K/kW, C = 4 kWh/K (20 hours), 9 kW at full power, of which a third is paid.
        Outside it is `outdoor` on average, 5 K more at 15:00, 5 K less at 3:00, and besides an
        autoregressive deviation with a memory of a day and a standard deviation of 3 K, cut at
        three of them. Below 16 degrees the heat pump warms and above 28 it cools at full power,
        whatever is chosen.
    Parties:
        Occupants, each with a preferred temperature and a tolerance, in turn at home (evenings,
        nights, mornings) and at work here (by day). A minority likes it cool (18.5 to 20 degrees),
        the others warm (22.5 to 24). The owner, the last party, pays. At conflict 0 everybody has
        the mean of all reward weights.
    Action:
        Discrete(5): cool (half power), off, low (a quarter), half, full. With "continuous"
        Box [1], -1 .. 1: share of the full power, below zero to cool.
    Observation:
        Box [8]: rooms, (degrees - 21) / 5; outside, (degrees - outdoor) / 10; sine and cosine of
        the hour; who is there by day and who at home, 0 .. 1; price / 0.45; last the share of
        time left.
    Reward per party:
        Occupants: presence * (1 - ((T' - preferred) / tolerance)^2): 1 a step at the preferred
        temperature, 0 at the tolerance, negative beyond. Owner: (budget - cost) / 0.30 euros, with
        a budget of 0.15. Linear in the features presence * (1, x, x^2) with x = (T' - 21) / 5, for
        either window, and savings; -5.2 .. 1 a step.
    Start:
        At midnight, rooms at 17 to 23 degrees, weather as it has been for long.
    End:
        After 48 steps (a day), or `horizon`.
    Known optimum:
        Not known exactly, for the world is no table. Mean returns of 4,096 episodes, default
        knobs: behaviour policy (uniform): mean party 3.2, worst party -8.0;
        the level that ends each step nearest to 21 degrees: mean party 14.7, worst party 9.2;
        nearest to 22 degrees: mean party 16.3, worst party 7.4.
        Planned on a grid of temperature, weather and time, and played in the world itself,
        for the mean: mean party 17.2, worst party 10.3;
        for the worst party (weights of duality gap 0.1): mean party 15.4, worst party 14.2.
    Source:
        [Bacher2011] for buildings as resistances and capacities; [Fanger1970] for discomfort that
        grows, near the best, with the square of the distance. Sizes, people, weather and prices
        are ours, plausible for a well-insulated small house in the north of Europe in spring.
    Versions:
        v0: first.

    Args:
        num_parties: M; at least 2 where an owner pays.
        minority_share: of the occupants that like it cool, to the nearest whole one but one at
            least; 0 for none, up to a half.
        conflict: from 0 (everybody wants the same) to 1 (each minds only own comfort or money).
        payer: "owner", the last party, who minds nothing else; or "everybody": all parties are
            occupants and pay equal parts.
        preferred: [occupants], degrees, of one's own instead.
        tolerance: K, one for all or [occupants].
        outdoor: mean temperature outside, -10 .. 30 degrees.
        noise: of the weather, as a multiple of 3 K, 0 .. 2.
        actions: "discrete" or "continuous".
        horizon: steps of half an hour.
        beta: rationality of the answers, see `BradleyTerryLuce`.

    Raises:
        ValueError: when a knob is out of range.
    """
    expect.choice(actions, ("discrete", "continuous"), name="actions")
    clock = Clock.of(
        expect.integer(horizon, name="horizon", low=1) + 1,
        expect.number(outdoor, name="outdoor", low=-10.0, high=30.0),
    )
    people = _people(num_parties, minority_share, payer, preferred, tolerance)
    expect.number(conflict, name="conflict", low=0.0, high=1.0)
    population = Population(
        theta=conflict * people.theta + (1.0 - conflict) * people.theta.mean(axis=1, keepdims=True),
        cluster=people.cluster,
        choice=BradleyTerryLuce(beta=beta),
        names=people.names,
    )
    spread = SPREAD * expect.number(noise, name="noise", low=0.0, high=2.0)
    world = Building(population, clock, outdoor, spread, continuous=actions == "continuous")
    world.view = RoomView(clock, people)
    return world


class People(NamedTuple):
    """Who judges, and why."""

    theta: np.ndarray  # [D, M] at full conflict
    cluster: np.ndarray  # [M]
    names: tuple[str, ...]  # [M]
    preferred: np.ndarray  # [occupants] degrees
    window: np.ndarray  # [occupants], 0 there by day, 1 at home


def _people(
    num_parties: int, minority_share: float, payer: str, preferred: Any, tolerance: Any
) -> People:
    """Return the occupants, and the owner where one pays."""
    owner = expect.choice(payer, PAYERS, name="payer") == "owner"
    count = expect.integer(num_parties, name="num_parties", low=1 + owner) - owner
    expect.number(minority_share, name="minority_share", low=0.0, high=0.5)
    cool = max(1, round(minority_share * count)) if minority_share > 0.0 and count > 1 else 0
    if preferred is None:
        preferred = np.concatenate([_spaced(*WARM, count - cool), _spaced(*COOL, cool)])
    preferred = expect.shape(expect.finite(preferred, name="preferred"), count, name="preferred")
    for degrees in preferred:
        expect.number(degrees, name="preferred", low=10.0, high=35.0)
    window = 1 - np.arange(count) % 2  # the first one is at home
    theta = _comfort(preferred, _tolerances(tolerance, count), window)
    theta[-1] = 0.0 if owner else 1.0 / count
    kinds = [("warm", "cool")[int(degrees < CENTRE)] for degrees in preferred]
    if owner:
        pays = np.zeros((len(FEATURES), 1))
        pays[-1] = 1.0
        theta, kinds = np.hstack([theta, pays]), [*kinds, "owner"]
    order = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    cluster = np.array([order[kind] for kind in kinds])
    return People(theta, cluster, _named(kinds), preferred, window)


def _spaced(low: float, high: float, count: int) -> np.ndarray:
    """Return `count` numbers in the middles of as many equal parts of low .. high."""
    return low + (high - low) * (np.arange(count) + 0.5) / max(count, 1)


def _named(kinds: list[str]) -> tuple[str, ...]:
    """Return names: the kind, and a number where it can have several."""
    return tuple(
        kind if kind == "owner" else f"{kind} {kinds[: place + 1].count(kind)}"
        for place, kind in enumerate(kinds)
    )


def _tolerances(tolerance: Any, count: int) -> np.ndarray:
    given = expect.finite(tolerance, name="tolerance")
    if given.ndim:
        expect.shape(given, count, name="tolerance")
    expect.number(given.min(), name="tolerance", low=0.5, high=50.0)
    return np.broadcast_to(given, count)


def _comfort(preferred: np.ndarray, tolerance: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return theta [D, occupants] of 1 - ((T - preferred) / tolerance)^2 while present."""
    # expanded in powers of the warmth x: with k = UNIT / tolerance, 1 - k^2 (x - best)^2
    best, keen = (preferred - CENTRE) / UNIT, (UNIT / tolerance) ** 2
    powers = np.stack([1.0 - keen * best**2, 2.0 * keen * best, -keen])  # [3, occupants]
    theta = np.zeros((len(FEATURES), len(preferred)))
    for place in range(len(WINDOWS)):
        theta[3 * place : 3 * place + 3] = np.where(window == place, powers, 0.0)
    return theta


LEFT, TOP, SIDE = 16, 16, 232
SCALE_TOP, DEGREE, PANEL = 40, 13.0, 280
COLDEST, HOTTEST = 14, 30


@final
class RoomView(View):
    """The house in its weather, and beside it what everybody would like it to be.

    Args:
        clock: what the time of day says.
        people: who is where, and likes what.
    """

    def __init__(self, clock: Clock, people: People) -> None:
        self.clock = clock
        self.people = people

    def frame(self, state: Room) -> np.ndarray:
        """Return the house, a scale with the occupants, the power and the time left."""
        canvas = Canvas(560, 336)
        self._draw_sky(canvas, state)
        _draw_house(canvas, float(state.temperature), self._daylight(state))
        self._draw_scale(canvas, float(state.temperature), int(state.time))
        _draw_power(canvas, float(state.heat))
        left = 1.0 - int(state.time) / (len(self.clock.hour) - 1)
        canvas.text((PANEL, 310), "time left", drawing.FAINT)
        canvas.rectangle((PANEL + 64, 309, 200, 8), drawing.LINE, radius=4)
        canvas.rectangle((PANEL + 64, 309, max(200 * left, 0.01), 8), drawing.GOOD, radius=4)
        return canvas.pixels

    def _daylight(self, state: Room) -> float:
        hour = float(self.clock.hour[int(state.time)])
        return float(np.interp(hour, (5.0, 8.0, 18.0, 21.0), (0.0, 1.0, 1.0, 0.0)))

    def _draw_sky(self, canvas: Canvas, state: Room) -> None:
        hour, light = float(self.clock.hour[int(state.time)]), self._daylight(state)
        sky = drawing.mix(drawing.Colour(38, 48, 78), drawing.Colour(196, 222, 238), light)
        canvas.rectangle((LEFT, TOP, SIDE, SIDE), sky, radius=10)
        day = 6.0 <= hour < 20.0
        along = ((hour - 6.0) / 14.0) if day else ((hour - 20.0) % 24.0 / 10.0)
        x, y = LEFT + 24 + along * (SIDE - 48), TOP + 66 - 34 * np.sin(np.pi * along)
        canvas.disc((x, y), 13, drawing.Colour(246, 190, 66) if day else drawing.PAPER)
        ground = drawing.mix(drawing.INK, drawing.GOOD, 0.4 + 0.6 * light)
        canvas.rectangle((LEFT, TOP + SIDE - 26, SIDE, 26), ground, radius=10)
        words = drawing.INK if light > 0.5 else drawing.PAPER
        outside = self._outside(state)
        canvas.text((LEFT + 10, TOP + 86), f"{outside:.0f}", words, scale=2)
        canvas.text((LEFT + 10, TOP + 106), "outside", words)
        minutes = round(60 * hour)
        canvas.text((LEFT, 260), f"{minutes // 60:02d}:{minutes % 60:02d}", scale=2)
        price = f"{100 * self.clock.price[int(state.time)]:.0f} cents for a kWh"
        canvas.text((LEFT + SIDE, 264), price, drawing.FAINT, align="right")

    def _outside(self, state: Room) -> float:
        return float(self.clock.outside[int(state.time)] + state.weather)

    def _draw_scale(self, canvas: Canvas, temperature: float, time: int) -> None:
        """Draw degrees from bottom to top, and each occupant at the preferred one."""
        people, there = self.people, self.clock.presence[time]
        canvas.text((PANEL, 16), "preferred degrees", drawing.FAINT)
        for degrees in range(COLDEST, HOTTEST + 1, 2):
            y = _height(degrees)
            canvas.rectangle((PANEL + 22, y - 0.5, 242, 1), drawing.LINE)
            canvas.text((PANEL + 14, y - 3), str(degrees), drawing.FAINT, align="right")
        y = _height(temperature)
        canvas.rectangle((PANEL + 22, y - 2, 242, 4), drawing.INK, radius=2)
        count = len(people.preferred)
        apart = 242.0 / count
        for person, (wish, window) in enumerate(zip(people.preferred, people.window, strict=True)):
            place = (PANEL + 22 + apart * (person + 0.5), _height(float(wish)))
            colour = drawing.PALETTE[1 if wish >= CENTRE else 0]
            radius = min(9.0, 0.4 * apart)
            canvas.disc(place, radius, colour)
            canvas.disc(place, radius - 2.0, drawing.mix(drawing.PAPER, colour, there[window]))
        canvas.text((PANEL, 272), "filled: at home or at work here", drawing.FAINT)

    def text(self, state: Room) -> str:
        """Return time and temperatures, one line an occupant, and the time left."""
        time = int(state.time)
        hour, there = float(self.clock.hour[time]), self.clock.presence[time]
        temperature = float(state.temperature)
        lines = [
            f"hour {hour:4.1f}  rooms {temperature:.1f}  outside {self._outside(state):.1f}  "
            f"heat {float(state.heat):+.1f} kW  price {self.clock.price[time]:.2f}"
        ]
        rows = zip(self.people.names, self.people.preferred, self.people.window, strict=False)
        for name, wish, window in rows:
            lines.append(
                f"{name:8} likes {wish:.1f}, is {temperature - wish:+.1f} off, "
                f"{100 * there[window]:3.0f} % there"
            )
        return "\n".join([*lines, f"time left {len(self.clock.hour) - 1 - time}"])


def _height(degrees: float) -> float:
    return SCALE_TOP + DEGREE * (HOTTEST - min(max(degrees, COLDEST), HOTTEST))


def _tint(degrees: float, most: float) -> drawing.Colour:
    """Return blue below the centre, orange above, paler near it."""
    share = (degrees - CENTRE) / UNIT
    return drawing.mix(
        drawing.PAPER, drawing.EAST if share > 0.0 else drawing.WEST, most * (0.25 + abs(share))
    )


def _draw_house(canvas: Canvas, temperature: float, light: float) -> None:
    x, y, width = LEFT + 86.0, TOP + 112.0, 124.0
    for row in range(44):  # the roof, a row of pixels at a time
        half = 6.0 + row * (width / 2 + 6.0) / 44.0
        canvas.rectangle((x + width / 2 - half, y - 44 + row, 2 * half, 1.5), drawing.INK)
    canvas.rectangle((x, y, width, 100), _tint(temperature, 0.6))
    canvas.text((x + width / 2, y + 12), f"{temperature:.1f}", align="centre", scale=3)
    lit = drawing.mix(drawing.Colour(250, 214, 120), drawing.PAPER, light)
    for place in (16.0, 78.0):
        canvas.rectangle((x + place, y + 50, 30, 30), drawing.INK, radius=2)
        canvas.rectangle((x + place + 2, y + 52, 26, 26), lit, radius=1)


def _draw_power(canvas: Canvas, heat: float) -> None:
    """Draw the power from the middle: to the right heating, to the left cooling."""
    x, width = LEFT + 34.0, 170.0
    canvas.text((LEFT, 310), "cool", drawing.WEST)
    canvas.text((LEFT + SIDE, 310), "heat", drawing.EAST, align="right")
    canvas.rectangle((x, 309, width, 8), drawing.LINE, radius=4)
    length = abs(heat) / HEAT * width / 2
    start = x + width / 2 - (length if heat < 0.0 else 0.0)
    colour = drawing.EAST if heat > 0.0 else drawing.WEST
    canvas.rectangle((start, 309, max(length, 0.01), 8), colour, radius=4)
    canvas.rectangle((x + width / 2 - 1, 305, 2, 16), drawing.FAINT)
