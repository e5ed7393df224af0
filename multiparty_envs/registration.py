"""One table of environments, and one loop that tells Gymnasium about it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import gymnasium

from multiparty_envs import expect
from multiparty_envs.dynamics.base import Dynamics

NAMESPACE = "multiparty"
SINGLE = "multiparty_envs.faces.single:PartyEnv"
VECTOR = "multiparty_envs.faces.vector:PartyVectorEnv"

ENVS: dict[str, str] = {
    "Delivery-v0": "multiparty_envs.envs.delivery:delivery",
    "LinearBandit-v0": "multiparty_envs.envs.linear_bandit:linear_bandit",
    "Timetable-v0": "multiparty_envs.envs.timetable:timetable",
    "HardBandit-v0": "multiparty_envs.envs.hard_bandit:hard_bandit",
    "Condorcet-v0": "multiparty_envs.envs.condorcet:condorcet",
    "Thermostat-v0": "multiparty_envs.envs.thermostat:thermostat",
    "Reservoir-v0": "multiparty_envs.envs.reservoir:reservoir",
    "Review-v0": "multiparty_envs.envs.review:review",
}
"""Name to builder, a function `(**knobs) -> Dynamics` written "module:function"."""


def register(name: str, builder: str) -> None:
    """Make a world of one's own known as "multiparty/<name>" to `gym.make` and `make_dynamics`.

    Args:
        name: such as "MyWorld-v0".
        builder: "module:function"; the function takes knobs as keywords and returns `Dynamics`.

    Raises:
        ValueError: when name or builder is not of that form, or the name is taken.
    """
    if not re.fullmatch(r"[\w-]+-v\d+", name):
        raise ValueError(f"name should look like 'MyWorld-v0', is {name!r}")
    if not re.fullmatch(r"[\w.]+:\w+", builder):
        raise ValueError(f"builder should look like 'module:function', is {builder!r}")
    if ENVS.get(name, builder) != builder:
        raise ValueError(f"{name!r} is taken by {ENVS[name]!r}")
    ENVS[name] = builder
    _tell_gymnasium(name, builder)


def register_all() -> None:
    """Tell Gymnasium about every environment of the table; a second call changes nothing."""
    for name, builder in ENVS.items():
        _tell_gymnasium(name, builder)


def make_dynamics(name: str, **knobs: Any) -> Dynamics:
    """Build a world.

    Args:
        name: a registered name, with or without "multiparty/", or "module:function".
        knobs: for the builder.

    Raises:
        ValueError: for an unknown name, with the nearest known ones.
        TypeError: when the builder does not know a knob, or returns no `Dynamics`.
    """
    world = find_builder(name)(**knobs)
    if not isinstance(world, Dynamics):
        raise TypeError(f"{name!r} should build a Dynamics, built {type(world).__name__}")
    return world


def find_builder(name: str) -> Callable[..., Dynamics]:
    """Return the builder function behind a name; see `make_dynamics`."""
    if re.fullmatch(r"[\w.]+:\w+", name):
        path = name
    else:
        short = name.rpartition(":")[2].removeprefix(f"{NAMESPACE}/")
        path = ENVS[expect.choice(short, ENVS, name="environment")]
    module, _, function = path.partition(":")
    builder = getattr(importlib.import_module(module), function, None)
    if builder is None:
        raise ValueError(f"module {module} has no builder {function!r}")
    return builder


def _tell_gymnasium(name: str, builder: str) -> None:
    full = f"{NAMESPACE}/{name}"
    # Gymnasium warns when an id is registered twice
    if full not in gymnasium.registry:
        gymnasium.register(
            full, entry_point=SINGLE, vector_entry_point=VECTOR, kwargs={"dynamics": builder}
        )
