"""The winner that stays near a reference policy: Nash learning from human feedback, in tables.

In the game P(p over q) - tau KL(p, reference) + tau KL(q, reference) there is one equilibrium,
which plays against itself. Nash mirror descent reaches it with its last policy, not only with the
mean of all: each step answers a policy that was drawn towards the reference first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiparty_envs import expect


class RegularisedWinner(NamedTuple):
    """A mixed action and what the best answer to it wins in the regularised game."""

    chances: np.ndarray  # [A]
    exploitability: float  # 0 for the equilibrium; in units of a chance


def nash_mirror_descent(
    margin: np.ndarray, reference: np.ndarray, tau: float, rounds: int = 10_000
) -> RegularisedWinner:
    """Return the winner at a price of `tau` a nat away from the reference.

    Nash-MD with steps eta_t = 2 / (tau (t + 2)). Source: [Munos2024], sections 4 and 6.

    Args:
        margin: `[A, A]` antisymmetric, N = 2 P - 1.
        reference: `[A]`, a positive chance of every action.
        tau: above 0. Near 0 it takes many rounds, and `agents.winners` is the way.
        rounds: steps.

    Raises:
        ValueError: when shapes do not fit, or a number is out of range.
    """
    game = expect.finite(margin, name="margin")
    expect.shape(game, None, len(game), name="margin")
    if not np.allclose(game, -game.T, atol=1e-8):
        raise ValueError("margin should be antisymmetric, N(a, b) = -N(b, a)")
    base = expect.shape(
        expect.distribution(reference, name="reference"), len(game), name="reference"
    )
    if base.min() <= 0.0:
        raise ValueError("reference should have a positive chance of every action")
    expect.number(tau, name="tau", low=0.0, open_=True)
    expect.integer(rounds, name="rounds", low=1)
    log = towards = np.log(base)
    for number in range(rounds):
        eta = 2.0 / (tau * (number + 2.0))
        drawn = _normalised((1.0 - eta * tau) * log + eta * tau * towards)
        log = _normalised(drawn + eta * _preferred(game, np.exp(drawn)))
    return RegularisedWinner(np.exp(log), _exploitability(game, log, towards, tau))


def _preferred(game: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Return P(a over p) `[A]`."""
    return 0.5 + 0.5 * (game @ chances)


def _normalised(log: np.ndarray) -> np.ndarray:
    return log - np.logaddexp.reduce(log)


def _exploitability(game: np.ndarray, log: np.ndarray, towards: np.ndarray, tau: float) -> float:
    """Return what the best answer wins over one half: the Gibbs policy, whose value is known."""
    chances = np.exp(log)
    best = tau * float(np.logaddexp.reduce(towards + _preferred(game, chances) / tau))
    return best + tau * float(chances @ (log - towards)) - 0.5
