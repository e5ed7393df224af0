"""One agent: train it and keep it. What it was trained on is in its manifest."""

from __future__ import annotations

import dataclasses
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agents.logs import Callbacks, CsvLog, JsonlLog, TensorBoardLog
from agents.policy import Policy, load_policy
from agents.progress import Callback
from baselines.bar import TrainingBar
from baselines.cells import is_planned, make_policy, trainer_of, training_scale
from baselines.console import make_console
from baselines.extras import require
from baselines.facts import facts
from baselines.methods import env_name, parse_method
from baselines.settings import config_of
from baselines.store import Cell
from baselines.tasks import make_task
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.files import write_text
from multiparty_envs.welfare.scale import LEVELS, Scale

FORMAT = 1
"""Version of the run folder's layout."""

MANIFEST = "manifest.json"
"""Written last: a folder that has it holds a whole run."""

BEGUN = "training.json"
"""The same before the end, for whoever goes on with a training that was interrupted."""


def train_agent(cell: Cell, out: Path | None = None, *, tensorboard: bool = False) -> Path:
    """Train the agent of a cell, write its folder, and return the folder's path.

    The folder gets `policy/`, `manifest.json` and, where something is trained, `log.csv` and
    `log.jsonl` with a line a batch. Progress goes to standard error.

    Args:
        cell: environment, method, optimiser, seed and settings.
        out: folder, made if need be; default a name of its own under `runs/`.
        tensorboard: also write `tensorboard/`.

    Raises:
        ValueError: on unknown names or settings, or a folder that holds an agent.
        TypeError: when the cell needs tables and the environment is not finite.
        ImportError: when TensorBoard is asked for and not installed.
        OSError: when the folder cannot be written to.
        KeyboardInterrupt: with the folder's path; its logs and what else is there stay.
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
        stays = f"{path} keeps its logs; the same command begins anew"
        raise KeyboardInterrupt(stays) from None
    policy.save(path / "policy")
    manifest["seconds"] = round(time.perf_counter() - begun, 3)
    # the units of the returns in the logs are those of the rewards: this scale makes them ours
    manifest["scale"] = scale and {n: getattr(scale, n).tolist() for n in ("shift", "unit")}
    write_text(path / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    (path / BEGUN).unlink()
    return path


def _check(cell: Cell) -> None:
    """Refuse what cannot be trained before anything is written."""
    kind = parse_method(cell.method).kind
    expect.choice(cell.level, LEVELS, name="level")
    config_of(cell)
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
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_text(path / BEGUN, json.dumps(manifest, indent=2) + "\n")
    except OSError as error:
        raise OSError(f"cannot write an agent to {path}: {error}") from error


def _made(cell: Cell, path: Path, tensorboard: bool) -> tuple[Policy, Scale | None]:
    """Return the policy, and the scale of what it was trained for; None where it was planned."""
    if is_planned(cell):
        return make_policy(cell), None
    world = make_task(cell.env, dict(cell.knobs)).world
    names = party_names(world)
    title = f"{cell.env} · {cell.method} · {cell.optimiser} · seed {cell.seed}"
    with TrainingBar(make_console(stderr=True), title, names) as bar, ExitStack() as closing:
        scale = training_scale(cell)  # with it answers and rewards are there: clocks can start
        bar.begin(scale, _units(cell, world))
        logs: list[Callback] = [
            CsvLog(path / "log.csv", names),
            JsonlLog(path / "log.jsonl", names),
        ]
        if tensorboard:
            curves = TensorBoardLog(path / "tensorboard", names)
            closing.callback(curves.close)
            logs.append(curves)
        return make_policy(cell, Callbacks(*logs, bar)), scale


def _units(cell: Cell, world: Dynamics) -> str:
    """Say in which units a training's returns are shown."""
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
            raise FileNotFoundError(f"{path} holds a training that was not finished; train it anew")
        raise FileNotFoundError(f"{path} holds no trained agent: it has no {MANIFEST}")
    try:
        cell = Cell.from_json(json.loads(place.read_text(encoding="utf-8"))["cell"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{place} is damaged or not an agent's: {error!r}") from error
    return cell, load_policy(path / "policy")
