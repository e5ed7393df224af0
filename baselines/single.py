"""One agent: train it, evaluate it, draw it. What it was trained on is in its manifest."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from agents.evaluation import evaluate, summarise, tabulate
from agents.planning import party_scale, policy_returns
from agents.policy import Policy, load_policy
from baselines.cells import make_policy, welfare_metrics
from baselines.extras import require
from baselines.facts import facts
from baselines.methods import env_name, parse_method
from baselines.store import Cell
from baselines.summary import Table
from baselines.tasks import make_task
from multiparty_envs import expect
from multiparty_envs.files import replacing, write_text
from multiparty_envs.streams import Streams

FORMAT = 1
"""Version of the run folder's layout."""

SHOWN = 12
"""Up to so many parties are listed one by one; of more, the best and worst off."""


def train_agent(cell: Cell, out: Path | None = None) -> Path:
    """Train the agent of a cell, write its folder, and return the folder's path.

    Args:
        cell: environment, method, optimiser, seed.
        out: folder, made if need be; default a name of its own under `runs/`.

    Raises:
        ValueError: on an unknown environment or method, or a folder that holds something.
        OSError: when the folder cannot be written to; nothing has been trained by then.
    """
    cell = dataclasses.replace(cell, env=env_name(cell.env))
    parse_method(cell.method)
    path = out or Path("runs") / f"{cell.env}-{cell.method}-{cell.seed}"
    _claim(path)  # before the training: minutes of work should not end at a full disk
    begun = time.perf_counter()
    policy = make_policy(cell)
    policy.save(path / "policy")
    manifest = {
        "format": FORMAT,
        "cell": dataclasses.asdict(cell),
        "seconds": round(time.perf_counter() - begun, 3),
        **facts(),
    }
    # last of all: a folder with a manifest is a whole run
    write_text(path / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    return path


def _claim(path: Path) -> None:
    if (path / "manifest.json").exists():
        raise ValueError(f"{path} holds an agent already; choose another --out")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with replacing(path / "manifest.json") as probe:
            probe.write_text("")
        (path / "manifest.json").unlink()
    except OSError as error:
        raise OSError(f"cannot write an agent to {path}: {error}") from error


def load_agent(path: Path) -> tuple[Cell, Policy]:
    """Read what `train_agent` wrote.

    Raises:
        FileNotFoundError: when the folder holds no finished run.
        ValueError: when it is damaged.
    """
    place = path / "manifest.json"
    if not place.is_file():
        raise FileNotFoundError(f"{path} holds no trained agent: it has no manifest.json")
    try:
        data = json.loads(place.read_text(encoding="utf-8"))["cell"]
        data["knobs"] = tuple((name, value) for name, value in data["knobs"])
        cell = Cell(**data)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place} is damaged or not an agent's: {error!r}") from error
    return cell, load_policy(path / "policy")


def evaluation(path: Path, episodes: int = 1000, seed: int = 0) -> list[Table]:
    """Return tables of each party's return: exact, normalised, and simulated.

    Args:
        path: the agent's folder.
        episodes: simulated ones, at least 2.
        seed: of the simulation.
    """
    expect.integer(episodes, name="episodes", low=2)
    cell, policy = load_agent(path)
    mdp = make_task(cell.env, dict(cell.knobs)).mdp
    exact = policy_returns(mdp, tabulate(policy, mdp))
    scale = party_scale(mdp, "range")
    normalised = scale.returns(exact)
    simulated = evaluate(mdp, policy, episodes, Streams(seed).key("evaluation"))
    names = mdp.population.names or tuple(f"party {m}" for m in range(mdp.num_parties))
    # worst off first: they are who the welfare functions differ about
    order = np.argsort(normalised, kind="stable")
    # both ends, since the middle of 235 people says little
    if len(order) > SHOWN:
        order = np.concatenate([order[: SHOWN // 2], order[-SHOWN // 2 :]])
    rows = tuple(
        (
            names[m],
            f"{normalised[m]:.3f}",
            f"{exact[m]:.3f}",
            f"{simulated.mean[m]:.3f} ±{1.96 * simulated.stderr[m]:.3f}",
        )
        for m in order
    )
    columns = ("party", "normalised return", "return", f"return in {episodes} episodes")
    title = f"{cell.method} on {cell.env}, worst off first ({len(rows)} of {mdp.num_parties})"
    metrics = welfare_metrics(summarise(exact, scale))
    summary = tuple((name, f"{value:.3f}") for name, value in metrics.items())
    return [
        Table(title, columns, rows),
        Table("Welfare of the normalised returns", ("welfare", "value"), summary),
    ]


def draw_frames(path: Path, episodes: int = 1, seed: int = 0, out: Path | None = None) -> Path:
    """Write an animated GIF of the agent's episodes and return its path."""
    image = require("PIL.Image")
    frames = [image.fromarray(frame) for frame in _episodes(path, episodes, seed, "rgb_array")]
    target = out or path / "episodes.gif"
    with replacing(target) as partial:
        frames[0].save(
            partial, format="GIF", save_all=True, append_images=frames[1:], duration=250, loop=0
        )
    return target


def draw_text(path: Path, episodes: int = 1, seed: int = 0) -> str:
    """Return the agent's episodes drawn in letters, one picture after the other."""
    return "\n\n".join(_episodes(path, episodes, seed, "ansi"))


def _episodes(path: Path, episodes: int, seed: int, mode: str) -> Iterator[Any]:
    expect.integer(episodes, name="episodes", low=1)
    cell, policy = load_agent(path)
    env = gym.make(f"multiparty_envs:multiparty/{cell.env}", render_mode=mode, **dict(cell.knobs))
    rng = Streams(seed).numpy("actions")
    for episode in range(episodes):
        # seeded once; later episodes go on with the same streams
        obs, _ = env.reset(seed=seed if episode == 0 else None)
        yield env.render()
        over = False
        while not over:
            action = policy.act(obs[None], rng)[0]
            obs, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
            yield env.render()
    env.close()
