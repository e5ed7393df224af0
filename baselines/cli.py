"""The command line `multiparty`: compare, study, train, look at, report, measure."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import baselines.one_thread  # noqa: F401 - before NumPy
from baselines.extras import require
from baselines.methods import DEFAULT_METHODS

# Whatever needs torch or scipy is imported inside the commands: `multiparty --help` needs neither.

Optimiser = Literal["ppo", "sb3", "exact"]


def envs() -> None:
    """List the environments: parties, sizes, horizon, and whether the optimum is known."""
    from baselines.console import make_console, print_tables
    from baselines.listing import environments

    print_tables(make_console(), [environments()])


def compare(
    ids: tuple[str, ...] = ("Timetable-v0", "Delivery-v0"),
    /,
    *,
    methods: tuple[str, ...] = DEFAULT_METHODS,
    seeds: int = 3,
    optimiser: Literal["ppo", "sb3", "exact", "both"] = "ppo",
    steps: int = 100_000,
    labels: int = 0,
    out: Path | None = None,
    workers: int = 0,
) -> None:
    """The main job: single-reward against multi-party alignment; table and report.

    An interrupted comparison goes on where it stopped when the same command is given again.

    Args:
        ids: environments to compare on.
        methods: "random", "single-reward", oracle+WELFARE or LEARNER+WELFARE, as in
            hierarchical+max-min; learners are also networks, as in neural-shared+max-min.
        seeds: repetitions, each with new answers (or a new split of recorded ones).
        optimiser: what makes a policy of learned rewards; both: a line for ppo and for exact.
        steps: environment steps of each PPO training.
        labels: answers to learn from, all parties together; 0: as many as each task gives.
        out: folder of results; default runs/compare-HASH, one for each choice of the above.
        workers: processes; 0: one a core.
    """
    from baselines.compare import Settings
    from baselines.jobs import run_comparison

    # two lines a method: what reward learning costs, and what PPO adds to it
    optimisers = ("ppo", "exact") if optimiser == "both" else (optimiser,)
    settings = Settings(ids, methods, seeds, optimisers, steps, labels)
    print(run_comparison(settings, out, workers))


def study(
    name: str,
    /,
    *,
    seeds: int = 10,
    full: bool = False,
    out: Path | None = None,
    workers: int = 0,
) -> None:
    """Answer one question by a grid of measurements: tables, a figure, an answer.

    Args:
        name: better-pessimism, confidence, delivery-conflict, efficiency, finite-optima,
            labels, loop, low-rank, num-parties, parity, pessimism, rates, reward-free, separation,
            theorems, travellers, violation, welfare.
        seeds: repetitions of each point of its grid.
        full: run the larger grid of those that have one.
        out: folder of results; default runs/NAME-HASH.
        workers: processes; 0: one a core.
    """
    from baselines.jobs import run_study

    print(run_study(name, seeds, out, workers, full=full))


def train(
    id: str,
    /,
    *,
    method: str = "hierarchical+max-min",
    seed: int = 0,
    optimiser: Optimiser = "ppo",
    level: Literal["policy", "episode", "step"] = "policy",
    steps: int = 300_000,
    labels: int = 0,
    rounds: int = 0,
    set: tuple[str, ...] = (),
    knobs: tuple[str, ...] = (),
    tensorboard: bool = False,
    out: Path | None = None,
) -> None:
    """Train one agent from answers and keep it in a run folder, with log.csv and log.jsonl.

    Our PPO stores its training in RUN/checkpoint every few seconds: interrupted, it goes on from
    there when the same command is given again.

    Args:
        id: environment, as `multiparty envs` lists them.
        method: "random", "single-reward", "oracle+WELFARE" or LEARNER+WELFARE.
        seed: of answers and agent.
        optimiser: what makes a policy of learned rewards.
        level: welfare of expected returns, of each episode's, or of each step's rewards.
        steps: environment steps of a PPO training.
        labels: answers to learn from; 0: as many as the task gives, or 2,000 asked in rounds.
        rounds: times that simulated people are asked while PPO trains; 0: once, before that.
        set: settings of PPO, as in learning_rate=1e-3 hidden=64,64.
        knobs: settings of the environment, as in num_parties=8.
        tensorboard: also write curves to RUN/tensorboard.
        out: run folder; default runs/ID-METHOD-SEED.
    """
    from baselines.methods import env_name
    from baselines.rows import Cell
    from baselines.settings import knobs_of, ppo_of
    from baselines.single import train_agent

    env = env_name(id)
    settings = {"level": level, "knobs": knobs_of(env, knobs), "ppo": ppo_of(set)}
    counts = {"labels": labels, "steps": steps, "rounds": rounds}
    cell = Cell(env, method, optimiser, seed, **counts, **settings)
    print(train_agent(cell, out, tensorboard=tensorboard))


def evaluate(
    run: Path, /, *, episodes: int = 1000, seed: int = 0, deterministic: bool = False
) -> None:
    """Show what a trained agent gives each party, exactly where that is known, and simulated.

    In a world of tables also an audit of efficiency and fairness, drawn to RUN/audit.svg.

    Args:
        run: folder that `multiparty train` wrote.
        episodes: simulated ones.
        seed: of the simulation.
        deterministic: always take the likeliest action instead of drawing one.
    """
    from baselines.audits import audit_agent
    from baselines.console import make_console, print_tables
    from baselines.single_tables import evaluation

    tables = evaluation(run, episodes, seed, deterministic=deterministic)
    audited = audit_agent(run, deterministic=deterministic)
    print_tables(make_console(), tables if audited is None else [*tables, audited])


def render(
    run: Path, /, *, episodes: int = 1, seed: int = 0, ansi: bool = False, out: Path | None = None
) -> None:
    """Draw a trained agent's episodes: an animated GIF, or text in the terminal.

    Args:
        run: folder that `multiparty train` wrote.
        episodes: how many.
        seed: of the episodes.
        ansi: print text instead.
        out: the GIF; default RUN/episodes.gif.
    """
    from baselines.single_frames import draw_frames, draw_text

    print(draw_text(run, episodes, seed) if ansi else draw_frames(run, episodes, seed, out))


def report(runs: tuple[Path, ...], /) -> None:
    """Rebuild the report of comparisons and studies from their stored rows.

    Args:
        runs: folders that `multiparty compare` or `study` wrote, finished or not.
    """
    from baselines.jobs import rebuild

    for run in runs:
        print(rebuild(run))


def bench(
    *,
    races: tuple[str, ...] = (),
    repeats: int = 5,
    seeds: int = 10,
    out: Path | None = None,
) -> None:
    """Measure our speed on this machine, side by side with the peers that are installed.

    Args:
        races: which ones, by name, as in planning or cartpole-learning; default all.
        repeats: interleaved repeats of what has a rate; medians are shown.
        seeds: trainings a side of what is timed to a goal.
        out: also write the tables there, in Markdown.
    """
    from baselines.bench import run_bench
    from baselines.console import make_console, print_tables
    from multiparty_envs.files import write_text

    tables = run_bench(races, repeats, seeds)
    if out is not None:
        text = "\n".join(f"{table.title}\n\n{table.markdown()}\n" for table in tables)
        write_text(out, text)
    print_tables(make_console(), tables)


COMMANDS = (envs, compare, study, train, evaluate, render, report, bench)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `multiparty` and return its exit status; bad input is told in one line, untraced.

    Set MULTIPARTY_TRACE=1 to see where an error came from.
    """
    from baselines.facts import remember

    remember(sys.argv[1:] if arguments is None else arguments)
    try:
        tyro = require("tyro")
        # the functions above are the commands: their signatures and docstrings are the help
        commands = {each.__name__: each for each in COMMANDS}
        tyro.extras.subcommand_cli_from_dict(
            commands,
            prog="multiparty",
            description="Compare single-reward and multi-party alignment.",
            args=arguments,
        )
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        if os.environ.get("MULTIPARTY_TRACE"):
            raise
        print(f"multiparty: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        what_now = str(stop) or "give the same command to go on"
        print(f"multiparty: interrupted; {what_now}", file=sys.stderr)
        return 130
    return 0
