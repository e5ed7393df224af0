"""Parity: with the same settings our PPO and stable-baselines3's learn equally well.

Both raise the utilitarian welfare, the mean of the parties' true returns, by the same settings on
the same world. What remains different: ours cuts the gradients of actor and critic to length one
by one, theirs together; our critic's error is in units of the returns; and theirs divides
advantages by the spread of the minibatch, ours by that of the batch.

A row's utilitarian is the mean return from what random actions give (0) to the best that is known
(1).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from baselines.plots import INK, figure_of, styled
from baselines.races.cartpole import CartPole
from baselines.races.settings import ZOO, SB3Settings, as_config
from baselines.rows import Cell, Row
from baselines.statistics import Estimate, improvement, interval
from baselines.summary import Table
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.registration import make_dynamics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "With the same settings, does our PPO learn what that of stable-baselines3 learns?"

OPTIMISERS = {"ppo": "ours", "sb3": "stable-baselines3"}
EPISODES = 500
"""By which a policy is judged: as it acts in training, drawing its actions."""


class World(NamedTuple):
    """A world, and how both train on it."""

    make: Callable[[], Dynamics]
    judge: Callable[[], Dynamics]  # the world in which what was learned is judged
    settings: SB3Settings
    steps: int
    low: float  # mean return of random actions
    high: float  # of the best policy that is known


WORLDS = {
    # learned as the zoo of stable-baselines3 does, with a discount that makes values small; without
    # one, theirs would be slowed down by errors in the hundreds, which ours puts in units
    "CartPole": World(
        lambda: CartPole(discount=0.98),
        CartPole,
        ZOO,
        100_000,
        low=22.5,
        high=500.0,
    ),
    "Delivery-v0": World(
        lambda: make_dynamics("Delivery-v0"),
        lambda: make_dynamics("Delivery-v0"),
        SB3Settings(n_envs=64, n_steps=18, batch_size=288, learning_rate=1e-3, ent_coef=0.01),
        50_000,
        low=0.144,
        high=2.314,
    ),
    "Thermostat-v0": World(
        lambda: make_dynamics("Thermostat-v0"),
        lambda: make_dynamics("Thermostat-v0"),
        SB3Settings(n_envs=48, n_steps=48, batch_size=288, learning_rate=1e-3),
        100_000,
        low=3.3,
        high=17.1,
    ),
}


def cells(seeds: int) -> list[Cell]:
    """Return both trainers on every world."""
    return [
        Cell(name, "oracle+utilitarian", optimiser, seed, steps=world.steps)
        for seed in range(seeds)
        for name, world in WORLDS.items()
        for optimiser in reversed(OPTIMISERS)  # the slow one first
    ]


def run(cell: Cell) -> Row:
    """Train and judge."""
    from agents import ppo, sb3
    from agents.evaluation import evaluate
    from multiparty_envs.streams import Streams
    from multiparty_envs.welfare import make_welfare

    begun = time.perf_counter()
    world = WORLDS[cell.env]
    streams = Streams(cell.seed)
    trainer = {"ppo": ppo, "sb3": sb3}[cell.optimiser]
    policy = trainer.train(
        world.make(),
        welfare=make_welfare("utilitarian"),
        config=as_config(world.settings, cell.steps),
        seed=streams.key(cell.optimiser),
    )
    returns = evaluate(world.judge(), policy, EPISODES, streams.key("judged"))
    reached = (float(returns.mean.mean()) - world.low) / (world.high - world.low)
    return _row(cell, reached, time.perf_counter() - begun)


def _row(cell: Cell, reached: float, seconds: float) -> Row:
    """Return a row without what only learned rewards have."""
    missing = dict.fromkeys(("nash", "worst", "regret"), float("nan"))
    return Row(
        cell=cell,
        labels=0,
        utilitarian=reached,
        nash_floors=0,
        regrets={},
        accuracy_majority=float("nan"),
        accuracy_minority=float("nan"),
        returns=(),
        accuracy=(),
        minority=(),
        seconds=seconds,
        **missing,
    )


def score(row: Row) -> float:
    """Return the utilitarian return between random actions (0) and the best known (1)."""
    return float(np.clip(row.utilitarian, 0.0, 1.0))


def tables(rows: Sequence[Row]) -> list[Table]:
    """Return what both reach on each world, and how often a run of ours beats one of theirs."""
    columns = ("world", *OPTIMISERS.values(), "P(ours better)", "same within intervals")
    lines = []
    for name in _worlds(rows):
        found = [_reached(rows, name, optimiser) for optimiser in OPTIMISERS]
        better = improvement(*found)
        same = "yes" if _same(better) else "no"
        lines.append((name, *(str(interval(values)) for values in found), str(better), same))
    runs = len({row.cell.seed for row in rows})
    title = f"Utilitarian return, 0 random actions, 1 the best known · {runs} seeds"
    return [Table(title, columns, tuple(lines))]


@styled
def figure(rows: Sequence[Row]) -> Figure:
    """Draw the runs of both side by side, a panel a world."""
    worlds = _worlds(rows)
    figure, axes = figure_of(len(worlds), width=2.6 * len(worlds), height=2.4)
    for axis, name in zip(axes, worlds, strict=True):
        for place, optimiser in enumerate(OPTIMISERS):
            values = _reached(rows, name, optimiser)
            axis.plot([place] * len(values), values, "o", color=INK, alpha=0.5)
        axis.set_xticks(range(len(OPTIMISERS)), list(OPTIMISERS.values()))
        axis.set_xlim(-0.5, len(OPTIMISERS) - 0.5)
        axis.set_xlabel(name)
    axes[0].set_ylabel("utilitarian return")
    return figure


def verdict(rows: Sequence[Row]) -> str:
    """Return the answer in a sentence: where they differ."""
    differ = [
        name
        for name in _worlds(rows)
        if not _same(improvement(*(_reached(rows, name, o) for o in OPTIMISERS)))
    ]
    if not differ:
        return f"Neither is better beyond chance on any of {', '.join(_worlds(rows))}."
    return f"They differ beyond chance on {', '.join(differ)}."


def _same(better: Estimate) -> bool:
    """Whether neither side wins more often than chance could make it."""
    return better.low <= 0.5 <= better.high


def _worlds(rows: Sequence[Row]) -> list[str]:
    """Worlds on which both have been run, in the order of the table."""
    return [name for name in WORLDS if all(_reached(rows, name, each) for each in OPTIMISERS)]


def _reached(rows: Sequence[Row], world: str, optimiser: str) -> list[float]:
    cells = ((row.cell.env, row.cell.optimiser, row.utilitarian) for row in rows)
    return [reached for env, by, reached in cells if (env, by) == (world, optimiser)]
