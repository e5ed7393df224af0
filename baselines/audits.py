"""The audit of one agent: its table for the console, and its figure beside the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agents.audits import Audit, audit
from agents.evaluation import tabulate
from agents.planning import party_scale
from agents.units import reward_table
from baselines.cells import is_planned, learner_of
from baselines.methods import NEURAL, parse_method
from baselines.plots import INK, MAJORITY, MINORITY, figure_of, save, styled
from baselines.rows import Cell
from baselines.single import LEARNER, load_agent, party_names
from baselines.summary import Table
from baselines.tasks import make_task
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.rewards import load_learner

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOT = "audit.svg"
"""The figure's name in a run folder."""

NAMED = 12
"""Up to so many parties are named in the figure; of more, a number tells."""


def audit_agent(path: Path, *, deterministic: bool = False) -> Table | None:
    """Audit an agent, draw the figure into its folder, and return the table.

    None where it cannot be audited: in a world without tables, or at level "episode", at which
    what is done depends on more than tables hold.

    Args:
        path: the agent's folder.
        deterministic: always take the likeliest action.
    """
    cell, policy = load_agent(path)
    world = make_task(cell.env, dict(cell.knobs)).world
    if not isinstance(world, FiniteMDP) or (cell.level == "episode" and not is_planned(cell)):
        return None
    found = audit(
        tabulate(policy, world, deterministic=deterministic),
        world,
        scale=party_scale(world, "range"),
        aggregate=_aggregate(path, cell, world),
    )
    save(figure(found, party_names(world)), path / PLOT)
    title = f"Audit of {cell.method} on {cell.env} ({len(found.time)} states; {path / PLOT})"
    return Table(title, ("measure", "value", "what it means"), found.rows())


def _aggregate(path: Path, cell: Cell, world: FiniteMDP) -> np.ndarray | None:
    """Return the mean [S, A] of the rewards that an agent was made for, if they were learned.

    Networks are not fitted anew for it; they are read where the folder keeps them.
    """
    method = parse_method(cell.method)
    if (path / LEARNER).exists():
        learner = load_learner(path / LEARNER)
    elif method.learner in NEURAL or method.kind != "learned":
        return None
    else:
        learner = learner_of(cell)
    assert learner is not None
    return reward_table(world, learner).mean(axis=-1)


@styled
def figure(found: Audit, names: tuple[str, ...]) -> Figure:
    """Draw an audit: the Lorenz curve, each party's utility, and tau at the states.

    Args:
        found: the audit.
        names: `[M]` of the parties.
    """
    picture, axes = figure_of(3, width=10.0, height=3.2)
    _lorenz(axes[0], found)
    _parties(axes[1], found, names)
    _states(axes[2], found)
    return picture


def _lorenz(axis: Axes, found: Audit) -> None:
    poorest = np.linspace(0.0, 1.0, len(found.lorenz))
    axis.plot(poorest, poorest, ":", color=INK, linewidth=0.8)
    axis.plot(poorest, found.lorenz, marker="o", markersize=3, color=MAJORITY)
    axis.set_title(f"Lorenz curve (Gini {found.gini:.3f}, Jain {found.jain:.3f})", fontsize=9)
    axis.set_xlabel("share of the parties, poorest first")
    axis.set_ylabel("share of the utility")


def _parties(axis: Axes, found: Audit, names: tuple[str, ...]) -> None:
    order = np.argsort(found.shares, kind="stable")
    axis.barh(range(len(order)), found.shares[order], color=MAJORITY, height=0.7)
    few = len(order) <= NAMED
    axis.set_yticks(range(len(order)) if few else [], [names[m] for m in order] if few else [])
    axis.set_ylabel("" if few else f"{len(order)} parties, poorest first")
    axis.set_xlabel("return above the party's worst policy's")
    axis.set_title("who has what", fontsize=9)


def _states(axis: Axes, found: Audit) -> None:
    """Draw, for each measure, the share of the visits at which it is above a threshold."""
    pareto = np.minimum(found.pareto, 10.0)  # infinite: beyond all that is drawn
    for name, tau, colour in (
        ("Pareto", pareto, MAJORITY),
        ("Pigou-Dalton", found.pigou_dalton, MINORITY),
        ("ex-post", found.ex_post, INK),
    ):
        order = np.argsort(tau)[::-1]
        share = np.concatenate([[0.0], np.cumsum(found.visits[order]) / found.visits.sum()])
        level = np.append(tau[order], 0.0)
        axis.step(np.append(level[0], level[:-1]), share, where="pre", color=colour, label=name)
    axis.set_xlim(left=0.0)
    axis.set_ylim(-0.02, 1.02)
    axis.set_xlabel("tau")
    axis.set_ylabel("share of the visits with more")
    axis.set_title("efficiency at the states", fontsize=9)
    axis.legend()
