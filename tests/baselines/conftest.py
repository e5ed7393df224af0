"""Made-up rows: what tables, plots and reports are tested with, without running anything."""

import sys

import numpy as np
import pytest

from baselines.methods import DEFAULT_METHODS, parse_method
from baselines.rows import Cell, Row


@pytest.fixture(autouse=True)
def closed_figures():
    """Of figures that a test looks at, none is left open for the tests after it."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


def _made_up(cell: Cell, parties: int) -> Row:
    method = parse_method(cell.method)
    rng = np.random.default_rng([len(cell.method), cell.seed, cell.labels, parties])
    learned = method.kind == "learned"
    returns = rng.uniform(0.0, 1.0, parties)
    accuracy = rng.uniform(0.4, 1.0, parties) if learned else np.full(parties, np.nan)
    minority = np.arange(parties) >= 0.8 * parties
    regrets = {name: 0.1 + rng.uniform() for name in ("utilitarian", "nash", "max-min")}
    return Row(
        cell=cell,
        labels=(cell.labels or 160) if learned else 0,
        utilitarian=float(returns.mean()),
        nash=float(np.exp(np.log(returns).mean())),
        nash_floors=0,
        worst=float(returns.min()),
        regret=regrets.get(method.welfare, float("nan")),
        regrets=regrets,
        accuracy_majority=float(accuracy[~minority].mean()),
        accuracy_minority=float(accuracy[minority].mean()),
        returns=tuple(map(float, returns)),
        accuracy=tuple(map(float, accuracy)),
        minority=tuple(map(bool, minority)),
        seconds=1.0,
    )


@pytest.fixture(scope="session")
def make_rows():
    """Return a function that makes rows of every method on two environments."""

    def make(seeds: int = 3, labels: int = 0, methods=DEFAULT_METHODS, optimiser="ppo"):
        bounds = {"random": "none", "oracle": "exact"}
        return [
            _made_up(
                Cell(env, name, bounds.get(name.split("+")[0], optimiser), seed, labels=labels),
                parties,
            )
            for env, parties in (("Timetable-v0", 60), ("Delivery-v0", 5))
            for name in methods
            for seed in range(seeds)
        ]

    return make
