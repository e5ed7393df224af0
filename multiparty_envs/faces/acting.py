"""Who acts before anybody is trained: the behaviour policy, a table, or a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box, Discrete

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics, FiniteMDP
from multiparty_envs.dynamics.sampling import sampler_of

Act = Callable[[Any], np.ndarray]
"""From the state of N copies to their actions [N, *A]."""


def actor(dynamics: Dynamics, rng: np.random.Generator, policy: Any = None) -> Act:
    """Return what chooses the actions.

    Args:
        dynamics: the world.
        rng: draws the actions.
        policy: None for the world's behaviour policy (uniform over the action space where it
            names none); a table [S, A] or [H, S, A] of a finite world; or a function
            from observations [N, *O] to actions [N, *A].

    Raises:
        ValueError: when a table is not one of distributions of the right shape.
    """
    if callable(policy):
        return lambda state: np.asarray(policy(dynamics.observe(state)))
    if isinstance(dynamics, FiniteMDP):
        return _from_table(dynamics, rng, dynamics.behaviour if policy is None else policy)
    if policy is not None:
        raise ValueError("policy should be a function: only finite worlds take tables")
    if dynamics.behaviour is not None:
        return lambda state: dynamics.behaviour(state, rng)
    return _uniform(dynamics, rng)


def _from_table(mdp: FiniteMDP, rng: np.random.Generator, policy: Any) -> Act:
    table = expect.distribution(policy, name="policy")
    timed = table.ndim == 3
    shape = (mdp.horizon,) * timed + (mdp.num_states, mdp.num_actions)
    expect.shape(table, *shape, name="policy")
    choices = sampler_of(table.reshape(-1, mdp.num_actions))

    # one row of choices for each cell, or for each time and cell
    def act(state: Any) -> np.ndarray:
        row = state.cell + timed * state.time * mdp.num_states
        return choices.place(row, rng.random(len(row))) - row * mdp.num_actions

    return act


def _uniform(dynamics: Dynamics, rng: np.random.Generator) -> Act:
    space = dynamics.action_space

    def act(state: Any) -> np.ndarray:
        count = len(state[0] if isinstance(state, tuple) else state)
        if isinstance(space, Discrete):
            return rng.integers(space.start, space.start + space.n, size=count)
        low, high = cast("Box", space).low, cast("Box", space).high
        return rng.uniform(low, high, size=(count, *low.shape)).astype(space.dtype)

    if not (isinstance(space, Discrete) or (isinstance(space, Box) and space.is_bounded())):
        raise ValueError(f"no uniform policy over {space}: give a policy, or bound the space")
    return act
