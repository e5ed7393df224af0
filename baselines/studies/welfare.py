"""Which welfare function follows whom: known profiles of parties, at every level.

A world of one decision in a context, of which an episode has two. Parties are measured from their
least in each context (zero normalisation), so that 0 is their worst policy. Level "step" takes
the best action, "episode" the best pair of actions of an episode, "policy" the best mixture, for
the welfare of one decision, of the mean of an episode's two, and of the expectation. Rewards are
the true ones (n = 0), or learned by one fit a party from n offline answers of each.

Profiles: two parties whose weights have a given cosine (conflict); two options and a compromise
(compromise) or one that a mixture beats (mixture); eight parties and two who differ (majority);
one party whose unit (scale) or zero (zero) is another; three or five parties drawn (three, five).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import interval
from baselines.studies import grid
from baselines.studies.profiles import LEVELS, OWN, RULES, measure
from baselines.summary import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "Whom do utilitarian, Nash and leximin welfare follow: the majority, the loudest, the worst "
    "off, and does it matter where the welfare function sits?"
)
COSINES = (-1.0, -0.5, 0.0, 0.5, 1.0)
OTHERS = ("compromise", "mixture", "majority", "scale", "zero", "three", "five")
PROFILES = ("conflict", *OTHERS)
GRID = {"n": (0, 300)}
FULL_GRID = {"n": (0, 30, 100, 300, 1_000, 3_000)}
"""Answers of each party that are learned from; 0: the true rewards."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every profile, with the true rewards and with learned ones."""
    axes = FULL_GRID if full else GRID
    return [
        *grid.grid("bandit", seeds, ("conflict",), cos=COSINES, **axes),
        *grid.grid("bandit", seeds, OTHERS, **axes),
    ]


def run(cell: Cell) -> Finding:
    """Measure all rules at all levels on one profile."""
    return grid.measured(cell, lambda seed, n, cos=0.0: measure(cell.method, seed, n, cos))


def score(row: Finding) -> float:
    """Return what is reached of the oracle's own welfare, a mean over rules and levels, in [0, 1].

    The floor, 0, is every party's worst policy.
    """
    shares = [_reached(row, level, rule) for level in LEVELS for rule in RULES]
    return float(np.clip(np.nanmean(shares), 0.0, 1.0))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return who has what by level, what moves whom, and what learning costs."""
    runs = len({row.cell.seed for row in rows})
    found = [_of_level(_true(rows), level, runs) for level in LEVELS if _true(rows)]
    if _true(rows):
        found.append(_of_units(_true(rows)))
    learned = [row for row in rows if grid.knob(row, "n")]
    return [*found, _of_learning(learned)] if learned else found


def _of_level(rows: Sequence[Finding], level: str, runs: int) -> Table:
    columns = ("profile", *(f"{rule} {m}" for m in ("mean", "worst") for rule in RULES), "between")
    lines = []
    for name, of in _profiles(rows).items():
        numbers = [
            grid.spread(interval([row.values[f"{level} {rule} {m}"] for row in of]))
            for m in ("mean", "worst")
            for rule in RULES
        ]
        between = [row.values[f"{level} between"] for row in of]
        lines.append((name, *numbers, f"{sum(between):.0f} of {len(between)}"))
    return Table(f"True rewards, level {level} · {runs} seeds", columns, tuple(lines))


def _of_units(rows: Sequence[Finding]) -> Table:
    kinds = ("moved", "lost", "other")
    columns = ("profile", *(f"{rule} {kind}" for kind in kinds for rule in RULES))
    lines = []
    for name, of in _profiles(rows).items():
        most = [_most(of, f"{rule} {kind}") for kind in kinds[:2] for rule in RULES]
        other = [f"{np.mean([row.values[f'{rule} other'] for row in of]):.2f}" for rule in RULES]
        lines.append((name, *(f"{value:.1e}" for value in most), *other))
    title = (
        "Every party in a unit and with zeros of its own, the most over seeds · moved: change of a "
        "party's expected utility, of its best; lost: of the rule's welfare in the old units, both "
        "at policy level; other: share of states with another action at step level"
    )
    return Table(title, columns, tuple(lines))


def _most(rows: Sequence[Finding], name: str) -> float:
    return max(row.values[name] for row in rows)


def _of_learning(rows: Sequence[Finding]) -> Table:
    columns = ("n", "level", *RULES)
    lines = []
    for n in sorted({grid.knob(row, "n") for row in rows}):
        for level in LEVELS:
            of = grid.where(rows, n=n)
            shares = [interval([_reached(row, level, rule) for row in of]) for rule in RULES]
            lines.append((str(n), level, *map(grid.spread, shares)))
    return Table("Learned rewards: own welfare, of the oracle's", columns, tuple(lines))


def _reached(row: Finding, level: str, rule: str) -> float:
    """Return the share of the oracle's own welfare, which true rewards reach; NaN of nothing."""
    own = row.values[f"{level} {rule} {OWN[rule]}"]
    best = row.values.get(f"{level} {rule} oracle", own)
    return own / best if best > 1e-9 else float("nan")


def _true(rows: Sequence[Finding]) -> list[Finding]:
    return grid.where(rows, n=0)


def _profiles(rows: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return the rows of each profile, each cosine of conflict by itself."""
    found: dict[str, list[Finding]] = {}
    for row in sorted(rows, key=lambda row: PROFILES.index(row.cell.method)):
        cos = dict(row.cell.knobs).get("cos")
        name = row.cell.method if cos is None else f"conflict {cos:+.1f}"
        found.setdefault(name, []).append(row)
    return found


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw the worst utility along the conflict: by level with true rewards, and with learned."""
    conflict = [row for row in rows if row.cell.method == "conflict"]
    counts = sorted({grid.knob(row, "n") for row in conflict})
    shown = [(n, level) for n in counts[:1] for level in ("step", "policy")]
    shown += [(n, "policy") for n in counts[1:][-1:]]
    panels = {
        f"level {level}, {f'learned, n = {n}' if n else 'true rewards'}": {
            rule: grid.along(grid.where(conflict, n=n), "cos", f"{level} {rule} worst")
            for rule in RULES
        }
        for n, level in shown
    }
    return grid.curves_figure(
        panels,
        x="cosine between the two parties",
        y="utility of the worst off",
        log_x=False,
        log_y=False,
    )


def verdict(rows: Sequence[Finding]) -> str:
    """Return what the rows say, claim by claim."""
    true = _true(rows)
    told = [_orders(true), _between(true), _units(true), *_outliers(true), *_mixtures(true)]
    learned = [row for row in rows if grid.knob(row, "n")]
    if learned:
        most = max(grid.knob(row, "n") for row in learned)
        reached = interval([score(row) for row in grid.where(learned, n=most)])
        told.append(f"Learned from {most} answers a party, {reached} of the oracle's own welfare.")
    return " ".join(told)


def _orders(rows: Sequence[Finding]) -> str:
    """Say whether each rule has the most of what it maximises, at its level."""
    wrong = [
        (row.cell.method, level, rule)
        for row in rows
        for level in LEVELS
        for rule in RULES
        if any(
            row.values[f"{level} {other} {OWN[rule]}"]
            > row.values[f"{level} {rule} {OWN[rule]}"] + 1e-5
            for other in RULES
        )
    ]
    if not wrong:
        return (
            "With the true rewards leximin has the largest minimum, utilitarian the largest mean "
            "and Nash the largest geometric mean, at every level and in every profile."
        )
    return f"NOT always the most of what a rule maximises: {wrong[:5]}."


def _between(rows: Sequence[Finding]) -> str:
    pairs = [r for r in rows if r.cell.method in ("conflict", "compromise", "mixture")]
    more = [r for r in rows if r not in pairs]
    counts = [
        (sum(r.values[f"{level} between"] for r in of for level in LEVELS), 3 * len(of))
        for of in (pairs, more)
    ]
    return (
        f"Nash lies between the other two in mean and worst utility in {counts[0][0]:.0f} of "
        f"{counts[0][1]} cases with two parties, and in {counts[1][0]:.0f} of {counts[1][1]} with "
        "more."
    )


def _units(rows: Sequence[Finding]) -> str:
    most = {rule: _most(rows, f"{rule} moved") for rule in RULES}
    other, lost = _most(rows, "nash other"), _most(rows, "nash lost")
    return (
        f"New units and zeros change {other:.0%} of the actions that Nash welfare takes at step "
        f"level; at policy level they move its expected utilities by at most {most['nash']:.0e} of "
        f"a party's best and its welfare by {lost:.0e}, as precisely as it is planned; "
        f"utilitarian's utilities move by up to {most['utilitarian']:.2f} and leximin's by up to "
        f"{most['leximin']:.2f}."
    )


def _outliers(rows: Sequence[Finding]) -> list[str]:
    loud = [row for row in rows if row.cell.method == "scale"]
    shares = {
        rule: [
            interval([row.values[f"{rule} {kind}"] for row in loud]) for kind in ("usual", "loud")
        ]
        for rule in RULES
        if loud
    }
    told = [
        f"{rule} {before.value:.2f} to {after.value:.2f}"
        for rule, (before, after) in shares.items()
    ]
    found = [
        f"A unit ten times as large changes what its party has of its best: {', '.join(told)}."
    ]
    zero = [row for row in rows if row.cell.method == "zero"]
    if zero:
        raw = np.mean([row.values["step leximin raw worst"] for row in zero])
        kept = np.mean([row.values["step leximin worst"] for row in zero])
        found.append(
            f"Without zero normalisation one party's zeros cost leximin: worst {raw:.2f}, not "
            f"{kept:.2f}."
        )
    return found if loud else found[1:]


def _mixtures(rows: Sequence[Finding]) -> list[str]:
    of = [row for row in rows if row.cell.method == "mixture"]
    if not of:
        return []
    by = {level: of[0].values[f"{level} leximin worst"] for level in LEVELS}
    return [
        f"Where a mixture beats the compromise, the worst has {by['policy']:.3g} at policy level, "
        f"{by['episode']:.3g} at episode level and {by['step']:.3g} at step level."
    ]
