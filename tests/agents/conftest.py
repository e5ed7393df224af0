"""Random finite worlds for the tests of agents."""

import numpy as np
import pytest

from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.feedback import Steps
from multiparty_envs.parties import Population
from multiparty_envs.rewards import RewardLearner


@pytest.fixture(scope="session")
def random_world():
    """A function from a seed (and sizes, drawn if not given) to a finite world.

    Some have terminal cells, some a discount, some moves without chance.
    """

    def make(seed, states=None, actions=None, parties=None, horizon=None, **settings):
        rng = np.random.default_rng(seed)
        states, actions = states or rng.integers(2, 61), actions or rng.integers(2, 5)
        parties, horizon = parties or rng.integers(1, 9), horizon or rng.integers(1, 7)
        branches, features = rng.integers(1, 4), rng.integers(1, 9)
        terminal = rng.random(states) < 0.2 * rng.integers(0, 2)
        terminal[0] = False
        start = rng.random(states) * ~terminal * (rng.random(states) < 0.3)
        start[0] += 0.1
        return FiniteMDP(
            successors=rng.integers(0, states, (states, actions, branches)),
            probabilities=rng.dirichlet(np.ones(branches), (states, actions)),
            features=rng.normal(size=(states, actions, features)),
            initial=start / start.sum(),
            population=Population(rng.normal(size=(features, parties))),
            horizon=int(horizon),
            terminal=terminal,
            discount=float(rng.choice([1.0, 0.9])),
            behaviour=rng.dirichlet(np.ones(actions), states),
            **settings,
        )

    return make


@pytest.fixture(scope="session")
def bandit():
    """A function from payoffs [A, M] (or [S, A, M]) to a world of one decision."""

    def make(payoffs):
        payoffs = np.array(payoffs, dtype=float)
        payoffs = payoffs[None] if payoffs.ndim == 2 else payoffs
        states, actions, parties = payoffs.shape
        return FiniteMDP(
            successors=np.zeros((states, actions, 1), dtype=int),
            probabilities=np.ones((states, actions, 1)),
            features=payoffs,
            initial=np.full(states, 1 / states),
            population=Population(np.eye(parties)),
            horizon=1,
        )

    return make


class Told(RewardLearner):
    """A learner that was told the weights."""

    def __init__(self, theta):
        self.theta = np.asarray(theta, dtype=float)

    def fit(self, comparisons):
        return self

    def rewards(self, steps: Steps):
        if isinstance(steps.features, np.ndarray):
            return steps.features @ self.theta
        return steps.features @ steps.features.new_tensor(self.theta)

    def stderr(self, steps: Steps):
        return 0.0 * self.rewards(steps)


@pytest.fixture(scope="session")
def told():
    """The class of learners that were told the weights [D, M]."""
    return Told
