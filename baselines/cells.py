"""One cell: answers → learned rewards → scale → policy → exact evaluation under the truth."""

from __future__ import annotations

import importlib
import time
from functools import lru_cache
from typing import Any

import numpy as np
from agents.evaluation import tabulate
from agents.planning import Optimum, party_scale, policy_returns, solve, uniform_policy

from agents.config import PPOConfig
from agents.policy import Policy, TablePolicy
from baselines.methods import OPTIMISERS, WELFARES, Method, parse_method
from baselines.store import Cell, Knobs, Row
from baselines.tasks import Answers, Task, make_task
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Comparisons, Steps
from multiparty_envs.rewards import LinearLearner, make_learner
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale, make_welfare
from multiparty_envs.welfare.fairness import geometric_mean

FLOOR = 1e-8
"""Normalised returns below it count as it in the Nash metric."""


def run_cell(cell: Cell) -> Row:
    """Run one cell from nothing but its description, so that any process on any machine may."""
    begun = time.perf_counter()
    method = parse_method(cell.method)
    task, answers = _task(cell.env, cell.knobs), _answers(*_repetition(cell))
    table = tabulate(make_policy(cell), task.mdp)
    accuracy = party_accuracy(method, _learner(cell), task, answers.held_out)
    groups = task.groups(answers.train)
    return Row(
        cell=cell,
        labels=len(answers.train) if method.kind == "learned" else 0,
        **_measures(cell, method.welfare, policy_returns(task.mdp, table)),
        accuracy_majority=_mean_known(accuracy[groups.majority]),
        accuracy_minority=_mean_known(accuracy[groups.minority]),
        accuracy=tuple(map(float, accuracy)),
        minority=tuple(map(bool, groups.minority)),
        seconds=time.perf_counter() - begun,
    )


def make_policy(cell: Cell) -> Policy:
    """Return the policy of a cell; a method that learns reads no true reward here."""
    method = parse_method(cell.method)
    mdp = _task(cell.env, cell.knobs).mdp
    learner = _learner(cell)
    if method.kind == "random":
        return TablePolicy.of(mdp, uniform_policy(mdp))
    if learner is None:
        return TablePolicy.of(mdp, _optimum(cell.env, cell.knobs, method.welfare).policy)
    welfare = make_welfare(method.welfare)
    rewards = reward_table(mdp, learner)
    scale = party_scale(mdp, "range", rewards=rewards)
    if cell.optimiser == "exact":
        return TablePolicy.of(mdp, solve(mdp, welfare, rewards=rewards, scale=scale).policy)
    optimiser = expect.choice(cell.optimiser, OPTIMISERS, name="optimiser")
    trainer = importlib.import_module(f"agents.{optimiser}")
    return trainer.train(
        mdp,
        welfare=welfare,
        rewards=learner,
        scale=scale,
        config=PPOConfig(total_steps=cell.steps),
        seed=Streams(cell.seed).key("agent"),
    )


def _learner(cell: Cell) -> LinearLearner | None:
    """Return the fitted learner of a cell, or None where nothing is learned."""
    method = parse_method(cell.method)
    if method.kind != "learned":
        return None
    return _fitted(*_repetition(cell), method.learner)


def _repetition(cell: Cell) -> tuple[str, Knobs, int, int]:
    """Return what decides the answers of a cell."""
    return cell.env, cell.knobs, cell.seed, cell.labels


def reward_table(mdp: FiniteMDP, learner: LinearLearner) -> np.ndarray:
    """Return the learned rewards of every cell and action, [S, A, M]."""
    shape = (mdp.num_states, mdp.num_actions)
    seen = mdp.observations_at(0)
    steps = Steps(
        obs=np.broadcast_to(seen[:, None, :], (*shape, seen.shape[1])),
        action=np.broadcast_to(np.arange(mdp.num_actions), shape),
        features=mdp.feature_table,
    )
    return np.asarray(learner.rewards(steps))


def party_accuracy(
    method: Method, learner: LinearLearner | None, task: Task, held_out: Comparisons
) -> np.ndarray:
    """Return the share of its held-out answers that is predicted right for each party, [M].

    An undecided prediction is half right, and so is every prediction of a tie. NaN where a party
    has no held-out answer, and for the random policy, which predicts nothing.
    """
    if method.kind == "random":
        return np.full(held_out.num_parties, np.nan)
    if learner is None:
        truth = task.mdp.population.rewards(held_out.differences())  # [K, M]
        margin = truth[np.arange(len(held_out)), held_out.party]
    else:
        margin = learner.predict_proba(held_out) - 0.5
    right = 0.5 + 0.5 * np.sign(margin) * np.sign(held_out.label - 0.5)
    total = np.bincount(held_out.party, right, minlength=held_out.num_parties)
    with np.errstate(invalid="ignore"):
        return total / held_out.counts


def measure(returns: np.ndarray) -> dict[str, float]:
    """Return each welfare function's metric of normalised returns [M], all in their unit."""
    return {
        "utilitarian": float(returns.mean()),
        "nash": float(geometric_mean(returns, FLOOR)[0]),
        "max-min": float(returns.min()),
    }


def _measures(cell: Cell, welfare: str, raw_returns: np.ndarray) -> dict[str, Any]:
    """Return the fields of a row that follow from the true returns [M] of its policy."""
    scale = _true_scale(cell.env, cell.knobs)
    returns = scale.returns(raw_returns)
    reached = measure(returns)
    optima = {name: _optimum(cell.env, cell.knobs, name).returns for name in WELFARES}
    regrets = {
        name: measure(scale.returns(optima[name]))[name] - reached[name] for name in WELFARES
    }
    return {
        "utilitarian": reached["utilitarian"],
        "nash": reached["nash"],
        "nash_floors": int(geometric_mean(returns, FLOOR)[1]),
        "worst": reached["max-min"],
        "regret": regrets.get(welfare, float("nan")),
        "regrets": regrets,
        "returns": tuple(map(float, returns)),
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


@lru_cache(maxsize=16)
def _fitted(env: str, knobs: Knobs, seed: int, labels: int, learner: str) -> LinearLearner:
    return make_learner(learner).fit(_answers(env, knobs, seed, labels).train)


@lru_cache(maxsize=16)
def _true_scale(env: str, knobs: Knobs) -> Scale:
    return party_scale(_task(env, knobs).mdp, "range")


@lru_cache(maxsize=16 * len(WELFARES))
def _optimum(env: str, knobs: Knobs, welfare: str) -> Optimum:
    mdp = _task(env, knobs).mdp
    return solve(mdp, make_welfare(welfare), scale=_true_scale(env, knobs))
