"""What studies of contextual bandits share: worlds, welfare rules, and what acting on them gives.

Welfare is that of each context's utilities above each party's least there, as in [Zhong2024]:
the mean (utilitarian), the geometric mean (Nash) and the minimum (leximin), averaged over contexts.
The mean in place of the sum, and the geometric mean in place of the product, are in the units of
one party's utility, whatever the number of parties.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from agents.pessimism import choose, welfare_of_profiles
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.feedback import Comparisons
from multiparty_envs.parties import low_rank
from multiparty_envs.rewards import Independent, LinearLearner, LowRank
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Leximin, Nash, Utilitarian, Welfare, zero_normalised

RULES: Mapping[str, Welfare] = {
    "utilitarian": Utilitarian(),
    "nash": Nash(0.0),
    "leximin": Leximin(),
}

LEARNERS = ("separate", "joint")
"""Each party's fit by itself; all parties' fit in one subspace, of the rank that it truly has."""

CONTEXTS, ACTIONS = 20, 5


def random_bandit(
    *,
    features: int,
    parties: int,
    rank: int,
    seed: int,
    contexts: int = CONTEXTS,
    actions: int = ACTIONS,
) -> FiniteMDP:
    """Return a bandit of N(0, I) features and parties of length one in a random subspace.

    Args:
        features: D.
        parties: M.
        rank: R; no more than M are used.
        seed: of everything drawn. More parties leave the features as they are.
        contexts: S.
        actions: A.
    """
    streams = Streams(seed)
    table = streams.numpy("features").standard_normal((contexts, actions, features))
    people = low_rank(features, parties, min(rank, parties), streams=streams)
    return linear_bandit(features=table, theta=people.theta)


def true_rank(world: FiniteMDP) -> int:
    """Return the rank of the parties' weights."""
    return int(np.linalg.matrix_rank(np.asarray(world.population.theta)))


def fits(world: FiniteMDP, answers: Comparisons) -> dict[str, LinearLearner]:
    """Return what `LEARNERS` make of the answers, by their names."""
    separate, rank = Independent().fit(answers), true_rank(world)
    # in a subspace of as many dimensions as there are parties, nothing is shared
    alone = rank == world.num_parties
    return dict(
        zip(LEARNERS, (separate, separate if alone else LowRank(rank).fit(answers)), strict=True)
    )


def utilities(world: FiniteMDP, theta: np.ndarray | None = None) -> np.ndarray:
    """Return [S, A, M], above each party's least in the context.

    Args:
        world: one of single decisions.
        theta: [D, M]; the true weights if not given.
    """
    return zero_normalised(world.party_table if theta is None else world.feature_table @ theta)


def worth(u: np.ndarray, rule: str) -> np.ndarray:
    """Return the welfare [S, A] of utilities [S, A, M]; of leximin, the minimum."""
    return np.asarray(welfare_of_profiles(RULES[rule], u))


def reached(u: np.ndarray, seen: np.ndarray, fitted: np.ndarray | None = None) -> np.ndarray:
    """Return the mean true welfare, by each rule, of the actions that are best by it as seen.

    Args:
        u: [S, A, M], true utilities.
        seen: [S, A, M], what is acted on.
        fitted: [S, A, M], breaks ties; `seen` if not given.
    """
    rows = np.arange(len(u))
    actions = {
        name: choose(seen, rule, seen if fitted is None else fitted).action
        for name, rule in RULES.items()
    }
    return np.array([worth(u, name)[rows, action].mean() for name, action in actions.items()])


def uniform(u: np.ndarray) -> np.ndarray:
    """Return the mean true welfare, by each rule, of an action at random."""
    return np.array([worth(u, name).mean() for name in RULES])


def short(values: Mapping[str, float]) -> dict[str, float]:
    """Return numbers of four digits: rows are kept."""
    return {name: float(f"{value:.4g}") for name, value in values.items()}
