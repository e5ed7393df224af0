"""One audit of one policy: every measure of efficiency and fairness that applies, in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from agents.audits import efficiency, transfers
from agents.audits.agreement import Violations, violations
from agents.audits.envy import envy
from agents.audits.frontier import Improvement, improvement
from agents.evaluation import Choosing, tabulate
from agents.occupancy import World
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.parties import PreferenceMatrices
from multiparty_envs.welfare import Scale
from multiparty_envs.welfare.fairness import gini, jain, lorenz

VISITED = 1e-9
"""Chance of being somewhere from which it is audited."""

ROUNDING = 1e-11
"""Share of a party's largest utility anywhere below which it has none."""

PROGRAMMES = 5_000
"""Linear programmes that an audit solves at most; beyond, mixtures of actions are left out."""


class AuditRow(NamedTuple):
    """One line of the table."""

    name: str
    value: str
    meaning: str


@final
@dataclass(frozen=True, eq=False)
class Audit:
    """What was found of a policy. States are those it visits: B pairs of a time and a cell.

    Attributes:
        time: `[B]`, steps taken.
        state: `[B]`, the cell.
        visits: `[B]`, the chance of being there.
        pareto: `[B]` tau, see `efficiency.pareto`.
        better: `[B, A]`, the actions that dominate what the policy does.
        surplus: `[B]`, see `efficiency.surplus`; None where there are too many programmes.
        pigou_dalton: `[B]` tau, see `transfers.refused`; by mixtures where `surplus` is.
        ex_post: `[B]` tau, see `efficiency.ex_post`.
        improvement: of the returns, see `frontier.improvement`.
        returns: `[M]`, expected returns, raw.
        shares: `[M]`, what the parties have above their worst policy's return, in units of the
            scale.
        envy: `[M, M]` in units of the scale, see `envy`; None where it has no meaning.
        violations: of the aggregate reward, where one was given.
    """

    time: np.ndarray
    state: np.ndarray
    visits: np.ndarray
    pareto: np.ndarray
    better: np.ndarray
    surplus: np.ndarray | None
    pigou_dalton: np.ndarray
    ex_post: np.ndarray
    improvement: Improvement
    returns: np.ndarray
    shares: np.ndarray
    envy: np.ndarray | None
    violations: Violations | None

    @property
    def lorenz(self) -> np.ndarray:
        """`[M + 1]`, what share of the utilities the poorest 0, 1, ... parties hold."""
        return lorenz(self._held)

    @property
    def gini(self) -> float:
        """0 where all have the same, 1 - 1/M where one party has everything."""
        return float(gini(self._held))

    @property
    def jain(self) -> float:
        """1 where all have the same, 1/M where one party has everything."""
        return float(jain(self._held))

    @property
    def _held(self) -> np.ndarray:
        """`shares`, or the same for all where nobody has anything."""
        return self.shares if self.shares.any() else np.ones_like(self.shares)

    @property
    def inefficient(self) -> float:
        """Share of the visits at which some action dominates what the policy does."""
        return float(self.visits @ self.better.any(axis=1) / self.visits.sum())

    def rows(self) -> tuple[AuditRow, ...]:
        """Return the table: name, value, and what it means."""
        return (*self._efficiency(), *self._fairness(), *self._learning())

    def _efficiency(self) -> list[AuditRow]:
        found = [
            AuditRow(
                "Pareto tau, largest",
                _number(self.pareto.max()),
                "a party could gain this share at a state, harming nobody; 0: efficient",
            ),
            AuditRow(
                "dominated visits",
                _number(self.inefficient),
                "share of visits at which one action is better for some and worse for none",
            ),
        ]
        if self.surplus is not None:
            meaning = "the parties' sum could gain this at a state by a mixture, harming nobody"
            found.append(AuditRow("surplus, largest", _number(self.surplus.max()), meaning))
        gain = self.improvement
        return [
            *found,
            AuditRow(
                "surplus of returns",
                _number(gain.surplus)
                + (f" (at most {_number(gain.bound)})" if gain.bound > gain.surplus + 1e-6 else ""),
                "the parties' sum could gain this by another policy, harming nobody",
            ),
            AuditRow(
                "ex-post tau, largest",
                _number(self.ex_post.max()),
                "chance of an action that everybody agrees another one beats",
            ),
        ]

    def _fairness(self) -> list[AuditRow]:
        told = "nobody's weights are another's with features exchanged: it has no meaning here"
        most = "–" if self.envy is None else _number(max(float(self.envy.max()), 0.0))
        envied = "the most that a party would gain in the place of one with the mirrored role"
        return [
            AuditRow(
                "Pigou-Dalton tau, largest",
                _number(self.pigou_dalton.max()),
                "Nash product that a transfer from a richer to a poorer party would add",
            ),
            AuditRow("Gini", _number(self.gini), "0: all have the same; near 1: one has all"),
            AuditRow("Jain", _number(self.jain), "1: all have the same; 1/M: one has all"),
            AuditRow("envy", most, told if self.envy is None else envied),
        ]

    def _learning(self) -> list[AuditRow]:
        if self.violations is None:
            return []
        found = self.violations
        return [
            AuditRow(
                "Pareto violations",
                f"{_number(found.unanimous)} of {found.agreed}",
                "pairs of actions on which all agree that the aggregate reward reverses",
            ),
            AuditRow(
                "majority violations",
                f"{_number(found.majority)} of {found.decided}",
                "pairs with a majority of the parties that the aggregate reward reverses",
            ),
        ]


def audit(
    policy: Choosing | np.ndarray,
    mdp: FiniteMDP,
    *,
    scale: Scale | None = None,
    aggregate: np.ndarray | None = None,
) -> Audit:
    """Measure how efficient and how fair a policy is, under the true rewards.

    At each state that it visits, an action's utility for a party is what the party can then still
    expect if the policy goes on afterwards, above the least of that over all actions. In a world
    of one decision these are the zero-normalised rewards of [Zhong2024].

    Args:
        policy: who acts, deterministic or not: or its table, `[H, S, A]` or `[S, A]`.
        mdp: the world.
        scale: units of the parties, in which sums, products and shares are taken; default raw.
            Only its units count: zero is a party's least everywhere.
        aggregate: `[S, A]`, one reward for all that is held against the parties' true ones.

    Raises:
        ValueError: when shapes do not fit.
    """
    world = World(mdp)
    scale = Scale.none(world.num_parties) if scale is None else scale
    expect.shape(scale.unit, world.num_parties, name="scale.unit")
    scale = Scale(np.zeros_like(scale.unit), scale.unit)
    table = policy if isinstance(policy, np.ndarray) else tabulate(policy, mdp)
    table = _over_time(table, mdp)
    occupancy = world.occupancy(table)
    seen = occupancy.sum(axis=-1)
    time, state = np.nonzero(seen > VISITED)
    utilities, chances = _utilities(world, table, scale, (time, state)), table[time, state]
    returns = world.returns(occupancy)
    small = len(time) * max(world.num_parties * (world.num_parties - 1) // 2, 1) <= PROGRAMMES
    return Audit(
        time=time,
        state=state,
        visits=seen[time, state],
        pareto=efficiency.pareto(utilities, chances),
        better=efficiency.dominating(utilities, chances),
        surplus=efficiency.surplus(utilities, chances) if small else None,
        pigou_dalton=transfers.refused(utilities, chances, mixtures=small),
        ex_post=efficiency.ex_post(_dominated(mdp, utilities, state), chances),
        improvement=improvement(world, returns, scale),
        returns=returns,
        shares=_shares(world, returns, scale),
        envy=_envy(mdp, occupancy, scale),
        violations=None if aggregate is None else violations(mdp.party_table, aggregate),
    )


def _over_time(table: np.ndarray, mdp: FiniteMDP) -> np.ndarray:
    given = expect.distribution(table, name="policy", atol=1e-6)
    shape = (mdp.horizon, mdp.num_states, mdp.num_actions)
    if given.shape == shape[1:]:
        return np.broadcast_to(given, shape)
    return expect.shape(given, *shape, name="policy")


def _utilities(
    world: World, table: np.ndarray, scale: Scale, at: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Return [B, A, M]: what is still to come after each action, above the least of them."""
    time, state = at
    found = np.empty((len(time), world.shape[1], world.num_parties))
    value = np.zeros((world.shape[0], world.num_parties))
    rewards = scale.rewards(world.rewards)
    for now in reversed(range(world.horizon)):
        ahead = (rewards + world.discount * (world.moves @ value)).reshape(*world.shape, -1)
        here = time == now
        found[here] = ahead[state[here]]
        value = np.einsum("sa,sam->sm", table[now], ahead)
    found -= found.min(axis=1, keepdims=True)
    # where actions make no difference, rounding should make none either
    return np.where(found > ROUNDING * found.max(axis=(0, 1)), found, 0.0)


def _dominated(mdp: FiniteMDP, utilities: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return [B, A]: by the parties' own preferences, where they follow no reward."""
    choice = mdp.population.choice
    if not isinstance(choice, PreferenceMatrices):
        return efficiency.dominated(utilities)
    table = np.asarray(choice.table)  # [S, M, A, A], or [1, M, A, A] for all states
    return efficiency.dominated_in(table[state if len(table) > 1 else 0 * state])


def _shares(world: World, returns: np.ndarray, scale: Scale) -> np.ndarray:
    worst, _ = world.best(-world.rewards)
    held = (returns + worst) / scale.unit
    return np.where(held > 1e-12 * np.abs(worst / scale.unit), held, 0.0)


def _envy(mdp: FiniteMDP, occupancy: np.ndarray, scale: Scale) -> np.ndarray | None:
    worth = mdp.discount ** np.arange(mdp.horizon)
    gained = np.einsum("t,tsa,sad->d", worth, occupancy, mdp.feature_table)
    found = envy(np.asarray(mdp.population.theta), gained)
    return None if found is None else found / scale.unit[:, None]


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}"
