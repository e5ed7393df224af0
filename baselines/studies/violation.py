"""What happens where the assumptions of joint learning do not hold.

[Zhong2024] assumes that all rewards lie in one subspace of few dimensions (assumption 2), that they
fill it evenly (4), and that all parties answer equally often. Each is violated on its own, with 20
features, 20 parties, rewards of norm 2 and rank 2:

* outside: a share rho of each reward's square lies outside the subspace, in a direction of its own;
* alike: rewards move towards one point of the subspace, until they hardly differ (nu tends to 0);
* unequal: numbers of answers fall by Zipf's law, at the same total.

Errors are |theta_hat - theta| in the norm of a fresh answer's covariance, the identity, mean over
parties. All methods learn from the same answers. The hybrid, `LowRankResidual`, is told the rank
of the subspace, and should keep to the better of joint and separate ridge wherever they cross.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies import grid
from baselines.studies.learners import compared
from baselines.summary import Table
from multiparty_envs.parties import low_rank, zipf_shares
from multiparty_envs.rewards.errors import diversity
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How much may parties' rewards leave a common subspace before joint fits lose to separate "
    "ones, and does a fit of both keep to the better of the two?"
)
FEATURES, PARTIES, RANK, NORM = 20, 20, 2, 2.0

METHODS = ("joint ridge", "separate ridge", "hybrid")
"""What is compared along rho."""

AXES = {"outside": "rho", "alike": "alike", "unequal": "exponent"}
"""What each part varies."""

MEASURED = {
    "outside": METHODS,
    "alike": (*METHODS, "joint, rank selected", "pooled"),
    "unequal": METHODS,
}
"""Methods that are compared in each part."""

RHO = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
ALIKE = (0.0, 0.5, 0.9, 0.99, 0.999)
EXPONENT = (0.0, 0.5, 1.0, 1.5)
GRID = {
    "outside": {"rho": RHO, "n": (100, 200, 400, 800)},
    "alike": {"alike": ALIKE, "n": (200,)},
    "unequal": {"exponent": EXPONENT, "n": (200,)},
}
FULL_GRID = {
    "outside": {"rho": (*RHO[:5], 0.3, 0.4, 0.6, 0.8), "n": (50, 100, 200, 400, 800, 1600, 3200)},
    "alike": {"alike": ALIKE, "n": (100, 200, 800)},
    "unequal": {"exponent": EXPONENT, "n": (100, 200, 800)},
}


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return the cells of the three parts; all methods are measured in one cell."""
    parts = FULL_GRID if full else GRID
    return [
        cell for name, axes in parts.items() for cell in grid.grid(name, seeds, ("all",), **axes)
    ]


def run(cell: Cell) -> Finding:
    """Fit every method to the same answers."""

    def measure(
        seed: int, *, n: int, rho: float = 0.0, alike: float = 0.0, exponent: float = 0.0
    ) -> dict[str, float]:
        truth = low_rank(
            *(FEATURES, PARTIES, RANK),
            streams=Streams(seed),
            norm=NORM,
            outside=rho,
            alike=alike,
            share=zipf_shares(PARTIES, exponent),
        )
        counts = np.rint(truth.share * n * PARTIES).astype(np.int64)
        methods = MEASURED[cell.env]
        values = compared(truth.theta, counts, RANK, seed, methods, norm="expected")
        return values | {"nu": diversity(truth.theta, RANK).nu}

    return grid.measured(cell, measure)


def score(row: Finding) -> float:
    """Return how near the hybrid's error is to the better one's: 1 where it is no larger.

    The floor is 0, an error without bound; the oracle knows which of the two to trust.
    """
    return float(min(1.0, 1.0 / (1.0 + miss(row))))


def miss(row: Finding) -> float:
    """Return the hybrid's error by that of the better of joint and separate ridge, less one."""
    better = min(row.values["joint ridge mean"], row.values["separate ridge mean"])
    return row.values["hybrid mean"] / better - 1.0


def _part(rows: Iterable[Finding], name: str) -> list[Finding]:
    return [row for row in rows if row.cell.env == name]


def _split(rows: Sequence[Finding], axis: str) -> dict[float, list[Finding]]:
    """{place on an axis: its rows}."""
    places = sorted({grid.knob(row, axis) for row in rows})
    return {at: grid.where(rows, **{axis: at}) for at in places}


def _runs(rows: Sequence[Finding]) -> int:
    return len({row.cell.seed for row in rows})


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return errors of every part by n, and where joint fits cease to be better."""
    found = []
    for name, axis in AXES.items():
        for n, of in _split(_part(rows, name), "n").items():
            found.append(_errors(of, name, axis, n))
    if of := _part(rows, "outside"):
        found.append(_crossings(of))
    return found


def _errors(rows: Sequence[Finding], name: str, axis: str, n: float) -> Table:
    places = list(_split(rows, axis))
    lines = [
        (method, *grid.cells_of(grid.along(rows, axis, f"{method} mean")))
        for method in MEASURED[name]
    ]
    if name == "unequal":
        lines += [
            (f"{method}, worst party", *grid.cells_of(grid.along(rows, axis, f"{method} max")))
            for method in METHODS
        ]
    if name == "alike":
        lines.append(("nu", *grid.cells_of(grid.along(rows, axis, "nu"), 4)))
    misses = [interval([miss(row) for row in of]) for of in _split(rows, axis).values()]
    lines.append(("hybrid, beside the better", *(f"{each.value:+.1%}" for each in misses)))
    title = f"Mean error · {name}, {n:g} answers a party · {_runs(rows)} seeds"
    return Table(title, ("method", *(f"{axis} {at:g}" for at in places)), tuple(lines))


def crossings(rows: Iterable[Finding]) -> dict[float, Estimate]:
    """Return {n: rho at which the errors of joint and separate ridge cross}, over seeds."""
    return {
        n: interval([_crossing(those) for those in _by_seed(of)])
        for n, of in _split(_part(rows, "outside"), "n").items()
    }


def _by_seed(rows: Sequence[Finding]) -> list[list[Finding]]:
    seeds = sorted({row.cell.seed for row in rows})
    return [[row for row in rows if row.cell.seed == seed] for seed in seeds]


def _crossing(rows: Sequence[Finding]) -> float:
    """Where one seed's difference of errors changes its sign first, by straight lines."""
    ordered = sorted(rows, key=lambda row: grid.knob(row, "rho"))
    places = [grid.knob(row, "rho") for row in ordered]
    ahead = [row.values["separate ridge mean"] - row.values["joint ridge mean"] for row in ordered]
    if ahead[0] <= 0.0:
        return 0.0
    behind = [at for at, each in enumerate(ahead) if each <= 0.0]
    if not behind:
        return float("nan")
    last, first = behind[0] - 1, behind[0]
    part = ahead[last] / (ahead[last] - ahead[first])
    return float(places[last] + part * (places[first] - places[last]))


def foreseen(rows: Sequence[Finding]) -> Estimate:
    """Return the rho that squares of errors foresee at rho = 0: what separate ridge loses there.

    A share rho outside adds about rho times the squared norm to the square of a joint error.
    """
    inside = grid.where(rows, rho=0.0)
    gaps = [
        row.values["separate ridge square"] - row.values["joint ridge square"] for row in inside
    ]
    return interval([gap / NORM**2 for gap in gaps])


def _crossings(rows: Sequence[Finding]) -> Table:
    split = _split(rows, "n")
    found = crossings(rows)
    lines = (
        ("measured", *(grid.spread(each) for each in found.values())),
        ("foreseen from rho = 0", *(grid.spread(foreseen(of)) for of in split.values())),
    )
    columns = ("rho at which joint and separate ridge cross", *(f"n = {n:g}" for n in split))
    return Table(f"Crossing · {_runs(rows)} seeds", columns, lines)


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw errors along rho for few, some and many answers, the crossing, and the other parts."""
    panels, labels = {}, []
    of = _split(_part(rows, "outside"), "n")
    for n in list(of)[:: max(1, len(of) // 2)]:
        panels[f"outside, n = {n:g}"] = _curves(of[n], "outside")
        labels.append("rho, share outside")
    for name in ("alike", "unequal"):
        if those := _part(rows, name):
            panels[name] = _curves(next(iter(_split(those, "n").values())), name)
            labels.append({"alike": "how alike", "unequal": "exponent of Zipf's law"}[name])
    drawn = grid.curves_figure(panels, x="", y="mean error", log_x=False, log_y=False)
    for axis, label in zip(drawn.axes, labels, strict=True):
        axis.set_xlabel(label)
        axis.set_ylim(bottom=0.0)
    return drawn


def _curves(rows: Sequence[Finding], name: str) -> dict[str, dict[float, Estimate]]:
    return {each: grid.along(rows, AXES[name], f"{each} mean") for each in MEASURED[name]}


def verdict(rows: Sequence[Finding]) -> str:
    """Return where joint and separate fits cross, how that moves with n, and what hybrid misses."""
    told = []
    if of := _part(rows, "outside"):
        told += [_of_crossing(of), _of_hybrid(of, "outside")]
    if of := _part(rows, "alike"):
        told.append(_of_alike(of))
    if of := _part(rows, "unequal"):
        told.append(_of_unequal(of))
    return " ".join(told)


def _of_crossing(rows: Sequence[Finding]) -> str:
    found = crossings(rows)
    listed = ", ".join(f"{grid.spread(each)} at n = {n:g}" for n, each in found.items())
    moved = interval([_moves(of) for of in _by_seed(rows)])
    return (
        f"Joint and separate ridge cross at rho = {listed}; the crossing falls as n to the "
        f"{grid.spread(moved, 2)}."
    )


def _moves(rows: Sequence[Finding]) -> float:
    """Exponent of n in one seed's crossing."""
    found = {n: _crossing(of) for n, of in _split(rows, "n").items()}
    kept = {n: at for n, at in found.items() if at > 0.0}
    return grid.log_slope(list(kept), list(kept.values()))


def _of_hybrid(rows: Sequence[Finding], name: str) -> str:
    """Say what the hybrid misses where it misses most, of means over seeds."""
    misses = {
        (n, at): interval([miss(row) for row in those])
        for n, of in _split(rows, "n").items()
        for at, those in _split(of, AXES[name]).items()
    }
    (n, at), most = max(misses.items(), key=lambda pair: pair[1].value)
    (most_n, best_at), least = min(misses.items(), key=lambda pair: pair[1].value)
    within = sum(each.value <= 0.05 for each in misses.values())
    return (
        f"The hybrid's error is between {_percent(least)} ({AXES[name]} = {best_at:g}, n = "
        f"{most_n:g}) and {_percent(most)} ({AXES[name]} = {at:g}, n = {n:g}) above that of the "
        f"better of the two, and no more than 5 % above it in {within} of {len(misses)} places."
    )


def _percent(estimate: Estimate) -> str:
    if np.isnan(estimate.low):
        return f"{estimate.value:+.1%}"
    return f"{estimate.value:+.1%} [{estimate.low:+.1%}, {estimate.high:+.1%}]"


def _of_alike(rows: Sequence[Finding]) -> str:
    of = next(iter(_split(rows, "n").values()))
    ends = list(_split(of, "alike").values())
    told = []
    for method in ("joint ridge", "joint, rank selected", "pooled"):
        first, last = (
            grid.spread(interval([row.values[f"{method} mean"] for row in end]))
            for end in (ends[0], ends[-1])
        )
        told.append(f"{method} {first} to {last}")
    low = np.mean([row.values["nu"] for row in ends[-1]])
    return f"As parties become alike (nu = {low:.1e} at the end), errors go: {'; '.join(told)}."


def _of_unequal(rows: Sequence[Finding]) -> str:
    of = next(iter(_split(rows, "n").values()))
    exponent, last = list(_split(of, "exponent").items())[-1]
    told = ", ".join(
        f"{method} "
        + " and ".join(
            grid.spread(interval([row.values[f"{method} {what}"] for row in last]))
            for what in ("mean", "max")
        )
        for method in METHODS
    )
    return (
        f"Under Zipf's law of exponent {exponent:g}, mean and largest errors are: {told}. "
        + _of_hybrid(of, "unequal").replace("The hybrid's error", "There the hybrid's error")
    )
