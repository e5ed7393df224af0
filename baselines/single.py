"""One agent: train it and keep it. What it was trained on is in its manifest."""

from __future__ import annotations

import dataclasses
import json
import time
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from agents import checkpoint
from agents.logs import Callbacks, CsvLog, JsonlLog, TensorBoardLog
from agents.policy import Policy, load_policy
from agents.progress import Callback
from baselines import asking
from baselines.bar import TrainingBar
from baselines.cells import is_planned, make_policy, seen_world, trainer_of, training_scale
from baselines.console import make_console
from baselines.extras import require
from baselines.facts import facts
from baselines.methods import env_name, parse_method
from baselines.rows import Cell
from baselines.settings import config_of
from baselines.tasks import make_task
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.files import write_text
from multiparty_envs.rewards import load_learner, save_learner
from multiparty_envs.welfare.scale import LEVELS, Scale
from multiparty_envs.wrappers.accrued import AccruedReturns

FORMAT = 1
"""Version of the run folder's layout."""

MANIFEST = "manifest.json"
"""Written last: a folder that has it holds a whole run."""

BEGUN = "training.json"
"""The same before the end, for whoever goes on with a training that was interrupted."""

CHECKPOINT = "checkpoint"
"""Folder of what such a training goes on from; it goes when the training is over."""

LEARNER, ANSWERS = "learner.safetensors", "answers.safetensors"
"""What was learned, and from what, where people were asked in rounds."""


def train_agent(cell: Cell, out: Path | None = None, *, tensorboard: bool = False) -> Path:
    """Train the agent of a cell, write its folder, and return the folder's path.

    The folder gets `policy/`, `manifest.json` and, where something is trained, `log.csv` and
    `log.jsonl` with a line a batch; where people are asked in rounds also the learner and the
    answers. Progress goes to standard error. What our PPO trains is stored in `checkpoint/` every
    few seconds: a folder that this very cell began is gone on with.

    Args:
        cell: environment, method, optimiser, seed and settings.
        out: folder, made if need be; default a name of its own under `runs/`.
        tensorboard: also write `tensorboard/`.

    Raises:
        ValueError: on unknown names or settings, or a folder that holds an agent or the beginning
            of another.
        TypeError: when the cell needs tables and the environment is not finite.
        ImportError: when TensorBoard is asked for and not installed.
        OSError: when the folder cannot be written to.
        KeyboardInterrupt: with the folder's path and what the same command will do; all stays.
    """
    cell = dataclasses.replace(cell, env=env_name(cell.env))
    _check(cell)
    if tensorboard:
        require("tensorboard", extra="track")
    path = out or Path("runs") / f"{cell.env}-{cell.method}-{cell.seed}"
    manifest = {"format": FORMAT, "cell": dataclasses.asdict(cell), **facts()}
    _claim(path, manifest)  # before the training: minutes of work should not end at a full disk
    begun = time.perf_counter()
    try:
        policy, scale = _made(cell, path, tensorboard)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_what_now(path)) from None
    policy.save(path / "policy")
    manifest["seconds"] = round(time.perf_counter() - begun, 3)
    # the units of the returns in the logs are those of the rewards: this scale makes them ours
    manifest["scale"] = scale and {n: getattr(scale, n).tolist() for n in ("shift", "unit")}
    write_text(path / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    (path / BEGUN).unlink()
    rmtree(path / CHECKPOINT, ignore_errors=True)
    return path


def _what_now(path: Path) -> str:
    """Say what becomes of a training that is interrupted."""
    if checkpoint.exists(path / CHECKPOINT):
        return f"{path} keeps its training; the same command goes on from the last checkpoint"
    return f"{path} keeps its logs; without a checkpoint yet, the same command begins anew"


def _check(cell: Cell) -> None:
    """Refuse what cannot be trained before anything is written."""
    kind = parse_method(cell.method).kind
    expect.choice(cell.level, LEVELS, name="level")
    config_of(cell)
    asking.check(cell)
    task = make_task(cell.env, dict(cell.knobs))
    if is_planned(cell):
        _ = task.mdp  # no tables, no plan
        if cell.level == "episode" and kind != "random":
            raise ValueError("level 'episode' is not planned for; choose --optimiser ppo or sb3")
    else:
        trainer_of(cell)


def _claim(path: Path, manifest: dict[str, Any]) -> None:
    if (path / MANIFEST).exists():
        raise ValueError(f"{path} holds an agent already; choose another --out")
    if (path / BEGUN).exists():
        _compare(path, manifest["cell"])
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / BEGUN, json.dumps(manifest, indent=2) + "\n")
    except OSError as error:
        raise OSError(f"cannot write an agent to {path}: {error}") from error


def _compare(path: Path, cell: dict[str, Any]) -> None:
    """Refuse to go on with the training of another cell."""
    theirs = dataclasses.asdict(_cell_of(path / BEGUN))
    differ = [name for name in cell if theirs[name] != cell[name]]
    if differ:
        told = ", ".join(f"{n} {theirs[n]!r} there, {cell[n]!r} here" for n in differ)
        raise ValueError(
            f"{path} holds the beginning of another training: {told}; "
            "choose another --out, or delete it"
        )


def _made(cell: Cell, path: Path, tensorboard: bool) -> tuple[Policy, Scale | None]:
    """Return the policy, and the scale of what it was trained for; None where it was planned."""
    if is_planned(cell):
        return make_policy(cell), None
    world = make_task(cell.env, dict(cell.knobs)).world
    names = party_names(world)
    title = f"{cell.env} · {cell.method} · {cell.optimiser} · seed {cell.seed}"
    with TrainingBar(make_console(stderr=True), title, names) as bar, ExitStack() as closing:
        # with the scale answers and rewards are there: clocks can start
        scale = None if cell.rounds else training_scale(cell)
        bar.begin(scale, _units(cell, world), cell.rounds)
        logs: list[Callback] = [
            CsvLog(path / "log.csv", names),
            JsonlLog(path / "log.jsonl", names),
        ]
        if tensorboard:
            curves = TensorBoardLog(path / "tensorboard", names)
            closing.callback(curves.close)
            logs.append(curves)
        if cell.rounds:
            return _asked(cell, path, Callbacks(*logs, bar))
        return make_policy(cell, Callbacks(*logs, bar), path / CHECKPOINT), scale


def _asked(cell: Cell, path: Path, callback: Callback) -> tuple[Policy, Scale]:
    """Train in rounds, and keep what was said and learned."""
    found = asking.learn(cell, callback=callback, folder=path / CHECKPOINT)
    save_learner(path / LEARNER, found.learner)
    found.answers.save(path / ANSWERS)
    return found.policy, asking.last_scale(cell, found.learner)


def _units(cell: Cell, world: Dynamics) -> str:
    """Say in which units a training's returns are shown."""
    if cell.rounds:
        return "learned rewards as they are, which each round learns anew"
    rewards = "true" if parse_method(cell.method).kind == "oracle" else "learned"
    if isinstance(world, FiniteMDP):
        return f"{rewards} rewards; 0: the reference policy's return, 1: the party's own best"
    return f"{rewards} rewards; 0: the random policy's return, 1: one standard deviation more"


def party_names(world: Dynamics) -> tuple[str, ...]:
    """Return what the parties are called."""
    population = world.population
    return population.names or tuple(f"party {m}" for m in range(population.num_parties))


def load_agent(path: Path) -> tuple[Cell, Policy]:
    """Read what `train_agent` wrote.

    Raises:
        FileNotFoundError: when the folder holds no finished run.
        ValueError: when it is damaged.
    """
    place = path / MANIFEST
    if not place.is_file():
        if (path / BEGUN).is_file():
            unfinished = "a training that was not finished; give its command again"
            raise FileNotFoundError(f"{path} holds {unfinished}")
        raise FileNotFoundError(f"{path} holds no trained agent: it has no {MANIFEST}")
    return _cell_of(place), load_policy(path / "policy")


def _cell_of(place: Path) -> Cell:
    """Return the cell of a manifest, whole or begun."""
    try:
        return Cell.from_json(_read(place)["cell"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{place} is damaged or not an agent's: {error!r}") from error


def _read(place: Path) -> dict[str, Any]:
    return json.loads(place.read_text(encoding="utf-8"))


def seen_by(path: Path, cell: Cell) -> Dynamics:
    """Return the world that the agent of a cell, kept in a folder, looks at.

    Raises:
        FileNotFoundError: when people were asked in rounds and what was learned is missing.
        ValueError: when that is damaged.
    """
    if cell.level != "episode" or not cell.rounds:
        return seen_world(cell)
    parts = _read(path / MANIFEST)["scale"]
    scale = Scale(**{name: np.array(values) for name, values in parts.items()})
    world = make_task(cell.env, dict(cell.knobs)).world
    return AccruedReturns(world, load_learner(path / LEARNER).rewards, scale)
