"""Exponents of n, M, d and r in errors and welfare gaps, beside those of the theory.

Random worlds (20 contexts, 5 actions, N(0, I) features, parties of length one in a subspace of rank
r): the error is |theta_hat_m - theta_m| in the norm of party m's data covariance, the mean and the
largest over parties; the gap is 1 - J(plug-in) / J(best) of the mean, the geometric mean and the
minimum over parties. Hard worlds are theorem 3's own: `HardBandit-v0` with parties that are all
the same and the margin coverage * sqrt(contexts / n); what is lost there is the sum over parties,
the geometric mean, and the minimum.

Exponents are those of a log-linear regression on a third of the full factorial grid: the places
whose numbers on their axes add up to a multiple of three, which leaves the four main effects
orthogonal. The theory's exponents are those of the same regression of its formulas at the same
places, for theorem 1's is a sum of terms: e^2 = r^2 / n + (d r^2 log d + r log(M / delta)) / (M n).
"degrees of freedom" is sqrt(r (d + M - r) / (M n)), the free numbers of a rank-r matrix over the
answers. Separate fits have sqrt(d / n).

What is said to be an improvement holds where r^2 < min(M / log d, d): a regression of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baselines.rows import Cell, Finding
from baselines.statistics import Estimate
from baselines.studies import bandits, exponents, grid
from baselines.studies.bandits import LEARNERS, RULES
from baselines.summary import Table
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.faces import offline
from multiparty_envs.rewards.errors import data_covariance, error_norms
from multiparty_envs.rewards.radii import theory_radius
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "With which powers of the answers, the parties, the features and the rank do errors and "
    "welfare gaps fall and grow, and are they the theory's?"
)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "random": {
        "answers": (200, 400, 800),
        "parties": (8, 24, 72),
        "features": (10, 20, 40),
        "rank": (1, 2, 4),
    },
    "hard": {
        "answers": (800, 1_600, 3_200),
        "parties": (1, 3, 9),
        "coverage": (2, 4, 8),
        "rank": (3, 6, 12),
    },
}
"""Axes of each world; a third of the places is run."""

FULL_GRID = GRID
"""The same axes; all places are run."""

PER_SEED = {"random": 3, "hard": 12}
"""Worlds of a seed."""

DELTA = 0.05
"""In the theory's formula."""

ERRORS = ("error", "largest error")


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return the places of both worlds: a third of them, or all."""
    return [cell for kind, axes in GRID.items() for cell in _cells(kind, axes, seeds, full)]


def _cells(kind: str, axes: Mapping[str, Sequence[int]], seeds: int, full: bool) -> list[Cell]:
    kept = set(itertools.product(*axes.values()) if full else third(axes))
    every = grid.grid(kind, seeds, ("all",), **axes)
    return [cell for cell in every if tuple(dict(cell.knobs)[name] for name in axes) in kept]


def third(axes: Mapping[str, Sequence[int]]) -> list[tuple[int, ...]]:
    """Return the places of the grid whose numbers on their axes add up to a multiple of three."""
    return [
        tuple(value for _, value in place)
        for place in itertools.product(*(enumerate(values) for values in axes.values()))
        if sum(number for number, _ in place) % 3 == 0
    ]


def run(cell: Cell) -> Finding:
    """Measure both learners on the same answers."""
    return grid.measured(cell, {"random": measure_random, "hard": measure_hard}[cell.env])


def measure_random(
    seed: int, answers: int, parties: int, features: int, rank: int
) -> dict[str, float]:
    """Return errors and normalised gaps, means over the worlds."""
    errors, values, best = [], [], []
    for number in range(PER_SEED["random"]):
        key = Streams(seed).key(f"random {number}")
        world = bandits.random_bandit(features=features, parties=parties, rank=rank, seed=key)
        data, u = offline(world, answers, key), bandits.utilities(world)
        thetas = [each.fitted for each in bandits.fits(world, data).values()]
        sigma, truth = data_covariance(data), np.asarray(world.population.theta)
        norms = np.array([error_norms(theta, truth, sigma) for theta in thetas])
        errors.append((norms.mean(axis=1), norms.max(axis=1)))
        values.append([bandits.reached(u, bandits.utilities(world, theta)) for theta in thetas])
        best.append(bandits.reached(u, u))
    gaps = np.round(1.0 - np.mean(values, axis=0) / np.mean(best, axis=0), 9)
    found: dict[str, float] = {}
    for i, name in enumerate(LEARNERS):
        sizes = np.mean(errors, axis=0)[:, i]
        found |= dict(zip((f"{name} {what}" for what in ERRORS), sizes, strict=True))
        found |= dict(zip((f"{name} {rule}" for rule in RULES), gaps[i], strict=True))
    return bandits.short(found)


def measure_hard(
    seed: int, answers: int, parties: int, coverage: int, rank: int
) -> dict[str, float]:
    """Return what is lost, the sum and the minimum over parties, means over the worlds."""
    lost, share = [], []
    for number in range(PER_SEED["hard"]):
        key = Streams(seed).key(f"hard {number}")
        world = hard_bandit(
            rank=rank,
            num_parties=parties,
            coverage=float(coverage),
            answers=answers,
            distinct=False,
            seed=key,
        )
        data, u = offline(world, answers, key), bandits.utilities(world)
        best = bandits.reached(u, u)
        thetas = [each.fitted for each in bandits.fits(world, data).values()]
        values = [bandits.reached(u, bandits.utilities(world, theta)) for theta in thetas]
        lost.append(best - values)
        share.append(1.0 - np.array(values) / best)
    mean = np.round(np.mean(lost, axis=0), 9)
    found: dict[str, float] = {}
    for i, name in enumerate(LEARNERS):
        scale = dict(zip(RULES, (parties, 1, 1), strict=True))
        found |= {f"{name} {rule}": scale[rule] * mean[i, j] for j, rule in enumerate(RULES)}
    return bandits.short(found | {"share": float(np.mean(share))})


def score(row: Finding) -> float:
    """Return one less the share of the best welfare that is lost, a mean over rules.

    Of joint fits, or in hard worlds of both. The oracle, 1, loses nothing.
    """
    if row.cell.env == "hard":
        return float(np.clip(1.0 - row.values["share"], 0.0, 1.0))
    return float(np.clip(1.0 - np.mean([row.values[f"joint {rule}"] for rule in RULES]), 0.0, 1.0))


def theorem_one(row: Finding) -> float:
    """Return e, the right side of theorem 1 without its constant."""
    n, parties, features, rank = (
        grid.knob(row, name) for name in ("answers", "parties", "features", "rank")
    )
    radius = theory_radius(n, num_features=features, rank=rank, num_parties=parties, delta=DELTA)
    return float(radius[0])


def degrees_of_freedom(row: Finding) -> float:
    """Return the root of the free numbers of a rank-r matrix [d, M] over the answers M n."""
    n, parties, d, r = (grid.knob(row, name) for name in ("answers", "parties", "features", "rank"))
    return float(np.sqrt(r * (d + parties - r) / (parties * n)))


def single_party(row: Finding) -> float:
    """Return sqrt(d / n), what one party's own fit has."""
    return float(np.sqrt(grid.knob(row, "features") / grid.knob(row, "answers")))


def theorem_three(row: Finding) -> float:
    """Return C M sqrt(r / n), the lower bound without its constant."""
    n, parties, coverage, rank = (
        grid.knob(row, name) for name in ("answers", "parties", "coverage", "rank")
    )
    return float(coverage * parties * np.sqrt(rank / n))


def inside(row: Finding) -> bool:
    """Return whether r^2 < min(M / log d, d), where sharing is said to help."""
    parties, features, rank = (grid.knob(row, name) for name in ("parties", "features", "rank"))
    return rank**2 < min(parties / np.log(features), features)


FORMULAS: Mapping[str, Callable[[Finding], float]] = {
    "theory, joint: theorem 1": theorem_one,
    "theory, joint: degrees of freedom": degrees_of_freedom,
    "theory, separate: sqrt(d / n)": single_party,
}


def of_world(rows: Sequence[Finding], kind: str) -> list[Finding]:
    """Return the rows of random or of hard worlds."""
    return [row for row in rows if row.cell.env == kind]


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return the exponents everywhere, where sharing is said to help, and on the hard instance."""
    random, hard = of_world(rows, "random"), of_world(rows, "hard")
    some = [row for row in random if inside(row)]
    bound = (
        "; in normalised gaps the bounds have e's exponents, and one more of M for Nash and leximin"
    )
    return [
        _table(f"Exponents, random worlds{bound}", random, _random_measures()),
        _table("Exponents where r^2 < min(M / log d, d)", some, _random_measures()),
        _table(
            "Exponents of what is lost on the lower bound's instance (the sum, the geometric mean "
            "and the minimum over parties), all parties the same",
            hard,
            _hard_measures(),
        ),
    ]


def _random_measures() -> dict[str, exponents.Measure]:
    names = [f"{name} {what}" for what in (*ERRORS, *RULES) for name in LEARNERS]
    return {**{name: name for name in names}, **FORMULAS}


def _hard_measures() -> dict[str, exponents.Measure]:
    names = [f"{name} {rule}" for rule in RULES for name in LEARNERS]
    return {**{name: name for name in names}, "theory: theorem 3": theorem_three}


def _table(title: str, rows: Sequence[Finding], measures: Mapping[str, exponents.Measure]) -> Table:
    axes = axes_of(rows)
    places = len({row.cell.knobs for row in rows})
    lines = []
    for name, value in measures.items():
        found = exponents.exponents(rows, axes, value)
        show = _plain if callable(value) else exponents.told
        lines.append((name, *(show(found[axis]) for axis in axes)))
    return Table(f"{title} · {places} places", ("", *axes), tuple(lines))


def axes_of(rows: Sequence[Finding]) -> tuple[str, ...]:
    """Return the axes of the rows, in the order of the grid."""
    return tuple(GRID[rows[0].cell.env]) if rows else tuple(GRID["random"])


def _plain(found: Estimate) -> str:
    """Return the exponent of a formula, which has no interval."""
    return "–" if np.isnan(found.value) else f"{round(found.value, 2) + 0.0:.2f}"


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw both errors along each axis of random worlds, the mean over the other axes."""
    random = of_world(rows, "random")
    names = {f"{name} fits": f"{name} error" for name in LEARNERS}
    panels = {axis: exponents.curves(random, axis, names) for axis in axes_of(random)}
    theory = {axis: _scaled(random, axis) for axis in panels}
    return grid.curves_figure(
        panels, x="", y="mean error norm; dashed: theorem 1, scaled", theory=theory
    )


def _scaled(rows: Sequence[Finding], axis: str) -> dict[float, float]:
    """Return theorem 1's means along an axis, times what makes its mean that of joint errors."""
    groups: dict[float, list[tuple[float, float]]] = {}
    for row in rows:
        place = groups.setdefault(grid.knob(row, axis), [])
        place.append((theorem_one(row), row.values["joint error"]))
    means = {place: np.mean(each, axis=0) for place, each in sorted(groups.items())}
    scale = sum(mean[1] for mean in means.values()) / sum(mean[0] for mean in means.values())
    return {place: float(mean[0] * scale) for place, mean in means.items()}


def verdict(rows: Sequence[Finding]) -> str:
    """Say which of the theory's exponents are found."""
    random, hard = of_world(rows, "random"), of_world(rows, "hard")
    told = []
    if random:
        told = [
            _compared(random, "joint error", theorem_one, "theorem 1"),
            _compared(random, "joint error", degrees_of_freedom, "degrees of freedom"),
            _compared(random, "separate error", single_party, "sqrt(d / n)"),
            _of_gaps(random),
        ]
    if hard:
        told += [
            _compared(hard, f"{name} {rule}", theorem_three, f"theorem 3 ({what} over parties)")
            for rule, what in (("utilitarian", "sum"), ("leximin", "minimum"))
            for name in LEARNERS
        ]
    return "\n".join(f"- {each}" for each in told)


def _compared(
    rows: Sequence[Finding], name: str, formula: Callable[[Finding], float], title: str
) -> str:
    axes = axes_of(rows)
    found, theory = (exponents.exponents(rows, axes, value) for value in (name, formula))
    told = (
        f"{axis} {exponents.told(found[axis])} ({theory[axis].value:.2f} "
        f"{exponents.against(found[axis], theory[axis].value)})"
        for axis in axes
    )
    return f"{name.capitalize()} beside {title}: {', '.join(told)}."


def _of_gaps(rows: Sequence[Finding]) -> str:
    told = []
    for rule in RULES:
        for name in LEARNERS:
            found = exponents.exponents(rows, axes_of(rows), f"{name} {rule}")
            n, parties = (exponents.told(found[axis]) for axis in ("answers", "parties"))
            told.append(f"{name} {rule} {n} and {parties}")
    return f"Exponents of n and M in normalised gaps: {'; '.join(told)}."
