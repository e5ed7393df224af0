"""The table of environments."""

from __future__ import annotations

from gymnasium.spaces import Discrete

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
    actions = dynamics.action_space
    sizes = (
        population.num_parties,
        population.num_clusters,
        dynamics.num_states if finite else "–",
        actions.n if isinstance(actions, Discrete) else actions,
        population.num_features,
        dynamics.horizon,
        "known" if finite else "not known",
    )
    return (f"multiparty/{name}", *map(str, sizes))
