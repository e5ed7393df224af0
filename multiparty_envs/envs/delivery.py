"""Delivery: a vehicle with little time between the districts of a majority and a minority."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP, FiniteState, Names, View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.drawing import Canvas
from multiparty_envs.envs.kinds import majority_and_minority
from multiparty_envs.parties import BradleyTerryLuce, Population

ACTIONS = ("north", "east", "south", "west")
STEPS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # row, column
FEATURES = ("parcels west", "parcels east", "bumps")
DISTRICTS = ("west", "east")
MARKET, VILLAGE = 2, 1
"""Parcels that wait at a market and at a village."""
BUMP = -0.1
"""Everybody's reward for a bump; at full conflict a parcel for one's own district is worth 1."""
PIXELS = 48
BAND = 40


class Stop(NamedTuple):
    """A place where parcels are handed over at the first visit."""

    place: tuple[int, int]  # row, column
    district: int
    parcels: int
    name: str


@final
class Town:
    """The map: streets around blocks of houses, mirrored west and east of the depot.

    Args:
        size: blocks from the market to the edge, and from the depot to the market.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows, self.columns = 2 * size + 1, 4 * size + 1
        self.depot = (size, 2 * size)
        self.stops = (
            Stop((size, size), 0, MARKET, "west market"),
            Stop((0, 0), 0, VILLAGE, "west village"),
            Stop((size, 3 * size), 1, MARKET, "east market"),
            Stop((0, 4 * size), 1, VILLAGE, "east village"),
        )
        self.cells = [
            (row, column)
            for row in range(self.rows)
            for column in range(self.columns)
            if not self._is_house(row, column)
        ]

    def _is_house(self, row: int, column: int) -> bool:
        between_streets = row % 2 == 1 and column % 2 == 1
        return between_streets and all(stop.place != (row, column) for stop in self.stops)

    @cached_property
    def index(self) -> dict[tuple[int, int], int]:
        """Place to number of the cell."""
        return {cell: number for number, cell in enumerate(self.cells)}

    @property
    def num_states(self) -> int:
        """S: cells times which stops have been served."""
        return len(self.cells) << len(self.stops)

    def neighbours(self) -> np.ndarray:
        """Return [C, A], the cell that each action leads to; the cell itself where it bumps."""
        reached = np.empty((len(self.cells), len(STEPS)), dtype=np.int64)
        for number, (row, column) in enumerate(self.cells):
            for action, (down, right) in enumerate(STEPS):
                reached[number, action] = self.index.get((row + down, column + right), number)
        return reached

    def mark(self) -> np.ndarray:
        """Return [C], the bit that a cell's stop sets; 0 where there is none."""
        bits = np.zeros(len(self.cells), dtype=np.int64)
        for number, stop in enumerate(self.stops):
            bits[self.index[stop.place]] = 1 << number
        return bits

    def parcels(self) -> np.ndarray:
        """Return [C, 2], the parcels that wait at a cell for each district."""
        waiting = np.zeros((len(self.cells), len(DISTRICTS)))
        for stop in self.stops:
            waiting[self.index[stop.place], stop.district] = stop.parcels
        return waiting

    def given(self, state: int) -> list[int]:
        """Return how many parcels each district has got in a state."""
        done = [stop for stop, served in zip(self.stops, self.served(state), strict=True) if served]
        return [sum(s.parcels for s in done if s.district == d) for d in range(len(DISTRICTS))]

    def served(self, state: int) -> list[bool]:
        """Return which stops have been served in a state."""
        bits = state // len(self.cells)
        return [bool(bits >> number & 1) for number in range(len(self.stops))]


def delivery(
    *,
    num_parties: int = 5,
    minority_share: float = 0.2,
    conflict: float = 1.0,
    size: int = 2,
    slipperiness: float = 0.1,
    horizon: int | None = None,
    beta: float = 1.0,
) -> FiniteMDP:
    """Build the world of a delivery vehicle that cannot serve everybody in time.

    Description:
        A vehicle leaves a depot between two districts. Each district has a market near the depot
        (two parcels) and a village far out (one parcel). Time is short: both markets can be
        served, or one whole district, so that serving everybody is a detour. The gridworld of
        MaxMin-RLHF's appendix, made quantitative.
    Parties:
        Residents of the west (the majority) and the east. At conflict 0 everybody values every
        parcel equally; at 1 only those for the own district. All dislike bumps. The map is
        mirrored, so that the minority is worse off only by its number.
    Action:
        Discrete(4): north, east, south, west. With chance `slipperiness` the vehicle slides to the
        left or the right of where it is steered.
    Observation:
        Box [O], 0 or 1: which street cell (one-hot, 37), which of four stops has been served;
        last the share of time left.
    Reward per party:
        parcels west * a + parcels east * b - 0.1 * bumps, in expectation over slips, with
        (a, b) = ((1 + conflict) / 2, (1 - conflict) / 2) for the west, (b, a) for the east;
        -0.1 .. 2 a step.
    Start:
        At the depot, nothing served. So with `feedback={"segment_length": None}` (the default)
        every comparison is of two whole trajectories from one state, the trajectory-based labels
        of [Zhong2024], section 5; with shorter segments, `"pairs": "same-start"` sees to it.
    End:
        After 5 * size - 1 steps (9), or `horizon`.
    Known optimum:
        Policy level, default knobs, exact with certificate (`agents.planning.solve`).
        Range-normalised, 0 for the behaviour policy's return and 1 for a party's own best:
        utilitarian 0.787, Nash -0.393 (mean log), max-min 0.633.
        Raw: utilitarian 2.314, Nash 0.621 (log gains over the behaviour policy's return),
        max-min 1.890.
    Source:
        [Chakraborty2024], appendix G and figure 7 (a picture without numbers).
    Versions:
        v0: first.

    Args:
        num_parties: M, at least 2.
        minority_share: of the parties that live in the east, to the nearest whole party but one
            at least, and exactly of the answers where they are asked by share; up to a half.
        conflict: from 0 (nobody disagrees) to 1 (each only wants the own district served).
        size: blocks of houses between depot and market; 2 gives 592 states.
        slipperiness: chance to slide, in [0, 1].
        horizon: steps; the default leaves just too little time for everybody.
        beta: rationality of the answers, see `BradleyTerryLuce`.

    Raises:
        ValueError: when a knob is out of range.
    """
    town = Town(expect.integer(size, name="size", low=1, high=8))
    slip = expect.number(slipperiness, name="slipperiness", low=0.0, high=1.0)
    successors, probabilities, features = _tables(town, slip)
    # both markets or one district take 3 * size steps, a market and a district 5 * size
    steps = 5 * town.size - 1 if horizon is None else expect.integer(horizon, name="horizon", low=1)
    initial = np.zeros(town.num_states)
    initial[town.index[town.depot]] = 1.0
    return FiniteMDP(
        successors=successors,
        probabilities=probabilities,
        features=features,
        initial=initial,
        population=_residents(num_parties, minority_share, conflict, beta),
        horizon=steps,
        observations=_observations(town),
        view=TownView(town, steps),
        names=Names(ACTIONS, FEATURES),
    )


def _tables(town: Town, slip: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return successors [S, A, K], probabilities [S, A, K] and features [S, A, D].

    The vehicle goes where it is steered, or slips to one of the two sides.
    """
    # without slips one successor is enough, and faces then need no random number a step
    turns = (0, 1, -1) if slip > 0.0 else (0,)
    chances = np.array([1.0 - slip, slip / 2.0, slip / 2.0])[: len(turns)]
    steered = (np.arange(len(STEPS))[:, None] + np.array(turns)) % len(STEPS)  # [A, K]
    cells = np.arange(len(town.cells))
    target = town.neighbours()[:, steered]  # [C, A, K]
    bits, parcels = town.mark()[target], town.parcels()[target]
    bumped = target == cells[:, None, None]
    served = np.arange(1 << len(town.stops))[:, None, None, None]
    # the cell runs fastest, so that state // C are the bits and state % C the cell
    successors = (served | bits) * len(cells) + target
    fresh = (served & bits) == 0  # a stop is served only once
    seen = np.concatenate(
        [parcels * fresh[..., None], np.broadcast_to(bumped, fresh.shape)[..., None]], axis=-1
    )
    shape = (town.num_states, len(STEPS))
    features = np.einsum("...kd,k->...d", seen, chances).reshape(*shape, len(FEATURES))
    return successors.reshape(*shape, -1), np.broadcast_to(chances, (*shape, len(turns))), features


def _residents(num_parties: int, minority_share: float, conflict: float, beta: float) -> Population:
    cluster, share = majority_and_minority(num_parties, minority_share)
    expect.number(conflict, name="conflict", low=0.0, high=1.0)
    # the sum of both weights stays one: conflict moves interest, it does not make people keener
    own, other = (1.0 + conflict) / 2.0, (1.0 - conflict) / 2.0
    kinds = np.array([[own, other, BUMP], [other, own, BUMP]])
    count = np.bincount(cluster, minlength=2)
    return Population(
        theta=kinds[cluster].T,
        cluster=cluster,
        share=share,
        choice=BradleyTerryLuce(beta=beta),
        names=tuple(f"{DISTRICTS[kind]} {i + 1}" for kind in (0, 1) for i in range(count[kind])),
    )


def _observations(town: Town) -> np.ndarray:
    """Return [S, O]: one-hot of the cell, then which stops are served."""
    states = np.arange(town.num_states)
    served = states[:, None] // len(town.cells) >> np.arange(len(town.stops)) & 1
    return np.concatenate([np.eye(len(town.cells))[states % len(town.cells)], served], axis=1)


@final
class TownView(View):
    """The map from above: districts blue and orange, houses grey, parcels on the stops."""

    def __init__(self, town: Town, horizon: int) -> None:
        self.town = town
        self.horizon = horizon

    def frame(self, state: FiniteState) -> np.ndarray:
        """Return the map with the vehicle, below a band that shows the time left."""
        town = self.town
        canvas = Canvas(town.columns * PIXELS, town.rows * PIXELS + BAND)
        self._draw_ground(canvas)
        for stop, served in zip(town.stops, town.served(int(state.cell)), strict=True):
            _draw_stop(canvas, stop, served)
        self._draw_vehicle(canvas, int(state.cell))
        self._draw_band(canvas, state)
        return canvas.pixels

    def _draw_ground(self, canvas: Canvas) -> None:
        town = self.town
        for row in range(town.rows):
            for column in range(town.columns):
                x, y = _corner(row, column)
                if (row, column) in town.index:
                    tint = _tint(column, town)
                    canvas.rectangle((x + 1, y + 1, PIXELS - 2, PIXELS - 2), tint, radius=4)
                else:
                    canvas.rectangle((x + 3, y + 3, PIXELS - 6, PIXELS - 6), drawing.LINE, 6)
        x, y = _corner(*town.depot)
        canvas.rectangle((x + 7, y + 7, PIXELS - 14, PIXELS - 14), drawing.FAINT, radius=3)
        canvas.rectangle((x + 10, y + 10, PIXELS - 20, PIXELS - 20), drawing.PAPER, radius=2)

    def _draw_vehicle(self, canvas: Canvas, state: int) -> None:
        x, y = _corner(*self.town.cells[state % len(self.town.cells)])
        canvas.disc((x + PIXELS / 2, y + PIXELS / 2), 14, drawing.INK)
        canvas.rectangle((x + PIXELS / 2 - 7, y + PIXELS / 2 - 5, 14, 9), drawing.PAPER, radius=2)

    def _draw_band(self, canvas: Canvas, state: FiniteState) -> None:
        width = canvas.pixels.shape[1]
        left = self.horizon - int(state.time)
        given = self.town.given(int(state.cell))
        for district, align, x in ((0, "left", 12), (1, "right", width - 12)):
            words = f"{DISTRICTS[district]} {given[district]} of {MARKET + VILLAGE}"
            scale = 2 if self.town.size > 1 else 1
            canvas.text((x, 20 - 3.5 * scale), words, drawing.PALETTE[district], scale, align)
        room = width * 0.3
        bar = (width / 2 - room / 2, 16.0)
        canvas.rectangle((*bar, room, 8), drawing.LINE, radius=4)
        canvas.rectangle((*bar, max(room * left / self.horizon, 0.01), 8), drawing.GOOD, radius=4)

    def text(self, state: FiniteState) -> str:
        """Return the map in letters: V vehicle, D depot, digits parcels, # houses, . streets."""
        town, now = self.town, int(state.cell)
        rows = [["#"] * town.columns for _ in range(town.rows)]
        for row, column in town.cells:
            rows[row][column] = "."
        rows[town.depot[0]][town.depot[1]] = "D"
        for stop, served in zip(town.stops, town.served(now), strict=True):
            rows[stop.place[0]][stop.place[1]] = "_" if served else str(stop.parcels)
        row, column = town.cells[now % len(town.cells)]
        rows[row][column] = "V"
        given = town.given(now)
        return "\n".join(
            [
                *(" ".join(line) for line in rows),
                f"west {given[0]} east {given[1]}  time left {self.horizon - int(state.time)}",
            ]
        )


def _corner(row: int, column: int) -> tuple[int, int]:
    return column * PIXELS, row * PIXELS + BAND


def _tint(column: int, town: Town) -> drawing.Colour:
    """Return the ground's colour, the more a district's the further out."""
    centre = town.depot[1]
    share = 0.12 + 0.22 * abs(column - centre) / centre
    if column == centre:
        return drawing.mix(drawing.PAPER, drawing.FAINT, 0.2)
    return drawing.mix(drawing.PAPER, drawing.PALETTE[int(column > centre)], share)


def _draw_stop(canvas: Canvas, stop: Stop, served: bool) -> None:
    x, y = _corner(*stop.place)
    colour = drawing.PALETTE[stop.district]
    canvas.rectangle((x + 6, y + 6, PIXELS - 12, PIXELS - 12), colour, radius=6)
    if served:
        pale = drawing.mix(drawing.PAPER, colour, 0.2)
        canvas.rectangle((x + 9, y + 9, PIXELS - 18, PIXELS - 18), pale, radius=4)
        return
    for i in range(stop.parcels):
        shift = (i - (stop.parcels - 1) / 2) * 14
        canvas.rectangle((x + PIXELS / 2 + shift - 5, y + 19, 10, 10), drawing.PAPER, radius=1)
