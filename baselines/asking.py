"""A training that asks people on the way, in rounds, as a cell with `rounds` describes it."""

from __future__ import annotations

from pathlib import Path

from agents import rlhf
from agents.progress import Callback
from agents.rlhf import Learned, LoopConfig
from agents.units import learned_scale
from baselines.methods import parse_method
from baselines.rows import Cell
from baselines.settings import config_of
from baselines.tasks import Recorded, make_task
from multiparty_envs import expect
from multiparty_envs.rewards import RewardLearner, make_learner
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale, make_welfare

LABELS = 2_000
"""Answers in all, if no other number is asked for."""


def check(cell: Cell) -> None:
    """Refuse a cell with rounds in which nobody can be asked, or nothing is learned.

    Raises:
        ValueError: saying what would do.
    """
    expect.integer(cell.rounds, name="rounds")
    if cell.rounds == 0:
        return
    if parse_method(cell.method).kind != "learned":
        raise ValueError(f"rounds are for methods that learn; {cell.method!r} asks nobody anything")
    if cell.optimiser != "ppo":
        raise ValueError(f"rounds are for the optimiser 'ppo', not for {cell.optimiser!r}")
    if isinstance(make_task(cell.env, dict(cell.knobs)), Recorded):
        raise ValueError(
            f"the people of {cell.env} answered once and cannot be asked about what a policy does; "
            "choose --rounds 0, or simulated people, as in --knobs num_parties=8"
        )
    asked = config(cell)
    horizon = make_task(cell.env, dict(cell.knobs)).world.horizon
    # each round ends with a batch
    if asked.ppo.iterations(horizon) < cell.rounds:
        least = cell.rounds * asked.ppo.batch_size(horizon)
        raise ValueError(f"{cell.rounds} rounds take {least} steps or more, not {cell.steps}")


def config(cell: Cell) -> LoopConfig:
    """Return how people are asked in a cell.

    Raises:
        ValueError: when there are fewer answers than rounds.
    """
    labels = cell.labels or LABELS
    return LoopConfig(labels=labels, rounds=cell.rounds, ppo=config_of(cell))


def learn(
    cell: Cell,
    learner: RewardLearner | None = None,
    welfare: str | None = None,
    *,
    callback: Callback | None = None,
    folder: Path | None = None,
) -> Learned:
    """Return the policy of a cell with rounds, what it was trained on, and what people said.

    Args:
        cell: what to train.
        learner: not fitted; None: that of the cell's method.
        welfare: name of the welfare function; None: that of the cell's method.
        callback: told of the progress.
        folder: of a checkpoint, see `agents.rlhf.train`.
    """
    return rlhf.train(
        make_task(cell.env, dict(cell.knobs)).world,
        learner or make_learner(parse_method(cell.method).learner),
        welfare=make_welfare(welfare or parse_method(cell.method).welfare),
        level=cell.level,
        config=config(cell),
        seed=_seed(cell),
        callback=callback,
        folder=folder,
    )


def last_scale(cell: Cell, learner: RewardLearner) -> Scale:
    """Return the units of the last round, which follow from what was learned by then."""
    world = make_task(cell.env, dict(cell.knobs)).world
    key = Streams(_seed(cell)).key("units")  # as the loop has it
    return learned_scale(world, learner, config(cell).normalisation, key)


def _seed(cell: Cell) -> int:
    return Streams(cell.seed).key("agent")
