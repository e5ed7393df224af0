"""One cell: answers → learned rewards → scale → policy → exact evaluation under the truth."""

from __future__ import annotations

import importlib
import time
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from agents.evaluation import Summary, simulated_scale, summarise, tabulate
from agents.planning import Optimum, party_scale, policy_returns, solve, uniform_policy
from agents.policy import Policy, TablePolicy
from agents.progress import Callback
from agents.units import reward_table
from baselines.methods import OPTIMISERS, WELFARES, Method, parse_method
from baselines.rows import Cell, Knobs, Row
from baselines.settings import config_of
from baselines.tasks import Answers, Task, make_task
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import PredictingLearner, make_learner
from multiparty_envs.rewards.selection import HELD_OUT
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale, make_welfare
from multiparty_envs.wrappers.accrued import AccruedReturns

UNDECIDED = 1e-9
"""Differences of return, or of a chance from a half, that count as none."""

SCALE_EPISODES = 2_000
"""Simulated episodes behind the units of a world without tables: known to about 2 %."""

SMALLEST = {"low-rank": {"rank": 1}, "mixture": {"clusters": 1}}
"""Settings of learners that choose their size by held-out answers, where there are too few."""


def run_cell(cell: Cell) -> Row:
    """Run one cell from nothing but its description, so that any process on any machine may."""
    begun = time.perf_counter()
    method = parse_method(cell.method)
    task, answers = _task(cell.env, cell.knobs), _answers(*_repetition(cell))
    # networks and plans alike become tables, so that one exact evaluation serves both
    table = tabulate(make_policy(cell), task.mdp)
    accuracy = party_accuracy(method, learner_of(cell), task, answers.held_out)
    groups = task.groups(answers.train)
    return Row(
        cell=cell,
        labels=len(answers.train) if method.kind == "learned" else 0,
        **measures(cell, method.welfare, policy_returns(task.mdp, table)),
        accuracy_majority=_mean_known(accuracy[groups.majority]),
        accuracy_minority=_mean_known(accuracy[groups.minority]),
        accuracy=tuple(map(float, accuracy)),
        minority=tuple(map(bool, groups.minority)),
        seconds=time.perf_counter() - begun,
    )


def make_policy(cell: Cell, callback: Callback | None = None, folder: Path | None = None) -> Policy:
    """Return the policy of a cell; a method that learns reads no true reward here.

    Args:
        cell: what to make.
        callback: told of the progress, where something is trained.
        folder: where our PPO stores its training, and goes on with one that is there.

    Raises:
        TypeError: when tables are needed and the environment is not finite.
        ValueError: on an unknown optimiser, or a level that cannot be planned for.
    """
    method = parse_method(cell.method)
    task = _task(cell.env, cell.knobs)
    if is_planned(cell):
        return TablePolicy.of(task.mdp, _plan(cell, method))
    resumed = {"folder": folder} if is_resumed(cell) else {}
    return trainer_of(cell).train(
        task.world,
        welfare=make_welfare(method.welfare),
        level=cell.level,
        rewards=learner_of(cell),
        scale=training_scale(cell),
        config=config_of(cell),
        seed=Streams(cell.seed).key("agent"),
        callback=callback,
        **resumed,
    )


def is_resumed(cell: Cell) -> bool:
    """Return whether the training of a cell can be stored and gone on with."""
    return cell.optimiser == "ppo" and not is_planned(cell)


def trainer_of(cell: Cell) -> ModuleType:
    """Return the module whose `train` makes a cell's policy; it brings torch."""
    optimiser = expect.choice(cell.optimiser, OPTIMISERS, name="optimiser")
    return importlib.import_module(f"agents.{optimiser}")


def is_planned(cell: Cell) -> bool:
    """Return whether a cell's policy is planned in tables; the others are trained.

    Oracles are, wherever that can be done: tables do not hold the returns of level "episode".
    """
    kind = parse_method(cell.method).kind
    if kind == "random" or cell.optimiser == "exact":
        return True
    finite = isinstance(_task(cell.env, cell.knobs).world, FiniteMDP)
    return kind == "oracle" and finite and cell.level != "episode"


def _plan(cell: Cell, method: Method) -> np.ndarray:
    mdp = _task(cell.env, cell.knobs).mdp
    if method.kind == "random":
        return uniform_policy(mdp)
    if method.kind == "oracle" and cell.level == "policy":
        return _optimum(cell.env, cell.knobs, method.welfare).policy
    welfare, learned = make_welfare(method.welfare), method.kind == "learned"
    rewards = _learned(*_repetition(cell), method.learner)[0] if learned else None
    scale = training_scale(cell)
    return solve(mdp, welfare, level=cell.level, rewards=rewards, scale=scale).policy


def training_scale(cell: Cell) -> Scale:
    """Return the units in which the parties are compared while a policy is made.

    They follow from the rewards that it is made for: the true ones would tell what people want.
    Without tables one is not the best that a party can get, which nobody knows, but one standard
    deviation of the random policy's returns above its mean.
    """
    method = parse_method(cell.method)
    if not isinstance(_task(cell.env, cell.knobs).world, FiniteMDP):
        return _simulated_scale(*_repetition(cell), method.learner)
    if not method.learner:
        return _true_scale(cell.env, cell.knobs)
    return _learned(*_repetition(cell), method.learner)[1]


def seen_world(cell: Cell) -> Dynamics:
    """Return the world that a cell's policy looks at: at level "episode" with accrued returns."""
    world, learner = _task(cell.env, cell.knobs).world, learner_of(cell)
    if cell.level != "episode" or is_planned(cell):
        return world
    rewards = None if learner is None else learner.rewards
    return AccruedReturns(world, rewards, training_scale(cell))


def learner_of(cell: Cell) -> PredictingLearner | None:
    """Return the fitted learner of a cell, or None where nothing is learned."""
    method = parse_method(cell.method)
    if method.kind != "learned":
        return None
    return _fitted(*_repetition(cell), method.learner)


def _repetition(cell: Cell) -> tuple[str, Knobs, int, int]:
    """Return what decides the answers of a cell; all the labels are the same by any name."""
    return cell.env, cell.knobs, cell.seed, cell.labels or _task(cell.env, cell.knobs).labels


def party_accuracy(
    method: Method, learner: PredictingLearner | None, task: Task, held_out: Comparisons
) -> np.ndarray:
    """Return the share of its held-out answers that is predicted right for each party, [M].

    An undecided prediction is half right, and so is every prediction of a tie. NaN where a party
    has no held-out answer, and for the random policy, which predicts nothing.
    """
    if method.kind == "random":
        return np.full(held_out.num_parties, np.nan)
    if learner is None:
        # the oracle predicts by the rewards that its policy was planned for
        truth = task.mdp.population.rewards(held_out.differences())  # [K, M]
        margin = truth[np.arange(len(held_out)), held_out.party]
    else:
        margin = learner.predict_proba(held_out) - 0.5
    # equal returns differ by rounding, which should not decide
    side = np.where(abs(margin) < UNDECIDED, 0.0, np.sign(margin))
    right = 0.5 + 0.5 * side * np.sign(held_out.label - 0.5)
    total = np.bincount(held_out.party, right, minlength=held_out.num_parties)
    with np.errstate(invalid="ignore"):
        return total / held_out.counts


def welfare_metrics(summary: Summary) -> dict[str, float]:
    """Return the metric that each welfare function stands for, all in the unit of returns."""
    return {"utilitarian": summary.utilitarian, "nash": summary.nash, "max-min": summary.worst}


def measures(cell: Cell, welfare: str, raw_returns: np.ndarray) -> dict[str, Any]:
    """Return the fields of a row that follow from the true returns [M] of its policy."""
    scale = _true_scale(cell.env, cell.knobs)
    summary = summarise(raw_returns, scale)
    reached = welfare_metrics(summary)
    # differences of the metrics, not of the welfare values: mean logs would have another unit
    optima = {name: _optimum(cell.env, cell.knobs, name).returns for name in WELFARES}
    regrets = {
        name: welfare_metrics(summarise(optima[name], scale))[name] - reached[name]
        for name in WELFARES
    }
    return {
        "utilitarian": summary.utilitarian,
        "nash": summary.nash,
        "nash_floors": summary.floored,
        "worst": summary.worst,
        "regret": regrets.get(welfare, float("nan")),
        "regrets": regrets,
        "returns": tuple(map(float, scale.returns(raw_returns))),
    }


def _mean_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


# What cells of one task share is made once a process. All of it follows from the arguments.


@lru_cache(maxsize=16)
def _task(env: str, knobs: Knobs) -> Task:
    return make_task(env, dict(knobs))


@lru_cache(maxsize=16)
def _answers(env: str, knobs: Knobs, seed: int, labels: int) -> Answers:
    return _task(env, knobs).answers(seed, labels)


@lru_cache(maxsize=64)
def _fitted(env: str, knobs: Knobs, seed: int, labels: int, learner: str) -> PredictingLearner:
    train = _answers(env, knobs, seed, labels).train
    # the plot of welfare against labels goes down to less than one answer a person
    few = HELD_OUT * train.counts.max() < 1
    fitted = make_learner(learner, **(SMALLEST.get(learner, {}) if few else {})).fit(train)
    if not isinstance(fitted, PredictingLearner):
        raise TypeError(f"the learner {learner!r} should predict answers, does not")
    return fitted


@lru_cache(maxsize=4)  # a table of 235 people takes 11 MB
def _learned(
    env: str, knobs: Knobs, seed: int, labels: int, learner: str
) -> tuple[np.ndarray, Scale]:
    """Return the learned rewards [S, A, M] and their own range scale."""
    mdp = _task(env, knobs).mdp
    rewards = reward_table(mdp, _fitted(env, knobs, seed, labels, learner))
    return rewards, party_scale(mdp, "range", rewards=rewards)


@lru_cache(maxsize=4)
def _simulated_scale(env: str, knobs: Knobs, seed: int, labels: int, learner: str) -> Scale:
    rewards = _fitted(env, knobs, seed, labels, learner) if learner else None
    key = Streams(seed).key("scale")
    return simulated_scale(_task(env, knobs).world, rewards, SCALE_EPISODES, key, centred=True)


@lru_cache(maxsize=16)
def _true_scale(env: str, knobs: Knobs) -> Scale:
    return party_scale(_task(env, knobs).mdp, "range")


@lru_cache(maxsize=16 * len(WELFARES))
def _optimum(env: str, knobs: Knobs, welfare: str) -> Optimum:
    mdp = _task(env, knobs).mdp
    return solve(mdp, make_welfare(welfare), scale=_true_scale(env, knobs))
