"""What all learners that are networks share: reading, training an ensemble, predicting."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp, softmax, xlogy
from torch import Tensor
from typing_extensions import Self

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Steps
from multiparty_envs.rewards.base import TINY, PredictingLearner
from multiparty_envs.rewards.choices import expect_answers
from multiparty_envs.rewards.neural_answers import (
    Groups,
    Orders,
    Part,
    order_likelihood,
    orders_of,
    split,
    without_unused,
)
from multiparty_envs.rewards.neural_inputs import INPUTS, Reader, Table, tabulate
from multiparty_envs.rewards.neural_network import Layout
from multiparty_envs.rewards.neural_predictor import CHUNK
from multiparty_envs.rewards.neural_training import Data, Problem, Schedule, Training
from multiparty_envs.streams import Streams


class Estimate(NamedTuple):
    """Rewards of B steps for M parties, and what is not known of them."""

    mean: Tensor  # [B, M]
    variance: Tensor  # [B, M]


class NeuralLearner(PredictingLearner):
    """Rewards by small networks, E ensemble members of n networks each, trained at once.

    The answers are those of Bradley, Terry, Luce or of Plackett and Luce about returns that are
    sums of a network's output over steps, as in [Christiano2017]. Every member starts elsewhere,
    holds out other answers, and learns from a bootstrap of the rest until it has predicted those
    held out no better for `patience` epochs; its best weights are kept. `rewards` is the mean over
    members, `stderr` their standard deviation. `predict_proba` averages the members' chances.

    Answers about segments of one length fix a reward only up to a constant: it is then such that
    the mean over the steps of all segments asked about is zero. Where lengths differ, the answers
    say what a step is worth, and nothing is shifted.

    Args:
        hidden: widths of the hidden layers; none makes the reward linear.
        members: E; one knows no standard error.
        learning_rate: of Adam.
        weight_decay: how fast weights shrink, decoupled from the gradient.
        batch_size: answers in a gradient step of each network.
        max_epochs: passes through the answers at most.
        held_out: part of the answers that tells when to stop; with none, or too few to hold one
            out, those learned from do.
        patience: epochs without a gain before training stops.
        inputs: what a network reads of a step: "features", or "obs" for the observation and the
            action (an integer action as zeros and a one).
        seed: of first weights, answers held out, bootstrap and order.
        device: where `fit` computes. `rewards` computes where the steps are.

    Attributes:
        weights_: [E, n, P] float32.
        input_mean_: [I] of the steps asked about, which networks see as zero.
        input_std_: [I].
        asked_: [M] bool, who answered.
        answered_: I and M.
        obs_shape_: O, of a step's observation.
        action_shape_: A.
        num_actions_: values of an integer action, else 0.
        num_features_: D.
        trace_: [T, E], mean log-likelihood of the answers held out after each epoch.
    """

    weights_: np.ndarray
    input_mean_: np.ndarray
    input_std_: np.ndarray
    asked_: np.ndarray
    answered_: tuple[int, int]
    obs_shape_: tuple[int, ...]
    action_shape_: tuple[int, ...]
    num_actions_: int
    num_features_: int
    trace_: np.ndarray

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (32, 32),
        members: int = 5,
        learning_rate: float = 0.01,
        weight_decay: float = 0.3,
        batch_size: int = 64,
        max_epochs: int = 200,
        held_out: float = 0.2,
        patience: int = 10,
        inputs: str = "features",
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.hidden = tuple(expect.integer(width, name="hidden", low=1) for width in hidden)
        self.members = expect.integer(members, name="members", low=1)
        self.learning_rate = expect.number(learning_rate, name="learning_rate", low=0.0)
        self.weight_decay = expect.number(weight_decay, name="weight_decay", low=0.0)
        self.batch_size = expect.integer(batch_size, name="batch_size", low=1)
        self.max_epochs = expect.integer(max_epochs, name="max_epochs", low=1)
        self.held_out = expect.number(held_out, name="held_out", low=0.0, high=0.9)
        self.patience = expect.integer(patience, name="patience", low=1)
        self.inputs = expect.choice(inputs, INPUTS, name="inputs")
        self.seed = expect.integer(seed, name="seed")
        self.device = str(torch.device(device))

    @abstractmethod
    def _layout(self, inputs: int, parties: int) -> Layout:
        """Return the layout of a network."""

    @abstractmethod
    def _networks(self, parties: int) -> int:
        """Return n, the networks of a member."""

    @abstractmethod
    def _groups(self, part: Part, parties: int) -> Groups:
        """Return which answers each network reads."""

    @abstractmethod
    def _training(self, table: Table, answers: Comparisons | Rankings) -> Training:
        """Return the training of what `_problem` says."""

    @abstractmethod
    def _keep(self, training: Training, weights: Tensor) -> Tensor:
        """Keep what else was learned with `weights` [E * n, P]; return those to use."""

    @abstractmethod
    def _estimate(self, columns: Tensor) -> Estimate:
        """Return the estimate from the members' rewards [E, H, B] by H columns."""

    @abstractmethod
    def _cases(self, party: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return [K, C] columns that may be the reward of `party` [K], and their chances [K, C]."""

    def fit(self, comparisons: Comparisons | Rankings) -> Self:
        """Learn from these answers alone.

        Raises:
            TypeError: when they are neither `Comparisons` nor `Rankings`.
            ValueError: when there are none, or what the networks read is not finite.
        """
        training = self.training(comparisons)
        weights, self.trace_ = training.run()
        table = training.data.table
        self.weights_ = self._finished(self._keep(training, weights), table)
        return self

    def training(self, comparisons: Comparisons | Rankings) -> Training:
        """Return the training that `fit` would run to its end, before its first step."""
        answers = without_unused(expect_answers(comparisons))
        reader = Reader.of(self.inputs, answers.segments)
        self.obs_shape_, self.action_shape_ = reader.obs_shape, reader.action_shape
        self.num_actions_, self.num_features_ = reader.num_actions, reader.num_features
        table = tabulate(reader, answers.segments)
        table, self.input_mean_, self.input_std_ = table.standardised()
        self.answered_ = (table.inputs.shape[1], answers.num_parties)
        self.asked_ = answers.counts > 0
        self._placed: dict[tuple[str, torch.device], Tensor] = {}
        return self._training(table, answers)

    def _problem(self, table: Table, answers: Comparisons | Rankings) -> Problem:
        streams, (inputs, parties) = Streams(self.seed), self.answered_
        layout, networks = self._layout(inputs, parties), self._networks(parties)
        train, held_out = split(
            answers.party, self.held_out, self.members, streams.numpy("answers held out")
        )
        watched = held_out if len(held_out.party) else train
        groups = [self._groups(part, parties) for part in (train, watched)]
        initial = layout.initial(streams.numpy("first weights"), self.members * networks)
        initial = initial.reshape(self.members, networks, layout.size)
        # a network that learns from nobody is zero everywhere
        initial *= (groups[0].count > 0)[:, None]
        return Problem(
            layout=layout,
            data=Data(table, orders_of(answers), *groups),
            initial=initial,
            schedule=Schedule(
                learning_rate=self.learning_rate,
                weight_decay=self.weight_decay,
                batch_size=self.batch_size,
                max_epochs=self.max_epochs,
                patience=self.patience,
            ),
            rng=streams.numpy("order of the answers"),
            device=self.device,
        )

    @torch.no_grad()
    def _finished(self, weights: Tensor, table: Table) -> np.ndarray:
        """Return the weights [E, n, P] of rewards in units of answers, centred if need be."""
        layout, lengths = self._layout(*self.answered_), table.mask.sum(axis=1)
        shift = torch.zeros(len(weights), 1, layout.widths[-1], device=weights.device)
        if lengths.min() == lengths.max():
            share = torch.tensor(table.counts() / lengths.sum(), dtype=torch.float32)
            inputs = torch.tensor(table.inputs, device=weights.device)
            size = max(1, CHUNK // (len(weights) * max(layout.widths)))
            parts = layout.parts(weights)
            for some, own in zip(inputs.split(size), share.split(size), strict=True):
                out = layout.outputs(parts, some.expand(len(weights), -1, -1))
                shift -= own.to(out.device) @ out[:, None]
        scale = table.unit
        return (
            layout.shifted(weights, shift, scale).view(self.members, -1, layout.size).cpu().numpy()
        )

    def rewards(self, steps: Steps) -> Any:
        """Return [..., M] in the dtype of what is read, if that is a floating-point one."""
        return self._answer(steps, lambda estimate: estimate.mean)

    def stderr(self, steps: Steps) -> Any:
        """Return [..., M], the standard deviation over members.

        Raises:
            ValueError: when there is but one member.
        """
        if self.members == 1:
            raise ValueError("members should be 2 or more for a standard error, is 1")
        return self._answer(steps, lambda estimate: estimate.variance.clamp_min(0.0).sqrt())

    @torch.no_grad()
    def _answer(self, steps: Steps, part: Callable[[Estimate], Tensor]) -> Any:
        inputs, dtype = self._read(steps)
        own = part(self._estimate(self._columns(inputs.reshape(-1, inputs.shape[-1]))))
        own = own.reshape(*inputs.shape[:-1], -1).to(dtype)
        asked_in = steps.features if self.inputs == "features" else steps.obs
        return own if isinstance(asked_in, Tensor) else own.numpy()

    def _columns(self, inputs: Tensor) -> Tensor:
        """[B, I] -> [E, H, B], every member's rewards by columns."""
        layout, weights = self._layout(*self.answered_), self._on("weights_", inputs.device)
        parts = layout.parts(weights.flatten(0, 1))
        out = layout.outputs(parts, inputs.expand(len(parts[0]), -1, -1))
        if layout.heads:
            return torch.bmm(out, layout.head(parts)).transpose(1, 2)
        return out[..., 0].unflatten(0, weights.shape[:2])

    def _read(self, steps: Steps) -> tuple[Tensor, torch.dtype]:
        """[..., I] standardised, and the dtype that answers should have."""
        self._check_fitted()
        reader = Reader(
            self.inputs, self.obs_shape_, self.action_shape_, self.num_actions_, self.num_features_
        )
        inputs, dtype = reader.read(steps)
        mean, std = (self._on(name, inputs.device) for name in ("input_mean_", "input_std_"))
        return (inputs - mean) / std, dtype

    def _on(self, name: str, device: torch.device) -> Tensor:
        """A learned array on a device, kept there: a copy would wait for the device each step."""
        placed = vars(self).setdefault("_placed", {})  # a learner that was loaded has none yet
        if (name, device) not in placed:
            placed[name, device] = torch.tensor(getattr(self, name), device=device)
        return placed[name, device]

    def predict_proba(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return the chance [K] that the first is preferred, averaged over members.

        Of rankings [K, J]: each alternative's chance to be the best, in the order of `ordered`.
        """
        utility, weight, _ = self._utilities(comparisons)
        chance = (softmax(utility, axis=-1) * weight[..., None]).sum(axis=(0, 2))
        return chance[:, 0] if isinstance(comparisons, Comparisons) else chance

    def log_likelihood(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return [K], the log-likelihood of each answer."""
        if isinstance(comparisons, Comparisons):
            chance, label = self.predict_proba(comparisons), comparisons.label
            against = np.maximum(1.0 - chance, TINY)
            return xlogy(label, np.maximum(chance, TINY)) + xlogy(1.0 - label, against)
        utility, weight, orders = self._utilities(comparisons)
        return logsumexp(order_likelihood(utility, orders), axis=(0, 2), b=weight)

    @torch.no_grad()
    def _utilities(
        self, comparisons: Comparisons | Rankings
    ) -> tuple[np.ndarray, np.ndarray, Orders]:
        """[E, K, C, J] returns by every case of every member, weights [E, K, C] that sum to one."""
        self._check_fitted()
        answers = without_unused(expect_answers(comparisons))
        orders, returns = orders_of(answers), self._returns(answers)
        column, chance = self._cases(orders.party)
        utility = returns[:, column[:, :, None], orders.place[:, None, :]].astype(np.float64)
        utility = np.where(orders.present[:, None, :], utility, -np.inf)
        return utility, np.broadcast_to(chance / len(returns), utility.shape[:3]), orders

    def _returns(self, answers: Comparisons | Rankings) -> np.ndarray:
        """[E, H, G] of the segments asked about."""
        inputs, _ = self._read(answers.segments.steps())  # [G, L, I]
        shape, layout = (inputs.shape[-1], answers.num_parties), self._layout(*self.answered_)
        if shape != self.answered_:
            raise ValueError(
                f"answers should have {self.answered_} (inputs, parties) as in fit, have {shape}"
            )
        mask = torch.tensor(answers.segments.mask)
        members, networks, _ = self.weights_.shape
        held = members * max(networks * max(layout.widths), layout.heads)  # numbers for a step
        size = max(1, CHUNK // (held * mask.shape[1]))
        parts = [
            (self._columns(part.flatten(0, 1)).unflatten(2, own.shape) * own).sum(dim=-1)
            for part, own in zip(inputs.split(size), mask.split(size), strict=True)
        ]
        return torch.cat(parts, dim=2).numpy()

    def _check_fitted(self) -> None:
        if not hasattr(self, "weights_"):
            raise RuntimeError(f"{type(self).__name__} is not fitted yet; call fit first")
