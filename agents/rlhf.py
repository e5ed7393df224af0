"""The loop of learning from people: ask, fit, relabel, improve, and ask again.

Behaviour is collected and people are asked on the training's own device; what they said goes to
the host once a round, where a learner is fitted to all that was said so far. Its rewards then
replace the former ones, and PPO goes on. Source: [Christiano2017], for several parties.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, final

from agents import checkpoint, storage
from agents.config import PPOConfig
from agents.keeper import Keeper
from agents.listening import listen
from agents.networks import NetworkPolicy
from agents.ppo import threads
from agents.problem import Problem
from agents.progress import Callback
from agents.trainer import Trainer
from agents.units import learned_scale
from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.feedback import Comparisons, Feedback
from multiparty_envs.rewards import RewardLearner
from multiparty_envs.rewards.storage import learner_from_state, learner_state
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import NORMALISATIONS, Welfare


@final
@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How people are asked and listened to; checked when made.

    Raises:
        ValueError: naming the setting, its value and what is allowed.
    """

    labels: int = 2_000
    """Answers in all."""
    rounds: int = 4
    """Times that people are asked, and rewards fitted to all that they said. Usual 1 to 10."""
    first: float = 0.5
    """Share of the answers that is about random behaviour, before there is any other."""
    feedback: Feedback = field(default_factory=lambda: Feedback(assignment="share"))
    """About what people are asked, and who; budget, window and copies follow from the rest."""
    normalisation: str = "range"
    """Units of the parties under the learned rewards, see `learned_scale`."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """How the policy is improved; its steps are divided evenly among the rounds."""

    def __post_init__(self) -> None:
        expect.integer(self.rounds, name="rounds", low=1)
        expect.integer(self.labels, name="labels", low=self.rounds)
        expect.number(self.first, name="first", low=0.0, high=1.0, open_=True)
        expect.choice(self.normalisation, NORMALISATIONS, name="normalisation")

    def count(self, number: int) -> int:
        """Return the answers of round `number`, from 0."""
        if self.rounds == 1:
            return self.labels
        first = max(1, min(round(self.first * self.labels), self.labels - self.rounds + 1))
        if number == 0:
            return first
        done, next_ = (
            (self.labels - first) * (number + step) // (self.rounds - 1) for step in (-1, 0)
        )
        return next_ - done


class Learned(NamedTuple):
    """What came of listening."""

    policy: NetworkPolicy
    learner: RewardLearner
    answers: Comparisons


def train(
    dynamics: Dynamics,
    learner: RewardLearner,
    *,
    welfare: Welfare,
    level: str = "policy",
    config: LoopConfig = LoopConfig(),
    seed: int = 0,
    callback: Callback | None = None,
    folder: storage.PathLike | None = None,
) -> Learned:
    """Return a policy trained on rewards that are learned from people on the way.

    Args:
        dynamics: the world, whose parties answer; nothing else reads their rewards.
        learner: is fitted, anew in each round.
        welfare: how the parties' rewards become one.
        level: where it sits, see `agents.ppo.train`.
        config: how people are asked.
        seed: of everything random; the same seed gives the same policy on a CPU.
        callback: told of the progress; training ends early where it returns False.
        folder: where everything is stored on the way. One that holds this training already is
            gone on with, and ends as if it had never stopped.

    Raises:
        ValueError: for settings that do not fit, or a folder with another training in it.
        RuntimeError: when people skip every query.
    """
    loop = Loop(
        dynamics, learner, welfare=welfare, level=level, config=config, streams=Streams(seed)
    )
    with threads(config.ppo.threads):
        if folder is not None and checkpoint.exists(folder):
            loop.restore(folder)
        loop.run(callback, folder)
    return loop.learned()


@final
class Loop:
    """Rounds of asking, fitting and improving; arguments as `train`."""

    def __init__(
        self,
        dynamics: Dynamics,
        learner: RewardLearner,
        *,
        welfare: Welfare,
        level: str,
        config: LoopConfig,
        streams: Streams,
    ) -> None:
        self.dynamics, self.learner, self.config = dynamics, learner, config
        self._welfare, self._level, self._streams = welfare, level, streams
        self.answers: Comparisons | None = None
        self.round = 0  # rounds begun
        self.trainer: Trainer | None = None

    def run(self, callback: Callback | None, folder: storage.PathLike | None) -> None:
        """Go through the rounds that are left."""
        keep = None if folder is None else Keeper(lambda: self.save(folder))
        while True:
            if self.trainer is None or self._over():
                if self.round == self.config.rounds:
                    return
                self.begin()
            assert self.trainer is not None
            self.trainer.iterate()
            if keep is not None:
                keep(self._over() and self.round == self.config.rounds)
            if callback is not None and callback(self.trainer.progress()) is False:
                return

    def _over(self) -> bool:
        assert self.trainer is not None
        end = self.trainer.iterations * self.round // self.config.rounds
        return self.trainer.iteration >= end

    def begin(self) -> None:
        """Begin a round: ask about what the policy does now, and fit to all that was said."""
        heard = listen(
            self.dynamics if self.trainer is None else self.trainer.problem.dynamics,
            self.config.feedback,
            self.config.count(self.round),
            None if self.trainer is None else self.trainer.agent,
            config=self.config.ppo,
            streams=self._streams.child(f"round {self.round}"),
        )
        self.answers = heard if self.answers is None else self.answers.extend(heard)
        self.learner.fit(self.answers)
        self._take_up(self.round)
        self.round += 1

    def _take_up(self, number: int) -> None:
        """Let the trainer, made if there is none, go into round `number` with what was learned."""
        scale = learned_scale(
            self.dynamics, self.learner, self.config.normalisation, self._streams.key("units")
        )
        if self.trainer is None:
            problem = Problem.of(self.dynamics, self._welfare, self._level, self.learner, scale)
            self.trainer = Trainer(problem, self.config.ppo, self._streams.child("trainer"))
        else:
            self.trainer.relabel(self.learner, scale, f"round {number}")

    def learned(self) -> Learned:
        """Return what came of it."""
        assert self.trainer is not None
        assert self.answers is not None
        return Learned(self.trainer.policy(), self.learner, self.answers)

    def save(self, folder: storage.PathLike) -> None:
        """Write everything to `folder` in one step: policy, critic, learner, answers, streams."""
        assert self.trainer is not None
        assert self.answers is not None
        inner = checkpoint.stored(self.trainer)
        described, arrays = learner_state(self.learner)
        parts = {"learner": arrays, "answers": self.answers.arrays()}
        for part, values in parts.items():
            inner.arrays.update({f"{part}.{name}": value for name, value in values.items()})
        names = self.answers.names
        settings = {
            **inner.settings,
            "loop": self._described(),
            "round": self.round,
            "learner": described,
            "parties": [self.answers.num_parties, names and list(names)],
        }
        found = storage.Stored("rlhf", inner.arrays, settings)
        storage.write(folder, found, storage.CHECKPOINT)

    def _described(self) -> dict[str, Any]:
        config = self.config
        return {
            "labels": config.labels,
            "rounds": config.rounds,
            "first": config.first,
            "feedback": vars(config.feedback),
            "normalisation": config.normalisation,
        }

    def restore(self, folder: storage.PathLike) -> None:
        """Go on from what `save` wrote of an equal training.

        Raises:
            ValueError: when it is damaged, or of a training with other settings.
        """
        found = storage.read(folder, storage.CHECKPOINT)
        if found.settings.get("loop") != self._described():
            raise ValueError(
                f"{folder} holds another training: {found.settings.get('loop')} there, "
                f"{self._described()} here"
            )
        parties, names = found.settings["parties"]
        answers = _under("answers.", found.arrays)
        self.answers = Comparisons.from_arrays(answers, parties, names and tuple(names))
        self.learner = learner_from_state(
            found.settings["learner"], _under("learner.", found.arrays)
        )
        self.round = found.settings["round"]
        for number in {0, self.round - 1}:  # the first makes the trainer
            self._take_up(number)
        assert self.trainer is not None
        checkpoint.put(found, self.trainer, folder)


def _under(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {n[len(prefix) :]: value for n, value in arrays.items() if n.startswith(prefix)}
