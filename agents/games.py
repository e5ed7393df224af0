"""Preference games: what a mixed action is sure of, who follows an order, what data can tell.

A game is a matrix of margins N = 2 P - 1, how much more often a row's action is preferred to a
column's than the other way round. `agents.winners` solves games.
"""

from __future__ import annotations

import numpy as np

from multiparty_envs import expect

_ROUNDING = 1e-9


def margins(preferences: np.ndarray) -> np.ndarray:
    """Return the mean margin `[..., A, A]` of parties' preferences `[..., M, A, A]`.

    Source: [Zhong2024] section 6. The diagonal, an action against itself, is zero.

    Args:
        preferences: chances P(a over b), `[M, A, A]`, or `[S, M, A, A]` in S states.

    Raises:
        ValueError: when entries are no chances, or P(a over b) and P(b over a) do not sum to one.
    """
    return party_margins(preferences).mean(axis=-3)


def party_margins(preferences: np.ndarray) -> np.ndarray:
    """Return each party's margins `[..., M, A, A]`; arguments and errors as `margins`."""
    chance = expect.finite(preferences, name="preferences")
    if chance.ndim != 4:
        expect.shape(chance, None, None, None, name="preferences")
    expect.shape(chance, *chance.shape[:-2], chance.shape[-1], None, name="preferences")
    if not np.allclose(chance + chance.swapaxes(-1, -2), 1.0, atol=1e-8):
        raise ValueError("preferences should sum to one with their transposes")
    if chance.min() < 0.0:
        raise ValueError(f"preferences should be chances, hold {chance.min():g}")
    return 2.0 * chance - 1.0


def sure_value(chances: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return min_b (p @ N)_b `[...]`, what a mixed action gets from its worst opponent.

    Args:
        chances: `[..., A]`, the mixed actions p.
        margin: `[..., A, A]`, with axes of its own, or the same, before the last two: of parties
            `[M, A, A]` and one p it gives each party's value.

    Raises:
        ValueError: when the chances are none, or shapes do not fit.
    """
    p = expect.distribution(chances, name="chances", atol=1e-6)
    game = expect.finite(margin, name="margin")
    if game.ndim < 2 or game.shape[-2:] != (p.shape[-1],) * 2:
        raise ValueError(f"margin should end in {(p.shape[-1],) * 2}, has shape {game.shape}")
    return (p[..., None, :] @ game)[..., 0, :].min(axis=-1)


def exploitability(chances: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return `[...]`, what the worst opponent wins: 0 for a von Neumann winner of N = -N^T.

    Arguments and errors as `sure_value`.
    """
    return -sure_value(chances, margin)


def worst_value(chances: np.ndarray, margin: np.ndarray, initial: np.ndarray) -> float:
    """Return min over policies nu of T(p, nu) = E_s p_s @ N_s @ nu_s.

    The worst opponent chooses anew in each state. Source: [Zhong2024], section 6.

    Args:
        chances: `[S, A]`.
        margin: `[S, A, A]`.
        initial: `[S]`, the distribution of states.

    Raises:
        ValueError: when shapes do not fit or the states' chances are none.
    """
    each = sure_value(chances, margin)
    here = expect.distribution(initial, name="initial")
    return float(expect.shape(here, *each.shape, name="initial") @ each)


def is_transitive(margin: np.ndarray) -> np.ndarray:
    """Return `[...]` bool: whether N(x, y) >= 0 means N(x, z) >= N(y, z) for every z.

    What theorem 9 of [Zhong2024] asks of each party; all Bradley-Terry-Luce parties are so.

    Args:
        margin: `[..., A, A]`.
    """
    game = expect.finite(margin, name="margin")
    least = (game[..., :, None, :] - game[..., None, :, :]).min(axis=-1)  # over z, [..., x, y]
    return ((game < -_ROUNDING) | (least >= -_ROUNDING)).all(axis=(-2, -1))


def unilateral_coverage(winner: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return C* `[S]`: how much rarer than in the winner's games pairs are in the data, at most.

    max over a, b of p(a) / g(a, b): the opponent may play any b, and the chance g that the pair is
    asked about counts both orders. Infinite where a pair that the winner may meet is never asked
    about. The pair of an action with itself, whose margin is known, is left out.
    Source: [Zhong2024], theorem 8.

    Args:
        winner: `[S, A]`, the von Neumann winner p.
        pairs: `[S, A, A]`, the chance of each ordered pair in a query about the state.

    Raises:
        ValueError: when shapes do not fit or an entry is negative or not finite.
    """
    p = expect.distribution(winner, name="winner", atol=1e-6)
    asked = expect.finite(pairs, name="pairs")
    expect.shape(asked, *p.shape, p.shape[-1], name="pairs")
    if asked.min(initial=0.0) < 0.0:
        raise ValueError(f"pairs should be chances, hold {asked.min():g}")
    either = asked + asked.swapaxes(-1, -2)
    met = np.broadcast_to(p[..., None], either.shape) * (1.0 - np.eye(p.shape[-1]))
    known = np.divide(met, either, out=np.full_like(either, np.inf), where=either > 0.0)
    return np.where(met > 0.0, known, 0.0).max(axis=(-2, -1))


def winner_bound(
    answers: float, coverage: float, *, shape: tuple[int, int, int], delta: float = 0.1
) -> float:
    """Return 8 A log(4 M S A^2 / delta) sqrt(C* / n): how exploitable at most, surely by 1 - delta.

    Of the pessimistic winner with the paper's bonus. Source: [Zhong2024], theorem 8.

    Args:
        answers: n, of each party about the state.
        coverage: C*, see `unilateral_coverage`.
        shape: S, M, A.
        delta: chance that it may fail.
    """
    states, parties, actions = (expect.integer(size, name="shape", low=1) for size in shape)
    expect.number(answers, name="answers", low=0.0, open_=True)
    expect.number(delta, name="delta", low=0.0, high=1.0, open_=True)
    entries = 4.0 * parties * states * actions**2 / delta
    return float(8.0 * actions * np.log(entries) * np.sqrt(coverage / answers))
