"""The emitter on a torch device: segments are cut and people answer where the rollout is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from multiparty_envs import expect
from multiparty_envs.feedback.asked import Asked
from multiparty_envs.feedback.asking import collapsed, draw_labels, unit_scale, written
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.segments import Steps
from multiparty_envs.feedback.settings import Feedback
from multiparty_envs.feedback.tape import Tape
from multiparty_envs.feedback.turns import Turns
from multiparty_envs.parties import Behaviour, Population


@final
class DeviceEmitter:
    """Watches copies of a world, cuts segments and asks the parties, all on one torch device.

    Segments, pairs, parties and answers are distributed as those of `Emitter`. All shapes are
    static and nothing waits for the device, so that it also runs on the "meta" device and in a
    captured graph; `comparisons` alone brings answers to the host. Here the rollout says when
    people are asked: `ask` puts so many queries at once, `ask_due` what the schedule owes.

    Args:
        feedback: about what people are asked, and who; its `pairs` have to be "uniform".
        population: who answers.
        scale: [M] spread of segment returns per party; zero leaves a party unscaled.
        num_copies: N; of these `feedback.watched` are watched at most.
        horizon: the most steps of an episode.
        device: where everything is.
        generator: draws pairs, parties and answers; of the CPU where the device is "meta".

    Raises:
        ValueError: when a number is out of range, a shape does not fit, or pairs are not uniform.
    """

    def __init__(
        self,
        feedback: Feedback | Mapping[str, Any],
        population: Population,
        scale: np.ndarray,
        num_copies: int,
        *,
        horizon: int,
        device: Any,
        generator: torch.Generator,
    ) -> None:
        self.feedback = settings = Feedback.of(feedback)
        if settings.pairs != "uniform":
            raise ValueError(f"pairs should be 'uniform' on a device, is {settings.pairs!r}")
        self.num_copies = expect.integer(num_copies, name="num_copies", low=1)
        length = expect.integer(horizon, name="horizon", low=1)
        if settings.segment_length is not None:
            length = min(length, settings.segment_length)
        self._tape = Tape(length, settings.window, min(num_copies, settings.watched), device)
        own = unit_scale(scale, population.num_parties)
        self._scale = torch.tensor(own, device=device)
        self._population = population.on(device)
        self._turns = Turns(
            settings.assignment, population.share, population.choice.tires, generator, device
        )
        ids, self._num_written, self._names = written(population, settings.identity)
        # None: parties are known by their own numbers
        self._ids = None if settings.identity == "party" else torch.tensor(ids, device=device)
        self._generator, self._device = generator, device
        self.answers = torch.zeros((), dtype=torch.int64, device=device)
        """Answers so far, []; a skipped query is none."""
        self._served = torch.zeros_like(self.answers)  # segments that rounds were held for

    def record(self, obs: Tensor, action: Tensor, features: Tensor, done: Tensor) -> None:
        """Take one step of every copy.

        Args:
            obs: [N, *O] before the step.
            action: [N, *A]
            features: [N, D]
            done: [N] bool, whether the step ended the copy's episode.
        """
        self.record_rollout(obs[None], action[None], features[None], done[None])

    @torch.no_grad()
    def record_rollout(self, obs: Tensor, action: Tensor, features: Tensor, done: Tensor) -> None:
        """Take T steps of every copy at once, [T, N, ...] each; see `record`.

        Raises:
            ValueError: when there are not as many copies as were announced.
        """
        expect.shape(done, None, self.num_copies, name="done")
        seen = slice(self._tape.num_copies)
        steps = Steps(obs[:, seen], action[:, seen], features[:, seen].double())
        self._tape.record(steps, done[:, seen])

    def forget(self, copies: Tensor | None = None) -> None:
        """Drop unfinished segments: to be called when a reset cuts episodes short.

        Args:
            copies: [N] bool, which copies were reset; None: all.
        """
        self._tape.forget(None if copies is None else copies[: self._tape.num_copies])

    def ask(self, count: int) -> Asked:
        """Put `count` queries now, or as many as the budget has left.

        Pairs are two different segments of the window, every pair equally likely. Rows of queries
        that are not put, as all are while the window holds less than two, have the label NaN.

        Args:
            count: K. The bank holds the window, or their 2 K segments where these are fewer.

        Raises:
            RuntimeError: before anything was recorded.
        """
        expect.integer(count, name="count", low=1)
        return self._ask(count, torch.full_like(self.answers, count))

    def ask_due(self, most: int) -> Asked:
        """Put the queries that the schedule owes, at most as many rounds as fit into `most` rows.

        Rounds that do not fit stay owed.

        Raises:
            RuntimeError: before anything was recorded.
            ValueError: when not one round fits.
        """
        every, queries = self.feedback.every, self.feedback.queries
        rounds = expect.integer(most, name="most", low=queries) // queries
        due = ((self._tape.ended - self._served) // every).clamp_max(rounds) * (self._tape.held > 1)
        self._served.add_(due * every)
        return self._ask(most, due * queries)

    def comparisons(self, asked: Asked) -> Comparisons:
        """Return the answers on the host; waits for the device."""
        return asked.comparisons(self._num_written, self._names)

    @torch.no_grad()
    def _ask(self, count: int, put: Tensor) -> Asked:
        """Draw `count` rows, of which the first `put` [] are put as far as the budget allows."""
        held = self._tape.held
        put = put * (held > 1)
        if self.feedback.budget is not None:
            put = put.minimum(self.feedback.budget - self.answers)
        chance = torch.rand(
            (3, count), generator=self._generator, dtype=torch.float64, device=self._device
        )
        place = _pairs(chance[0], chance[1], held)
        party, answered = self._turns.draw(count, put)
        steps, mask, (first, second) = self._bank(place)
        label = draw_labels(
            self._population,
            self._shown(steps, mask),
            (first, second),
            party,
            scale=self._scale,
            chance=chance[2],
            answered=answered,
        )
        label = label.masked_fill(torch.arange(count, device=self._device) >= put, np.nan)
        self.answers.add_(count - label.isnan().sum())
        known = party if self._ids is None else self._ids.index_select(0, party)
        return Asked(*steps, mask=mask, first=first, second=second, party=known, label=label)

    def _bank(self, place: tuple[Tensor, Tensor]) -> tuple[Steps, Tensor, tuple[Tensor, Tensor]]:
        """Return the segments that are shown, their mask, and the pairs' places [K] in them."""
        count, window = len(place[0]), self._tape.window
        if window <= 2 * count:
            whole = torch.arange(window, device=self._device)
            return *self._tape.segments(whole), place
        row = torch.arange(count, device=self._device)
        return *self._tape.segments(torch.cat(place)), (row, row + count)

    def _shown(self, steps: Steps, mask: Tensor) -> Behaviour:
        if self._population.choice.additive:
            return collapsed(steps.features.sum(1))
        return Behaviour(steps.features, steps.action, mask, steps.obs)


def _pairs(one: Tensor, other: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Draw pairs of two different places below `size` [], from uniform numbers [K] each."""
    first = (one * size).long()
    # a shift of 1..size-1 round the circle never comes back to the first
    second = first + 1 + (other * (size - 1)).long()
    return first, torch.where(second >= size, second - size, second)
