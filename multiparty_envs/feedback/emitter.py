"""What an environment runs at every step so that people's answers come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.feedback import queries
from multiparty_envs.feedback.answers import order_within
from multiparty_envs.feedback.asking import ask
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.recorder import Clips, Recorder, SingleRecorder
from multiparty_envs.feedback.segments import Segments
from multiparty_envs.feedback.settings import Feedback
from multiparty_envs.feedback.window import Window
from multiparty_envs.parties import Population


@final
class Emitter:
    """Watches an environment, cuts segments, asks the parties and hands out their answers.

    Args:
        feedback: when to ask, about what, and whom.
        population: who answers.
        scale: [M] spread of segment returns per party, or a function that gives it, which is
            called when the first query is put.
        rng: draws pairs, parties and answers and nothing else, so that one more question leaves
            the world as it was.
        num_copies: copies of the environment. With one, hand steps to `record_one`, which is the
            cheaper, or to `record`; with more, to `record`.
    """

    def __init__(
        self,
        feedback: Feedback,
        population: Population,
        scale: np.ndarray | Callable[[], np.ndarray],
        rng: np.random.Generator,
        num_copies: int = 1,
    ) -> None:
        self._settings, self._population = feedback, population
        self._scale, self._rng = scale, rng
        self._watched = min(expect.integer(num_copies, name="num_copies", low=1), feedback.watched)
        self._single = SingleRecorder(feedback.segment_length)
        self._batch = Recorder(feedback.segment_length, self._watched)
        self._window = Window(feedback.window)
        self._assignment = queries.Assignment(feedback.assignment, population.share, rng)
        self._predict: Callable[[Segments], np.ndarray] | None = None
        self._asked = np.zeros(population.num_parties, dtype=np.int64)
        self._new = 0
        self.answers = 0
        """Answers handed out so far."""
        self.exhausted = False
        """Whether the budget is spent; then steps need no longer be recorded."""

    def guide(self, predict: Callable[[Segments], np.ndarray]) -> None:
        """Let an ensemble choose the pairs where the settings do not say "uniform".

        Args:
            predict: from a bank of G segments to [E, G, M] (or [E, G, 1]) returns in the eyes of
                E members. Until it is given, pairs are uniform.
        """
        self._predict = predict

    def forget(self, copies: np.ndarray | None = None) -> None:
        """Drop unfinished segments: to be called when a reset cuts episodes short.

        Args:
            copies: [N] bool, which copies were reset; None: all.
        """
        self._single.forget()
        self._batch.forget(None if copies is None else copies[: self._watched])

    def record(
        self, obs: np.ndarray, action: np.ndarray, features: np.ndarray, done: np.ndarray
    ) -> Comparisons | None:
        """Take one step of every copy; return the new answers, if there are any.

        Args:
            obs: [N, *O] before the step; copied, so that the caller may reuse the array.
            action: [N, *A]
            features: [N, D]
            done: [N] bool, whether the step ended the copy's episode.
        """
        if self.exhausted:
            return None
        seen = slice(self._watched)
        return self._take(self._batch.record(obs[seen], action[seen], features[seen], done[seen]))

    def record_one(
        self, obs: np.ndarray, action: Any, features: np.ndarray, done: bool
    ) -> Comparisons | None:
        """Take one unbatched step of the only copy; as `record`, but arrays are kept, not copied.

        The caller must not write to them afterwards.
        """
        if self.exhausted:
            return None
        clips = self._single.record(obs, action, features, done)
        return None if clips is None else self._take(clips)

    def _take(self, clips: Clips | None) -> Comparisons | None:
        if clips is None:
            return None
        self._window.append(clips)
        self._new += len(clips.length)
        # many segments may end at one step, so several rounds may be due together
        rounds, left = divmod(self._new, self._settings.every)
        if not rounds or self._window.num_segments < 2:
            return None
        self._new = left
        answers = self._ask(self._affordable(rounds * self._settings.queries))
        if answers is None:
            return None
        self.answers += len(answers)
        self.exhausted = self.answers == self._settings.budget
        return answers if len(answers) else None

    def _affordable(self, count: int) -> int:
        budget = self._settings.budget
        return count if budget is None else min(count, budget - self.answers)

    def _ask(self, count: int) -> Comparisons | None:
        """Return the answers; None where no two segments may be compared."""
        if callable(self._scale):
            self._scale = self._scale()
        party = self._assignment.draw(count)
        pairs = self._pairs(party)
        if not len(pairs[0]):
            return None
        # the answers carry only the segments they are about
        used, place = np.unique(np.concatenate(pairs), return_inverse=True)
        before = self._asked[party] + order_within(party)
        self._asked += np.bincount(party, minlength=len(self._asked))
        first, second = np.split(place, 2)
        return ask(
            self._population,
            self._window.segments(used),
            first,
            second,
            party,
            scale=self._scale,
            rng=self._rng,
            identity=self._settings.identity,
            answered=before,
        )

    def _pairs(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = self._window.num_segments
        if self._settings.pairs == "same-start":
            return queries.alike_pairs(len(party), self._window.kinds(), self._rng)
        if self._predict is None or self._settings.pairs == "uniform":
            return queries.uniform_pairs(len(party), size, self._rng)
        predictions = np.asarray(self._predict(self._window.segments(np.arange(size))))
        expect.shape(predictions, None, size, None, name="predictions")
        return queries.guided_pairs(party, predictions, self._settings.pairs, self._rng)
