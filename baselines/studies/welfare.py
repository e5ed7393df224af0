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

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from agents.planning import solve
from baselines.rows import Cell, Finding
from baselines.statistics import interval
from baselines.studies import grid
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.faces import offline
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import Independent
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Leximin, Nash, Utilitarian, Welfare, zero_normalised

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

LEVELS: tuple[str, ...] = ("step", "episode", "policy")
RULES: tuple[str, ...] = ("utilitarian", "nash", "leximin")
METRICS: tuple[str, ...] = ("mean", "geo", "worst")
"""What each of the rules maximises: mean, geometric mean, and smallest utility."""

OWN: dict[str, str] = dict(zip(RULES, METRICS, strict=True))
LENGTH = 3.0
"""Of the parties' weights: features have length one, so answers are well told from noise."""

LOUD = 10.0
"""Unit of the scale outlier."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every profile, with the true rewards and with learned ones."""
    axes = FULL_GRID if full else GRID
    return [
        *grid.grid("bandit", seeds, ("conflict",), cos=COSINES, **axes),
        *grid.grid("bandit", seeds, OTHERS, **axes),
    ]


def run(cell: Cell) -> Finding:
    """Measure all rules at all levels on one profile."""
    return grid.measured(cell, lambda seed, n, cos=0.0: _measure(cell.method, seed, n, cos))


def _measure(profile: str, seed: int, n: int, cos: float) -> dict[str, float]:
    world = build(profile, seed, cos)
    truth = world.party_table
    seen = truth if n == 0 else _learned(world, n, Streams(seed).key("answers"))
    values: dict[str, float] = {}
    for level in LEVELS:
        for rule in RULES:
            found = _evaluate(zero_normalised(truth), _choose(zero_normalised(seen), rule, level))
            values |= {f"{level} {rule} {m}": found[level][m] for m in METRICS}
            if n:
                best = _choose(zero_normalised(truth), rule, level)
                reached = _evaluate(zero_normalised(truth), best)[level]
                values[f"{level} {rule} oracle"] = reached[OWN[rule]]
        values[f"{level} between"] = float(_is_between(values, level))
    if n == 0:
        values |= _outlier(profile, truth)
        values |= _moved(truth, Streams(seed).numpy("units"))
    return {name: float(f"{value:.5g}") for name, value in values.items()}


def build(profile: str, seed: int, cos: float = 0.0) -> FiniteMDP:
    """Return the world of a profile."""
    if profile in ("compromise", "mixture"):
        third = 0.9 if profile == "compromise" else 0.4
        payoffs = np.array([[1.0, 0.0], [0.0, 1.0], [third, third]])
        return linear_bandit(features=np.eye(3)[None], theta=payoffs)
    rng = Streams(seed).numpy("profile")
    features = rng.standard_normal((8, 5, 4))
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    theta = LENGTH * _weights(profile, rng, cos)
    if profile == "zero":
        # a feature that all actions of a context share: a zero of one's own in each context
        shift = np.broadcast_to(rng.normal(0.0, LENGTH, (8, 1, 1)), (8, 5, 1))
        features = np.concatenate([features, shift], axis=-1)
        theta = np.vstack([theta, np.eye(theta.shape[1])[-1]])
    return linear_bandit(features=features, theta=theta)


def _weights(profile: str, rng: np.random.Generator, cos: float) -> np.ndarray:
    """Return the weights [4, M] of length one, but for the scale outlier's."""
    if profile in ("conflict", "majority"):
        first, second = np.linalg.qr(rng.standard_normal((4, 2)))[0].T
        cos = cos if profile == "conflict" else -0.5
        pair = np.array([first, cos * first + np.sqrt(1.0 - cos**2) * second]).T
        return pair if profile == "conflict" else np.repeat(pair, (8, 2), axis=1)
    count = {"three": 3, "five": 5}.get(profile, 4)
    drawn = rng.standard_normal((4, count))
    drawn /= np.linalg.norm(drawn, axis=0)
    return drawn * np.where((np.arange(count) == 3) & (profile == "scale"), LOUD, 1.0)


def _learned(world: FiniteMDP, n: int, seed: int) -> np.ndarray:
    fitted = Independent().fit(offline(world, n, seed))
    return np.asarray(fitted.rewards(Steps(None, None, world.feature_table)))


def _choose(u: np.ndarray, rule: str, level: str) -> np.ndarray:
    """Return the chances [S, A, A] of an episode's two actions that are best for utilities u."""
    if level == "policy":
        table = _mixture(u, rule)
        return table[:, :, None] * np.eye(u.shape[1])  # one draw an episode, done twice
    states, actions = u.shape[:2]
    if level == "step":
        at = _best(u, rule)
        first = second = at
    else:
        pairs = (u[:, :, None] + u[:, None]) / 2.0
        first, second = np.divmod(_best(pairs.reshape(states, -1, u.shape[2]), rule), actions)
    chances = np.zeros((states, actions, actions))
    chances[np.arange(states), first, second] = 1.0
    return chances


def _best(u: np.ndarray, rule: str) -> np.ndarray:
    """Return the best of N options [S] by their utilities [S, N, M]; of equal ones the first."""
    if rule == "utilitarian":
        return u.mean(axis=-1).argmax(axis=1)
    if rule == "nash":
        return u.prod(axis=-1).argmax(axis=1)
    ranked = np.round(np.sort(u, axis=-1), 9)
    # the last of lexsort's keys comes first, and the last of its places is the largest
    return np.array([np.lexsort(options.T[::-1])[-1] for options in ranked])


def _mixture(u: np.ndarray, rule: str) -> np.ndarray:
    """Return the chances [S, A] of the actions that are best for expected utilities."""
    kinds: dict[str, Welfare] = {
        "utilitarian": Utilitarian(),
        "nash": Nash(eps=1e-6),
        "leximin": Leximin(),
    }
    world = linear_bandit(features=u, theta=np.eye(u.shape[-1]))
    return solve(world, kinds[rule]).policy[0]


def _evaluate(u: np.ndarray, chances: np.ndarray) -> dict[str, dict[str, float]]:
    """Return what a policy [S, A, A] gives at each level, in each metric."""
    one = np.einsum("sab,sam->sm", chances, u)
    expected = (one + np.einsum("sab,sbm->sm", chances, u)).mean(axis=0) / 2.0
    alone = chances.sum(axis=2)
    pairs = (u[:, :, None] + u[:, None]) / 2.0
    steps = (alone + chances.sum(axis=1)) / 2.0
    return {
        "step": {m: float((steps * _metric(u, m)).sum(axis=1).mean()) for m in METRICS},
        "episode": {
            m: float((chances * _metric(pairs, m)).sum(axis=(1, 2)).mean()) for m in METRICS
        },
        "policy": {m: float(_metric(expected, m)) for m in METRICS},
    }


def _metric(u: np.ndarray, name: str) -> np.ndarray:
    if name == "mean":
        return u.mean(axis=-1)
    if name == "worst":
        return u.min(axis=-1)
    return np.maximum(u, 0.0).prod(axis=-1) ** (1.0 / u.shape[-1])


def _is_between(values: dict[str, float], level: str) -> bool:
    """Return whether Nash welfare lies between the other two in mean and in the worst utility."""
    found = {m: [values[f"{level} {rule} {m}"] for rule in RULES] for m in ("mean", "worst")}
    falls = all(a >= b - 1e-6 for a, b in itertools.pairwise(found["mean"]))
    rises = all(a <= b + 1e-6 for a, b in itertools.pairwise(found["worst"]))
    return falls and rises


def _outlier(profile: str, truth: np.ndarray) -> dict[str, float]:
    """Return what the last party has of its own best, policy level, by rule, and if it were usual.

    Of the scale outlier: with its unit, and with everybody's. Of the zero outlier under leximin at
    step level, what the worst has with and without zero normalisation.
    """
    if profile == "zero":
        u = zero_normalised(truth)
        raw = _evaluate(u, _choose(truth - truth.min(), "leximin", "step"))
        return {"step leximin raw worst": raw["step"]["worst"]}
    if profile != "scale":
        return {}
    u, values = zero_normalised(truth), {}
    usual = u / np.where(np.arange(u.shape[-1]) == u.shape[-1] - 1, LOUD, 1.0)
    for rule in RULES:
        for name, table in (("loud", u), ("usual", usual)):
            mine = np.einsum("sa,sa->s", _mixture(table, rule), u[..., -1]).mean()
            values[f"{rule} {name}"] = float(mine / u[..., -1].max(axis=1).mean())
    return values


def _moved(truth: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Return how far each rule's policy moves when every party has another unit and other zeros.

    At policy level, the largest change of a party's expected utility, as a share of its own best,
    and what that costs of the rule's own welfare in the old units, as a share of it; at step level
    the share of the states in which another action is taken.
    """
    parties = truth.shape[-1]
    changed = np.geomspace(0.2, 5.0, parties) * truth + rng.normal(size=(len(truth), 1, parties))
    before, after = zero_normalised(truth), zero_normalised(changed)
    best = before.max(axis=1).mean(axis=0)
    values = {}
    for rule in RULES:
        mean = [
            np.einsum("sa,sam->m", _mixture(u, rule), before) / len(truth) for u in (before, after)
        ]
        values[f"{rule} moved"] = float((np.abs(mean[0] - mean[1]) / best).max())
        own = [float(_metric(each, OWN[rule])) for each in mean]
        values[f"{rule} lost"] = 1.0 - own[1] / own[0]
        values[f"{rule} other"] = float((_best(before, rule) != _best(after, rule)).mean())
    return values


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
