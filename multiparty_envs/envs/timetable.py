"""Timetable: a rail planner between price, time, changes and comfort, judged by real travellers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple, final

import numpy as np

from multiparty_envs import data, expect
from multiparty_envs.dynamics import FiniteMDP, FiniteState, Names, View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.drawing import Canvas
from multiparty_envs.parties import BradleyTerryLuce, Population

PART_WORTHS = Path(data.__file__).parent / "train_partworths.csv"
FEATURES = ("price", "time", "changes", "comfort")
POPULATIONS = ("travellers", "clusters")
START_BUDGET = 2


class Attribute(NamedTuple):
    """One side of the service; its levels are evenly spaced, the lowest is the best."""

    name: str
    best: float
    step: float
    levels: int
    start: int
    cost: int  # budget that it takes to better it by a level; to worsen it brings one less
    verbs: tuple[str, str]
    shown: str
    unit: float  # shown = value * unit

    def value(self, level: np.ndarray | int) -> np.ndarray:
        """Return the attribute in the units of the recorded answers."""
        return np.asarray(self.best + self.step * np.asarray(level))


def attributes(num_prices: int) -> tuple[Attribute, ...]:
    """Return the sides of the service; their levels lie within the range that people judged."""
    cheaper, faster, fewer, better = (
        ("cheaper", "dearer"),
        ("faster", "slower"),
        ("fewer changes", "more changes"),
        ("more comfort", "less comfort"),
    )
    return (
        Attribute("price", 2.0, 1.0, num_prices, num_prices // 2, 3, cheaper, "guilders", 10.0),
        Attribute("time", 1.5, 0.5, 3, 1, 2, faster, "minutes", 60.0),
        Attribute("changes", 0.0, 1.0, 3, 1, 2, fewer, "changes", 1.0),
        Attribute("comfort", 0.0, 1.0, 3, 1, 2, better, "class (0 best)", 1.0),
    )


@final
class Service:
    """Every combination of levels and budget, and how decisions lead from one to another.

    Attributes:
        sides: the four attributes.
        sizes: number of levels of each, then of the budget.
        levels: [S, 5], the level of each, then the budget.
    """

    def __init__(self, num_prices: int, max_budget: int) -> None:
        self.sides = attributes(num_prices)
        self.sizes = (*(side.levels for side in self.sides), max_budget + 1)
        self.levels = np.indices(self.sizes).reshape(len(self.sizes), -1).T

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the decisions."""
        return (*(verb for side in self.sides for verb in side.verbs), "save")

    def start(self) -> np.ndarray:
        """Return the distribution [S] of the first state, which is certain."""
        first = [*(side.start for side in self.sides), START_BUDGET]
        return (self.levels == first).all(axis=1).astype(np.float64)

    def values(self) -> np.ndarray:
        """Return the attributes [S, D] in the units of the recorded answers."""
        columns = [side.value(self.levels[:, place]) for place, side in enumerate(self.sides)]
        return np.stack(columns, axis=1)

    def observations(self) -> np.ndarray:
        """Return [S, O]: the levels and the budget, one-hot."""
        columns = [np.eye(size)[self.levels[:, place]] for place, size in enumerate(self.sizes)]
        return np.concatenate(columns, axis=1)

    def moves(self, slip: float) -> tuple[np.ndarray, np.ndarray]:
        """Return successors and probabilities [S, A, K]; the second is "not carried out"."""
        wanted = self.levels[:, None] + self._changes()  # [S, A, 5]
        # budget beyond the most that can be saved is lost, all else out of range is refused
        wanted[..., -1] = np.minimum(wanted[..., -1], self.sizes[-1] - 1)
        fits = ((wanted >= 0) & (wanted < self.sizes)).all(axis=-1, keepdims=True)
        reached = np.where(fits, wanted, self.levels[:, None])
        target = np.ravel_multi_index(tuple(np.moveaxis(reached, -1, 0)), self.sizes)
        chances = np.array([1.0 - slip, slip] if slip > 0.0 else [1.0])
        here = np.broadcast_to(np.arange(len(self.levels))[:, None], target.shape)
        successors = np.stack([target, here], axis=-1)[..., : len(chances)]
        return successors, np.broadcast_to(chances, successors.shape)

    def _changes(self) -> np.ndarray:
        """Return [A, 5], what each decision adds to the levels and the budget."""
        change = np.zeros((len(self.actions), len(self.sizes)), dtype=np.int64)
        for place, side in enumerate(self.sides):
            # one unit is lost on the way back, so that going to and fro earns nothing
            change[2 * place, [place, -1]] = -1, -side.cost
            change[2 * place + 1, [place, -1]] = 1, side.cost - 1
        change[-1, -1] = 1  # to save
        return change


def timetable(
    *,
    population: str = "travellers",
    num_parties: int | None = None,
    num_clusters: int = 4,
    conflict: float = 1.0,
    num_prices: int = 4,
    max_budget: int = 5,
    slipperiness: float = 0.1,
    horizon: int = 12,
    beta: float = 1.0,
) -> FiniteMDP:
    """Build the world of a rail planner whose judges are recorded people.

    Description:
        A planner changes one side of a train service at a time: price, travel time, changes,
        comfort. To better one by a level takes 2 from the budget (price: 3), to worsen one brings
        1 (price: 2), to save brings 1, so that a dearer ticket is the quick way to a faster or
        better train. People ride the service as it is at every step.
    Parties:
        The 235 Dutch rail travellers of the Train panel (`multiparty_envs.data.load("train")`).
        Their reward weights are part-worths, estimated once from all of their 2,929 recorded
        choices (`Hierarchical`, see the page of the data). They conflict over what a guilder is
        worth in minutes and comfort. With population "clusters", the means of a few segments of
        them, each with its share of the people.
    Action:
        Discrete(9): cheaper, dearer, faster, slower, fewer changes, more changes, more comfort,
        less comfort, save. What is out of range or not affordable changes nothing, and with
        chance `slipperiness` a decision is not carried out.
    Observation:
        Box [20], 0 or 1: level of price (4), time (3), changes (3), comfort (3), budget left (6),
        each one-hot; last the share of time left.
    Reward per party:
        price * w_1 + time * w_2 + changes * w_3 + comfort * w_4, each attribute of the present
        service less that of the first, in the units of the panel (tens of guilders, hours,
        number, class with 0 the best); -21 .. 34 a step, 0 for leaving everything as it is.
    Start:
        40 guilders, 120 minutes, one change, comfort class 1, budget 2.
    End:
        After 12 steps, or `horizon`.
    Known optimum:
        Policy level, default knobs, exact with certificate (`agents.planning.solve`).
        Range-normalised, 0 for the behaviour policy's return and 1 for a party's own best:
        utilitarian 0.803, Nash -0.251 (mean log), max-min 0.523.
        Raw: utilitarian 101.360, Nash 4.782 (log gains over the behaviour policy's return),
        max-min 69.755.
    Source:
        [BenAkiva1993] for the answers; the planner is ours.
    Versions:
        v0: first.

    Args:
        population: "travellers" or "clusters".
        num_parties: how many of the travellers, the first ones of the panel; default all.
        num_clusters: segments of travellers, by Ward's method on their part-worths: the parties
            of "clusters", the kinds of party of "travellers".
        conflict: how much of each traveller's deviation from the mean is kept, 0 to 1.
        num_prices: levels of the price, 2 to 8, from 20 guilders in steps of ten.
        max_budget: most that can be saved, at least 2.
        slipperiness: chance that a decision is not carried out, in [0, 1].
        horizon: steps.
        beta: rationality of simulated answers, as a multiple of the recorded people's: at 1,
            answers about single steps follow the estimated part-worths as they stand.

    Raises:
        ValueError: when a knob is out of range.
    """
    prices = expect.integer(num_prices, name="num_prices", low=2, high=8)
    most = expect.integer(max_budget, name="max_budget", low=START_BUDGET, high=50)
    slip = expect.number(slipperiness, name="slipperiness", low=0.0, high=1.0)
    steps = expect.integer(horizon, name="horizon", low=1)
    service = Service(prices, most)
    successors, probabilities = service.moves(slip)
    judges = _judges(population, num_parties, num_clusters, conflict)
    # answers see standardised returns; times their spread they have the estimated logit again
    covariance = _covariance(service, successors, probabilities, steps)
    spread = np.sqrt(np.einsum("dm,de,em->m", judges.theta, covariance, judges.theta))
    rationality = expect.number(beta, name="beta", low=0.0) * spread
    values = service.values()
    gains = values - service.start() @ values
    shape = (*successors.shape[:2], len(FEATURES))
    return FiniteMDP(
        successors=successors,
        probabilities=probabilities,
        features=np.broadcast_to(gains[:, None], shape),
        initial=service.start(),
        population=replace(judges, choice=BradleyTerryLuce(beta=rationality)),
        horizon=steps,
        observations=service.observations(),
        view=ServiceView(service, steps),
        names=Names(service.actions, FEATURES),
    )


@cache
def part_worths() -> np.ndarray:
    """Return the travellers' estimated reward weights [4, 235], in the panel's order and units.

    `multiparty_envs/data/README.md` says how they were estimated.
    """
    columns = data.read_columns(PART_WORTHS)
    if tuple(columns["person"]) != data.load("train").people:
        raise ValueError(f"{PART_WORTHS} should have one line for each traveller, in their order")
    table = np.stack([columns[name].astype(np.float64) for name in FEATURES])
    table.setflags(write=False)
    return table


def _covariance(
    service: Service, successors: np.ndarray, probabilities: np.ndarray, steps: int
) -> np.ndarray:
    """Return the covariance [D, D] of a step's features under random decisions."""
    now = service.start()
    seen = np.zeros_like(now)  # [S], share of the steps that are spent in a state
    for _ in range(steps):
        seen += now / steps
        flow = now[:, None, None] * probabilities / successors.shape[1]
        now = np.bincount(successors.reshape(-1), flow.reshape(-1), minlength=len(now))
    values = service.values()
    centred = values - seen @ values
    return centred.T @ (seen[:, None] * centred)


def _judges(
    population: str, num_parties: int | None, num_clusters: int, conflict: float
) -> Population:
    """Return the first travellers of the panel, or the means of their segments."""
    everybody = part_worths()
    number = everybody.shape[1] if num_parties is None else num_parties
    expect.integer(number, name="num_parties", low=1, high=everybody.shape[1])
    expect.choice(population, POPULATIONS, name="population")
    expect.number(conflict, name="conflict", low=0.0, high=1.0)
    most = number if population == "clusters" else everybody.shape[1]
    expect.integer(num_clusters, name="num_clusters", low=1, high=most)
    theta = everybody[:, :number]
    segment = _segments(theta, min(num_clusters, number))
    theta = conflict * theta + (1.0 - conflict) * theta.mean(axis=1, keepdims=True)
    if population == "travellers":
        names = data.load("train").people[:number]
        return Population(theta=theta, cluster=segment, names=names)
    size = np.bincount(segment)
    names = tuple(f"segment {kind} of {count}" for kind, count in enumerate(size))
    means = [theta[:, segment == kind].mean(axis=1) for kind in range(len(size))]
    return Population(theta=np.stack(means, axis=1), share=size / number, names=names)


def _segments(theta: np.ndarray, kinds: int) -> np.ndarray:
    """Return the segment [M] of each traveller [Ward1963]; the largest segment is number 0."""
    from scipy.cluster.hierarchy import cut_tree, ward

    if theta.shape[1] == 1:
        return np.zeros(1, dtype=np.int64)
    # unlike k-means, joining the nearest needs no random start and leaves no segment empty
    label = cut_tree(ward(theta.T), n_clusters=kinds)[:, 0]
    return np.argsort(np.argsort(-np.bincount(label, minlength=kinds), kind="stable"))[label]


@final
class ServiceView(View):
    """The service as four ladders, the best level on top, and the budget as coins."""

    def __init__(self, service: Service, steps: int) -> None:
        self.service = service
        self.steps = steps

    def frame(self, state: FiniteState) -> np.ndarray:
        """Return the ladders above coins and the time left."""
        *level, budget = self.service.levels[int(state.cell)]
        height = 70 + 34 * max(side.levels for side in self.service.sides)
        canvas = Canvas(130 * len(self.service.sides), height + 44)
        for place, side in enumerate(self.service.sides):
            _draw_ladder(canvas, place, side, int(level[place]))
        canvas.text((16, height + 12), "budget", drawing.FAINT)
        most = self.service.sizes[-1] - 1
        apart = min(22.0, 154.0 / most)
        for coin in range(most):
            colour = drawing.PALETTE[4] if coin < budget else drawing.LINE
            canvas.disc((72 + apart * coin, height + 15), min(8.0, 0.4 * apart), colour)
        left = (self.steps - int(state.time)) / self.steps
        bar = (canvas.pixels.shape[1] - 216.0, height + 11.0)
        canvas.text((bar[0] - 8, height + 12), "time left", drawing.FAINT, align="right")
        canvas.rectangle((*bar, 200, 8), drawing.LINE, radius=4)
        canvas.rectangle((*bar, max(200 * left, 0.01), 8), drawing.GOOD, radius=4)
        return canvas.pixels

    def text(self, state: FiniteState) -> str:
        """Return one line for each side of the service, then budget and time left."""
        *level, budget = self.service.levels[int(state.cell)]
        lines = [
            f"{side.name:8} {_worded(side, int(level[i])):>24}  "
            + "".join("*" if j == level[i] else "-" for j in range(side.levels))
            for i, side in enumerate(self.service.sides)
        ]
        return "\n".join([*lines, f"budget {budget}  time left {self.steps - int(state.time)}"])


def _worded(side: Attribute, level: int) -> str:
    return f"{float(side.value(level)) * side.unit:g} {side.shown}"


def _draw_ladder(canvas: Canvas, place: int, side: Attribute, level: int) -> None:
    """Draw the levels of one attribute, the present one filled."""
    x, colour = 16 + 130 * place, drawing.PALETTE[place]
    canvas.text((x, 16), side.name, colour, scale=2)
    canvas.text((x, 38), side.shown, drawing.FAINT)
    for rung in range(side.levels):
        box = (x, 58 + 34 * rung, 98, 28)
        here = rung == level
        canvas.rectangle(
            box, colour if here else drawing.mix(drawing.PAPER, colour, 0.15), radius=6
        )
        number = f"{float(side.value(rung)) * side.unit:g}"
        words = drawing.PAPER if here else drawing.mix(drawing.PAPER, colour, 0.6)
        canvas.text((x + 49, box[1] + 7), number, words, scale=2, align="centre")
