"""Answers about actions: which of two is better here, if from then on a party had its own way.

[Zhong2024] section 6 has answers about whole trajectories only; for one party [Zhu2023] also has
answers about actions by their optimal values. Here, for M parties,

    P(first preferred | t, s, a, b) = logistic(Q*_m(t, s, a) - Q*_m(t, s, b))

with Q*_m of party m's own optimal policy. Q*_m = theta_m @ psi_m, psi_m the expected discounted sum
of features when m has its way, which itself depends on theta_m. So the fit goes round: what a
party would do under what is learned so far gives psi, psi gives the next theta.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TypeVar, final

import numpy as np
from scipy.special import expit

from agents.occupancy import World
from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Comparisons, Segments
from multiparty_envs.rewards import ConvergenceWarning, LinearLearner
from multiparty_envs.rewards.errors import distances

Learner = TypeVar("Learner", bound=LinearLearner)

_SETTLED = 0.1  # standard errors that nobody would notice


@final
@dataclass(frozen=True, eq=False)
class ActionAnswers:
    """K answers of M parties about pairs of actions. Holds no true reward.

    Raises:
        ValueError: when the arrays have different lengths.
    """

    time: np.ndarray
    """[K] steps taken."""
    state: np.ndarray
    """[K]."""
    first: np.ndarray
    """[K] an action."""
    second: np.ndarray
    """[K] another."""
    party: np.ndarray
    """[K] who answered."""
    label: np.ndarray
    """[K], chance that the first is preferred."""
    num_parties: int
    """M."""

    def __post_init__(self) -> None:
        for name in ("time", "state", "first", "second", "label"):
            expect.shape(np.asarray(getattr(self, name)), len(self.party), name=name)

    def comparisons(self, psi: np.ndarray) -> Comparisons:
        """Return the same answers as comparisons of psi.

        Args:
            psi: `[H, S, A, M, D]`.
        """
        asked = np.concatenate(
            [psi[self.time, self.state, a, self.party] for a in (self.first, self.second)]
        )
        count = len(self.party)
        action = np.concatenate([self.first, self.second])[:, None]
        seen = np.tile(self.state, 2)[:, None]
        mask = np.ones((2 * count, 1), dtype=bool)
        bank = Segments(obs=seen, action=action, features=asked[:, None], mask=mask)
        place = np.arange(count)
        return Comparisons(bank, place, place + count, self.party, self.label, self.num_parties)


def own_values(mdp: FiniteMDP, theta: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return Q of every party's own best policy, and psi with Q = theta @ psi.

    Args:
        mdp: the world.
        theta: `[D, M]`; default the true ones.

    Returns:
        `[H, S, A, M]` and `[H, S, A, M, D]`.
    """
    table = expect.finite(mdp.population.theta if theta is None else theta, name="theta")
    expect.shape(table, mdp.num_features, None, name="theta")
    world, parties = World(mdp), table.shape[1]
    shape = (mdp.horizon, *world.shape, parties)
    psi = np.empty((*shape, mdp.num_features))
    features = np.asarray(mdp.feature_table)[:, :, None]
    later = np.zeros((mdp.num_states, parties, mdp.num_features))
    for time in reversed(range(mdp.horizon)):
        moved = world.moves @ later.reshape(mdp.num_states, -1)
        psi[time] = features + mdp.discount * moved.reshape(*shape[1:], -1)
        best = np.einsum("samd,dm->sam", psi[time], table).argmax(axis=1)
        later = np.take_along_axis(psi[time], best[:, None, :, None], axis=1)[:, 0]
    return np.einsum("tsamd,dm->tsam", psi, table), psi


def ask_actions(mdp: FiniteMDP, count: int, rng: np.random.Generator) -> ActionAnswers:
    """Ask each true party `count` times about two different actions.

    Where is drawn from what the behaviour policy visits, the pair evenly.

    Raises:
        ValueError: when there is one action only.
    """
    expect.integer(mdp.num_actions, name="num_actions", low=2)
    expect.integer(count, name="count", low=1)
    table = np.broadcast_to(mdp.behaviour, (mdp.horizon, *mdp.behaviour.shape))
    visits = World(mdp).occupancy(table).sum(axis=-1).ravel()
    total = count * mdp.num_parties
    time, state = np.divmod(rng.choice(len(visits), total, p=visits / visits.sum()), mdp.num_states)
    first = rng.integers(mdp.num_actions, size=total)
    second = (first + rng.integers(1, mdp.num_actions, size=total)) % mdp.num_actions
    party = np.repeat(np.arange(mdp.num_parties), count)
    value, _ = own_values(mdp)
    margin = value[time, state, first, party] - value[time, state, second, party]
    label = (rng.random(total) < expit(margin)).astype(np.float64)
    return ActionAnswers(time, state, first, second, party, label, mdp.num_parties)


def fit_actions(
    learner: Learner, mdp: FiniteMDP, answers: ActionAnswers, *, rounds: int = 100
) -> tuple[Learner, Comparisons]:
    """Fit a learner to answers about actions, knowing the transitions but no reward.

    Begins as if every party looked one step ahead, and ends when no party's theta moves by more
    than a tenth of its standard errors. Where two actions are as good for a party, its psi jumps
    from one to the other and back: from the sixth round on the thetas that give psi are averaged.

    Args:
        learner: fits comparisons; is fitted.
        mdp: the world; its true rewards are not looked at.
        answers: about it.
        rounds: most of them; a `ConvergenceWarning` tells if they were not enough.

    Returns:
        The learner, and the comparisons that it was fitted to, for its confidence sets.
    """
    expect.integer(rounds, name="rounds", low=1)
    shown = answers.comparisons(_one_step(mdp, answers.num_parties))
    theta = learner.fit(shown).theta_
    for number in range(rounds):
        shown = answers.comparisons(own_values(mdp, theta)[1])
        move = learner.fit(shown).theta_ - theta
        if distances(np.linalg.inv(learner.covariance_), move).max() <= _SETTLED:
            return learner, shown
        theta = theta + move * min(1.0, 2.0 / max(number - 3, 1))
    warnings.warn(
        f"what the parties would do still changes after {rounds} rounds",
        ConvergenceWarning,
        stacklevel=2,
    )
    return learner, shown


def _one_step(mdp: FiniteMDP, parties: int) -> np.ndarray:
    features = np.asarray(mdp.feature_table)
    shape = (mdp.horizon, *features.shape[:2], parties, features.shape[2])
    return np.broadcast_to(features[None, :, :, None], shape)
