"""The published way to get simulated answers, one fragment after the other, to measure against."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Episode(NamedTuple):
    """One episode of T steps, with the rewards of the one person that the published way knows."""

    obs: np.ndarray  # [T + 1, *O]
    action: np.ndarray  # [T, *A]
    rewards: np.ndarray  # [T]
    ended: bool


def random_fragments(
    episodes: list[Episode], length: int, count: int, rng: np.random.Generator
) -> list[tuple[Episode, Episode]]:
    """Draw `count` pairs of fragments as RandomFragmenter of imitation 1.0.1 does.

    An episode is drawn by its length and a start within it evenly, for one fragment at a time.
    """
    long_enough = [episode for episode in episodes if len(episode.action) >= length]
    weights = [len(episode.action) for episode in long_enough]
    fragments = []
    for _ in range(2 * count):
        chances = np.array(weights) / sum(weights)
        episode = long_enough[rng.choice(len(long_enough), p=chances)]
        steps = len(episode.action)
        start = rng.integers(0, steps - length, endpoint=True)
        end = start + length
        fragments.append(
            Episode(
                episode.obs[start : end + 1],
                episode.action[start:end],
                episode.rewards[start:end],
                bool(end == steps) and episode.ended,
            )
        )
    return list(zip(fragments[::2], fragments[1::2], strict=True))


def synthetic_answers(
    pairs: list[tuple[Episode, Episode]], rng: np.random.Generator, threshold: float = 50.0
) -> np.ndarray:
    """Answer [K] 1 or 0 as SyntheticGatherer of imitation 1.0.1 does.

    Args:
        pairs: K pairs of fragments.
        rng: draws the answers.
        threshold: differences of returns are cut off there.
    """
    first = np.array([one.rewards.sum() for one, _ in pairs], dtype=np.float32)
    second = np.array([other.rewards.sum() for _, other in pairs], dtype=np.float32)
    chance = 1.0 / (1.0 + np.exp(np.clip(second - first, -threshold, threshold)))
    return rng.binomial(n=1, p=chance).astype(np.float32)
