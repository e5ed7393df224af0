"""Answers of each party that M parties need, beside what one party alone needs.

One cell has a curve of normalised welfare gaps along n, answers of each party, at which weights
are fitted to each party by itself (separate) or in one subspace of the true rank (joint) and the
best action is taken in every context. The answers needed, N, are where the mean curve over seeds,
made to fall by isotonic regression, crosses a target, between places by a line in log n.
N_multi / N_single is that of M parties over that of one, for which all rules are the same.
Intervals are percentiles over seeds drawn anew, the same for both. "0" and "∞" stand for curves
that begin below the target, or do not fall to it.

Gaps are normalised in two ways: as 1 - J(learned) / J(best), and as the share of what acting at
random loses. The first asks less of M parties that disagree, of whom no action is very good or very
bad for the mean; the second does not.

Worlds: `HardBandit-v0`, whose parties differ by having the first party's signs moved on by a
context, and random bandits (20 features). Hard ranks are odd multiples of three: with two contexts
(rank 6) any even number of parties is split in half in both, and the two arms are worth the same.
From rank / 3 parties on they repeat. A hard curve's places are multiples of contexts * coverage^2,
which the theory says N is proportional to. Leximin has no question in hard worlds where some party
of each sign is there: both arms are worth the same to the worst-off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate
from baselines.studies import bandits, exponents, grid
from baselines.studies.bandits import LEARNERS, RULES
from baselines.studies.crossings import Need, needed
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.faces import offline
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How many answers of each do M parties need to reach the welfare gap that one party alone "
    "reaches, with and without sharing?"
)
SETTINGS = (("hard", 3, 4), ("hard", 9, 2), ("hard", 9, 4), ("hard", 9, 8), ("hard", 15, 4))
RANDOM = (("random", 2, 1), ("random", 4, 1), ("random", 8, 1))
"""Worlds, with their rank and their coverage (which random worlds do not have)."""

GRID = {"parties": (1, 2, 4, 8)}
FULL_GRID = {"parties": (1, 2, 4, 8, 16, 32)}

COUNTS = tuple(25 * 2**k for k in range(9))
"""Answers of each party in random worlds."""

MULTIPLES = tuple(2.0**k for k in range(-2, 5))
"""Answers of each party in hard worlds, in contexts * coverage^2."""

PER_SEED = {"random": 3, "hard": 9}
"""Worlds of a seed."""

FEATURES = 20
MARGIN = 1.0

WAYS = {"gap": "1 - J / J(best)", "share": "share of what acting at random loses"}
TARGETS = {"gap": 0.05, "share": 0.1}


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every world at every number of parties."""
    counts = (FULL_GRID if full else GRID)["parties"]
    return [
        cell
        for kind, rank, coverage in (*SETTINGS, *RANDOM)
        for cell in grid.grid(kind, seeds, rank=(rank,), coverage=(coverage,), parties=counts)
    ]


def run(cell: Cell) -> Finding:
    """Measure the curve of every rule and learner on the same answers."""
    return grid.measured(
        cell,
        lambda seed, parties, rank, coverage: measure(cell.env, seed, parties, rank, coverage),
    )


def build(kind: str, parties: int, rank: int, coverage: float, seed: int) -> FiniteMDP:
    """Return a drawn world."""
    if kind == "random":
        return bandits.random_bandit(features=FEATURES, parties=parties, rank=rank, seed=seed)
    return hard_bandit(
        rank=rank, num_parties=parties, coverage=float(coverage), margin=MARGIN, seed=seed
    )


def places(kind: str, rank: int, coverage: float) -> list[int]:
    """Return the answers of each party along a curve."""
    if kind == "random":
        return list(COUNTS)
    return [int(np.ceil(each * coverage**2 * rank / 3)) for each in MULTIPLES]


def measure(kind: str, seed: int, parties: int, rank: int, coverage: float) -> dict[str, float]:
    """Return the welfare lost at every place of the curve, by learner and rule, and its scales."""
    counts, values = places(kind, rank, coverage), {}
    keys = [Streams(seed).key(f"{kind} {number}") for number in range(PER_SEED[kind])]
    worlds = [build(kind, parties, rank, coverage, key) for key in keys]
    us = [bandits.utilities(world) for world in worlds]
    best = np.mean([bandits.reached(u, u) for u in us], axis=0)
    random = np.mean([bandits.uniform(u) for u in us], axis=0)
    for rule, most, blind in zip(RULES, best, random, strict=True):
        values |= {f"{rule} best": most, f"{rule} random": blind}
    for place, count in enumerate(counts):
        found = [_one(*each, count) for each in zip(worlds, us, keys, strict=True)]
        lost = np.maximum(best - np.mean(found, axis=0), 0.0)  # [learners, rules]
        values |= {
            _key(name, rule, place): lost[i, j]
            for i, name in enumerate(LEARNERS)
            for j, rule in enumerate(RULES)
        }
    return {name: float(f"{value:.3g}") for name, value in values.items()}


def _one(world: FiniteMDP, u: np.ndarray, key: int, count: int) -> list[np.ndarray]:
    """Return the welfare [learners][rules] reached with `count` answers of each party."""
    # answers of their own at every place: the noise of a curve's places is independent
    fits = bandits.fits(world, offline(world, count, Streams(key).key(f"answers {count}")))
    return [bandits.reached(u, bandits.utilities(world, each.fitted)) for each in fits.values()]


def _key(name: str, rule: str, place: int) -> str:
    return f"{name[0]}{rule[0]}{place}"


def scale(row: Finding, rule: str, way: str) -> float:
    """Return what a loss is divided by."""
    best = row.values[f"{rule} best"]
    return best if way == "gap" else best - row.values[f"{rule} random"]


def normalised(row: Finding, name: str, rule: str, way: str) -> list[float]:
    """Return the curve of a row's gaps."""
    count = len(places(row.cell.env, grid.knob(row, "rank"), grid.knob(row, "coverage")))
    size = scale(row, rule, way)
    return [row.values[_key(name, rule, place)] / size for place in range(count)]


def score(row: Finding) -> float:
    """Return one less the mean over the curve of what joint fits lose, of acting at random.

    The oracle, 1, loses nothing; at the floor, 0, welfare is that of acting at random.
    """
    lost = [normalised(row, "joint", rule, "share") for rule in RULES]
    return float(np.clip(1.0 - np.mean(lost), 0.0, 1.0))


class Setting(NamedTuple):
    """A world with its knobs."""

    kind: str
    rank: int
    coverage: int

    @property
    def title(self) -> str:
        """What it is called in tables."""
        where = f", coverage {self.coverage}" if self.kind == "hard" else ""
        return f"{self.kind}, rank {self.rank}{where}"

    def rows(self, rows: Sequence[Finding], parties: int | None = None) -> list[Finding]:
        """Return its rows, of some number of parties."""
        of = grid.where(rows, rank=self.rank, coverage=self.coverage)
        of = of if parties is None else grid.where(of, parties=parties)
        return [row for row in of if row.cell.env == self.kind]


def settings(rows: Sequence[Finding]) -> list[Setting]:
    """Return the worlds that the rows are about."""
    every = [Setting(*each) for each in (*SETTINGS, *RANDOM)]
    return [each for each in every if each.rows(rows)]


def need(setting: Setting, rows: Sequence[Finding], name: str, rule: str, way: str) -> Need:
    """Return what is needed, of rows of one number of parties."""
    counts = np.array(places(*setting))
    by_seed = sorted(setting.rows(rows), key=lambda row: row.cell.seed)
    gaps = np.array([normalised(row, name, rule, way) for row in by_seed]).T  # [P, seeds]
    drawn = needed(counts, exponents.resampled(gaps, RESAMPLES), TARGETS[way])
    return Need(float(needed(counts, gaps.mean(axis=1), TARGETS[way])), drawn)


RESAMPLES = 1_000

MOST = 0.95
"""Of the resamples whose curves must cross the target, or an exponent has no interval."""


def ratios(
    setting: Setting, rows: Sequence[Finding], name: str, rule: str, way: str
) -> dict[int, Need]:
    """Return the log of N_multi / N_single by the number of parties."""
    one = need(setting, setting.rows(rows, 1), name, rule, way)
    counts = sorted({grid.knob(row, "parties") for row in setting.rows(rows)})
    return {
        count: need(setting, setting.rows(rows, count), name, rule, way).over(one)
        for count in counts
        if count > 1
    }


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return what one party needs, the ratios by both ways to normalise, and their exponents."""
    return [_single(rows), *(_ratios(rows, way) for way in WAYS), _exponents(rows)]


def _single(rows: Sequence[Finding]) -> Table:
    lines = []
    for setting in settings(rows):
        found = [need(setting, setting.rows(rows, 1), LEARNERS[0], "nash", way) for way in WAYS]
        lines.append((setting.title, *(_told(each) for each in found)))
    columns = ("world", *(f"{WAYS[way]} = {TARGETS[way]}" for way in WAYS))
    return Table("Answers that one party alone needs", columns, tuple(lines))


def _ratios(rows: Sequence[Finding], way: str) -> Table:
    counts = sorted({grid.knob(row, "parties") for row in rows} - {1})
    lines = []
    for setting in settings(rows):
        for rule in RULES:
            for name in LEARNERS:
                found = ratios(setting, rows, name, rule, way)
                told = (_told(found[count]) if count in found else "–" for count in counts)
                lines.append((setting.title, f"{rule}, {name}", *told))
    columns = ("world", "what", *(f"M = {count}" for count in counts))
    title = f"N_multi / N_single, answers of each party to {WAYS[way]} = {TARGETS[way]}"
    return Table(title, columns, tuple(lines))


def _told(found: Need) -> str:
    """Return "value [low, high]"; "0" or "∞" where the curve is wholly below or above."""
    if np.isnan(found.value) or np.isnan(found.drawn).any():
        return "–"
    each = found.estimate()
    value, low, high = (_number(x) for x in (each.value, each.low, each.high))
    return f"{value} [{low}, {high}]"


def _number(log: float) -> str:
    if np.isinf(log):
        return "∞" if log > 0 else "0"
    number = float(np.exp(log))
    return f"{number:.0f}" if number >= 20.0 else f"{number:.2f}"


def exponent(setting: Setting, rows: Sequence[Finding], name: str, rule: str, way: str) -> Estimate:
    """Return the exponent of M in N_multi / N_single, a percentile interval over seeds.

    NaN where the curves of fewer than three numbers of parties cross the target.
    """
    found = {1: Need(0.0, np.zeros(RESAMPLES))} | ratios(setting, rows, name, rule, way)
    kept = {count: each for count, each in found.items() if np.isfinite(each.value)}
    if len(kept) < 3:
        return Estimate(np.nan, np.nan, np.nan, 0)
    where = np.array(list(kept), dtype=np.float64)[:, None]
    drawn = exponents.fit(where, np.exp(np.stack([each.drawn for each in kept.values()], axis=-1)))
    value = exponents.fit(where, np.exp([each.value for each in kept.values()]))
    known = drawn[np.isfinite(drawn[:, 0]), 0]
    if len(known) < MOST * len(drawn):
        return Estimate(float(value[0]), np.nan, np.nan, len(drawn))
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(float(value[0]), float(low), float(high), len(drawn))


def _exponents(rows: Sequence[Finding]) -> Table:
    lines = [
        (
            setting.title,
            f"{rule}, {name}",
            *(exponents.told(exponent(setting, rows, name, rule, way)) for way in WAYS),
        )
        for setting in settings(rows)
        for rule in RULES
        for name in LEARNERS
    ]
    columns = ("world", "what", *(f"to {WAYS[way]}" for way in WAYS))
    return Table("Exponents of M in N_multi / N_single", columns, tuple(lines))


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw the ratios along M in three worlds, by the share of what acting at random loses."""
    shown = [each for each in settings(rows) if each in (SETTINGS[2], *RANDOM[:2])]
    panels = {
        setting.title: {
            f"{rule}, {name}": _finite(ratios(setting, rows, name, rule, "share"))
            for rule in RULES
            for name in LEARNERS
        }
        for setting in shown
    }
    return grid.curves_figure(panels, x="parties", y="N_multi / N_single")


def _finite(found: dict[int, Need]) -> dict[float, Estimate]:
    curve = {}
    for count, each in found.items():
        if np.isfinite(each.value):
            bounds = each.estimate()
            low, high = (
                float(np.exp(x)) if np.isfinite(x) else np.nan for x in (bounds.low, bounds.high)
            )
            curve[count] = Estimate(float(np.exp(each.value)), low, high, bounds.runs)
    return curve


def verdict(rows: Sequence[Finding]) -> str:
    """Say for each world and rule how many times the answers of one party M of them need."""
    most = max(grid.knob(row, "parties") for row in rows)
    told = [_said(setting, rows, most) for setting in settings(rows)]
    return (
        f"Answers of each of M = {most} parties over those of one alone, to a tenth of what acting "
        f"at random loses (in brackets to a gap of {TARGETS['gap']} of the best welfare), and the "
        "exponent of M; above 1, parties make it dearer for each of them.\n\n"
        + "\n".join(f"- {each}" for each in told)
    )


def _said(setting: Setting, rows: Sequence[Finding], most: int) -> str:
    parts = []
    for rule in RULES:
        each = []
        for name in LEARNERS:
            gap, share = (_told(ratios(setting, rows, name, rule, way)[most]) for way in WAYS)
            grows = exponents.told(exponent(setting, rows, name, rule, "share"))
            each.append(f"{name} {share} ({gap}), exponent {grows}")
        parts.append(f"{rule} {', '.join(each)}")
    return f"{setting.title[0].upper()}{setting.title[1:]}: {'; '.join(parts)}."
