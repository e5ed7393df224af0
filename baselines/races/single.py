"""Parts of the package that stand alone: exact planning, simulated answers, the import."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from baselines import peers
from baselines.races.race import Race, rate
from multiparty_envs.streams import Streams

ENV = "Delivery-v0"

ANSWERS = 100_000
"""Simulated answers of the labels race."""


def planning() -> Race:
    """The exact max-min optimum beside a linear programme over occupancies."""
    from agents.planning import party_scale, solve
    from baselines.tasks import make_task
    from multiparty_envs.welfare import make_welfare

    world = make_task(ENV).mdp
    scale, welfare = party_scale(world, "range"), make_welfare("max-min")
    return Race(
        "exact max-min optima",
        lambda: rate(lambda: solve(world, welfare, scale=scale)),
        "scipy linprog (HiGHS) over occupancies",
        lambda: rate(lambda: peers.max_min_programme(world, scale)),
    )


def labels() -> Race:
    """Simulated answers beside a plain loop of coin flips, about the same episodes."""
    from baselines.tasks import make_task
    from multiparty_envs.faces import collect, segment_scale
    from multiparty_envs.feedback import Feedback, ask

    world = make_task(ENV).mdp
    pool = collect(world, Feedback(), 1_000, 0)
    # measured before the clock runs, as an environment does it once
    scale = segment_scale(world, None)
    first, second, party = (
        np.resize(column, ANSWERS) for column in (pool.first, pool.second, pool.party)
    )

    def ours() -> None:
        rng = Streams(0).numpy("answers")
        ask(world.population, pool.segments, first, second, party, scale=scale, rng=rng)

    return Race(
        "answers about given episodes",
        lambda: ANSWERS * rate(ours),
        "a Python loop of coin flips",
        lambda: ANSWERS * rate(lambda: peers.loop_of_answers(world, pool, ANSWERS)),
    )


def importing() -> Race:
    """`import multiparty_envs` beside the two imports that it cannot do without."""
    return Race(
        "imports of multiparty_envs",
        lambda: rate(lambda: _fresh("import multiparty_envs")),
        "import gymnasium, numpy",
        lambda: rate(lambda: _fresh("import gymnasium, numpy")),
    )


def _fresh(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)
