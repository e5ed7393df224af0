"""Settings that users type as NAME=VALUE: of an environment, and of PPO."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

from agents.config import PPOConfig
from baselines.rows import Cell, Knobs
from multiparty_envs import expect
from multiparty_envs.registration import find_builder

STEPS = "total_steps"
"""The setting of PPO that a cell has as `steps`."""


def knobs_of(env: str, texts: Sequence[str]) -> Knobs:
    """Return the keyword arguments of an environment, as in num_parties=8.

    Raises:
        ValueError: on a text that is no pair, or a name that the environment's builder lacks.
    """
    knobs = _pairs(texts, "--knobs")
    allowed = inspect.signature(find_builder(env)).parameters
    open_ = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in allowed.values())
    for name, _ in () if open_ else knobs:
        expect.choice(name, allowed, name=f"knob of {env}")
    return knobs


def ppo_of(texts: Sequence[str]) -> Knobs:
    """Return settings of PPO, as in learning_rate=1e-3 or hidden=64,64.

    Raises:
        ValueError: on a text that is no pair, an unknown name, or a value out of range.
        TypeError: on a value of the wrong kind.
    """
    defaults = {each.name: each.default for each in dataclasses.fields(PPOConfig)}
    allowed = set(defaults) - {STEPS}  # which has an option of its own
    pairs = [
        (expect.choice(name, allowed, name="setting of PPO (--set)"), value)
        for name, value in _pairs(texts, "--set")
    ]
    settings = tuple((name, _like(defaults[name], value, name)) for name, value in pairs)
    PPOConfig(**dict(settings))
    return settings


def config_of(cell: Cell) -> PPOConfig:
    """Return how PPO trains a cell."""
    return PPOConfig(**{STEPS: cell.steps, **dict(cell.ppo)})


def _pairs(texts: Sequence[str], option: str) -> Knobs:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option} should be given NAME=VALUE, not {text!r}")
        pairs[name] = _value(value)
    return tuple(sorted(pairs.items()))


def _value(text: str) -> Any:
    """Return a number, truth value, None or tuple of these; any other text as it is."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return tuple(value) if isinstance(value, list) else value


def _like(default: Any, value: Any, name: str) -> Any:
    """Return a value of the kind of `default`, if it is one but for its spelling."""
    if isinstance(default, tuple) and not isinstance(value, tuple):
        return (value,)
    if isinstance(default, int | float) and not isinstance(value, int | float):
        raise TypeError(f"{name} should be a number, is {value!r}")
    if isinstance(default, int | None) and isinstance(value, float) and value.is_integer():
        return int(value)  # 1e6 is a whole number to those who write it
    return value
