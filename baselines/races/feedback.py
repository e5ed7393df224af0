"""Races about people's answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from baselines.races import peers_feedback
from baselines.races.race import Race
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Streams

if TYPE_CHECKING:
    from torch import Tensor

PARTIES = 8
LENGTH = 50
"""Steps of a segment."""

COPIES, STEPS = 64, 500
"""Episodes that are asked about, and the steps of each."""

ANSWERS = 100_000
PEER_ANSWERS = 4_000
"""Answers of one turn, ours and the other way's, which takes so much longer."""


def answers_in_rollouts() -> Race:
    """Cutting a rollout into segments and asking about them, beside the published way."""
    world = make_dynamics("Delivery-v0", num_parties=PARTIES, horizon=STEPS)
    rollout, rewards = _rollout(world)
    obs, action = (part.numpy() for part in rollout[:2])
    last = np.zeros_like(obs[:1])  # what is seen after the end is in no fragment's answer
    seen = np.concatenate([obs, last])
    episodes = [
        peers_feedback.Episode(seen[:, copy], action[:, copy], rewards[:, copy], True)
        for copy in range(COPIES)
    ]
    emitter = _emitter(world)

    def ours() -> None:
        emitter.record_rollout(*rollout)
        emitter.comparisons(emitter.ask(ANSWERS))

    def theirs() -> None:
        rng = Streams(0).numpy("answers")
        pairs = peers_feedback.random_fragments(episodes, LENGTH, PEER_ANSWERS, rng)
        peers_feedback.synthetic_answers(pairs, rng)

    return Race(
        f"answers about segments of {LENGTH} steps, {PARTIES} parties, cut, drawn and stored",
        lambda: ANSWERS * _rate(ours),
        "fragmenter and gatherer of imitation 1.0.1, rewritten (one party): the package cannot be "
        "installed beside current Gymnasium",
        lambda: PEER_ANSWERS * _rate(theirs),
    )


def _emitter(world: Any) -> Any:
    from multiparty_envs.faces import segment_scale
    from multiparty_envs.feedback.device import DeviceEmitter

    # the window holds all that the rollout gives
    window = COPIES * STEPS // LENGTH
    return DeviceEmitter(
        {"segment_length": LENGTH, "window": window, "watched": COPIES},
        world.population,
        segment_scale(world, LENGTH),
        COPIES,
        horizon=STEPS,
        device="cpu",
        generator=Streams(0).torch("answers"),
    )


def _rollout(world: Any) -> tuple[tuple[Tensor, ...], np.ndarray]:
    """Return obs, action, features, done [T, N, ...], and the first party's rewards [T, N]."""
    import torch

    from multiparty_envs.faces import TensorEnv

    envs = TensorEnv(world, COPIES)
    envs.reset()
    chance = Streams(0).torch("actions")
    actions = torch.randint(int(world.action_space.n), (STEPS, COPIES), generator=chance)
    steps = [envs.step(action) for action in actions]
    parts = [torch.stack(part) for part in zip(*(step.steps for step in steps), strict=True)]
    done = torch.stack([step.terminated for step in steps])
    rewards = torch.stack([step.rewards[:, 0] for step in steps])
    return (*parts, done), rewards.numpy()


def _rate(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return 1.0 / (time.perf_counter() - begun)
