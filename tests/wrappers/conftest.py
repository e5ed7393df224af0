"""A world, a learner that is already fitted, and answers, for the tests of wrappers."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def world(make_grid):
    """A small grid with chance, a terminal cell, a discount and three parties."""
    return make_grid(slip=0.2, starts=(0, 5), terminal=(15,), horizon=5, discount=0.9)


@pytest.fixture(scope="session")
def learner(world):
    """Rewards of two clusters, as if they had been learned."""
    from multiparty_envs.feedback import Comparisons, Segments
    from multiparty_envs.rewards import Independent

    rng = np.random.default_rng(0)
    count, width = 200, len(world.observations[0]) + 1
    segments = Segments(
        obs=np.zeros((count, 1, width), dtype=np.float32),
        action=np.zeros((count, 1), dtype=np.int64),
        features=rng.normal(size=(count, 1, 2)),
        mask=np.ones((count, 1), dtype=bool),
    )
    first, second = np.arange(0, count, 2), np.arange(1, count, 2)
    party = np.arange(len(first)) % 2
    margin = segments.feature_sums()[first] - segments.feature_sums()[second]
    label = (margin[np.arange(len(first)), party] > 0).astype(float)
    answers = Comparisons(segments, first, second, party, label, num_parties=2)
    return Independent().fit(answers)
