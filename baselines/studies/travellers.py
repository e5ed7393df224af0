"""Real people: how well the held-out answers of each are predicted by each way of learning.

Two panels of recorded choices (`multiparty_envs.data`): 235 Dutch rail travellers choosing between
two journeys, and 361 households choosing one of four electricity suppliers. A random third of
each person's answers is held out. A row's accuracy is the share of them predicted right, and its
regret in "log-likelihood" the log loss per answer, which certainty of each would save.

Where the structures stand, and why (figures in `docs/results/travellers.md`):

* Hierarchical is the best: with some eight answers a person, how much to believe each is the whole
  question, and the fitted spread of tastes answers it direction by direction.
* Low rank through the origin, as in [Zhong2024], spends a rank on what all share and is biased,
  since people differ in all directions. Around a mean it is good, at nearly full rank: what
  helps is the shrinkage, not the rank.
* A mixture comes near on the travellers: kinds of people are known well from their answers
  together. But people do not come in kinds, and with more features it falls behind.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.plots import INK, figure_of, styled
from baselines.rows import Cell, Row
from baselines.statistics import Estimate, interval
from baselines.summary import Table
from multiparty_envs.data import load
from multiparty_envs.feedback import Comparisons, Rankings
from multiparty_envs.rewards import LinearLearner, make_learner
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = (
    "Real people answered: how many of the answers held out are predicted right, by one reward "
    "for all, one for each, and by what lies between?"
)
PANELS = {"train": 2, "electricity": 4}
"""Panels of recorded choices, and how many alternatives a choice has."""

LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pooled": ("pooled", {}),
    "independent": ("independent", {}),
    "low-rank": ("low-rank", {}),
    "low-rank + mean": ("low-rank", {"mean": True}),
    "mixture": ("mixture", {}),
    "hierarchical": ("hierarchical", {}),
}
"""Row of the table -> name and settings of the learner."""

HELD_OUT = 1 / 3
LOSS = "log-likelihood"


def cells(seeds: int) -> list[Cell]:
    """Return every learner on both panels, on as many random splits as `seeds`."""
    return [
        Cell(panel, learner, "none", seed)
        for seed in range(seeds)
        for panel in reversed(PANELS)  # the slow one first
        for learner in reversed(LEARNERS)
    ]


def run(cell: Cell) -> Row:
    """Fit a learner to a split and predict what was held out."""
    begun = time.perf_counter()
    train, test = _split(cell.env, cell.seed)
    name, settings = LEARNERS[cell.method]
    learner = make_learner(name, **settings).fit(train)
    assert isinstance(learner, LinearLearner)
    right = learner.accuracy(test)
    person = _by_person(right, test)
    worst = person <= np.nanquantile(person, 0.1)
    return Row(
        cell=cell,
        labels=len(train),
        **_of_no_policy(),
        regrets={LOSS: -float(learner.log_likelihood(test).mean())},
        accuracy_majority=float(right.mean()),
        accuracy_minority=float(person[worst].mean()),
        accuracy=tuple(map(float, person)),
        minority=tuple(map(bool, worst)),
        seconds=time.perf_counter() - begun,
    )


def _of_no_policy() -> dict[str, Any]:
    """Fields of a row that only a policy has."""
    nothing = float("nan")
    missing = dict.fromkeys(("utilitarian", "nash", "worst", "regret"), nothing)
    return {**missing, "nash_floors": 0, "returns": ()}


def score(row: Row) -> float:
    """Return the accuracy between guessing (0) and knowing every answer (1), in [0, 1]."""
    guess = 1.0 / PANELS[row.cell.env]
    return float(np.clip((row.accuracy_majority - guess) / (1.0 - guess), 0.0, 1.0))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return one table a panel: accuracy, log-likelihood and the worst-served tenth."""
    return [_table(panel, rows) for panel in PANELS if _learners(rows, panel)]


def _table(panel: str, rows: Sequence[Row]) -> Table:
    runs = len({row.cell.seed for row in rows})
    columns = ("learner", "accuracy", "log-likelihood", "worst-served tenth", "score", "seconds")
    lines = []
    for learner, of in _learners(rows, panel).items():
        measures = (
            [row.accuracy_majority for row in of],
            [-row.regrets[LOSS] for row in of],
            [row.accuracy_minority for row in of],
            [score(row) for row in of],
        )
        numbers = tuple(_three(interval(values)) for values in measures)
        lines.append((learner, *numbers, f"{np.mean([row.seconds for row in of]):.2f}"))
    people = f"{len(load(panel).people)} people, {len(load(panel))} choices of {PANELS[panel]}"
    title = f"Held-out answers · {panel}: {people} · mean of {runs} splits"
    return Table(title, columns, tuple(lines))


@styled
def figure(rows: Sequence[Row]) -> Figure:
    """Draw the accuracy of every learner on each panel, with its interval."""
    figure, axes = figure_of(2, width=8.0, height=2.6)
    for axis, panel in zip(axes, PANELS, strict=True):
        learners = _learners(rows, panel)
        for place, of in enumerate(learners.values()):
            found = interval([row.accuracy_majority for row in of])
            error = np.nan_to_num([[found.value - found.low], [found.high - found.value]])
            axis.errorbar(found.value, place, xerr=error, marker="o", color=INK, capsize=2)
        axis.set_yticks(range(len(learners)), learners if axis is axes[0] else [])
        axis.set_xlabel(f"{panel}: held-out answers predicted")
    return figure


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in a sentence a panel."""
    return " ".join(_sentence(panel, rows) for panel in PANELS if _learners(rows, panel))


def _sentence(panel: str, rows: Sequence[Row]) -> str:
    found = {
        learner: float(np.mean([row.accuracy_majority for row in of]))
        for learner, of in _learners(rows, panel).items()
    }
    best = max(found, key=lambda learner: found[learner])
    return (
        f"{panel.capitalize()}: one reward for all predicts {100 * found['pooled']:.1f} % of the "
        f"held-out answers, the best learner ({best}) {100 * found[best]:.1f} %."
    )


def _learners(rows: Sequence[Row], panel: str) -> dict[str, list[Row]]:
    """The rows of every learner that has been run on a panel, in the order of the table."""
    cells = {
        name: [row for row in rows if (row.cell.env, row.cell.method) == (panel, name)]
        for name in LEARNERS
    }
    return {name: of for name, of in cells.items() if of}


def _three(estimate: Estimate) -> str:
    bounds = "" if np.isnan(estimate.low) else f" [{estimate.low:.3f}, {estimate.high:.3f}]"
    return f"{estimate.value:.3f}{bounds}"


def _by_person(values: np.ndarray, test: Comparisons | Rankings) -> np.ndarray:
    """[M] mean of `values` [K] over each person's answers; NaN where none was held out."""
    total = np.bincount(test.party, values, minlength=test.num_parties)
    with np.errstate(invalid="ignore"):
        return total / test.counts


@cache
def _split(panel: str, seed: int) -> tuple[Any, Any]:
    recorded = load(panel)
    kind = Comparisons if PANELS[panel] == 2 else Rankings
    rng = Streams(seed).numpy("held-out third")
    return kind.from_choices(recorded).split(HELD_OUT, rng)
