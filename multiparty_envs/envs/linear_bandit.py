"""LinearBandit: one decision in a context, rewards linear in features, parties of low rank."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP, FiniteState, Names, View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.kinds import Kinds, majority_and_minority
from multiparty_envs.parties import BradleyTerryLuce, Population, low_rank
from multiparty_envs.streams import Streams

SHOWN = 12
"""Parties drawn at most."""


def linear_bandit(
    *,
    num_contexts: int = 20,
    num_actions: int = 5,
    num_features: int = 8,
    num_parties: int = 6,
    rank: int = 2,
    conflict: float = 0.5,
    minority_share: float | None = None,
    coverage: float = 1.0,
    slipperiness: float = 0.0,
    beta: float = 1.0,
    seed: int = 0,
    features: ArrayLike | None = None,
    theta: ArrayLike | None = None,
) -> FiniteMDP:
    """Build a contextual bandit whose parties share a few directions of taste.

    Description:
        A context is drawn, one action is taken, and that is the end. Each pair of context and
        action has a feature vector; tastes are combinations of `rank` directions. The world of
        the theory: assumptions A1 (linear), A2 (shared representation), A3 (features that
        spread in all directions) and A4 (diverse parties) hold for the drawn instances.
    Parties:
        theta_m = U alpha_m with U orthonormal [D, R] and alpha_m of length one. At conflict 1
        they are drawn one by one; below, all are turned towards the first party's, until at 0
        everybody is the same. With `minority_share` there are two tastes, a majority's and a
        minority's. Or give `theta`.
    Action:
        Discrete(num_actions): the arms. With chance `slipperiness` an arm at random is pulled.
    Observation:
        Box [num_contexts + 1]: the context, one-hot; last the share of time left.
    Reward per party:
        features[context, action] @ theta_m; in [-1, 1], for both have length one.
    Start:
        A context, each equally likely.
    End:
        After one step.
    Known optimum:
        Policy level, default knobs, exact with certificate (`agents.planning.solve`).
        Range-normalised, 0 for the behaviour policy's return and 1 for a party's own best:
        utilitarian 0.727, Nash -0.334 (mean log), max-min 0.612.
        Raw: utilitarian 0.273, Nash -1.220 (log gains over the behaviour policy's return),
        max-min 0.214.
    Source:
        [Zhong2024], section 3, assumptions 1-4; behaviour with a rare arm as in its lower bound
        and [Zhu2023].
    Versions:
        v0: first.

    Args:
        num_contexts: S.
        num_actions: A.
        num_features: D.
        num_parties: M.
        rank: R, at most D and M.
        conflict: from 0 (everybody wants the same) to 1 (as drawn).
        minority_share: of the parties that have the second taste, all others have the first; to
            the nearest whole party but one at least, and exactly of the answers where they are
            asked by share; up to a half. None: every party has a taste of its own.
        coverage: how often the behaviour policy takes the last arm, as a share of how often it
            takes each of the others; near 0 that arm is hardly ever compared.
        slipperiness: chance that another arm than the chosen one is pulled, in [0, 1].
        beta: rationality of the answers, see `BradleyTerryLuce`.
        seed: of the instance: features, directions, tastes.
        features: [S, A, D] of one's own, instead of drawing unit vectors.
        theta: [D, M] of one's own, instead of drawing; conflict and minority_share then leave it
            as it is.

    Raises:
        ValueError: when a knob is out of range or a table does not fit the others.
    """
    # streams of their own: more parties leave the features as they are
    streams = Streams(seed)
    table = _features(features, streams, (num_contexts, num_actions, num_features))
    contexts, arms, width = table.shape
    choice = BradleyTerryLuce(beta=beta)
    if theta is None:
        kinds = (
            None if minority_share is None else majority_and_minority(num_parties, minority_share)
        )
        population = _tastes(streams, (width, num_parties, rank), conflict, choice, kinds)
    else:
        given = expect.shape(expect.finite(theta, name="theta"), width, None, name="theta")
        population = Population(theta=given, choice=choice)
    here = np.arange(contexts)
    return FiniteMDP(
        successors=np.broadcast_to(here[:, None, None], (contexts, arms, 1)),
        probabilities=np.ones((contexts, arms, 1)),
        features=_slipped(table, expect.number(slipperiness, name="slipperiness", low=0, high=1)),
        initial=np.full(contexts, 1.0 / contexts),
        population=population,
        horizon=1,
        behaviour=np.broadcast_to(_rare_last(arms, coverage), (contexts, arms)),
        view=BanditView(table @ np.asarray(population.theta)),
        names=Names(
            tuple(f"arm {i}" for i in range(arms)), tuple(f"feature {i}" for i in range(width))
        ),
    )


def _features(given: ArrayLike | None, streams: Streams, shape: tuple[int, int, int]) -> np.ndarray:
    """Return features [S, A, D]: the given ones, or directions drawn evenly from the sphere."""
    if given is not None:
        return expect.shape(
            expect.finite(given, name="features"), None, None, None, name="features"
        )
    for size, name in zip(shape, ("num_contexts", "num_actions", "num_features"), strict=True):
        expect.integer(size, name=name, low=1)
    drawn = streams.numpy("features").standard_normal(shape)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def _slipped(table: np.ndarray, slip: float) -> np.ndarray:
    """Return the expected features when a random arm is pulled with chance `slip`."""
    return (1.0 - slip) * table + slip * table.mean(axis=1, keepdims=True)


def _tastes(
    streams: Streams,
    sizes: tuple[int, int, int],
    conflict: float,
    choice: BradleyTerryLuce,
    kinds: Kinds | None,
) -> Population:
    """Return parties whose places along the shared directions are turned towards the first's."""
    expect.number(conflict, name="conflict", low=0.0, high=1.0)
    drawn = low_rank(*sizes, streams=streams)
    places = drawn.coefficients / np.linalg.norm(drawn.coefficients, axis=0)
    cluster, share = (None, None) if kinds is None else kinds
    places = places if cluster is None else places[:, cluster]
    first = places[:, :1]
    turned = conflict * places + (1.0 - conflict) * first
    length = np.linalg.norm(turned, axis=0)
    # half-way between opposites (rank one) there is no direction: the first party's then
    turned = np.where(length > 1e-9, turned / np.maximum(length, 1e-9), first)
    return Population(
        theta=drawn.basis @ turned,
        cluster=cluster,
        share=share,
        basis=drawn.basis,
        coefficients=turned,
        choice=choice,
    )


def _rare_last(arms: int, coverage: float) -> np.ndarray:
    """Return a distribution [A] that takes the last arm `coverage` times as often as the others."""
    expect.number(coverage, name="coverage", low=0.0, high=1.0)
    weight = np.ones(arms)
    if arms > 1:
        weight[-1] = coverage
    return weight / weight.sum()


@final
class BanditView(View):
    """The parties' true rewards in the present context: a row a party, a column an arm.

    Args:
        rewards: [S, A, M].
    """

    def __init__(self, rewards: np.ndarray) -> None:
        self.rewards = rewards

    def frame(self, state: FiniteState) -> np.ndarray:
        """Return a picture, blue where a party likes an arm, orange where it dislikes it."""
        table = self.rewards[int(state.cell), :, :SHOWN].T  # [M, A]
        # padded, so that the picture keeps its size
        title = f"context {int(state.cell)}{'  done' if int(state.time) else '':6}"
        return drawing.matrix(title, "party", "arm", table, limit=float(np.abs(self.rewards).max()))

    def text(self, state: FiniteState) -> str:
        """Return one line a party, one number an arm."""
        table = self.rewards[int(state.cell)].T
        lines = [f"context {int(state.cell)}, {'done' if int(state.time) else 'choose an arm'}"]
        lines += [
            f"party {party}: " + " ".join(f"{value:+.2f}" for value in row)
            for party, row in enumerate(table)
        ]
        return "\n".join(lines)
