"""Ways of being cautious, compared at the same answers: regret along n, and do the bounds hold?

The bandit of the study `pessimism` (20 contexts, 4 arms, the last one rarely compared) with five
parties. Four fifths of their tastes' variance is common to all, and they answer unequally often:
party m gives a share of the answers in proportion to 1 / m. Utilities count from the first arm,
the status quo. Rewards are fitted to each party alone.

What is taken off what was learned:

* plug-in: nothing.
* common radius: one radius for all parties' ellipsoids, simultaneous bootstrap at 95 %.
* own radii: the same studentised, about as 1 / sqrt(n_m).
* own radii, half: multiplied by 0.5.
* Hessian errors: 1.96 standard errors of each bound by itself, from the learner's covariance.
* ensemble: the least of ten fits to answers drawn again with replacement.
* likelihood ratio: the least under any theta whose likelihood has not dropped by more than half
  the chi-squared quantile, for all parties at once.
* value level: own radii around the expected features of the whole policy instead of each action;
  of the utilitarian welfare alone, whose levels are the same.
* KL beta: no bounds; the Gibbs policy of the plug-in welfare around the behaviour policy, with a
  price of beta a nat: caution by staying near.

Regret is the share of the optimal welfare of steps that is missed. *holds* is the share of bounds
(context, arm, party) that are below the truth, *all hold* whether all of them are at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from agents.pessimism import choose, lower_bounds, solve_pessimistic, welfare_of_profiles
from agents.regularised import gibbs
from baselines.rows import Cell, Finding
from baselines.statistics import interval
from baselines.studies import asking
from baselines.studies.grid import along, curves_figure, grid, knob, measured, spread
from baselines.studies.pessimism_worlds import WELFARES, bandit_features
from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.rewards.likelihood_ratio import likelihood_ratio_bounds
from multiparty_envs.rewards.radii import bootstrap_errors
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Utilitarian

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "Of the ways to be cautious about learned rewards, which loses the least welfare as answers "
    "come in, and whose lower bounds hold as often as they say?"
)
GRID = {"n": (25, 50, 100, 200, 400, 800)}
"""Answers of a party, on average."""
FULL_GRID = {"n": (25, 50, 100, 200, 400, 800, 1_600), "skew": (1.0, 0.1, 0.01, 0.003)}
SKEW = 0.01
PARTIES, REPLICATES, HEADS, DELTA = 5, 99, 10, 0.05
BETAS = (0.02, 0.1, 0.5)
BOUNDED = (
    "plug-in",
    "common radius",
    "own radii",
    "own radii, half",
    "Hessian errors",
    "ensemble",
    "likelihood ratio",
)
METHODS = (*BOUNDED, "value level", *(f"KL {beta:g}" for beta in BETAS))
DRAWN = tuple(each for each in METHODS if each not in ("common radius", "KL 0.02", "KL 0.5"))
"""In the figure, which has no colours for more."""


def cells(seeds: int, full: bool = False) -> list[Cell]:
    """Return every n (and skew, of the larger grid); one cell measures all methods."""
    axes: Mapping[str, Sequence[float]] = FULL_GRID if full else GRID
    return grid("bandit", seeds, ("all",), **axes)


def run(cell: Cell) -> Finding:
    """Draw a world and answers, and measure every method on them."""
    return measured(cell, measure)


def measure(seed: int, n: int, skew: float = SKEW) -> dict[str, float]:
    """Return every method's regret for each welfare function, and how often its bounds hold."""
    streams = Streams(seed)
    mdp, rng = bandit(streams, skew), streams.numpy("answers")
    answers = asking.about_actions(mdp, counts(n), rng)
    learner = Independent().fit(answers)
    status_quo = np.zeros((mdp.num_states, mdp.num_actions))
    status_quo[:, 0] = 1.0
    truth = mdp.party_table - mdp.party_table[:, :1]
    lower, sets = all_bounds(mdp, learner, answers, rng)
    found = {}
    for method, bounds in lower.items():
        choices = {
            name: choose(bounds, welfare, lower["plug-in"]).policy
            for name, welfare in WELFARES.items()
        }
        found |= _regrets(method, choices, truth)
        below = (bounds <= truth + 1e-9)[:, 1:]  # the first arm is the zero itself
        found[f"{method} holds"], found[f"{method} all hold"] = below.mean(), below.all()
    valued = solve_pessimistic(mdp, sets, Utilitarian(), reference=status_quo)
    found |= _regrets("value level", {"utilitarian": valued.policy[0]}, truth)
    for beta in BETAS:
        near = {
            name: gibbs(welfare_of_profiles(welfare, lower["plug-in"]), mdp.behaviour, beta)[1]
            for name, welfare in WELFARES.items()
        }
        found |= _regrets(f"KL {beta:g}", near, truth)
    return {name: float(f"{float(value):.4g}") for name, value in found.items()}


def counts(n: int) -> np.ndarray:
    """Return [M] answers of each party, n on average, in proportion to 1, 1/2, 1/3, ….

    At least two.
    """
    share = 1.0 / np.arange(1, PARTIES + 1)
    return np.maximum(np.rint(n * PARTIES * share / share.sum()).astype(np.int64), 2)


def bandit(streams: Streams, skew: float) -> FiniteMDP:
    """Return the bandit of the study `pessimism` with five parties who agree more."""
    rng = streams.numpy("world")
    features = bandit_features(rng)
    theta = (2.0 * rng.standard_normal((5, 1)) + rng.standard_normal((5, PARTIES))) / np.sqrt(5.0)
    theta[-1] -= 1.0
    return linear_bandit(features=features, theta=theta, coverage=skew)


def all_bounds(
    mdp: FiniteMDP, learner: Independent, answers: Comparisons, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], ConfidenceSets]:
    """Return each method's bounds [S, A, M] of utilities from the first arm, and the own sets."""
    features = np.asarray(mdp.feature_table)
    difference = features - features[:, :1]
    flat = difference.reshape(-1, mdp.num_features)
    shape = (*features.shape[:2], PARTIES)
    sets = ConfidenceSets.of(learner, answers)
    drawn = bootstrap_errors(learner, answers, rng, replicates=REPLICATES)
    common, own = drawn.radius(studentised=False), drawn.radius()
    status_quo = np.broadcast_to(np.eye(shape[1])[0], shape[:2])

    def of(radius: np.ndarray | float) -> np.ndarray:
        return lower_bounds(sets.with_radius(radius), features, reference=status_quo)

    errors = np.sqrt(np.einsum("bi,mij,bj->bm", flat, learner.covariance_, flat))
    drop = float(stats.chi2.ppf((1.0 - DELTA) ** (1.0 / PARTIES), df=mdp.num_features)) / 2.0
    bounds = {
        "plug-in": of(0.0),
        "common radius": of(common),
        "own radii": of(own),
        "own radii, half": of(0.5 * own),
        "Hessian errors": (flat @ learner.theta_ - 1.96 * errors).reshape(shape),
        "ensemble": (difference @ heads(answers, rng)).min(axis=0),
        "likelihood ratio": likelihood_ratio_bounds(answers, flat, drop).reshape(shape),
    }
    bounds["likelihood ratio"][:, 0] = 0.0
    return bounds, sets.with_radius(own)


def heads(answers: Comparisons, rng: np.random.Generator) -> np.ndarray:
    """Return [B, 1, D, M], fits to each party's answers drawn again with replacement.

    All at once: the parties of each head are so many parties more.
    """
    order = np.argsort(answers.party, kind="stable")
    start = np.cumsum(answers.counts) - answers.counts
    party = np.tile(answers.party[order], HEADS)
    drawn = start[party] + (rng.random(len(party)) * answers.counts[party]).astype(np.int64)
    again = answers.subset(order[drawn])
    number = np.repeat(np.arange(HEADS), len(answers)) * PARTIES
    many = Comparisons(
        segments=again.segments,
        first=again.first,
        second=again.second,
        party=again.party + number,
        label=again.label,
        num_parties=HEADS * PARTIES,
    )
    theta = Independent().fit(many).theta_
    return theta.T.reshape(HEADS, PARTIES, -1).swapaxes(1, 2)[:, None]


def _regrets(
    method: str, policies: Mapping[str, np.ndarray], truth: np.ndarray
) -> dict[str, float]:
    """Return the shares of welfare missed by policies [S, A], by the name of the welfare."""
    found = {}
    for name, policy in policies.items():
        worth = welfare_of_profiles(WELFARES[name], truth)
        best = worth.max(axis=1).mean()
        found[f"{method} {name}"] = 1.0 - (policy * worth).sum(axis=1).mean() / best
    return found


def score(row: Finding) -> float:
    """Return 1 - regret of own radii, mean over welfare functions, clipped to [0, 1]."""
    missed = [row.values[f"own radii {name}"] for name in WELFARES]
    return float(np.clip(1.0 - np.mean(missed), 0.0, 1.0))


def area(rows: Sequence[Finding], value: str) -> list[float]:
    """Return the mean of a value over log n by the trapezoid rule, for each seed (and skew)."""
    groups: dict[tuple, list[tuple[float, float]]] = {}
    for row in rows:
        if value in row.values:
            key = (row.cell.seed, dict(row.cell.knobs).get("skew"))
            groups.setdefault(key, []).append((np.log(knob(row, "n")), row.values[value]))
    return [_mean_height(*map(np.array, zip(*sorted(of), strict=True))) for of in groups.values()]


def _mean_height(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) == 1:
        return float(y[0])
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))


def tables(rows: Sequence[Finding]) -> list[Table]:
    """Return the area under each regret curve, and how often bounds hold by n."""
    runs = len({row.cell.seed for row in rows})
    lines = tuple(
        (method, *(spread(interval(area(rows, f"{method} {name}"))) for name in WELFARES))
        for method in METHODS
    )
    title = f"Area under (log n, regret): mean regret over log n · {runs} seeds"
    sizes = sorted({knob(row, "n") for row in rows})
    columns = ("bounds", *(f"n = {n}" for n in sizes))
    return [
        Table(title, ("method", *WELFARES), lines),
        _calibration(rows, "holds", "Bounds that hold, %", columns),
        _calibration(rows, "all hold", "Data sets whose bounds all hold, %", columns),
    ]


def _calibration(rows: Sequence[Finding], kind: str, title: str, columns: tuple[str, ...]) -> Table:
    lines = tuple(
        (
            method,
            *(f"{100 * each.value:.1f}" for each in along(rows, "n", f"{method} {kind}").values()),
        )
        for method in BOUNDED
    )
    return Table(title, columns, lines)


def figure(rows: Sequence[Finding]) -> Figure:
    """Draw every method's regret by n, a panel a welfare function."""
    panels = {
        name: {
            method: along(rows, "n", f"{method} {name}")
            for method in DRAWN
            if all(f"{method} {name}" in row.values for row in rows)
        }
        for name in WELFARES
    }
    return curves_figure(panels, x="answers of a party, on average", y="regret", log_y=False)


def verdict(rows: Sequence[Finding]) -> str:
    """Return the best method for each welfare function, against the plug-in, and calibration."""
    told = [_best_sentence(rows, name) for name in WELFARES]
    own = [
        f"Own radii save {_saved(rows, 'own radii', 'common radius', name)} ({name})"
        for name in WELFARES
    ]
    told.append(f"{', '.join(own)} against a common one.".replace(", Own radii save", ","))
    saved = _saved(rows, "value level", "own radii", "utilitarian")
    told.append(f"Bounds of the whole policy's value save {saved} against bounds of each action's.")
    held = [
        f"{method} {100 * np.mean([row.values[f'{method} all hold'] for row in rows]):.0f} %"
        for method in BOUNDED
    ]
    return " ".join(told) + f" All bounds held at once in: {', '.join(held)} of the data sets."


def _saved(rows: Sequence[Finding], ours: str, theirs: str, welfare: str) -> str:
    """Return how much less area one method's regret has than another's, seed by seed."""
    mine, other = (area(rows, f"{method} {welfare}") for method in (ours, theirs))
    return spread(interval(np.subtract(other, mine)))


def _best_sentence(rows: Sequence[Finding], welfare: str) -> str:
    found = {method: area(rows, f"{method} {welfare}") for method in METHODS}
    found = {method: values for method, values in found.items() if values}
    best = min(found, key=lambda method: float(np.mean(found[method])))
    saved = interval(np.subtract(found["plug-in"], found[best]))
    return (
        f"{welfare.capitalize()}: the least regret over log n has {best}, "
        f"{spread(interval(found[best]))}; the plug-in's is {spread(saved)} more."
    )
