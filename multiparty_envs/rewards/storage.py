"""Learners on disk: one safetensors file, which holds arrays and text and can run nothing.

What is stored of a learner follows from its manners: the settings that `__init__` takes and
stores unchanged, and what its class says is learned, whose names end in an underscore.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from multiparty_envs import files
from multiparty_envs.rewards.base import RewardLearner
from multiparty_envs.rewards.table import LEARNERS, learner_class

FORMAT = "multiparty-learner"
VERSION = 1
"""Raised whenever an older reader could misread the file."""

SCALARS = (bool, int, float, str, type(None))


def save_learner(path: str | os.PathLike[str], learner: RewardLearner) -> None:
    """Write a learner, fitted or not, to `path` in one step.

    Raises:
        TypeError: when its class is not in the table of learners, or a setting is no plain value.
        FileNotFoundError: when the folder does not exist.
    """
    from safetensors.numpy import save_file

    described, arrays = learner_state(learner)
    # one text, because safetensors writes several in any order
    metadata = {FORMAT: json.dumps({"version": VERSION, **described})}
    with files.replacing(path) as partial:
        save_file(arrays, partial, metadata)


def load_learner(path: str | os.PathLike[str]) -> RewardLearner:
    """Read what `save_learner` wrote; it predicts the same to the last bit. Runs no code.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is truncated, of another format or of a newer version.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            described = _described(path, file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    try:
        return learner_from_state(described, arrays)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no learner that this version knows: {error}") from error


def learner_state(learner: RewardLearner) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a learner as JSON values and arrays by name, for a file that holds other things too.

    The values are its name in the table, its settings and what it learned that is no array; a
    learner inside it (`pessimistic`) is such a description, its arrays named "setting.array".

    Raises:
        TypeError: when its class is not in the table of learners, or a value is no plain one.
    """
    class_ = type(learner)
    described: dict[str, Any] = {"learner": _name(class_), "settings": {}, "learned": {}}
    arrays: dict[str, np.ndarray] = {}
    for name in _settings(class_):
        value = getattr(learner, name)
        if isinstance(value, RewardLearner):
            described["settings"][name], inside = learner_state(value)
            arrays |= {f"{name}.{key}": array for key, array in inside.items()}
        else:
            _put(name, value, described["settings"], arrays)
    for name in sorted(_learned(class_)):
        if hasattr(learner, name):
            _put(name, getattr(learner, name), described["learned"], arrays)
    return described, arrays


def learner_from_state(
    described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> RewardLearner:
    """Return the learner that `learner_state` told of.

    Raises:
        ValueError: when there is no such learner, or arrays are missing or too many.
        TypeError: when it has no such setting.
    """
    name, settings, learned = (described.get(key) for key in ("learner", "settings", "learned"))
    if not isinstance(settings, dict) or not isinstance(learned, dict):
        raise ValueError(f"a learner should have settings and what it learned, has {described}")
    class_ = learner_class(str(name))
    settings = {key: _opened(key, value, arrays) for key, value in settings.items()}
    own = {key: array for key, array in arrays.items() if "." not in key}
    settings |= {key: array for key, array in own.items() if not key.endswith("_")}
    learned = {key: _tuples(value) for key, value in learned.items()}
    learned |= {key: array for key, array in own.items() if key.endswith("_")}
    wanted = _learned(class_) if learned else set()
    if set(learned) != wanted:
        differ = ", ".join(sorted(set(learned) ^ wanted))
        raise ValueError(f"{name} should have learned other things: {differ}")
    learner = class_(**settings)
    for key, value in learned.items():
        setattr(learner, key, value)
    return learner


def _described(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Check format and version; return what is said of the learner."""
    if FORMAT not in metadata:
        raise ValueError(f"{path} should hold the format {FORMAT!r}, holds {sorted(metadata)}")
    try:
        described = json.loads(metadata[FORMAT])
        version = int(described.pop("version"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has metadata that cannot be read: {error!r}") from error
    if not 1 <= version <= VERSION:
        raise ValueError(f"{path} has version {version} of {FORMAT}; this reads 1 to {VERSION}")
    return described


def _name(class_: type[RewardLearner]) -> str:
    """The learner's name in the table."""
    path = f"{class_.__module__}:{class_.__name__}"
    for name, own in LEARNERS.items():
        if own == path:
            return name
    raise TypeError(f"{class_.__name__} is not in LEARNERS, so it could not be loaded again")


def _settings(class_: type[RewardLearner]) -> list[str]:
    """Names of what `__init__` takes, in every class that passes settings on."""
    found: dict[str, None] = {}
    for base in class_.__mro__:
        parameters = inspect.signature(base.__init__).parameters.values()
        found |= {
            p.name: None for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    found.pop("self", None)
    return list(found)


def _learned(class_: type[RewardLearner]) -> set[str]:
    """Names of what the class and its bases say is learned."""
    said = (name for base in class_.__mro__ for name in inspect.get_annotations(base))
    return {name for name in said if name.endswith("_") and not name.startswith("_")}


def _put(name: str, value: Any, plain: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Store a value with the arrays if it is one, else with the plain ones."""
    if isinstance(value, np.ndarray):
        # safetensors writes the memory as it lies, so strided views must be copied first
        arrays[name] = np.ascontiguousarray(value)
        return
    value = value.item() if isinstance(value, np.generic) else value
    parts = value if isinstance(value, tuple | list) else (value,)
    if not all(isinstance(part, SCALARS) for part in parts):
        raise TypeError(f"{name} should be a plain value to be stored, is {value!r}")
    plain[name] = value


def _opened(name: str, value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """A setting: a description becomes the learner that it is of."""
    if not isinstance(value, dict):
        return _tuples(value)
    inside = {k.removeprefix(f"{name}."): a for k, a in arrays.items() if k.startswith(f"{name}.")}
    return learner_from_state(value, inside)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
