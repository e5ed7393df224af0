"""When does caution pay: how much of the confidence sets' radius to take off, and where.

Three worlds. *bandit*: 20 contexts, 4 arms, three parties; the last arm has a feature of its own,
which most of the parties mind, and is compared `skew` times as often as the others. *block*: the
four actions of [Zhu2023] theorem 3.9 for five parties, each of whom is asked n - 1 times about the
first two and once about the second and third. The best and the next best differ by `gap`: 0.1 as
there, or a multiple of 1 / sqrt(n), since the hardest gap shrinks with the answers ([Zhong2024]
theorem 3 has it so): "hardest" is the multiple with the greatest regret, among those of the grid
(c = 4 would find harder ones beyond it). *chain*: a random Markov
decision problem of six states and four steps, answers about whole episodes, optimised over
occupancies; the last action is as the bandit's last arm.

Rewards are fitted to each party alone. In the bandit and the chain the radius is the simultaneous
bootstrap's at 95 %; in the block, where no second rare answer ever comes, it is the theory's, with
the constant 3.4, at which the sets hold all five parties in about 95 % of the draws. Radii are
multiplied by c: 0 is the plug-in, a negative c optimism. The chain's optimisation is concave for
c >= 0 only, and has no optimism.

Utilities count from each party's worst action in the bandit, from the behaviour policy in the
chain, and in the block from the third action; there "worst" has the worst action instead. In the
block that is the rare one, and from it no bound can tell the best action from the trap.

Regret is the share of the optimal welfare that is missed; in the block, where all parties are
alike, it is in units of reward.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.plots import figure_of, styled
from baselines.rows import Cell, Finding
from baselines.statistics import Estimate, interval
from baselines.studies.grid import (
    CYCLE,
    along,
    draw,
    grid,
    knob,
    mark,
    measured,
    slope,
    spread,
    where,
)
from baselines.studies.pessimism_worlds import (
    FIXED,
    GAPS,
    MULTIPLIERS,
    WELFARES,
    in_bandit,
    in_block,
    in_chain,
    name_of,
)
from baselines.summary import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "How much of what is not known should be taken off before a policy is chosen, and does being "
    "cautious pay where answers are evenly spread as well as where they are not?"
)
GRID = {
    "bandit": {"skew": (1.0, 0.1, 0.01, 0.003), "n": (25, 100, 400)},
    "block": {"gap": GAPS, "n": (50, 200, 800, 3_200, 12_800)},
    "chain": {"skew": (1.0, 0.03), "n": (25, 100, 400)},
}
FULL_GRID = {
    "bandit": {"skew": (1.0, 0.3, 0.1, 0.03, 0.01, 0.003), "n": (25, 50, 100, 200, 400, 800)},
    "block": {"gap": (*GAPS, "20/√n"), "n": tuple(50 * 2**k for k in range(9))},
    "chain": {"skew": (1.0, 0.3, 0.1, 0.03), "n": (25, 50, 100, 200, 400, 800)},
}


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every place of each world's grid; one cell measures all multipliers and welfares."""
    axes = FULL_GRID if full else GRID
    return [cell for world, knobs in axes.items() for cell in grid(world, seeds, **knobs)]


def run(cell: Cell) -> Finding:
    """Draw a world and answers, and measure the regret of every multiplier for every welfare."""
    measures: Mapping[str, Callable[..., Mapping[str, float]]] = {
        "bandit": in_bandit,
        "block": in_block,
        "chain": in_chain,
    }
    return measured(
        cell,
        lambda seed, **knobs: {
            name: _short(value) for name, value in measures[cell.env](seed, **knobs).items()
        },
    )


def score(row: Finding) -> float:
    """Return 1 - regret of c = 1, mean over welfare functions, clipped to [0, 1]."""
    missed = [row.values[name_of(name, 1.0)] for name in WELFARES]
    return float(np.clip(1.0 - np.mean(missed), 0.0, 1.0))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return the best c of every place, regrets by c, and the block's regrets and slopes."""
    made = []
    for world in ("bandit", "chain"):
        of = _of(rows, world)
        if of:
            made += [_best_table(world, of), _regret_table(world, of)]
    return made + _block_tables(_of(rows, "block"))


def _best_table(world: str, rows: Sequence[Finding]) -> Table:
    columns = ("skew", "n", *WELFARES)
    lines = tuple(
        (f"{skew:g}", f"{n:g}", *(_best_text(of, name) for name in WELFARES))
        for skew, n, of in _places(rows)
    )
    return Table(f"{world}: best c, and regret saved against c = 0", columns, lines)


def _best_text(rows: Sequence[Finding], welfare: str) -> str:
    best = best_multiplier(rows, welfare)
    saved = interval(
        [row.values[name_of(welfare, 0.0)] - row.values[name_of(welfare, best)] for row in rows]
    )
    return f"{best:g} ({spread(saved)})"


def best_multiplier(rows: Iterable[Finding], welfare: str) -> float:
    """Return the c with the least mean regret; of equals the one nearest to the plug-in."""
    kept = list(rows)
    mean = {c: np.mean([row.values[name_of(welfare, c)] for row in kept]) for c in MULTIPLIERS}
    known = [c for c in sorted(MULTIPLIERS, key=abs) if not np.isnan(mean[c])]
    return min(known, key=lambda c: round(float(mean[c]), 9))


def _regret_table(world: str, rows: Sequence[Finding]) -> Table:
    columns = ("welfare", "skew", *(f"c = {c:g}" for c in MULTIPLIERS), "ties at c = 1")
    lines = [
        (
            name,
            f"{skew:g}",
            *(_mean(of, name_of(name, c)) for c in MULTIPLIERS),
            _mean(of, f"{name} ties"),
        )
        for name in WELFARES
        for skew, of in _by(rows, "skew")
    ]
    held = interval([row.values["held"] for row in rows])
    title = f"{world}: regret, mean over n · sets held all parties in {100 * held.value:.0f} %"
    return Table(title, columns, tuple(lines))


def _block_tables(rows: Sequence[Finding]) -> list[Table]:
    if not rows:
        return []
    sizes = sorted({knob(row, "n") for row in rows})
    columns = ("welfare", "c", *(f"n = {n}" for n in sizes), "log-log slope")
    zeros = [(f"{c:g}", f"{c:g}") for c in MULTIPLIERS]
    zeros += [(f"{c}, from the worst", f"{c} worst") for c in (0, 1)]
    made = []
    for title, of in ((f"gap {FIXED}", where(rows, gap=FIXED)), ("hardest gap", hardest(rows))):
        lines = tuple(
            (
                name,
                told,
                *_curve(of, f"{name} {value}"),
                spread(slope(of, "n", f"{name} {value}"), 2),
            )
            for name in WELFARES
            for told, value in zeros
        )
        made.append(Table(f"block, {title}: regret in units of reward", columns, lines))
    return made


def _curve(rows: Sequence[Finding], value: str) -> tuple[str, ...]:
    return tuple(spread(each) for each in along(rows, "n", value).values())


def hardest(rows: Iterable[Finding]) -> list[Finding]:
    """Return a row a seed and n: each value's greatest over the gaps that shrink with n."""
    groups: dict[tuple, list[Finding]] = {}
    for row in rows:
        if knob(row, "gap") != FIXED:
            groups.setdefault((row.cell.seed, knob(row, "n")), []).append(row)
    return [
        dataclasses.replace(
            of[0], values={name: max(row.values[name] for row in of) for name in of[0].values}
        )
        for of in groups.values()
    ]


@styled
def figure(rows: Sequence[Finding]) -> Figure:
    """Draw the block's regret by n for each c, and the bandit's by c for each skew."""
    figure, axes = figure_of(1 + len(WELFARES), width=12.8, height=3.4)
    worst, colours = hardest(_of(rows, "block")), dict(zip(MULTIPLIERS, CYCLE, strict=False))
    for multiplier, colour in colours.items():
        curve = along(worst, "n", name_of("utilitarian", multiplier))
        draw(axes[0], f"c = {multiplier:g}", curve, colour)
    axes[0].set(title="block, hardest gap, utilitarian", xscale="log", yscale="log")
    axes[0].set(xlabel="answers of each party", ylabel="regret")
    if worst:
        mark(axes[0], [knob(row, "n") for row in worst])
    for axis, name in zip(axes[1:], WELFARES, strict=True):
        for (skew, of), colour in zip(_by(_of(rows, "bandit"), "skew"), CYCLE, strict=False):
            curve = {c: _regret(of, name_of(name, c)) for c in MULTIPLIERS}
            draw(axis, f"skew {skew:g}", curve, colour)
        axis.set(title=f"bandit, {name}", xlabel="c, of the radius")
    axes[0].set_ylim(bottom=1e-3)  # room for the legend
    for axis in axes[:2]:
        axis.legend(fontsize=7, ncols=2)
    for axis in axes:
        axis.title.set_fontsize(9)
    return figure


def verdict(rows: Sequence[Finding]) -> str:
    """Return where caution pays, and the block's slopes, with intervals."""
    block = _of(rows, "block")
    told = [_block_sentence(block, name) for name in WELFARES if block]
    worlds = {world: _of(rows, world) for world in ("bandit", "chain")}
    return " ".join(told + [_best_sentence(world, of) for world, of in worlds.items() if of])


def _block_sentence(rows: Sequence[Finding], welfare: str) -> str:
    worst, last = hardest(rows), max(knob(row, "n") for row in rows)
    plain, careful = (name_of(welfare, c) for c in (0.0, 1.0))
    ends = {
        name: spread(interval([row.values[name] for row in where(rows, gap=FIXED, n=last)]))
        for name in (plain, careful, f"{plain} worst", f"{careful} worst")
    }
    slopes = [spread(slope(worst, "n", name), 2) for name in (plain, careful)]
    return (
        f"Block, {welfare}: with {last} answers of each party at the gap {FIXED} the plug-in's "
        f"regret is {ends[plain]} and that of c = 1 {ends[careful]} from the third action, "
        f"{ends[f'{plain} worst']} and {ends[f'{careful} worst']} from the worst one; at the "
        f"hardest gap the slopes of log regret are {slopes[0]} and {slopes[1]}."
    )


def _best_sentence(world: str, rows: Sequence[Finding]) -> str:
    parts = []
    for skew, of in _by(rows, "skew"):
        saved = {c: _saved(of, c) for c in (0.5, 1.0)}
        best = ", ".join(f"{best_multiplier(of, name):g} ({name})" for name in WELFARES)
        parts.append(
            f"at skew {skew:g} the best c is {best}, and against c = 0 a half saves "
            f"{spread(saved[0.5])} and the full radius {spread(saved[1.0])}"
        )
    return f"{world.capitalize()}, mean over n and welfare: {'; '.join(parts)}."


def _saved(rows: Sequence[Finding], multiplier: float) -> Estimate:
    """Return the regret saved by c against the plug-in, mean over the welfare functions."""
    saved = [
        np.mean(
            [row.values[name_of(w, 0.0)] - row.values[name_of(w, multiplier)] for w in WELFARES]
        )
        for row in rows
    ]
    return interval(_per_seed(rows, [float(value) for value in saved]))


def _per_seed(rows: Sequence[Finding], values: Sequence[float]) -> list[float]:
    """Return the mean of each seed, whose places are not independent of each other."""
    seeds: dict[int, list[float]] = {}
    for row, value in zip(rows, values, strict=True):
        seeds.setdefault(row.cell.seed, []).append(value)
    return [float(np.mean(of)) for of in seeds.values()]


def _of(rows: Iterable[Finding], world: str) -> list[Finding]:
    return [row for row in rows if row.cell.env == world]


def _by(rows: Sequence[Finding], axis: str) -> list[tuple]:
    places = sorted({knob(row, axis) for row in rows}, reverse=axis == "skew")
    return [(place, where(rows, **{axis: place})) for place in places]


def _places(rows: Sequence[Finding]) -> list[tuple]:
    return [(skew, n, of) for skew, some in _by(rows, "skew") for n, of in _by(some, "n")]


def _mean(rows: Sequence[Finding], name: str) -> str:
    return spread(_regret(rows, name))


def _regret(rows: Sequence[Finding], name: str) -> Estimate:
    return interval(_per_seed(rows, [row.values[name] for row in rows]))


def _short(value: float) -> float:
    """Return three digits, which are small to keep; no regret is known better."""
    return float(f"{value:.3g}")
