"""Joint low-rank rewards to the same gradient, beside torch's optimisers from a random start.

Features are as large as one another in one race, and of very different size in the other.

The loss is the mean of the answers' negative log-likelihoods plus half of `PENALTY` times the sum
of squares of all rewards; its gradient is taken by the two factors of the rewards.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from baselines.races.race import Finish, LearningRace, Runner
from baselines.studies.synthetic import answers
from multiparty_envs.parties import low_rank
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.joint import Factors, JointProblem
from multiparty_envs.rewards.joint_fit import fit
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from baselines.races.peers_joint import TorchProblem

PARTIES, FEATURES, RANK, ANSWERS = 50, 64, 4, 200
NORM = 2.0  # of every true reward
PENALTY = 1e-4
GOAL = 1e-6  # norm of the gradient
ROUNDING = 0.02  # part of it that single precision, or other factors of the same rewards, may hide
SPREAD = 0.1  # standard deviation of where torch's factors begin, the usual way


class Setting(NamedTuple):
    """One problem, as each side wants it."""

    ours: JointProblem
    theirs: TorchProblem


Solver = Callable[[Setting], Factors | None]
"""Factors where the gradient is small enough; None: it never was."""


def joint_fit() -> LearningRace:
    """Times of joint fits of 50 parties to the same gradient."""
    return _race(1.0, "alike")


def joint_fit_uneven() -> LearningRace:
    """The same where the largest feature is ten times the smallest."""
    return _race(10.0, "of sizes 1 to 10")


def _race(ratio: float, sizes: str) -> LearningRace:
    peers = {"torch L-BFGS, strong Wolfe": torch_lbfgs, "torch Adam, 0.02 decaying": torch_adam}
    what = f"joint fit of {PARTIES} parties, {FEATURES} features {sizes}, rank {RANK}, to {GOAL:g}"
    runners = {name: _timed(peer, ratio) for name, peer in peers.items()}
    return LearningRace(what, _timed(ours, ratio), runners)


def ours(setting: Setting) -> Factors:
    """Solve our way, the start included."""
    return fit(setting.ours, GOAL)


def torch_lbfgs(setting: Setting) -> Factors | None:
    """Solve by torch's L-BFGS."""
    from baselines.races.peers_joint import lbfgs

    return _factors(lbfgs(setting.theirs, GOAL))


def torch_adam(setting: Setting) -> Factors | None:
    """Solve by torch's Adam."""
    from baselines.races.peers_joint import adam

    return _factors(adam(setting.theirs, GOAL))


@lru_cache(maxsize=1)
def setting(seed: int, ratio: float = 1.0) -> Setting:
    """Return the problem of a seed; nobody is timed while it is made.

    Args:
        seed: of parties, answers and where torch begins.
        ratio: size of the largest feature by that of the smallest.
    """
    from baselines.races.peers_joint import TorchProblem

    streams = Streams(seed)
    truth = low_rank(FEATURES, PARTIES, RANK, streams=streams, norm=NORM).theta
    even = choices_of(answers(truth, ANSWERS, streams))
    # the same answers, told in other units
    choices = dataclasses.replace(even, design=even.design * np.geomspace(1.0, ratio, FEATURES))
    problem = JointProblem(choices, RANK, PENALTY * len(choices.party))
    design = choices.design.reshape(PARTIES, ANSWERS, FEATURES) / problem.unit
    target = choices.target.reshape(PARTIES, ANSWERS)
    rng = streams.numpy("start")
    left, right = (SPREAD * rng.standard_normal((size, RANK)) for size in (FEATURES, PARTIES))
    return Setting(problem, TorchProblem(design, target, PENALTY, left, right))


def _timed(solve: Solver, ratio: float) -> Runner:
    def run(seed: int) -> Finish | None:
        given = setting(seed, ratio)
        begun = time.perf_counter()
        found = solve(given)
        seconds = time.perf_counter() - begun
        # nobody is taken at his word
        there = found is not None and _norm(given.ours, found) <= GOAL * (1 + ROUNDING)
        return Finish(seconds, 0) if there else None

    return run


def _norm(problem: JointProblem, at: Factors) -> float:
    return problem.norm(at, problem.slopes(at))


def _factors(found: tuple[np.ndarray, np.ndarray] | None) -> Factors | None:
    if found is None:
        return None
    basis, triangle = np.linalg.qr(found[0])
    return Factors(np.zeros(len(basis)), basis, found[1] @ triangle.T)
