"""HardBandit: the lower-bound instance, in which what decides is hardly ever compared."""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP, Names
from multiparty_envs.envs.linear_bandit import BanditView
from multiparty_envs.parties import BradleyTerryLuce, Population
from multiparty_envs.streams import Streams

WIDTH = 3
"""Features of a context, the last of which no arm has."""

BLOCKS = {
    "lower-bound": np.array([[1.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    "four-action": np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
}
"""[A, WIDTH] features of the four arms of a context, by the name of the instance."""

COMMON, RARE = (0, 1), (1, 2)
"""The two pairs of arms that are ever compared."""


def hard_bandit(
    *,
    rank: int = 12,
    num_parties: int = 4,
    coverage: float = 4.0,
    answers: int = 1_000,
    margin: float | None = None,
    block: str = "lower-bound",
    distinct: bool = True,
    beta: float = 1.0,
    seed: int = 0,
) -> FiniteMDP:
    """Build the bandit on which no method can do well without many answers.

    Description:
        A context, one of four arms, and that is the end. A party either likes a context's second
        arm best or its fourth, by a hair; only the comparison of the second arm with the third
        tells which, and that is rarely made (`pairs` of the world, which `faces.offline` reads).
        All other comparisons are of the first arm with the second.
    Parties:
        In each context a party has one of two signs. Its weights there are, with D = `margin`,
        (1/rank, 1/rank + D, ...) for sign - and (1/rank + 2D, 1/rank + D, ...) for sign +; the
        third weight makes the sum zero and no arm has its feature. As in the theorem all parties
        may have the same signs; with `distinct` each has the first one's, moved on by a context,
        so that the weights have rank min(num_parties, rank / 3).
    Action:
        Discrete(4): the arms.
    Observation:
        Box [rank / 3 + 1]: the context, one-hot; last the share of time left.
    Reward per party:
        Arms of a context with weights (v, w, .): v - w, v, 0, w; in the four-action instance
        v + w, v, 0, w. Within -D .. 1/rank + 2D.
    Start:
        A context, each equally likely.
    End:
        After one step.
    Known optimum:
        Policy level, default knobs, exact with certificate (`agents.planning.solve`).
        Range-normalised, 0 for the behaviour policy's return and 1 for a party's own best:
        utilitarian 0.785, Nash -0.242 (mean log), max-min 0.785.
        Raw: utilitarian 0.336, Nash -1.464 (log gains over the behaviour policy's return),
        max-min 0.336. A party's own best takes arm 4 where its sign is -, arm 2 where it is +.
    Source:
        [Zhong2024], theorem 3, after [Zhu2023], theorem 3.9 (the four-action instance, on which
        greedy maximum likelihood fails however many answers there are).
    Versions:
        v0: first.

    Args:
        rank: D, features; a multiple of 3, which is the number of contexts times three.
        num_parties: M.
        coverage: C, 2 or more: the rare comparison has the share 2 / C^2 of a context's.
        answers: n, of each party: the margin that n answers can just not tell is
            C sqrt(contexts / n). In the four-action instance one answer of n is about the rare
            pair.
        margin: D, of one's own, instead of by coverage and answers.
        block: "lower-bound" or "four-action": arms (1, 1), (1, 0), (0, 0), (0, 1) and weights
            (-1, 0.1, 0.9) for sign -, (1, 0.1, -1.1) for sign +.
        distinct: whether parties differ. If not, all have the same drawn signs, or, in the
            four-action instance, all sign -, which is the published one.
        beta: rationality of the answers, see `BradleyTerryLuce`.
        seed: of the signs.

    Raises:
        ValueError: when a knob is out of range.
    """
    contexts = _contexts(rank)
    expect.integer(num_parties, name="num_parties", low=1)
    expect.integer(answers, name="answers", low=2)
    expect.number(coverage, name="coverage", low=2.0, high=1e6)
    arms = BLOCKS[expect.choice(block, BLOCKS, name="block")]
    published = block == "four-action"
    if margin is None:
        margin = 1.0 if published else coverage * float(np.sqrt(contexts / answers))
    expect.number(margin, name="margin", low=0.0, high=1e6, open_=True)
    features = np.zeros((contexts, len(arms), rank))
    for context in range(contexts):
        features[context, :, WIDTH * context : WIDTH * (context + 1)] = arms
    signs = _signs(contexts, distinct, published, Streams(seed).numpy("signs"))
    weights = _weights(published, rank, margin)
    theta = _theta(weights, signs, num_parties, distinct)
    here = np.arange(contexts)
    return FiniteMDP(
        successors=np.broadcast_to(here[:, None, None], (contexts, len(arms), 1)),
        probabilities=np.ones((contexts, len(arms), 1)),
        features=features,
        initial=np.full(contexts, 1.0 / contexts),
        population=_population(theta, beta),
        horizon=1,
        pairs=_pairs(contexts, len(arms), 1.0 / answers if published else 2.0 / coverage**2),
        view=BanditView(features @ theta),
        names=Names(
            tuple(f"arm {i + 1}" for i in range(len(arms))),
            tuple(f"context {s} feature {i + 1}" for s in range(contexts) for i in range(WIDTH)),
        ),
    )


def _contexts(rank: int) -> int:
    if expect.integer(rank, name="rank", low=WIDTH) % WIDTH:
        raise ValueError(f"rank should be a multiple of {WIDTH}, is {rank}")
    return rank // WIDTH


def _signs(contexts: int, distinct: bool, published: bool, rng: np.random.Generator) -> np.ndarray:
    """Return the first party's signs [S], such that moved on they are independent if need be."""
    if published and not distinct:
        return np.full(contexts, -1)
    while True:
        signs = rng.choice([-1, 1], size=contexts)
        # the eigenvalues of all rotations; the first may be zero, which the common part mends
        if not distinct or np.abs(np.fft.fft(signs)[1:]).min(initial=1.0) > 1e-9:
            return signs


def _weights(published: bool, rank: int, margin: float) -> np.ndarray:
    """Return the weights [2, WIDTH] of a context for sign - and sign +."""
    least = 1.0 / rank
    seen = (
        [[-margin, 0.1], [margin, 0.1]]
        if published
        else [[least, least + margin], [least + 2.0 * margin, least + margin]]
    )
    table = np.array(seen)
    return np.column_stack([table, -table.sum(axis=1)])


def _theta(weights: np.ndarray, signs: np.ndarray, parties: int, distinct: bool) -> np.ndarray:
    moved = np.arange(parties)[:, None] * int(distinct)
    own = signs[(np.arange(len(signs)) + moved) % len(signs)]  # [M, S]
    return weights[(own + 1) // 2].reshape(parties, -1).T


def _population(theta: np.ndarray, beta: float) -> Population:
    """Return the parties with the subspace that their weights lie in."""
    left, size, right = np.linalg.svd(theta, full_matrices=False)
    kept = size > 1e-9 * size[0]
    return Population(
        theta,
        choice=BradleyTerryLuce(beta=beta),
        basis=left[:, kept],
        coefficients=size[kept, None] * right[kept],
    )


def _pairs(contexts: int, arms: int, rare: float) -> np.ndarray:
    """Return how often which two arms are compared, [S, A, A]."""
    table = np.zeros((contexts, arms, arms))
    table[:, COMMON[0], COMMON[1]], table[:, RARE[0], RARE[1]] = 1.0 - rare, rare
    return table
