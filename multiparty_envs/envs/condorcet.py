"""Condorcet: parties that follow no reward, whose preferences may go round in circles."""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import ArrayLike

from multiparty_envs import expect
from multiparty_envs.dynamics import FiniteMDP, FiniteState, Names, View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.kinds import Kinds, majority_and_minority
from multiparty_envs.parties import Population, PreferenceMatrices
from multiparty_envs.streams import Streams

SHOWN = 4
"""Parties drawn at most; `text` has them all."""


def condorcet(
    *,
    num_actions: int = 5,
    num_parties: int = 5,
    num_contexts: int = 1,
    intransitivity: float = 0.5,
    conflict: float = 0.5,
    minority_share: float | None = None,
    slipperiness: float = 0.0,
    strength: float = 1.5,
    seed: int = 0,
    matrices: ArrayLike | None = None,
) -> FiniteMDP:
    """Build a world of pairwise preferences that no reward explains.

    Description:
        One option is chosen in a context. Each party knows, for each pair of options, how likely
        it prefers the one to the other, and these chances may form cycles (a over b, b over c,
        c over a), so that no ranking and no reward fits them.
    Parties:
        Party m prefers a to b with chance P_m(a, b), P_m(a, b) + P_m(b, a) = 1. Drawn as
        logistic(strength * ((1 - i) * ranking + i * cycles)): a random skew-symmetric matrix is
        split into the part that comes from scores (transitive) and the rest (cycles only), each
        scaled to root mean square one; i = `intransitivity`. At conflict 0 all have the matrix
        of the first. With `minority_share` there are two matrices, a majority's and a minority's.
        Or give `matrices`.
    Action:
        Discrete(num_actions): the options. With chance `slipperiness` an option at random is
        taken; all chances above are then those of the options so taken.
    Observation:
        Box [num_contexts + 1]: the context, one-hot; last the share of time left.
    Reward per party:
        Nobody has one. What is reported in its place is the win rate against the reference
        policy, which takes every option equally often: the mean over b of P_m(action, b), a tie
        with itself counted a half; in (0, 1). Win rates lose what makes cycles cycles: options
        of a pure cycle win equally often.
    Start:
        A context, each equally likely.
    End:
        After one step.
    Known optimum:
        Policy level, default knobs, exact with certificate (`agents.planning.solve`).
        Range-normalised, 0 for the behaviour policy's return and 1 for a party's own best:
        utilitarian 0.784, Nash -0.345 (mean log), max-min 0.454.
        Raw: utilitarian 0.593, Nash -2.430 (log gains over the behaviour policy's return),
        max-min 0.574.
    Source:
        [Zhong2024], section 6 (reward-free model); split of preferences after [Jiang2011].
    Versions:
        v0: first.

    Args:
        num_actions: A, at least 2; cycles need 3.
        num_parties: M.
        num_contexts: S, each with matrices of its own.
        intransitivity: from 0 (everybody has a ranking) to 1 (nothing but cycles).
        conflict: from 0 (all the same) to 1 (drawn one by one).
        minority_share: of the parties that have the second matrix, all others have the first; to
            the nearest whole party but one at least, and exactly of the answers where they are
            asked by share; up to a half. None: every party has a matrix of its own.
        slipperiness: chance that an option at random is taken, in [0, 1].
        strength: how decided the parties are; 0 is a coin for every pair.
        seed: of the drawn matrices.
        matrices: [M, A, A] or [S, M, A, A] of one's own; only slipperiness is then used beside
            them.

    Raises:
        ValueError: when a knob is out of range, or `matrices` are no chances that add up to one.
    """
    if matrices is None:
        kinds = (
            None if minority_share is None else majority_and_minority(num_parties, minority_share)
        )
        drawn = _draw(
            Streams(seed).numpy("parties"),
            (num_contexts, num_parties, num_actions),
            conflict,
            kinds,
        )
        table = _chances(drawn, intransitivity, strength)
    else:
        kinds, table = None, PreferenceMatrices(matrices).table
    table = _slipped(table, expect.number(slipperiness, name="slipperiness", low=0.0, high=1.0))
    contexts, parties, options, _ = table.shape
    wins = table.mean(axis=-1)  # [S, M, A], against an option taken at random
    here = np.arange(contexts)
    return FiniteMDP(
        successors=np.broadcast_to(here[:, None, None], (contexts, options, 1)),
        probabilities=np.ones((contexts, options, 1)),
        features=np.eye(contexts * options).reshape(contexts, options, -1),
        initial=np.full(contexts, 1.0 / contexts),
        population=Population(
            theta=wins.transpose(0, 2, 1).reshape(contexts * options, parties),
            cluster=None if kinds is None else kinds.cluster,
            share=None if kinds is None else kinds.share,
            choice=PreferenceMatrices(table if contexts > 1 else table[0]),
        ),
        horizon=1,
        view=PreferenceView(table),
        names=_names(contexts, options),
    )


def _names(contexts: int, options: int) -> Names:
    return Names(
        tuple(f"option {a}" for a in range(options)),
        tuple(f"context {s} option {a}" for s in range(contexts) for a in range(options)),
    )


def _slipped(table: np.ndarray, slip: float) -> np.ndarray:
    """Return the chances P [S, M, A, A] when a random option is taken with chance `slip`."""
    if slip == 0.0:
        return table
    taken = (1.0 - slip) * np.eye(table.shape[-1]) + slip / table.shape[-1]
    return taken @ table @ taken.T


def _draw(
    rng: np.random.Generator, sizes: tuple[int, int, int], conflict: float, kinds: Kinds | None
) -> np.ndarray:
    """Return skew-symmetric matrices [S, M, A, A]; conflict 0 repeats the first party's."""
    contexts, parties, options = sizes
    expect.integer(contexts, name="num_contexts", low=1)
    expect.integer(parties, name="num_parties", low=1)
    expect.integer(options, name="num_actions", low=2)
    share = expect.number(conflict, name="conflict", low=0.0, high=1.0)
    raw = rng.standard_normal((contexts, parties, options, options))
    skew = (raw - raw.swapaxes(-1, -2)) / np.sqrt(2.0)
    if kinds is not None:
        skew = skew[:, kinds.cluster]
    # weights whose squares add up to one keep the spread of the entries
    return np.sqrt(1.0 - share) * skew[:, :1] + np.sqrt(share) * skew


def _chances(skew: np.ndarray, intransitivity: float, strength: float) -> np.ndarray:
    """Return P [S, M, A, A] from the two parts of skew-symmetric matrices ([Jiang2011])."""
    weight = expect.number(intransitivity, name="intransitivity", low=0.0, high=1.0)
    expect.number(strength, name="strength", low=0.0, high=50.0)
    # least-squares scores of a complete comparison are row means; what they leave is cyclic
    score = skew.mean(axis=-1)
    ranking = score[..., :, None] - score[..., None, :]
    logits = (1.0 - weight) * _unit(ranking) + weight * _unit(skew - ranking)
    return 0.5 + 0.5 * np.tanh(0.5 * strength * logits)


def _unit(matrices: np.ndarray) -> np.ndarray:
    """Return the matrices scaled to root mean square one off the diagonal."""
    options = matrices.shape[-1]
    size = np.sqrt((matrices**2).sum(axis=(-1, -2), keepdims=True) / (options * (options - 1)))
    return matrices / np.where(size > 1e-12, size, 1.0)


@final
class PreferenceView(View):
    """The parties' preference matrices in the present context.

    Args:
        matrices: [S, M, A, A].
    """

    def __init__(self, matrices: np.ndarray) -> None:
        self.matrices = matrices

    def frame(self, state: FiniteState) -> np.ndarray:
        """Return the matrices of the first parties: blue where the row's option is preferred."""
        done = "  done" if int(state.time) else ""
        shown = self.matrices[int(state.cell), :SHOWN] * 2.0 - 1.0
        panels = [
            drawing.matrix(f"party {party}{done}", "option", "over option", table, limit=1.0)
            for party, table in enumerate(shown)
        ]
        return np.concatenate(panels, axis=1)

    def text(self, state: FiniteState) -> str:
        """Return who prefers which option in each pair, in per cent."""
        lines = [f"context {int(state.cell)}, {'done' if int(state.time) else 'choose an option'}"]
        for party, table in enumerate(self.matrices[int(state.cell)]):
            rows = ["  ".join(f"{100 * chance:3.0f}" for chance in row) for row in table]
            lines.append(f"party {party}: " + "  |  ".join(rows))
        return "\n".join(lines)
