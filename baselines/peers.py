"""The plain ways of doing what we do, to be measured against; correct, and nothing more."""

from __future__ import annotations

import math

import numpy as np

from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Comparisons
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Scale


def max_min_programme(mdp: FiniteMDP, scale: Scale) -> float:
    """Return the max-min optimum by a linear programme over occupancies of (time, cell, action).

    Maximise t with the flow conserved and every party's scaled return at least t.
    """
    from scipy import optimize, sparse

    cells, actions, steps = mdp.num_states, mdp.num_actions, mdp.horizon
    pairs = cells * actions
    alive = (~mdp.terminal).astype(np.float64)
    move = sparse.csr_array(
        (
            mdp.probabilities.reshape(-1) * alive[mdp.successors.reshape(-1)],
            (
                mdp.successors.reshape(-1),
                np.repeat(np.arange(pairs), mdp.successors.shape[2]),
            ),
        ),
        shape=(cells, pairs),
    )
    here = sparse.kron(sparse.eye_array(cells), np.ones((1, actions)))
    # being in a cell at t + 1 is having moved there at t
    blocks = sparse.kron(sparse.eye_array(steps), here) - sparse.kron(
        sparse.eye_array(steps, k=-1), move
    )
    flow = sparse.hstack([blocks, sparse.csr_array((steps * cells, 1))])
    # the variable behind the occupancies is t, the least that any party gets
    discount = mdp.discount ** np.arange(steps)
    gain = np.kron(discount, (mdp.party_table / scale.unit).reshape(pairs, -1).T)
    found = optimize.linprog(
        np.append(np.zeros(steps * pairs), -1.0),
        A_ub=np.hstack([-gain, np.ones((len(gain), 1))]),
        b_ub=-scale.shift / scale.unit,
        A_eq=flow,
        b_eq=np.concatenate([mdp.initial_table, np.zeros((steps - 1) * cells)]),
        bounds=[(0, None)] * (steps * pairs) + [(None, None)],
    )
    return float(-found.fun)


def loop_of_answers(mdp: FiniteMDP, pool: Comparisons, count: int) -> list[int]:
    """Return `count` answers of Bradley-Terry parties, one after the other.

    Args:
        mdp: whose parties answer.
        pool: the pairs and parties to go through, again and again.
        count: answers.
    """
    rng = Streams(0).numpy("loop")
    returns = mdp.population.rewards(pool.differences())
    answers = []
    for k in range(count):
        row = k % len(pool)
        chance = 1.0 / (1.0 + math.exp(-returns[row, pool.party[row]]))
        answers.append(int(rng.random() < chance))
    return answers
