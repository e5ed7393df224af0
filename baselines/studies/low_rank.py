"""What joint learning gains where parties share a subspace, as [Zhong2024], theorem 1, has it.

Known features with normal differences, M parties whose rewards of norm 2 lie in a common subspace
of R of D dimensions, n answers of each. Errors are those of the theorem: |theta_hat - theta| in
the norm of a party's data covariance, its mean over parties unless said otherwise. All methods
learn from the same answers.

Counting degrees of freedom, a party's own fit has D of them, and a joint one R for itself and
D R / M as its part of the subspace: a ratio of errors of sqrt(D / (R + D R / M)). The four parts
vary the answers, all of D, R and M at once, the parties, and the rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies import grid
from baselines.studies.learners import METHODS, compared
from baselines.summary import Table
from multiparty_envs.parties import low_rank
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "Where parties' rewards share a subspace, how much do joint fits gain over separate ones, and "
    "how does their error depend on answers, features, parties and rank?"
)
NORM = 2.0
"""Length of every party's reward."""

PLAIN = ("separate", "joint")
"""Methods whose errors the theory compares."""


STARTS = (5, 20)
"""Answers for each feature from which slopes are measured."""

MEASURED = {
    "answers": tuple(METHODS),
    "gain": PLAIN,
    "parties": ("separate", "separate ridge", "joint", "joint ridge", "hybrid"),
    "rank": PLAIN,
}
"""Methods that are compared in each part."""

_SMALL = {"features": (20,), "rank": (2,), "parties": (20,)}
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "answers": _SMALL | {"n": (100, 200, 400, 800, 1600)},
    # "each": answers for each feature, so that all settings are as far from too few
    "gain": {"features": (10, 20, 40), "rank": (2, 4), "parties": (10, 40), "each": (20,)},
    "parties": _SMALL | {"parties": (2, 5, 10, 20, 40, 80), "n": (100, 200)},
    "rank": {"features": (30,), "rank": (1, 2, 4, 8), "parties": (60,), "n": (600,)},
}
FULL_GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "answers": _SMALL | {"n": (50, 100, 200, 400, 800, 1600, 3200)},
    "gain": {"features": (10, 20, 40), "rank": (2, 4, 8), "parties": (10, 20, 80), "each": (5, 20)},
    "parties": _SMALL | {"parties": (2, 5, 10, 20, 40, 80, 160), "n": (100, 200, 800)},
    "rank": {"features": (30,), "rank": (1, 2, 3, 4, 6, 8), "parties": (60, 240), "n": (600,)},
}


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return the cells of every part; all methods of a part are measured in one cell."""
    parts = FULL_GRID if full else GRID
    return [
        cell for name, axes in parts.items() for cell in grid.grid(name, seeds, ("all",), **axes)
    ]


def run(cell: Cell) -> Finding:
    """Fit every method of the part to the same answers."""

    def measure(
        seed: int, *, features: int, rank: int, parties: int, n: int = 0, each: int = 0
    ) -> dict[str, float]:
        theta = low_rank(features, parties, min(rank, parties), streams=Streams(seed), norm=NORM)
        count, methods = n or each * features, MEASURED[cell.env]
        return compared(theta.theta, count, min(rank, parties), seed, methods)

    return grid.measured(cell, measure)


def score(row: Finding) -> float:
    """Return the part of the separate fits' error that joint ones save, from 0 to 1.

    The floor is learning each party by itself; the oracle makes no error.
    """
    return float(np.clip(1.0 - row.values["joint mean"] / row.values["separate mean"], 0.0, 1.0))


def gain_foreseen(features: int, rank: int, parties: int) -> float:
    """Return the ratio of errors, separate by joint, that degrees of freedom foresee."""
    return float(np.sqrt(features / (rank + features * rank / parties)))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return errors and accuracy along n, gains, and errors along parties and rank."""
    found = []
    if of := _part(rows, "answers"):
        found += [_along_answers(of, what) for what in ("mean", "max", "accuracy")]
    if of := _part(rows, "gain"):
        found.append(_gains(of))
    if of := _part(rows, "parties"):
        found += [_along(where_n, "parties", _title(where_n)) for where_n in _split(of, "n")]
    if of := _part(rows, "rank"):
        found += [_along(those, "rank", _title(those)) for those in _split(of, "parties")]
    return found


def _part(rows: Iterable[Finding], name: str) -> list[Finding]:
    return [row for row in rows if row.cell.env == name]


def _split(rows: Sequence[Finding], axis: str) -> list[list[Finding]]:
    """Rows by their place on an axis."""
    return [grid.where(rows, **{axis: at}) for at in sorted({grid.knob(r, axis) for r in rows})]


def _methods(rows: Sequence[Finding]) -> list[str]:
    return [name for name in METHODS if f"{name} mean" in rows[0].values]


def _seeds(rows: Sequence[Finding]) -> int:
    return len({row.cell.seed for row in rows})


def _title(rows: Sequence[Finding]) -> str:
    """What all rows have in common."""
    knobs = {name: {grid.knob(row, name) for row in rows} for name, _ in rows[0].cell.knobs}
    same = (f"{name} {at.pop()}" for name, at in knobs.items() if len(at) == 1)
    return f"Mean error · {', '.join(same)} · {_seeds(rows)} seeds"


def _along_answers(rows: Sequence[Finding], what: str) -> Table:
    names = {"mean": "Mean error", "max": "Largest error of a party", "accuracy": "Fresh answers"}
    places = sorted({grid.knob(row, "n") for row in rows})
    columns: tuple[str, ...] = ("method", *(f"n = {n}" for n in places))
    if what != "accuracy":
        columns += tuple(f"slope from {times} D" for times in STARTS)
    lines = []
    for name in _methods(rows):
        curve = grid.cells_of(grid.along(rows, "n", f"{name} {what}"))
        slopes = [grid.spread(slope(rows, f"{name} {what}", times), 2) for times in STARTS]
        lines.append((name, *curve, *(slopes if what != "accuracy" else ())))
    told = "" if what != "accuracy" else " predicted right"
    title = f"{names[what]}{told} · D = 20, R = 2, M = 20 · {_seeds(rows)} seeds"
    return Table(title, columns, tuple(lines))


def slope(rows: Sequence[Finding], value: str, times: int) -> Estimate:
    """Return the exponent of n in a value, from `times` answers for each feature on."""
    enough = [r for r in rows if grid.knob(r, "n") >= times * grid.knob(r, "features")]
    return grid.slope(enough, "n", value)


def gains(rows: Iterable[Finding]) -> dict[tuple[int, ...], Estimate]:
    """Return {(D, R, M, answers for each feature): ratio of mean errors, separate by joint}."""
    found: dict[tuple[int, ...], list[float]] = {}
    for row in _part(rows, "gain"):
        place = tuple(grid.knob(row, name) for name in ("features", "rank", "parties", "each"))
        ratio = row.values["separate mean"] / row.values["joint mean"]
        found.setdefault(place, []).append(ratio)
    return {place: interval(found[place]) for place in sorted(found)}


def _gains(rows: Sequence[Finding]) -> Table:
    lines = []
    for place, ratio in gains(rows).items():
        foreseen = gain_foreseen(*place[:3])
        relative = f"{ratio.value / foreseen:.2f}"
        lines.append((*map(str, place), grid.spread(ratio, 2), f"{foreseen:.2f}", relative))
    columns = ("D", "R", "M", "n / D", "separate / joint", "foreseen", "measured / foreseen")
    return Table(f"Gain of joint fits · {_seeds(rows)} seeds", columns, tuple(lines))


def _along(rows: Sequence[Finding], axis: str, title: str) -> Table:
    places = sorted({grid.knob(row, axis) for row in rows})
    columns = ("method", *(f"{axis} {at}" for at in places))
    lines = [
        (name, *grid.cells_of(grid.along(rows, axis, f"{name} mean"))) for name in _methods(rows)
    ]
    return Table(title, columns, tuple(lines))


_ROUND = (1.0, 1.5, 2.0, 3.0)  # ticks of ratios


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw errors along n, gains beside what is foreseen, and errors along parties and rank."""
    panels: dict[str, Any] = {}
    theory: dict[str, dict[float, float]] = {}
    labels = []
    for name, axis in (("answers", "n"), ("parties", "parties"), ("rank", "rank")):
        of = _first(_part(rows, name), "parties" if name == "rank" else "n", name)
        if of:
            title = {"answers": "error", "parties": "error, n = 100", "rank": "error"}[name]
            title = f"{title} along {axis}"
            panels[title] = {each: grid.along(of, axis, f"{each} mean") for each in _methods(of)}
            labels.append({"n": "answers of each party"}.get(axis, axis))
    ratios = gains(rows)
    if ratios:
        measured: dict[float, Estimate] = {}
        for place, ratio in ratios.items():
            at = gain_foreseen(*place[:3])
            while at in measured:
                at *= 1.02  # side by side
            measured[at] = ratio
        panels["separate / joint"] = {"measured gain": measured}
        theory["separate / joint"] = {at: at for at in sorted(measured)}
        labels.append("gain foreseen (dashed: as foreseen)")
    drawn = grid.curves_figure(panels, x="", y="mean error (last: ratio of errors)", theory=theory)
    for axis, label, curves in zip(drawn.axes, labels, panels.values(), strict=True):
        axis.set_xlabel(label)
        places = sorted({at for curve in curves.values() for at in curve})
        # logarithmic ticks of their own would lie on one another
        axis.set_xticks(places, [f"{at:g}" for at in places])
        axis.tick_params(which="minor", bottom=False, left=False, labelbottom=False)
    if ratios:
        drawn.axes[-1].set_xticks(_ROUND, [f"{at:g}" for at in _ROUND])
        drawn.axes[-1].set_yticks(_ROUND, [f"{at:g}" for at in _ROUND])
        drawn.axes[-1].tick_params(which="minor", labelleft=False)
        drawn.axes[-1].lines[0].set_linestyle("none")  # settings are no curve
    return drawn


def _first(rows: Sequence[Finding], axis: str, name: str) -> list[Finding]:
    """Of a part that is measured along two axes, the rows at the lowest place of the second."""
    if not rows or name == "answers":
        return list(rows)
    return _split(rows, axis)[0]


def verdict(rows: Sequence[Finding]) -> str:
    """Return slopes, gains, from how many parties on joint fits win, and the exponent of rank."""
    told = []
    if of := _part(rows, "answers"):
        told.append(_of_answers(of))
    if _part(rows, "gain"):
        told.append(_of_gains(rows))
    if of := _part(rows, "parties"):
        told += [_of_parties(those) for those in _split(of, "n")]
    if of := _part(rows, "rank"):
        told.append(_of_rank(_split(of, "parties")[0]))
    return " ".join(told)


def _of_answers(rows: Sequence[Finding]) -> str:
    slopes = {
        name: tuple(grid.spread(slope(rows, f"{name} mean", times), 2) for times in STARTS)
        for name in ("joint", "separate", "pooled")
    }
    told = ", ".join(f"{name} {five} ({ten})" for name, (five, ten) in slopes.items())
    return f"Exponent of n in the mean error from n = 5 D (20 D) on: {told}; the theory's is -0.5."


def _of_gains(rows: Sequence[Finding]) -> str:
    relative = [r.value / gain_foreseen(*place[:3]) for place, r in gains(rows).items()]
    near = sum(abs(np.log(each)) <= np.log(1.25) for each in relative)
    return (
        f"The ratio of errors, separate by joint, is within 25 % of sqrt(D / (R + D R / M)) in "
        f"{near} of {len(relative)} settings, from {min(relative):.2f} to {max(relative):.2f} "
        "times it."
    )


def _of_parties(rows: Sequence[Finding]) -> str:
    told = [_wins(rows, method) for method in ("joint", "joint ridge")]
    return f"At n = {grid.knob(rows[0], 'n')}, {'; '.join(told)}."


def _wins(rows: Sequence[Finding], method: str) -> str:
    """Say where a method beats separate ridge on the same answers, by intervals of 95 %."""
    saved = {}
    for of in _split(rows, "parties"):
        ahead = [r.values["separate ridge mean"] - r.values[f"{method} mean"] for r in of]
        saved[grid.knob(of[0], "parties")] = interval(ahead)
    wins = [at for at, each in saved.items() if each.low > 0.0]
    loses = [at for at, each in saved.items() if each.high < 0.0]
    neither = [at for at in saved if at not in wins + loses]
    told = f"{method} beats separate ridge for M = {_list(wins)}"
    told += f", loses for M = {_list(loses)}" if loses else ""
    return f"{told}, undecided for M = {_list(neither)}" if neither else told


def _of_rank(rows: Sequence[Finding]) -> str:
    found = grid.slope(rows, "rank", "joint square")
    features, parties = (grid.knob(rows[0], name) for name in ("features", "parties"))
    ranks = sorted({grid.knob(row, "rank") for row in rows})
    freedom = grid.log_slope(ranks, [r + (features - r) * r / parties for r in ranks])
    return (
        f"The mean squared error of joint fits grows as R to the {grid.spread(found, 2)} "
        f"(R = {_list(ranks)}); the theory's upper bound has 2, its lower bound 1, degrees of "
        f"freedom {freedom:.2f}."
    )


def _list(places: Sequence[int]) -> str:
    return ", ".join(map(str, places)) or "none"
