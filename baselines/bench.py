"""Speed on this machine: ours beside a peer, by turns in one run, one thread each."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from baselines import peers
from baselines.extras import require
from baselines.races.race import Race
from baselines.summary import Table
from multiparty_envs import expect
from multiparty_envs.faces import PartyEnv
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Streams

ENV = "Delivery-v0"
"""The world that is measured: a grid."""

COPIES = 1024
"""Copies of the vector environment."""


ANSWERS = 100_000
"""Simulated answers of the labels race."""


def run_bench(repeats: int = 5) -> Table:
    """Run every race and return the medians and the ratio.

    Args:
        repeats: how often ours and theirs take turns; the ratio is the median over turns, so that
            a neighbour who slows the machine down for a while slows both.
    """
    expect.integer(repeats, name="repeats", low=1)
    # one thread each, as every worker of a comparison has
    require("torch").set_num_threads(1)
    columns = ("what", "ours", "peer's", "ratio", "lowest–highest", "peer")
    lines = []
    for prepare in RACES:
        try:
            race = prepare()
        except ImportError as error:
            lines.append((prepare.__name__, "–", "–", "–", "–", str(error)))
            continue
        lines.append(_line(race, repeats))
    return Table(f"Speed, medians of {repeats} turns, one thread", columns, tuple(lines))


def _line(race: Race, repeats: int) -> tuple[str, ...]:
    # by turns: whatever slows the machine down meets both
    turns = [(race.ours(), race.theirs()) for _ in range(repeats)]
    ours, theirs = (statistics.median(turn[side] for turn in turns) for side in (0, 1))
    ratios = [mine / other for mine, other in turns]
    return (
        race.what,
        _rate_text(ours),
        _rate_text(theirs),
        f"{statistics.median(ratios):.3g}×",
        f"{min(ratios):.3g}–{max(ratios):.3g}",
        race.peer,
    )


def _rate_text(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def one_copy() -> Race:
    """`gym.make` beside MO-Gymnasium's deep-sea-treasure, which is a grid too; nobody is asked."""
    return _single_race("nobody asked", feedback=None)


def one_copy_asked() -> Race:
    """The same with people who answer."""
    return _single_race("people answer")


def _single_race(words: str, **settings: Any) -> Race:
    mo_gymnasium = require("mo_gymnasium", extra="peers")
    # theirs leaves the checker of Gymnasium's make out, so ours does too
    ours = gym.make(f"multiparty/{ENV}", disable_env_checker=True, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the precision of its spaces
        theirs = mo_gymnasium.make("deep-sea-treasure-v0")
    return Race(
        f"steps, one copy through make, {words}",
        lambda: _single_rate(ours),
        "MO-Gymnasium deep-sea-treasure-v0",
        lambda: _single_rate(theirs),
    )


def _single_rate(env: gym.Env[Any, Any], steps: int = 50_000) -> float:
    actions = _actions(env.action_space, (steps,)).tolist()
    env.reset(seed=0)
    begun = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - begun)


def many_copies() -> Race:
    """`gym.make_vec` beside Gymnasium's SyncVectorEnv of the same world; nobody is asked."""
    return _vector_race("nobody asked", feedback=None)


def many_copies_asked() -> Race:
    """The same with people who answer."""
    return _vector_race("people answer")


def _vector_race(words: str, **settings: Any) -> Race:
    ours = gym.make_vec(f"multiparty/{ENV}", num_envs=COPIES, **settings)
    world = make_dynamics(ENV)  # shared: a thousand builds would only lengthen the preparation
    makers = [lambda: PartyEnv(world, **settings)] * COPIES
    # in the mode of ours, so that both reset equally often
    theirs = SyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    return Race(
        f"steps, {COPIES:,} copies, {words}",
        lambda: _vector_rate(ours, 2_000),
        "Gymnasium SyncVectorEnv, same world",
        lambda: _vector_rate(theirs, 20),
    )


def _vector_rate(envs: gym.vector.VectorEnv, steps: int) -> float:
    actions = _actions(envs.single_action_space, (steps, envs.num_envs))
    envs.reset(seed=0)
    begun = time.perf_counter()
    for action in actions:
        envs.step(action)
    return steps * envs.num_envs / (time.perf_counter() - begun)


def _actions(space: gym.Space[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return random actions [*shape], drawn before the clock runs."""
    assert isinstance(space, gym.spaces.Discrete)
    return Streams(0).numpy("actions").integers(space.n, size=shape)


def planning() -> Race:
    """The exact max-min optimum beside a linear programme over occupancies."""
    from agents.planning import party_scale, solve
    from baselines.tasks import make_task
    from multiparty_envs.welfare import make_welfare

    world = make_task(ENV).mdp
    scale, welfare = party_scale(world, "range"), make_welfare("max-min")
    return Race(
        "exact max-min optima",
        lambda: _rate(lambda: solve(world, welfare, scale=scale)),
        "scipy linprog (HiGHS) over occupancies",
        lambda: _rate(lambda: peers.max_min_programme(world, scale)),
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
        lambda: ANSWERS * _rate(ours),
        "a Python loop of coin flips",
        lambda: ANSWERS * _rate(lambda: peers.loop_of_answers(world, pool, ANSWERS)),
    )


def training() -> Race:
    """Our PPO beside stable-baselines3's on the same world, settings and threads."""
    from agents import ppo, sb3
    from agents.config import PPOConfig
    from baselines.tasks import make_task
    from multiparty_envs.welfare import make_welfare

    world, welfare = make_task(ENV).mdp, make_welfare("utilitarian")
    config = PPOConfig(total_steps=30_000)

    def rate(train: Callable[..., Any]) -> float:
        return config.total_steps * _rate(
            lambda: train(world, welfare=welfare, config=config, seed=0)
        )

    return Race(
        "training steps, PPO",
        lambda: rate(ppo.train),
        "stable-baselines3 PPO over our vector face",
        lambda: rate(sb3.train),
    )


def importing() -> Race:
    """`import multiparty_envs` beside the two imports that it cannot do without."""
    return Race(
        "imports of multiparty_envs",
        lambda: _rate(lambda: _fresh("import multiparty_envs")),
        "import gymnasium, numpy",
        lambda: _rate(lambda: _fresh("import gymnasium, numpy")),
    )


def _fresh(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def _rate(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return 1.0 / (time.perf_counter() - begun)


RACES = (
    one_copy,
    one_copy_asked,
    many_copies,
    many_copies_asked,
    planning,
    labels,
    training,
    importing,
)
"""What is measured, in this order."""
