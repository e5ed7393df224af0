"""A training on disk: stopped, stored and gone on with, it ends as if it had never stopped."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from agents import storage
from agents.trainer import Trainer


def describe(trainer: Trainer) -> dict[str, Any]:
    """Return what a training has to have in common with the one that a store was made of."""
    problem = trainer.problem
    config = dataclasses.asdict(trainer.config)
    return {
        "config": {**config, "hidden": list(config["hidden"])},
        "seed": trainer.streams.seed,
        "level": problem.level,
        "welfare": repr(problem.welfare),
        "parties": len(problem.scale.unit),
        "observation_size": problem.observation_size,
        "actions": [problem.distribution.kind, problem.distribution.settings()],
    }


def save(folder: storage.PathLike, trainer: Trainer) -> None:
    """Write everything that changes in a training to `folder`, in one step.

    Raises:
        OSError: when the folder cannot be made or written to.
    """
    storage.write(folder, stored(trainer), storage.CHECKPOINT)


def stored(trainer: Trainer) -> storage.Stored:
    """Return a training as arrays and settings."""
    arrays = {f"trainer.{n}": t.cpu().numpy() for n, t in trainer.tensors().items()}
    return storage.Stored("ppo", arrays, {"training": describe(trainer)})


def exists(folder: storage.PathLike) -> bool:
    """Return whether `folder` holds a training."""
    return (Path(folder) / storage.CHECKPOINT.file).is_file()


def restore(folder: storage.PathLike, trainer: Trainer) -> None:
    """Go on from what `save` wrote of an equal training. No code is run.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when it is damaged, or of a training with other settings, naming them.
    """
    put(storage.read(folder, storage.CHECKPOINT), trainer, folder)


def put(found: storage.Stored, trainer: Trainer, folder: storage.PathLike) -> None:
    """Go on from what was read; errors as `restore`."""
    theirs, ours = found.settings.get("training"), describe(trainer)
    if theirs != ours:
        raise ValueError(f"{folder} holds another training: {_difference(theirs, ours)}")
    start = "trainer."
    arrays = {n[len(start) :]: a for n, a in found.arrays.items() if n.startswith(start)}
    missing = set(trainer.tensors()) - set(arrays)
    if missing:
        raise ValueError(f"{folder} is damaged: {', '.join(sorted(missing))} missing")
    trainer.put({name: torch.from_numpy(array) for name, array in arrays.items()})


def _difference(theirs: Any, ours: dict[str, Any]) -> str:
    if not isinstance(theirs, dict):
        return "it does not say of what"
    flat = [{**part, **part.get("config", {})} for part in (theirs, ours)]
    names = sorted({*flat[0], *flat[1]} - {"config"})
    changed = [name for name in names if flat[0].get(name) != flat[1].get(name)]
    return ", ".join(f"{n} {flat[0].get(n)!r} there, {flat[1].get(n)!r} here" for n in changed)
