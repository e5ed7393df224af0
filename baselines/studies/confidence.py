"""Do the confidence sets hold the truth as often as they say, for all parties at once?

Three parties of three features, each fitted by itself, or six parties of six features who share
two directions, fitted jointly; normal features, rewards of length one, n answers a party (where
they are "unequal", from half to one and a half times n). A cell simulates many sets of answers of
one population and asks of each of them whether sets at 95 % hold all true rewards:

* studentised: the parametric bootstrap in units of the learner's own standard errors, a radius a
  party (`rewards.radii`).
* plain: the same bootstrap without those units, one radius for all.
* each: studentised, every party by itself; here the share of parties that are held.
* oracle: one radius, from data sets simulated from the truth (`agents.calibration`).

"K" is what the constant of the theory's formula would have to be for its radius to be the
oracle's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.calibration import oracle_radius
from baselines.plots import INK, figure_of, styled
from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies import asking
from baselines.studies.grid import CYCLE, along, draw, grid, knob, mark, measured, spread, where
from baselines.summary import Table
from multiparty_envs.feedback import Comparisons
from multiparty_envs.parties import Population, low_rank
from multiparty_envs.rewards import Independent, LinearLearner, LowRank
from multiparty_envs.rewards.confidence import metric
from multiparty_envs.rewards.errors import distances
from multiparty_envs.rewards.radii import bootstrap_errors, theory_radius
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How often do confidence sets at 95 % hold the true rewards of all parties at once, and how "
    "large must they be?"
)
SHAPES = {"independent": (3, 3, 3), "low-rank": (6, 6, 2)}
"""(D, M, R)."""
GRID = {
    "independent": {"n": (30, 60, 120), "answers": ("equal", "unequal")},
    "low-rank": {"n": (40, 120), "answers": ("equal",)},
}
FULL_GRID = {
    "independent": {"n": (30, 60, 120, 240, 480), "answers": ("equal", "unequal")},
    "low-rank": {"n": (40, 80, 160, 320), "answers": ("equal", "unequal")},
}
DATA_SETS = {"independent": 100, "low-rank": 10}
"""Of one cell: with ten seeds 1,000, and 100 of the learner that is fitted jointly."""
REPLICATES = {"independent": 99, "low-rank": 39}
WAYS = ("studentised", "plain", "each", "oracle")
NOMINAL = 0.95


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every place of each learner's grid."""
    axes = FULL_GRID if full else GRID
    return [
        cell for learner, knobs in axes.items() for cell in grid("sets", seeds, (learner,), **knobs)
    ]


def run(cell: Cell) -> Finding:
    """Simulate data sets of one population, and ask of each whether its sets hold the truth."""
    return measured(
        cell, lambda seed, n, answers: coverage_of(cell.method, seed, n, answers == "unequal")
    )


def coverage_of(name: str, seed: int, n: int, unequal: bool) -> dict[str, float]:
    """Return how often each way's sets held, and the mean radius of each."""
    streams, learner = Streams(seed), make(name)
    population = people(name, streams)
    spread_of = np.linspace(0.5, 1.5, population.num_parties) if unequal else 1.0
    counts = np.rint(n * spread_of * np.ones(population.num_parties)).astype(np.int64)
    truth = np.asarray(population.theta)

    def simulate(number: int) -> Comparisons:
        return answers_of(population, counts, streams.child(number).numpy("answers"))

    radius = {"oracle": oracle_radius(simulate, make(name), truth, repetitions=199)}
    held: dict[str, list[float]] = {way: [] for way in WAYS}
    size: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(1_000, 1_000 + DATA_SETS[name]):
        data = simulate(number)
        errors = distances(metric(data), learner.fit(data).theta_ - truth)
        rng = streams.child(number).numpy("bootstrap")
        drawn = bootstrap_errors(learner, data, rng, replicates=REPLICATES[name])
        radius["studentised"] = drawn.radius()
        radius["plain"] = drawn.radius(studentised=False)
        radius["each"] = drawn.radius(simultaneous=False)
        for way in WAYS:
            inside = errors <= radius[way]
            held[way].append(float(inside.mean() if way == "each" else inside.all()))
            size[way].append(float(radius[way].mean()))
    features, _, rank = SHAPES[name]
    theory = theory_radius(counts, num_features=features, rank=rank).mean()
    found = {f"{way} held": float(np.mean(held[way])) for way in WAYS}
    found |= {f"{way} radius": float(np.mean(size[way])) for way in WAYS}
    return found | {"K": float(radius["oracle"].mean() / theory)}


def make(name: str) -> LinearLearner:
    """Return the learner, of the true rank."""
    return LowRank(rank=SHAPES[name][2]) if name == "low-rank" else Independent()


def people(name: str, streams: Streams) -> Population:
    """Return parties whose rewards have length one."""
    drawn = low_rank(*SHAPES[name], streams=streams)
    theta = np.asarray(drawn.theta)
    return Population(theta / np.linalg.norm(theta, axis=0))


def answers_of(population: Population, counts: np.ndarray, rng: np.random.Generator) -> Comparisons:
    """Return answers of each party about its own pairs, of standard normal differences."""
    party = np.repeat(np.arange(len(counts)), counts)
    features = rng.standard_normal((2 * len(party), population.num_features)) / np.sqrt(2.0)
    place = np.arange(len(party))
    pairs = (place, place + len(party))
    return asking.asked(population, asking.segments(features), pairs, party, rng)


def score(row: Finding) -> float:
    """Return 1 - the distance of the studentised sets' coverage from 95 % over 5 %, in [0, 1]."""
    missed = abs(row.values["studentised held"] - NOMINAL) / (1.0 - NOMINAL)
    return float(np.clip(1.0 - missed, 0.0, 1.0))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return coverage in percent and mean radii, by learner and number of answers."""
    places = _places(rows)
    columns = ("learner", "n", "answers", "data sets", *WAYS)
    held = tuple(
        (*place, _sets(of), *(_percent(of, f"{way} held") for way in WAYS)) for place, of in places
    )
    sizes = tuple(
        (
            *place,
            *(spread(_over_seeds(of, f"{way} radius")) for way in WAYS),
            spread(_over_seeds(of, "K")),
        )
        for place, of in places
    )
    return [
        Table("Sets at 95 % that hold all parties' truth (each: a party's), %", columns, held),
        Table("Mean radius", ("learner", "n", "answers", *WAYS, "K"), sizes),
    ]


def _places(rows: Sequence[Finding]) -> list[tuple[tuple[str, str, str], list[Finding]]]:
    keys = dict.fromkeys((row.cell.method, knob(row, "answers"), knob(row, "n")) for row in rows)
    return [
        (
            (method, f"{n}", answers),
            [r for r in where(rows, answers=answers, n=n) if r.cell.method == method],
        )
        for method, answers, n in keys
    ]


def _sets(rows: Sequence[Finding]) -> str:
    return f"{DATA_SETS[rows[0].cell.method] * len(rows)}"


def _over_seeds(rows: Sequence[Finding], value: str) -> Estimate:
    return interval([row.values[value] for row in rows])


def _percent(rows: Sequence[Finding], value: str) -> str:
    return spread(_over_seeds([_scaled(row, value) for row in rows], value), 1)


def _scaled(row: Finding, value: str) -> Finding:
    return Finding(row.cell, {value: 100.0 * row.values[value]}, row.seconds)


@styled
def figure(rows: Sequence[Finding]) -> Figure:
    """Draw how often sets hold by n, a panel for each learner and way of answering."""
    kinds = list(dict.fromkeys((row.cell.method, knob(row, "answers")) for row in rows))
    figure, axes = figure_of(len(kinds), width=1.2 + 2.8 * len(kinds), height=3.2)
    for axis, (method, answers) in zip(axes, kinds, strict=True):
        of = [row for row in where(rows, answers=answers) if row.cell.method == method]
        for way, colour in zip(WAYS, CYCLE, strict=False):
            curve = along([_scaled(row, f"{way} held") for row in of], "n", f"{way} held")
            draw(axis, way, curve, colour)
        axis.axhline(100 * NOMINAL, color=INK, linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        mark(axis, [knob(row, "n") for row in of])
        axis.set_title(f"{method}, {answers} answers", fontsize=9)
        axis.set_xlabel("answers of a party")
    axes[0].set_ylabel("sets that hold the truth, %")
    axes[0].legend()
    return figure


def verdict(rows: Sequence[Finding]) -> str:
    """Return the coverage of the bootstrap's sets over everything, a sentence a learner."""
    told = []
    for name in dict.fromkeys(row.cell.method for row in rows):
        of = [row for row in rows if row.cell.method == name]
        shares = {way: _percent(of, f"{way} held") for way in WAYS}
        saved = 1.0 - np.mean(
            [r.values["studentised radius"] / r.values["plain radius"] for r in of]
        )
        told.append(
            f"{name.capitalize()}: studentised sets hold all parties in {shares['studentised']} % "
            f"of {_sets(of)} data sets, plain ones in {shares['plain']} %, with radii that are "
            f"{100 * saved:.0f} % smaller; the oracle's in {shares['oracle']} %."
        )
    return " ".join(told)
