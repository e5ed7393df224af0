"""The table of environments."""

from __future__ import annotations

from typing import Any

from gymnasium.spaces import Discrete, MultiDiscrete

from baselines.summary import Table
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.registration import ENVS, make_dynamics


def environments() -> Table:
    """Return every registered environment with its default size."""
    return Table("Environments", COLUMNS, tuple(_line(name) for name in ENVS))


COLUMNS = ("id", "parties", "kinds", "cells", "actions", "features", "horizon", "exact optimum")


def _line(name: str) -> tuple[str, ...]:
    dynamics = make_dynamics(name)
    population = dynamics.population
    # only worlds that are tables can be planned exactly
    finite = isinstance(dynamics, FiniteMDP)
    sizes = (
        population.num_parties,
        population.num_clusters,
        dynamics.num_states if finite else "–",
        _actions(dynamics.action_space),
        population.num_features,
        dynamics.horizon,
        "known" if finite else "not known",
    )
    return (f"multiparty/{name}", *map(str, sizes))


def _actions(space: Any) -> str:
    """Return how many actions there are, as 4 or 3×3×3, or how many real numbers one is."""
    if isinstance(space, Discrete):
        return str(space.n)
    if isinstance(space, MultiDiscrete):
        return "×".join(map(str, space.nvec.flat))
    return f"{'×'.join(map(str, space.shape)) or 1} real"
