"""Gradient steps of networks that learn rewards, beside the published way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from baselines.races.race import Race
from multiparty_envs.feedback import Comparisons, Segments
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from baselines.races.peers_neural import Pair

HIDDEN, BATCH, LENGTH = (32, 32), 32, 50
"""Widths, pairs in a batch, and steps of a segment, as the published trainer has them."""

OBS, ACTIONS, PAIRS, PARTIES = 4, 2, 1024, 8

PEER = "the published trainer, rewritten plainly: its package needs an older Gymnasium"


def neural_learning() -> Race:
    """Steps of one party's network beside the published way."""
    return _race(1, "steps of a reward network, 32 pairs of 50 steps")


def neural_learning_of_many() -> Race:
    """The same of eight parties' networks, each step of which is eight of the peer's."""
    return _race(PARTIES, f"the same, {PARTIES} parties' networks in a step")


def _race(parties: int, what: str) -> Race:
    from baselines.races.peers_neural import PairByPair

    answers = _answers(parties)
    pairs = [_pairs(answers.of_party(party)) for party in range(parties)]
    peers = [PairByPair(OBS, ACTIONS, HIDDEN) for _ in range(parties)]

    def theirs(steps: int = 8) -> None:
        for step in range(steps):
            batch = slice(step * BATCH, (step + 1) * BATCH)
            for peer, own in zip(peers, pairs, strict=True):
                peer.step(own[batch])

    return Race(what, _ours(answers), PEER, lambda: _rate(theirs, 8))


def _ours(answers: Comparisons) -> Callable[[], float]:
    """Whole epochs of our trainer, drawing of batches included."""
    from multiparty_envs.rewards.neural import NeuralIndependent

    learner = NeuralIndependent(
        hidden=HIDDEN, members=1, batch_size=BATCH, held_out=0.0, inputs="obs"
    )
    training = learner.training(answers)
    epochs = iter(range(1_000_000))

    def ours() -> float:
        begun, steps = time.perf_counter(), 0
        while steps < 200:
            steps += training.epoch(next(epochs))
        return steps / (time.perf_counter() - begun)

    ours()  # what is made once is made before the clock runs
    return ours


def _answers(parties: int) -> Comparisons:
    """Random answers about random steps, none of which occurs twice: no step is saved."""
    rng, count = Streams(0).numpy("race"), PAIRS * parties
    bank = Segments(
        obs=rng.normal(size=(2 * count, LENGTH, OBS)).astype(np.float32),
        action=rng.integers(ACTIONS, size=(2 * count, LENGTH)),
        features=np.zeros((2 * count, LENGTH, 1)),
        mask=np.ones((2 * count, LENGTH), dtype=bool),
    )
    first = np.arange(count)
    label = rng.integers(2, size=count).astype(np.float64)
    return Comparisons(bank, first, first + count, first % parties, label, parties)


def _pairs(answers: Comparisons) -> list[Pair]:
    from baselines.races.peers_neural import Fragment, Pair

    bank = answers.segments
    # copies: torch warns of arrays that may not be written to
    fragments = [Fragment(o.copy(), a.copy()) for o, a in zip(bank.obs, bank.action, strict=True)]
    rows = zip(answers.first, answers.second, answers.label, strict=True)
    return [Pair(fragments[a], fragments[b], float(label)) for a, b, label in rows]


def _rate(work: Callable[[], None], count: int) -> float:
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)
