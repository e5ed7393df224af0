"""Rewards learned from the answers that the environment emits, while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import gymnasium
import numpy as np
from gymnasium.vector import VectorEnv

from multiparty_envs import expect
from multiparty_envs.feedback import Comparisons
from multiparty_envs.wrappers.core import Core, Moment, Outcome, world_of
from multiparty_envs.wrappers.faces import SingleFace, VectorFace
from multiparty_envs.wrappers.probe import learned_parties

if TYPE_CHECKING:
    from multiparty_envs.rewards.base import RewardLearner

FIRST_FIT = 64
GROWTH = 1.5


@final
class LearnedCore(Core):
    """Collects answers, refits a learner now and then, and pays what it has learned.

    Attributes:
        fits: how often the learner has been fitted here.
    """

    looks = True

    def __init__(
        self, learner: RewardLearner, num_parties: int, first_fit: int | None, growth: float
    ) -> None:
        self.learner = learner
        self.shown = {"learned_rewards": num_parties}
        self.fits = 0
        self._parts: list[Comparisons] = []
        self._count = 0
        self._growth = expect.number(growth, name="growth", low=1.0)
        self._due: float = np.inf
        if first_fit is not None:
            self._due = expect.integer(first_fit, name="first_fit", low=1)
        self._fitted = first_fit is None

    def step(self, moment: Moment) -> Outcome:
        """Listen, refit when enough is new, and pay the mean of the learned rewards."""
        if moment.comparisons is not None:
            self._listen(moment.comparisons)
        shown = self._rewards(moment).astype(np.float32)
        return Outcome(shown.mean(axis=1, dtype=np.float64), {"learned_rewards": shown})

    @property
    def comparisons(self) -> Comparisons | None:
        """All answers so far."""
        # joined when asked for: joining at every answer would copy them all each time
        if len(self._parts) > 1:
            self._parts = [Comparisons.concatenate(self._parts)]
        return self._parts[0] if self._parts else None

    def _listen(self, new: Comparisons) -> None:
        self._parts.append(new)
        self._count += len(new)
        if self._count >= self._due:
            answers = self.comparisons
            assert answers is not None
            self.learner.fit(answers)
            self._fitted = True
            self.fits += 1
            self._due = max(self._count + 1, self._growth * self._count)

    def _rewards(self, moment: Moment) -> np.ndarray:
        size = self.shown["learned_rewards"]
        if not self._fitted:
            return np.zeros((len(moment.done), size))
        assert moment.steps is not None
        rewards = np.asarray(self.learner.rewards(moment.steps), dtype=np.float64)
        return expect.shape(rewards, len(moment.done), size, name="learned rewards")


@final
class LearnedReward(SingleFace[LearnedCore]):
    """The reward is the mean of the rewards that are learned from the emitted answers.

    `info["learned_rewards"]` holds the vector [M] float32, zeros before the first fit. True
    rewards are not looked at: `truth="hidden"` changes nothing. `core` has the answers.

    Args:
        env: of ours, with feedback.
        learner: is fitted in place.
        first_fit: answers before the first fit; None: the learner is fitted and stays as it is.
        growth: factor by which the answers grow between two fits.

    Raises:
        TypeError: when `env` is another environment, or `learner` is no learner.
        ValueError: when a setting is out of range, or answers are needed and none are emitted.
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        learner: RewardLearner,
        *,
        first_fit: int | None = FIRST_FIT,
        growth: float = GROWTH,
    ) -> None:
        super().__init__(env, _core(env, learner, first_fit, growth))


@final
class LearnedRewardVector(VectorFace[LearnedCore]):
    """`LearnedReward` for a vector of copies; same arguments, `info["learned_rewards"]` [N, M]."""

    def __init__(
        self,
        env: VectorEnv[Any, Any, np.ndarray],
        learner: RewardLearner,
        *,
        first_fit: int | None = FIRST_FIT,
        growth: float = GROWTH,
    ) -> None:
        super().__init__(env, _core(env, learner, first_fit, growth))


def _core(env: Any, learner: RewardLearner, first_fit: int | None, growth: float) -> LearnedCore:
    """Return a core with as many learned rewards as there will be kinds of answerers."""
    world = world_of(env)
    if not (hasattr(learner, "fit") and hasattr(learner, "rewards")):
        raise TypeError(f"learner should be a RewardLearner, is {learner!r}")
    if first_fit is None:
        count = learned_parties(learner.rewards, world.dynamics)
        return LearnedCore(learner, count, None, growth)
    feedback, population = world.options.feedback, world.dynamics.population
    if feedback is None:
        raise ValueError("the environment emits no answers (feedback=None), so none can be learned")
    counts = {"party": population.num_parties, "cluster": population.num_clusters, "none": 1}
    return LearnedCore(learner, counts[feedback.identity], first_fit, growth)
