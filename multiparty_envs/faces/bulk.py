"""Many answers at once, from rollouts of one policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.acting import actor
from multiparty_envs.faces.vector import PartyVectorEnv
from multiparty_envs.feedback import Comparisons, Feedback
from multiparty_envs.streams import Streams

COPIES = 256
PATIENCE = 200
"""Rounds of queries without one answer, after which nobody is expected to answer at all."""


def collect(
    dynamics: Dynamics,
    feedback: Feedback | Mapping[str, Any],
    total: int,
    seed: int,
    policy: Any = None,
) -> Comparisons:
    """Return exactly `total` answers about what a policy does, as `PartyVectorEnv` emits them.

    Args:
        dynamics: the world.
        feedback: how people are asked; its budget and how many copies are watched are set here.
        total: answers; skipped queries do not count.
        seed: of the world, the policy and the answers.
        policy: None for the world's behaviour policy; a table [S, A] or [H, S, A] of a finite
            world; or a function from observations [N, *O] to actions [N, *A].

    Raises:
        ValueError: when `total` or the policy does not fit.
        RuntimeError: when people skip every query.
    """
    expect.integer(total, name="total", low=1)
    asked = Feedback.of(feedback)
    # copies that end together should all be there to be compared
    window = max(asked.window, COPIES)
    asked = replace(asked, budget=total, watched=COPIES, window=window)
    envs = PartyVectorEnv(COPIES, dynamics, truth="hidden", feedback=asked)
    act = actor(dynamics, Streams(seed).numpy("behaviour"), policy)
    envs.reset(seed=seed)
    parts: list[Comparisons] = []
    left, silent = total, 0
    while left:
        *_, info = envs.step(act(envs.state))
        if "comparisons" in info:
            parts.append(info["comparisons"])
            left, silent = left - len(parts[-1]), 0
        silent += 1
        if silent > PATIENCE * dynamics.horizon * (1 + asked.every // COPIES):
            raise RuntimeError(f"{total - left} of {total} answers, then none: everybody skips")
    return Comparisons.concatenate(parts)
