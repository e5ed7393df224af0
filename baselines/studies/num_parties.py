"""How welfare gaps and C* change with the number of parties: the factor M of [Zhong2024].

A contextual bandit's parties each give offline answers; weights are fitted to each party by itself
(separate), or to all in one subspace of the true rank (joint); in each context the action is taken
that is best by a welfare function of the utilities above each party's least: the fitted ones
(plug-in), or lower confidence bounds (pessimistic) with the radius that is the root mean square
error which the learner itself expects, in the metric of the answers. The normalised gap is
1 - J(learned) / J(best), of the mean, the geometric mean and the minimum over parties; numerator
and denominator are averaged over the worlds of a seed.

Worlds: random ones (20 contexts, 5 actions, 20 features, rank 2), and `HardBandit-v0` with
rank 12, coverage 4 and a margin that stays the same, with parties that differ (four of them: more
repeat the four) and with parties that are all the same, which is theorem 3's own instance and
lies outside of its assumption 4. Answers: so many of each party, or so many in total. Where both
signs are among the parties the minimum is the same for both arms, and leximin can lose nothing.

C* is over the best policy and, for Nash, each party's least liked actions; those under the least
favourable weights of the sets are left out. "shifted" has the features of acting at random taken
off, which answers do not see.

What the bound M e C* says of M is about the sum of utilities (theorem 5), the minimum (theorem 6)
and the product (theorem 2). A product changes its unit with every party: of Nash only the
normalised gap of the geometric mean means anything along M. The gap of the sum is M times that of
the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.coverage import coverage
from agents.pessimism import lower_bounds
from baselines.rows import Cell, Finding
from baselines.statistics import interval
from baselines.studies import bandits, exponents, grid
from baselines.studies.bandits import LEARNERS, RULES
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.hard_bandit import hard_bandit
from multiparty_envs.faces import offline
from multiparty_envs.rewards import LinearLearner
from multiparty_envs.rewards.confidence import ConfidenceSets, metric
from multiparty_envs.rewards.radii import error_size
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from baselines.statistics import Estimate

QUESTION = (
    "Do welfare gaps and concentratability grow with the number of parties, and is the factor M "
    "of the theory's bounds there?"
)
GRID = {"parties": (1, 2, 4, 8, 16, 32)}
FULL_GRID = {"parties": (1, 2, 4, 8, 16, 32, 64)}

WORLDS = {
    "random": "random",
    "hard": "hard, parties differ",
    "same": "hard, all parties the same",
}
"""Worlds, by the name in a cell."""

BUDGETS = {"each": 200, "total": 6_400}
"""Answers of each party, or in total."""

PER_SEED = {"random": 8, "hard": 20, "same": 20}
"""Worlds of a seed; hard ones have four contexts only."""

FEATURES, RANK = 20, 2
HARD = {"rank": 12, "coverage": 4.0, "margin": 4.0 * float(np.sqrt(4 / 200))}
"""The margin that 200 answers can just not tell."""

MANY = 4
"""Parties from which on the second exponent is fitted: no more than R and sharing is idle."""
STARS = ("utilitarian raw", "utilitarian shifted", "nash raw", "nash shifted")


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return all worlds along the number of parties, with their budgets of answers."""
    counts = (FULL_GRID if full else GRID)["parties"]
    return [
        cell
        for world in WORLDS
        for cell in grid.grid(world, seeds, budget=_budgets(world), parties=counts)
    ]


def _budgets(world: str) -> list[str]:
    """Return the budgets that are of interest: identical parties in total are one party."""
    return ["each"] if world == "same" else list(BUDGETS)


def run(cell: Cell) -> Finding:
    """Measure both learners, plug-in and pessimistic, on the same answers."""
    return grid.measured(
        cell, lambda seed, budget, parties: measure(cell.env, seed, budget, parties)
    )


def measure(kind: str, seed: int, budget: str, parties: int) -> dict[str, float]:
    """Return the mean over worlds of everything that is measured."""
    answers = BUDGETS[budget] if budget == "each" else BUDGETS[budget] // parties
    keys = [Streams(seed).key(f"{kind} {number}") for number in range(PER_SEED[kind])]
    found = [_one(build(kind, parties, key), answers, key) for key in keys]
    mean = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    for name in [name for name in mean if name.startswith(LEARNERS)]:
        rule = name.split()[-1]
        if rule in RULES:
            # a gap of rounding is none
            mean[name] = round(1.0 - mean[name] / mean[f"best {rule}"], 9)
    return bandits.short(mean)


def build(kind: str, parties: int, seed: int) -> FiniteMDP:
    """Return a drawn world."""
    if kind == "random":
        return bandits.random_bandit(features=FEATURES, parties=parties, rank=RANK, seed=seed)
    return hard_bandit(num_parties=parties, distinct=kind == "hard", seed=seed, **HARD)


def _one(world: FiniteMDP, answers: int, seed: int) -> dict[str, float]:
    u, data = bandits.utilities(world), offline(world, answers, seed)
    found = dict(zip((f"best {rule}" for rule in RULES), bandits.reached(u, u), strict=True))
    sigma = metric(data)
    for name, learner in bandits.fits(world, data).items():
        values = _learned(world, u, learner, sigma)
        found |= {f"{name} {what}": value for what, value in values.items()}
    for rule in ("utilitarian", "nash"):
        star = coverage(world, sigma, RULES[rule])
        found |= {f"C* {rule} raw": star.raw, f"C* {rule} shifted": star.shifted}
    return found


def _learned(
    world: FiniteMDP, u: np.ndarray, learner: LinearLearner, sigma: np.ndarray
) -> dict[str, float]:
    """Return what is reached by what a learner made of the answers, and its errors."""
    sets = ConfidenceSets(learner.fitted, sigma, error_size(sigma, learner.covariance_))
    fitted = bandits.utilities(world, learner.fitted)
    low = lower_bounds(sets, world.feature_table)
    found: dict[str, float] = {}
    for way, seen in (("plug-in", fitted), ("pessimistic", low)):
        values = bandits.reached(u, seen, fitted)
        found |= dict(zip((f"{way} {rule}" for rule in RULES), values, strict=True))
    truth = np.asarray(world.population.theta)
    return found | {
        "error": float(sets.distance(truth).mean()),
        "covered": float(sets.contains(truth).mean()),
    }


def score(row: Finding) -> float:
    """Return one less the normalised gap of the worst rule, plug-in on joint fits.

    The oracle, 1, has no gap; at the floor, 0, the welfare is that of nobody gaining anything.
    """
    worst = max(row.values[f"joint plug-in {rule}"] for rule in RULES)
    return float(np.clip(1.0 - worst, 0.0, 1.0))


def _of(rows: Sequence[Finding], world: str, budget: str) -> list[Finding]:
    return [row for row in grid.where(rows, budget=budget) if row.cell.env == world]


def _parts(rows: Sequence[Finding]) -> list[tuple[str, str, list[Finding]]]:
    every = [(world, budget, _of(rows, world, budget)) for world in WORLDS for budget in BUDGETS]
    return [part for part in every if part[2]]


def _title(world: str, budget: str) -> str:
    kind = "of each party" if budget == "each" else "in total"
    return f"{WORLDS[world]} · {BUDGETS[budget]} answers {kind}"


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return gaps and C* along the number of parties, and their exponents."""
    found = [_along(world, budget, of) for world, budget, of in _parts(rows)]
    return [*found, _exponents(rows), _bounds(rows)]


def _along(world: str, budget: str, rows: Sequence[Finding]) -> Table:
    counts = sorted({grid.knob(row, "parties") for row in rows})
    names = [
        f"{name} {way} {rule}"
        for rule in RULES
        for name in LEARNERS
        for way in ("plug-in", "pessimistic")
    ]
    names += [f"{name} {what}" for name in LEARNERS for what in ("error", "covered")]
    names += [f"C* {star}" for star in STARS]
    lines = [(name, *grid.cells_of(grid.along(rows, "parties", name))) for name in names]
    title = f"Normalised gaps, errors, parties inside their sets, and C* · {_title(world, budget)}"
    return Table(title, ("", *(f"M = {count}" for count in counts)), tuple(lines))


Gap = Callable[[Finding], float]


def _gap(name: str, rule: str) -> Gap:
    return lambda row: row.values[f"{name} plug-in {rule}"]


def _lost(name: str, rule: str) -> Gap:
    """Return what is lost in the units of the bound: of the sum, or of the minimum."""

    def lost(row: Finding) -> float:
        scale = grid.knob(row, "parties") if rule == "utilitarian" else 1
        return scale * row.values[f"{name} plug-in {rule}"] * row.values[f"best {rule}"]

    return lost


def _exponent(rows: Sequence[Finding], value: exponents.Measure, least: int = 1) -> Estimate:
    some = [row for row in rows if grid.knob(row, "parties") >= least]
    return exponents.exponents(some, ("parties",), value)["parties"]


def _exponents(rows: Sequence[Finding]) -> Table:
    """Return the exponents of M of normalised gaps, and of C*."""
    lines = []
    for world, budget, of in _parts(rows):
        measures: dict[str, exponents.Measure] = {
            f"{name} {rule}": _gap(name, rule) for rule in RULES for name in LEARNERS
        }
        measures |= {f"C* {star}": f"C* {star}" for star in STARS}
        for name, value in measures.items():
            some = (exponents.told(_exponent(of, value, least)) for least in (1, MANY))
            lines.append((_title(world, budget), name, *some))
    title = "Exponents of M: normalised gaps of plug-in policies, and C*"
    return Table(title, ("world", "what", "all M", f"M ≥ {MANY}"), tuple(lines))


def _bounds(rows: Sequence[Finding]) -> Table:
    """Return the exponents of M in the units of the bounds, beside the bounds' own."""
    lines = []
    for world, budget, of in _parts(rows):
        for rule in RULES:
            for name in LEARNERS:
                found = _exponent(of, _in_units(name, rule))
                star = "utilitarian" if rule == "utilitarian" else "nash"
                whole = _exponent(of, _bound(name, star))
                lines.append(
                    (
                        _title(world, budget),
                        f"{name} {rule}",
                        exponents.told(found),
                        exponents.told(whole),
                        exponents.against(found, 1.0),
                        exponents.against(found, whole.value),
                    )
                )
    columns = ("world", "what", "gap", "M e C*", "exponent 1", "exponent of M e C*")
    title = (
        "Exponents of M in the units of the bounds: the sum, the minimum, and of Nash the "
        "normalised gap; e is the measured error and C* the shifted one"
    )
    return Table(title, columns, tuple(lines))


def _in_units(name: str, rule: str) -> Gap:
    return _gap(name, rule) if rule == "nash" else _lost(name, rule)


def _bound(name: str, star: str) -> Gap:
    return lambda row: (
        grid.knob(row, "parties") * row.values[f"{name} error"] * row.values[f"C* {star} shifted"]
    )


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw the gaps along the number of parties, a panel a world and budget."""
    panels = {}
    for world, budget, of in _parts(rows):
        names = {f"{rule}, {name}": f"{name} plug-in {rule}" for rule in RULES for name in LEARNERS}
        panels[_title(world, budget).replace(" · ", "\n")] = exponents.curves(of, "parties", names)
    return grid.curves_figure(panels, x="parties", y="normalised gap of plug-in policies")


def verdict(rows: Sequence[Finding]) -> str:
    """Say for each welfare whether its gap grows as M, and how C* grows."""
    found = [*(_said(*part) for part in _parts(rows)), *_pessimism(rows)]
    return "\n".join(f"- {each}" for each in found)


UNITS = {"utilitarian": "sum", "nash": "normalised geometric mean", "leximin": "minimum"}
"""In which a rule's gap is compared with the bound."""


def _said(world: str, budget: str, rows: Sequence[Finding]) -> str:
    title = _title(world, budget)
    gaps = "; ".join(_of_rule(rows, rule, budget) for rule in RULES)
    stars = "; ".join(f"{star} {exponents.told(_exponent(rows, f'C* {star}'))}" for star in STARS)
    bounds = (f"{exponents.told(_whole(rows, name))} ({name})" for name in LEARNERS)
    return (
        f"{title[0].upper()}{title[1:]}: exponents of M, {gaps}. The measured M e C* has "
        f"{' and '.join(bounds)}, C* alone: {stars}."
    )


def _whole(rows: Sequence[Finding], name: str) -> Estimate:
    """Return the exponent of M e C*, with the error e of a learner."""
    return _exponent(rows, _bound(name, "nash"))


def _of_rule(rows: Sequence[Finding], rule: str, budget: str) -> str:
    told = []
    for name in LEARNERS:
        found = _exponent(rows, _in_units(name, rule))
        # with answers in total, e grows along: the factor M alone is not what is claimed
        theory = 1.0 if budget == "each" else _whole(rows, name).value
        what = "1" if budget == "each" else "that of M e C*"
        told.append(
            f"{name} {exponents.told(found)}, {what} {exponents.against(found, theory)}"
            + _without(rows, _gap(name, rule))
        )
    return f"{rule} ({UNITS[rule]}) {', '.join(told)}"


def _without(rows: Sequence[Finding], gap: Gap) -> str:
    """Say at which numbers of parties nothing at all is lost, which have no logarithm."""
    places, values = exponents.table(rows, ("parties",), gap)
    none = [f"{place:g}" for (place,), each in zip(places, values, strict=True) if not each.any()]
    return f" (nothing lost at M = {', '.join(none)})" if none else ""


def _pessimism(rows: Sequence[Finding]) -> list[str]:
    """Compare pessimistic with plug-in policies on the same answers, by the worlds."""
    parts = {title: [r for r in rows if r.cell.env == world] for world, title in WORLDS.items()}
    return [
        f"Pessimism adds to the normalised gap ({title}): "
        + "; ".join(f"{rule} {_more(of, rule)}" for rule in RULES)
        for title, of in parts.items()
        if of
    ]


def _more(rows: Sequence[Finding], rule: str) -> str:
    """Return the mean over all places, with an interval over seeds."""
    seeds = sorted({row.cell.seed for row in rows})
    names = [(f"{name} pessimistic {rule}", f"{name} plug-in {rule}") for name in LEARNERS]
    difference = [
        np.mean([r.values[a] - r.values[b] for r in rows if r.cell.seed == seed for a, b in names])
        for seed in seeds
    ]
    return exponents.told(interval(difference), 3)
