"""What is chosen by how well it predicts held-out answers: ranks, clusters, a penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from multiparty_envs.rewards.choices import Choices
from multiparty_envs.streams import Streams

FOLDS = 5  # parts of each party's answers, one of which is held out
HELD_OUT = 1 / FOLDS
PATIENCE = 3  # sizes tried without a gain before the search ends

Scorer = Callable[[int, Choices, Choices], np.ndarray]
"""(size, answers to fit, answers held out) -> log-likelihood of the latter, in parts [n]."""


def best_size(sizes: Iterable[int], choices: Choices, score: Scorer, seed: int) -> int:
    """Return the last of the ascending `sizes` that beat what came before by a standard error.

    Raises:
        ValueError: when no party has enough answers to hold one out.
    """
    train, test = hold_out(choices, seed, "the rank or the number of clusters")
    best, best_score, waited = 1, np.array(-np.inf), 0
    for size in sizes:
        found = score(size, train, test)
        if _better(found, best_score):
            best, best_score, waited = size, found, 0
        else:
            waited += 1
        if waited == PATIENCE:
            break
    return best


def hold_out(choices: Choices, seed: int, instead: str, fold: int = 0) -> tuple[Choices, Choices]:
    """Return the choices to fit, and a fifth of each party's answers that are held out.

    Args:
        choices: what was answered.
        seed: draws which.
        instead: what to give where too little was answered.
        fold: which fifth, below `FOLDS`.

    Raises:
        ValueError: when no party has enough answers to hold one out.
    """
    held_out = _held_out(choices, seed, fold)
    if not held_out.any():
        raise ValueError(
            f"no party has the {FOLDS} answers that it takes to hold one out; give {instead}"
        )
    return choices.where(~held_out), choices.where(held_out)


def _better(new: np.ndarray, old: np.ndarray) -> bool:
    """Whether the sum over parts gains more than a standard error: a gain of nothing is none."""
    gain = new - old
    return bool(gain.sum() > np.sqrt(len(gain)) * gain.std()) if np.isfinite(old).all() else True


def _held_out(choices: Choices, seed: int, fold: int) -> np.ndarray:
    """[K] bool, true for a random part of every party's answers, rounded down."""
    party = np.zeros(choices.num_answers, dtype=np.int64)
    party[choices.answer] = choices.party
    shuffled = Streams(seed).numpy("held-out answers").permutation(choices.num_answers)
    order = shuffled[np.argsort(party[shuffled], kind="stable")]
    counts = np.bincount(party)
    place = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    size = (counts // FOLDS)[party[order]]
    chosen = np.zeros(choices.num_answers, dtype=bool)
    chosen[order] = (fold * size <= place) & (place < (fold + 1) * size)
    return chosen
