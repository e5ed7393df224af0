"""The sub-optimality bounds of [Zhong2024] with their constants, instance by instance.

Small random bandits; each party's answers are fitted; the confidence sets have the oracle radius:
the 1 - DELTA quantile of max_m |theta_hat_m - theta_m|_(Sigma_m) over answers to the same questions
drawn anew, the same learner fitted to each. If all weights are in their sets, then with
c_m(s, a) = |phi(s, a) - phi(s, worst_m(s))| in the norm of Sigma_m^-1 and lower bounds L_m:

* 0 <= u_m - 2 Gamma c_m <= L_m <= u_m for every context and action, since the truly worst action
  may stand for the zero;
* theorem 2, Nash, J = E_s prod_m u_m, the policy that maximises E_s prod_m L_m. One factor after
  another, J* - J <= E_s [prod u(s, pi*) - prod L(s, pi*)]
  <= 2 Gamma E_s sum_m c_m(s, pi*) prod_(k != m) u_k(s, pi*);
* theorem 6, leximin, J = E_s min_m u_m, the policy that maximises E_s min_m L_m:
  J* - J <= 2 Gamma E_s max_m c_m(s, pi*), of which the theorem has the sum over parties;
* theorem 5, utilitarian, J = E_s sum_m u_m, the policy that maximises the least value over the
  sets, counted from acting at random, v = E_s [phi(s, pi(s)) - phi(s, random)]:
  J* - J <= 2 Gamma sum_m |v*| in the norm of Sigma_m^-1.

Called "finite" here, these follow for sure, so that they must hold in 1 - DELTA of the instances;
and so does "sharp", what the first step leaves: W(u(s, pi*)) - W((u - 2 Gamma c)(s, pi*)_+) with W
the product or the minimum, which is never above J* (theorem 5 has no such form: its own is shown).
"printed" is the theorems' form with the constants that the proofs give: 2 M Gamma C* (theorem 5,
shifted C*) and 4 M Gamma U^(M - 1) C* (theorem 2; theorem 6 without the power), C* over the best
policy, each party's worst actions, and those under the least favourable weights, raw, U the largest
utility; for 2 B L in place of U see the table. For policies that decide context by context the
norm of a mean is less than the mean of norms, so that it is measured, not proved, whether
printed forms hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from agents.coverage import coverage
from agents.pessimism import choose, lower_bounds, solve_pessimistic
from baselines.rows import Cell, Finding
from baselines.statistics import interval
from baselines.studies import bandits, grid
from baselines.studies.bandits import LEARNERS, RULES
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.faces import offline
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import LinearLearner
from multiparty_envs.rewards.confidence import ConfidenceSets, distances, metric
from multiparty_envs.rewards.radii import quantile_radius, redrawn
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from baselines.statistics import Estimate

QUESTION = (
    "Do the sub-optimality bounds for Nash, utilitarian and leximin policies hold with their "
    "constants written out, and how loose are they?"
)
GRID = {"parties": (3, 5), "answers": (200, 1_000), "instance": tuple(range(5))}
FULL_GRID = {"parties": (3, 5, 8), "answers": (200, 1_000, 5_000), "instance": tuple(range(10))}

DELTA = 0.1
REPLICATES = 59
"""Answers drawn anew behind the radius."""

CONTEXTS, ACTIONS, FEATURES, RANK = 8, 4, 6, 2

THEOREMS = {
    "nash": "theorem 2, Nash",
    "utilitarian": "theorem 5, utilitarian",
    "leximin": "theorem 6, leximin",
}
FORMS = ("sharp", "finite", "printed")

SLACK = 1e-7
"""Share of the best welfare that counts as rounding; policies are chosen up to that."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return so many instances of every number of parties and answers; 200 at ten seeds."""
    return grid.grid("bandit", seeds, **(FULL_GRID if full else GRID))


def run(cell: Cell) -> Finding:
    """Measure all three theorems with both learners on the same answers."""
    return grid.measured(cell, measure)


def measure(seed: int, parties: int, answers: int, instance: int) -> dict[str, float]:
    """Return, by learner, coverage, and the gap and the bounds of every theorem."""
    key = Streams(seed).key(f"{parties} {answers} {instance}")
    world = bandits.random_bandit(
        features=FEATURES,
        parties=parties,
        rank=RANK,
        seed=key,
        contexts=CONTEXTS,
        actions=ACTIONS,
    )
    data, found = offline(world, answers, key), {"crude": crude(world)}
    for name, learner in bandits.fits(world, data).items():
        sets = oracle_sets(world, data, learner, key)
        values = {"covered": float(sets.contains(world.population.theta).all())}
        values |= {"radius": float(sets.radius[0])}
        for rule, bound in bounds(world, sets).items():
            values |= {f"{rule} {what}": x for what, x in bound._asdict().items()}
        found |= {f"{name} {what}": value for what, value in values.items()}
    return bandits.short(found)


def oracle_sets(
    world: FiniteMDP, data: Comparisons, learner: LinearLearner, seed: int
) -> ConfidenceSets:
    """Return the sets around a fitted learner, as large as its errors about the same questions."""
    truth, sigma = np.asarray(world.population.theta), metric(data)
    rng = Streams(seed).numpy("oracle radius")
    again = redrawn(learner, data, truth, rng, REPLICATES).theta
    return ConfidenceSets(
        learner.fitted, sigma, quantile_radius(distances(sigma, again - truth), DELTA)
    )


class Bound(NamedTuple):
    """One theorem on one instance."""

    gap: float  # J* - J
    best: float  # J*, above which a bound says nothing
    sharp: float
    finite: float
    printed: float


def bounds(world: FiniteMDP, sets: ConfidenceSets) -> dict[str, Bound]:
    """Return each theorem's gap and bounds, by the rule."""
    return {
        "nash": nash(world, sets),
        "utilitarian": utilitarian(world, sets),
        "leximin": leximin(world, sets),
    }


def nash(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 2 for the product of utilities."""
    u, rows = bandits.utilities(world), np.arange(world.num_states)
    best, chosen = _chosen(world, sets, "nash")
    product, radius = u.prod(axis=-1), sets.radius
    at, off = u[rows, best], 2.0 * radius * to_worst(world, sets)[rows, best]  # [S, M]
    others = np.stack([np.delete(at, m, axis=1).prod(axis=1) for m in range(at.shape[1])], axis=1)
    finite = (off * others).sum(axis=1).mean()
    sharp = (at.prod(axis=1) - np.maximum(at - off, 0.0).prod(axis=1)).mean()
    star = coverage(world, sets.sigma, RULES["nash"], sets=sets).raw
    parties = world.num_parties
    printed = 4.0 * parties * radius.max() * float(u.max()) ** (parties - 1) * star
    return _bound(product, best, chosen, (sharp, finite, printed))


def leximin(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 6 for the minimum of utilities."""
    u, rows = bandits.utilities(world), np.arange(world.num_states)
    best, chosen = _chosen(world, sets, "leximin")
    least = u.min(axis=-1)
    at, off = u[rows, best], 2.0 * sets.radius * to_worst(world, sets)[rows, best]  # [S, M]
    sharp = (at.min(axis=1) - np.maximum(at - off, 0.0).min(axis=1)).mean()
    star = coverage(world, sets.sigma, RULES["leximin"], sets=sets).raw
    printed = 4.0 * world.num_parties * float(sets.radius.max()) * star
    return _bound(least, best, chosen, (sharp, off.max(axis=1).mean(), printed))


def _bound(
    worth: np.ndarray, best: np.ndarray, chosen: np.ndarray, forms: tuple[float, float, float]
) -> Bound:
    """Return a bound with the gap between best and chosen actions [S] of worth [S, A]."""
    rows = np.arange(len(worth))
    most, had = worth[rows, best].mean(), worth[rows, chosen].mean()
    return Bound(float(most - had), float(most), *map(float, forms))


def utilitarian(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 5 for the sum of utilities."""
    u = bandits.utilities(world)
    total = u.sum(axis=-1)
    policy = solve_pessimistic(world, sets, RULES["utilitarian"]).policy[0]  # [S, A]
    most = total.max(axis=1).mean()
    gap = most - (policy * total).sum(axis=1).mean()
    features = np.asarray(world.feature_table)
    best = features[np.arange(len(u)), total.argmax(axis=1)]
    zero = np.einsum("sa,sad->sd", world.behaviour, features)
    norms = sets.norm((best - zero).mean(axis=0))  # [M]
    star = coverage(world, sets.sigma, RULES["utilitarian"]).shifted
    printed = 2.0 * world.num_parties * float(sets.radius.max()) * star
    finite = float(2.0 * (sets.radius * norms).sum())
    return Bound(float(gap), float(most), finite, finite, printed)


def _chosen(world: FiniteMDP, sets: ConfidenceSets, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the best actions [S] under the truth, and those by the lower bounds."""
    u, fitted = bandits.utilities(world), bandits.utilities(world, sets.theta)
    low = lower_bounds(sets, world.feature_table)
    return choose(u, RULES[rule], u).action, choose(low, RULES[rule], fitted).action


def to_worst(world: FiniteMDP, sets: ConfidenceSets) -> np.ndarray:
    """Return c [S, A, M]: how well an action is known beside the party's truly worst one."""
    table, worst = np.asarray(world.feature_table), world.party_table.argmin(axis=1)  # [S, M]
    norms = sets.norm(table[:, :, None] - table[:, None])  # [S, A, A, M]
    return np.take_along_axis(norms, worst[:, None, None, :], axis=2)[:, :, 0]


def crude(world: FiniteMDP) -> float:
    """Return how many times larger theorem 2's printed form is with 2 B L in place of U."""
    length = np.linalg.norm(world.feature_table, axis=-1).max()
    size = 2.0 * np.linalg.norm(world.population.theta, axis=0).max() * length
    return float((size / bandits.utilities(world).max()) ** (world.num_parties - 1))


def score(row: Finding) -> float:
    """Return one less the share of the best welfare that pessimistic policies on joint fits lose.

    A mean over the rules; the oracle, 1, loses nothing.
    """
    lost = [
        row.values[f"joint {rule} gap"] / max(row.values[f"joint {rule} best"], 1e-12)
        for rule in RULES
    ]
    return float(np.clip(1.0 - np.mean(lost), 0.0, 1.0))


def holds(row: Finding, name: str, rule: str, form: str) -> bool:
    """Return whether the gap is within the bound."""
    gap, best, bound = (row.values[f"{name} {rule} {what}"] for what in ("gap", "best", form))
    # rows keep four digits
    return gap <= bound * (1.0 + 1e-3) + SLACK * best


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return how often each bound holds, and how loose it is."""
    return [_table(rows, rule) for rule in THEOREMS]


def _table(rows: Sequence[Finding], rule: str) -> Table:
    lines = []
    for name in LEARNERS:
        for parties in sorted({grid.knob(row, "parties") for row in rows}):
            for answers in sorted({grid.knob(row, "answers") for row in rows}):
                here = grid.where(rows, parties=parties, answers=answers)
                lines.append((name, f"{parties}", f"{answers}", *_line(here, name, rule)))
    columns = (
        *("fit", "M", "n", "covered", *(f"{form} holds" for form in FORMS), "lost"),
        *(*(f"{form} / lost" for form in FORMS), "closest", "finite says something"),
    )
    title = (
        f"{THEOREMS[rule]} · delta = {DELTA}; lost: of the best welfare; ratios of means, closest: "
        "the smallest ratio of the sharp form; says something: below the best welfare"
    )
    return Table(title, columns, tuple(lines))


def _line(rows: Sequence[Finding], name: str, rule: str) -> tuple[str, ...]:
    of = _columns(rows, name, rule)
    lost = of["gap"].sum()
    return (
        f"{_share(rows, lambda row: row.values[f'{name} covered'] == 1.0):.3f}",
        *(f"{_share(rows, lambda r, f=form: holds(r, name, rule, f)):.3f}" for form in FORMS),
        f"{lost / of['best'].sum():.3f}",
        *(_ratio(of[form].sum(), lost) for form in FORMS),
        _closest(of["sharp"], of["gap"]),
        f"{(of['finite'] < of['best']).mean():.2f}",
    )


def _columns(rows: Sequence[Finding], name: str, rule: str) -> dict[str, np.ndarray]:
    """Return everything that is known of a theorem, an entry a row."""
    return {
        what: np.array([row.values[f"{name} {rule} {what}"] for row in rows])
        for what in Bound._fields
    }


def _share(rows: Sequence[Finding], of: Callable[[Finding], bool]) -> float:
    return float(np.mean([of(row) for row in rows]))


def _ratio(bound: float, gap: float) -> str:
    return f"{bound / gap:.3g}" if gap > 0.0 else "–"


def _closest(bound: np.ndarray, gap: np.ndarray) -> str:
    lost = gap > 0.0
    return f"{(bound[lost] / gap[lost]).min():.3g}" if lost.any() else "–"


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw what is lost along n beside the bounds, as shares of the best welfare, joint fits."""
    panels = {}
    for rule, title in THEOREMS.items():
        panels[title] = {what: _along(rows, rule, what) for what in ("gap", *FORMS)}
    return grid.curves_figure(panels, x="answers of each party", y="share of the best welfare")


def _along(rows: Sequence[Finding], rule: str, what: str) -> dict[float, Estimate]:
    found = {}
    for answers in sorted({grid.knob(row, "answers") for row in rows}):
        here = grid.where(rows, answers=answers)
        share = [
            row.values[f"joint {rule} {what}"] / row.values[f"joint {rule} best"] for row in here
        ]
        found[answers] = interval(share)
    return found


def verdict(rows: Sequence[Finding]) -> str:
    """Say how often all weights are in their sets, and how often each bound holds."""
    return "\n".join(f"- {_said(rows, name)}" for name in LEARNERS)


def _said(rows: Sequence[Finding], name: str) -> str:
    inside = [row for row in rows if row.values[f"{name} covered"] == 1.0]
    told = [_of_theorem(rows, inside, name, rule) for rule in THEOREMS]
    crude_ = float(np.median([row.values["crude"] for row in rows]))
    return (
        f"{name.capitalize()} fits, {len(rows)} instances: all weights are in their sets in "
        f"{len(inside)} (aimed at: {1.0 - DELTA:.0%}). {' '.join(told)} With 2 B L in place of the "
        f"largest utility theorem 2's printed form is another {crude_:.3g} times larger (median)."
    )


def _of_theorem(rows: Sequence[Finding], inside: Sequence[Finding], name: str, rule: str) -> str:
    held = {form: sum(holds(row, name, rule, form) for row in rows) for form in FORMS}
    broken = sum(not holds(row, name, rule, "sharp") for row in inside)
    of, title = _columns(rows, name, rule), THEOREMS[rule]
    times = {form: _ratio(of[form].sum(), of["gap"].sum()) for form in FORMS}
    told = ", ".join(
        f"{form} holds in {held[form]}, {times[form]} times what is lost" for form in FORMS
    )
    return (
        f"{title[0].upper()}{title[1:]}: {told} (means; {_closest(of['sharp'], of['gap'])} at the "
        f"closest); where all weights are in their sets the sharp form fails in {broken}. The "
        f"finite form is below the best welfare in {(of['finite'] < of['best']).mean():.0%}."
    )
