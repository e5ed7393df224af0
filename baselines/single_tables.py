"""What a trained agent gives each party, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from agents.episodes import Evaluation, evaluate, evaluate_behaviour
from agents.evaluation import exact, simulated_scale, summarise
from agents.planning import party_scale
from agents.policy import Policy
from baselines.cells import is_planned, welfare_metrics
from baselines.rows import Cell
from baselines.single import load_agent, party_names, seen_by
from baselines.summary import Table
from baselines.tasks import make_task
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale

SHOWN = 12
"""Up to so many parties are listed one by one; of more, the best and worst off."""


def evaluation(
    path: Path, episodes: int = 1000, seed: int = 0, *, deterministic: bool = False
) -> list[Table]:
    """Return tables of each party's return, simulated, and exact where the world is tables.

    Args:
        path: the agent's folder.
        episodes: simulated ones, at least 2.
        seed: of the simulation.
        deterministic: always take the likeliest action.
    """
    expect.integer(episodes, name="episodes", low=2)
    cell, policy = load_agent(path)
    world = make_task(cell.env, dict(cell.knobs)).world
    key = Streams(seed).key("evaluation")
    found = _Found(
        agent=evaluate(seen_by(path, cell), policy, episodes, key, deterministic=deterministic),
        reference=evaluate_behaviour(world, episodes, key),
        scale=_scale(world, episodes, key),
        exact=_exact(cell, world, policy, deterministic),
    )
    return [_parties(cell, world, found), _welfare(world, found)]


@final
@dataclass(frozen=True, eq=False)
class _Found:
    """What was measured of an agent.

    Attributes:
        agent: its episodes.
        reference: those of the behaviour policy.
        scale: the units that make parties comparable.
        exact: [M] expected returns, or None where no tables give them.
    """

    agent: Evaluation
    reference: Evaluation
    scale: Scale
    exact: np.ndarray | None

    @property
    def returns(self) -> np.ndarray:
        """The best that is known of the expected returns [M]."""
        return self.agent.mean if self.exact is None else self.exact


def _scale(world: Dynamics, episodes: int, seed: int) -> Scale:
    if isinstance(world, FiniteMDP):
        return party_scale(world, "range")
    return simulated_scale(world, None, episodes, seed, centred=True)


def _exact(cell: Cell, world: Dynamics, policy: Policy, deterministic: bool) -> np.ndarray | None:
    # at level "episode" what is done depends on the returns so far, which the tables do not hold
    tables = cell.level != "episode" or is_planned(cell)
    if not (tables and isinstance(world, FiniteMDP)):
        return None
    return exact(world, policy, deterministic=deterministic)


def _parties(cell: Cell, world: Dynamics, found: _Found) -> Table:
    normalised = found.scale.returns(found.returns)
    # worst off first: they are who the welfare functions differ about
    order = np.argsort(normalised, kind="stable")
    # both ends, since the middle of 235 people says little
    if len(order) > SHOWN:
        order = np.concatenate([order[: SHOWN // 2], order[-SHOWN // 2 :]])
    finite = isinstance(world, FiniteMDP)
    columns = {
        "party": np.array(party_names(world)),
        "normalised return" if finite else "gain in spreads": _numbers(normalised),
    }
    if found.exact is not None:
        columns["return"] = _numbers(found.exact)
    columns[f"return in {len(found.agent.lengths)} episodes"] = _simulated(found.agent)
    columns["reference policy's" if finite else "random policy's"] = _simulated(found.reference)
    rows = tuple(tuple(values[m] for values in columns.values()) for m in order)
    title = (
        f"{cell.method} on {cell.env}, worst off first ({len(rows)} of {len(normalised)}), "
        f"{found.agent.mean_length:.1f} steps an episode"
    )
    return Table(title, tuple(columns), rows)


def _numbers(values: np.ndarray) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _simulated(run: Evaluation) -> list[str]:
    return [f"{m:.3f} ±{1.96 * s:.3f}" for m, s in zip(run.mean, run.stderr, strict=True)]


def _welfare(world: Dynamics, found: _Found) -> Table:
    metrics = welfare_metrics(summarise(found.returns, found.scale))
    title = (
        "Welfare of the normalised returns (0: reference policy, 1: own best)"
        if isinstance(world, FiniteMDP)
        else "Welfare of the gains over the random policy, in standard deviations of its returns"
    )
    rows = tuple((name, f"{value:.3f}") for name, value in metrics.items())
    return Table(title, ("welfare", "value"), rows)
