"""Tasks: an environment, and where the answers about it come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np

from baselines.methods import env_name
from multiparty_envs import expect
from multiparty_envs.data import load
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.faces import collect, offline
from multiparty_envs.feedback import Comparisons, Feedback
from multiparty_envs.registration import make_dynamics
from multiparty_envs.rewards import Pooled
from multiparty_envs.streams import Streams

HELD_OUT = 1 / 3
"""Share of each person's recorded answers that no learner sees."""

LABELS = 1_000
"""Simulated answers to learn from, all parties together, if no other number is asked for."""

HELD_OUT_LABELS = 2_000
"""Simulated answers to judge a learner by, spread evenly over the parties."""


class Answers(NamedTuple):
    """Answers to learn from, and answers of the same parties that no learner sees."""

    train: Comparisons
    held_out: Comparisons


class Groups(NamedTuple):
    """[M] masks: whose accuracy the two accuracy columns report."""

    majority: np.ndarray
    minority: np.ndarray


class Task(ABC):
    """One environment and the source of its answers.

    Attributes:
        name: id of the environment without its namespace.
        world: the environment, with the true rewards that only evaluation may read.
        labels: answers to learn from if no other number is asked for.
    """

    name: str
    world: Dynamics
    labels: int

    @property
    def mdp(self) -> FiniteMDP:
        """The environment as tables.

        Raises:
            TypeError: when it is not finite, so that no exact optimum is known.
        """
        if isinstance(self.world, FiniteMDP):
            return self.world
        raise TypeError(
            f"{self.name} is not finite: it has no tables and no exact optimum. "
            "Try `multiparty train` with --optimiser ppo or sb3 and a method that learns"
        )

    @abstractmethod
    def answers(self, seed: int, labels: int = 0) -> Answers:
        """Return answers for repetition `seed`; `labels` 0 means as many as the task gives.

        Raises:
            ValueError: when the source has fewer answers than that.
        """

    @abstractmethod
    def groups(self, train: Comparisons) -> Groups:
        """Return whose accuracy to report; must not look at held-out answers."""


@final
class Simulated(Task):
    """Parties of the environment answer about episodes of its behaviour policy.

    Where the world has `pairs`, what they answer about is those.

    The minority is every party outside the largest cluster; where no cluster is larger than all
    others, it is the tenth served worst, as with recorded people. Held-out answers come from
    episodes and choices of their own, the same number from each party.
    """

    labels = LABELS

    def __init__(self, name: str, world: Dynamics) -> None:
        self.name, self.world = name, world

    def answers(self, seed: int, labels: int = 0) -> Answers:
        """Return fresh simulated answers."""
        streams = Streams(seed)
        train = self._asked(labels or self.labels, streams.key("train"))
        # balanced: the accuracy of a small minority should not rest on a handful of answers
        held_out = collect(
            self.world, Feedback(assignment="balanced"), HELD_OUT_LABELS, streams.key("held out")
        )
        return Answers(train, held_out)

    def _asked(self, labels: int, seed: int) -> Comparisons:
        if isinstance(self.world, FiniteMDP) and self.world.pairs is not None:
            # where the world says what is compared, that is what there is to learn from
            each = -(-labels // self.world.num_parties)
            recorded = offline(self.world, each, seed)
            return _thinned(recorded, labels, Streams(seed).numpy("thinning"))
        # by share: a minority of a fifth gives a fifth of the answers, as it would
        return collect(self.world, Feedback(assignment="share"), labels, seed)

    def groups(self, train: Comparisons) -> Groups:
        """Return the largest cluster, and everybody else."""
        cluster = np.asarray(self.world.population.cluster)
        sizes = np.bincount(cluster)
        if (sizes == sizes.max()).sum() > 1:  # every party of its own kind, or two halves
            return worst_served(train)
        largest = cluster == sizes.argmax()
        return Groups(largest, ~largest)


@final
class Recorded(Task):
    """The recorded answers of real people are the only feedback.

    Seeds differ in which third of each person's answers is held out. The minority is the tenth of
    the people whom one common reward serves worst: lowest likelihood of their *training* answers
    under a pooled fit. So all methods are judged on the same people, and these are not picked by
    the luck of their held-out answers.
    """

    def __init__(self, name: str, world: Dynamics, data: str) -> None:
        self.name, self.world = name, world
        self._recorded = Comparisons.from_choices(load(data))
        self.labels = len(self.answers(0).train)

    def answers(self, seed: int, labels: int = 0) -> Answers:
        """Return another split; with `labels`, that many of the answers to train on."""
        # a stream of its own: thinning does not change who is held out
        rng = Streams(seed).numpy("split")
        train, held_out = self._recorded.split(HELD_OUT, rng)
        if labels:
            train = _thinned(train, labels, Streams(seed).numpy("thinning"))
        return Answers(train, held_out)

    def groups(self, train: Comparisons) -> Groups:
        """Return everybody, and the tenth served worst."""
        return worst_served(train)


def worst_served(train: Comparisons) -> Groups:
    """Return everybody, and the tenth whose training answers a pooled fit makes least likely."""
    likelihood = Pooled().fit(train).log_likelihood(train)
    total = np.bincount(train.party, likelihood, minlength=train.num_parties)
    mean = total / np.maximum(train.counts, 1)
    minority = np.zeros(train.num_parties, dtype=bool)
    minority[np.argsort(mean, kind="stable")[: max(1, train.num_parties // 10)]] = True
    return Groups(np.ones_like(minority), minority)


RECORDED = {"Timetable-v0": "train"}
"""Environments whose parties are recorded people, and the name of their data."""

OTHER_PARTIES = {"population", "num_parties", "num_clusters", "conflict", "beta"}
"""Knobs that make the parties of such an environment other people than the recorded ones."""


def make_task(env: str, knobs: Mapping[str, Any] | None = None) -> Task:
    """Return the task of an environment id, with or without "multiparty/".

    Raises:
        ValueError: on an unknown id or a knob that the environment refuses.
        TypeError: on a knob that the environment does not have.
    """
    name = env_name(env)
    world = make_dynamics(name, **(knobs or {}))
    # recorded people answered for nobody but themselves: other parties' answers are simulated
    if name in RECORDED and not OTHER_PARTIES & set(knobs or {}):
        return Recorded(name, world, RECORDED[name])
    return Simulated(name, world)


def _thinned(answers: Comparisons, labels: int, rng: np.random.Generator) -> Comparisons:
    """Return `labels` of the answers, taken in turns from the people, in random order."""
    expect.integer(labels, name="labels", low=1, high=len(answers))
    order = np.lexsort((rng.random(len(answers)), answers.party))
    start = np.cumsum(answers.counts) - answers.counts
    turn = np.empty(len(answers), dtype=np.int64)
    turn[order] = np.arange(len(answers)) - start[answers.party[order]]
    # first answers of all people come before second ones: nobody is left out before they must be
    chosen = np.lexsort((rng.random(len(answers)), turn))[:labels]
    return answers.subset(np.sort(chosen))
