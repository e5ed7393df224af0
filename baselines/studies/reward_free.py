"""Winners without rewards: how exploitable they are by the answers they are learned from.

Parties with preference matrices give n answers each about pairs of options; the counts give the
mean margin, and from that a bonus is subtracted: that of [Zhong2024], the averaged one, or none.
The winner of what is left is the policy. Measured under the true preferences, as a mean over thirty
games a cell: what its worst opponent wins (exploitability, from 0 to 1), and the largest chance
of an option to which everybody prefers another (tau, ex-post). Four kinds of games of one state:
"even", five options, half ranking and half circles, all pairs asked about alike; "skewed", where
one option loses to none and has nearly all the answers, while the others, of which some beat some
strongly, are compared with each other once in n answers of a party; "ranked", even, but every
party follows a ranking and some option is dominated; "circle", three options in a circle that all
parties share. Theorem 8's bound, and theorem 9's shape, are computed from the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate
from baselines.studies import grid
from baselines.studies.reward_free_games import DELTA, GAMES, measure
from baselines.summary import Table
from multiparty_envs.rewards.preferences import BONUSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How exploitable is a von Neumann winner learned from n answers of each party without any "
    "reward, does it pay to be pessimistic, and how much of it do theorems 8 and 9 foresee?"
)
PARTIES = {"even": (2, 8, 32), "skewed": (2, 8, 32), "ranked": (2, 8), "circle": (4,)}
"""M by kind of game."""
GRID = {"n": (50, 200, 800, 3_200, 12_800, 102_400, 819_200)}
FULL_GRID = {"n": tuple(50 * 2**k for k in range(15))}

LATE = 12_800
"""Answers from which slopes are measured once more: till then 32 parties' bonus is large."""

EXPECTED, ALLOWED = -0.5, 0.1
"""The slope of the theory, and how far from it one counts as that."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return all kinds of games at every number of parties and of answers."""
    counts = (FULL_GRID if full else GRID)["n"]
    return [
        cell for kind in GAMES for cell in grid.grid(kind, seeds, parties=PARTIES[kind], n=counts)
    ]


def run(cell: Cell) -> Finding:
    """Measure all bonuses on the same answers."""
    return grid.measured(cell, lambda seed, parties, n: measure(cell.env, seed, parties, n))


def score(row: Finding) -> float:
    """Return one less the exploitability, a mean over the bonuses.

    The oracle, 1, loses to nobody; at the floor, 0, everybody prefers what somebody else does.
    """
    lost = [row.values[f"{bonus} exploitability"] for bonus in BONUSES]
    return float(np.clip(1.0 - np.mean(lost), 0.0, 1.0))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return exploitability and tau along n, exponents in M, then what the theory says."""
    runs = len({row.cell.seed for row in rows})
    found = [_along_n(rows, kind, "exploitability", runs) for kind in GAMES if _of(rows, kind)]
    found += [_along_n(rows, kind, "tau", runs) for kind in ("ranked", "circle") if _of(rows, kind)]
    return [*found, *_along_parties(rows, runs), _of_theory(rows, runs)]


def _of(rows: Sequence[Finding], kind: str, **places: int) -> list[Finding]:
    return grid.where([row for row in rows if row.cell.env == kind], **places)


def _places(rows: Sequence[Finding], axis: str) -> list[int]:
    return sorted({grid.knob(row, axis) for row in rows})


def _late(rows: Sequence[Finding]) -> list[Finding]:
    return [row for row in rows if grid.knob(row, "n") >= LATE]


def _along_n(rows: Sequence[Finding], kind: str, value: str, runs: int) -> Table:
    of = _of(rows, kind)
    counts = (f"n = {n}" for n in _places(of, "n"))
    columns = ("M", "bonus", *counts, "slope", f"slope from n = {LATE}")
    lines = []
    for parties in _places(of, "parties"):
        here = grid.where(of, parties=parties)
        for bonus in BONUSES:
            name = f"{bonus} {value}"
            slopes = (_slope(part, "n", name) for part in (here, _late(here)))
            along = grid.cells_of(grid.along(here, "n", name), 4)
            lines.append((str(parties), bonus, *along, *(grid.spread(s, 2) for s in slopes)))
    return Table(f"{value.capitalize()} · {kind} · {runs} seeds", columns, tuple(lines))


def _slope(rows: Sequence[Finding], axis: str, name: str) -> Estimate:
    """Return the slope; nothing where some seed's curve reaches zero, which has no logarithm."""
    if not rows or min(row.values[name] for row in rows) <= 0.0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    return grid.slope(rows, axis, name)


def _along_parties(rows: Sequence[Finding], runs: int) -> list[Table]:
    """Return the exponent of M at every n, where there are several M."""
    of = _of(rows, "even")
    if len(_places(of, "parties")) < 2:
        return []
    columns = ("bonus", *(f"n = {n}" for n in _places(of, "n")))
    lines = [
        (
            bonus,
            *(
                grid.spread(_slope(grid.where(of, n=n), "parties", f"{bonus} exploitability"), 2)
                for n in _places(of, "n")
            ),
        )
        for bonus in BONUSES
    ]
    return [Table(f"Exponent of M in exploitability · even · {runs} seeds", columns, tuple(lines))]


def _of_theory(rows: Sequence[Finding], runs: int) -> Table:
    columns = (
        *("games", "M", "n", "C*", "exploitability", "theorem 8", "slack", "holds"),
        *("2 max pB", "slack", "holds", "tau", "theorem 9 / K"),
    )
    lines = []
    for kind in GAMES:
        for parties in _places(_of(rows, kind), "parties"):
            of = _of(rows, kind, parties=parties)
            lines += [
                (kind, str(parties), str(n), *_theory_line(grid.where(of, n=n)))
                for n in _places(of, "n")
            ]
    title = (
        f"The winner with the paper's bonus and the theory · delta = {DELTA} · {runs} seeds · "
        "holds: share of games; slack: bound over measured; 2 max pB: the bonuses that the true "
        "winner meets; theorem 9 without its constant"
    )
    return Table(title, columns, tuple(lines))


def _theory_line(rows: Sequence[Finding]) -> list[str]:
    reached = _mean(rows, "paper exploitability")
    told = [f"{_mean(rows, 'coverage'):.1f}", f"{reached:.4f}"]
    for bound in ("theorem 8", "bonus bound"):
        value = _mean(rows, bound)
        slack = f"{value / reached:,.0f}" if reached > 0.0 else "–"
        told += [f"{value:.2f}", slack, f"{_mean(rows, f'{bound} holds'):.3f}"]
    return [*told, f"{_mean(rows, 'paper tau'):.4f}", f"{_mean(rows, 'theorem 9'):.2f}"]


def _mean(rows: Sequence[Finding], name: str) -> float:
    return float(np.mean([row.values[name] for row in rows]))


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw exploitability along n with every bonus; dashed, the rate of the theory."""
    chosen = [(kind, m) for kind in ("even", "skewed") for m in _ends(_of(rows, kind))]
    panels = {
        f"{kind}, M = {parties}": {
            bonus: grid.along(_of(rows, kind, parties=parties), "n", f"{bonus} exploitability")
            for bonus in BONUSES
        }
        for kind, parties in chosen
    }
    theory = {title: _rate(curves["paper"]) for title, curves in panels.items()}
    return grid.curves_figure(panels, x="answers of each party", y="exploitability", theory=theory)


def _ends(rows: Sequence[Finding]) -> list[int]:
    """Return the fewest and the most parties."""
    places = _places(rows, "parties")
    return sorted({places[0], places[-1]}) if places else []


def _rate(curve: dict[float, Estimate]) -> dict[float, float]:
    """Return the line of n^-1/2 through where a curve begins."""
    first = next(iter(curve))
    return {n: curve[first].value * (n / first) ** EXPECTED for n in curve}


def verdict(rows: Sequence[Finding]) -> str:
    """Return what holds and what does not: rates, pessimism, parties, theorems."""
    told = [_of_rates(rows), _of_pessimism(rows), _of_parties(rows), _of_bounds(rows)]
    return " ".join([*(part for part in told if part), _of_orders(rows)]).strip()


def _of_rates(rows: Sequence[Finding]) -> str:
    """Say which slopes are the theory's where all pairs are asked about alike."""
    of = _of(rows, "even")
    told = [f"With even coverage exploitability falls like n to the power of {EXPECTED}, within"]
    told.append(f"{ALLOWED}, {_rates(of)}; from n = {LATE} on {_rates(_late(of))}.")
    return " ".join(told)


def _rates(rows: Sequence[Finding]) -> str:
    yes, no = [], []
    for parties in _places(rows, "parties"):
        for bonus in BONUSES:
            found = _slope(grid.where(rows, parties=parties), "n", f"{bonus} exploitability")
            near = abs(found.value - EXPECTED) <= ALLOWED
            (yes if near else no).append(f"{bonus} M = {parties} {grid.spread(found, 2)}")
    return f"for: {', '.join(yes) or 'none'}, not for: {', '.join(no) or 'none'}"


def _of_pessimism(rows: Sequence[Finding]) -> str:
    told = []
    for kind in ("even", "skewed"):
        of = _of(rows, kind)
        if not of:
            continue
        last = grid.where(of, n=_places(of, "n")[-1])
        values = (f"{bonus} {_mean(last, f'{bonus} exploitability'):.4f}" for bonus in BONUSES)
        told.append(f"{kind}: {', '.join(values)}")
    most = max(map(lambda row: grid.knob(row, "n"), rows))
    return f"Exploitability at n = {most}, mean over M, {'; '.join(told)}." if told else ""


def _of_parties(rows: Sequence[Finding]) -> str:
    of = _of(rows, "even")
    if len(_places(of, "parties")) < 2:
        return ""
    last = grid.where(of, n=_places(of, "n")[-1])
    found = (
        f"{bonus} {grid.spread(_slope(last, 'parties', f'{bonus} exploitability'), 2)}"
        for bonus in BONUSES
    )
    return f"Exponent of M there, even: {', '.join(found)}."


def _of_bounds(rows: Sequence[Finding]) -> str:
    slack = [
        row.values["theorem 8"] / row.values["paper exploitability"]
        for row in rows
        if row.values["paper exploitability"] > 0.0
    ]
    return (
        f"Theorem 8 holds in {_mean(rows, 'theorem 8 holds'):.1%} of all games (promised: "
        f"{1.0 - DELTA:.0%}), with a bound that is {np.median(slack):,.0f} times what is measured "
        f"(median) and at least {min(row.values['theorem 8'] for row in rows):.1f}, where no loss "
        f"can exceed 1; twice the bonuses met, of its proof, hold in "
        f"{_mean(rows, 'bonus bound holds'):.1%}."
    )


def _of_orders(rows: Sequence[Finding]) -> str:
    """Say whether options that everybody dislikes vanish, with rankings and in a circle."""
    told = []
    for kind in ("ranked", "circle"):
        of = _of(rows, kind)
        if of:
            first, last = (
                _mean(grid.where(of, n=_places(of, "n")[end]), "paper tau") for end in (0, -1)
            )
            share = "falls" if last < 0.1 * first else "does not fall"
            told.append(f"{kind}: from {first:.3f} to {last:.3f}, it {share} to a tenth")
    if not told:
        return ""
    return (
        "Tau with the paper's bonus, from the fewest to the most answers, in games where theorem "
        f"9 applies (ranked) and where it does not (circle): {'; '.join(told)}."
    )
