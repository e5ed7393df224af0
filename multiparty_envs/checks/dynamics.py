"""Whether a world keeps the promises of `Dynamics`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from multiparty_envs.checks.claims import claim, close, same
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import leaves, map_state, take_rows
from multiparty_envs.faces.acting import actor
from multiparty_envs.streams import Draw, Streams

COPIES = 5


class _Moment(NamedTuple):
    """One step of some copies."""

    state: Any
    action: np.ndarray
    after: Any
    alive: np.ndarray  # [N] bool, whose episode had not ended before the step


def check_dynamics(dynamics: Dynamics, *, seed: int = 0, on_torch: bool = True) -> None:
    """Check that a world is what faces, planners and learners take it for.

    Shapes, types and spaces; rewards finite; functions pure and repeatable; copies independent
    of each other; the episode ends by the horizon; a drawing that can be drawn; and, where
    `on_torch`, the same numbers on torch tensors, and no value asked for on the "meta" device.

    Raises:
        AssertionError: saying which promise is broken.
    """
    _check_settings(dynamics)
    moments = list(_rollout(dynamics, range(seed, seed + COPIES), COPIES))
    for moment in moments:
        _check_moment(dynamics, moment)
    last = moments[-1]
    ended = ~last.alive | dynamics.terminated(last.after)
    claim(ended.all(), f"every episode should end within the horizon of {dynamics.horizon} steps")
    _check_repeats(dynamics, seed, moments)
    _check_independence(dynamics, seed, moments)
    if dynamics.view is not None:
        _check_view(dynamics, last)
    if on_torch:
        _check_torch(dynamics, moments[0], seed)


def _check_settings(dynamics: Dynamics) -> None:
    claim(isinstance(dynamics, Dynamics), f"should be a Dynamics, is {type(dynamics).__name__}")
    horizon, discount = dynamics.horizon, dynamics.discount
    claim(isinstance(horizon, int) and horizon >= 1, f"horizon should be 1, 2, ..., is {horizon}")
    claim(0.0 <= discount <= 1.0, f"discount should be in [0, 1], is {discount}")
    claim(dynamics.population.num_parties >= 1, "population should have a party")
    dtype = dynamics.observation_space.dtype
    claim(dtype == np.float32, f"observation_space should be float32, is {dtype}")


def _rollout(dynamics: Dynamics, seeds: Any, copies: int) -> Iterator[_Moment]:
    """Step until all have ended, at most horizon times; actions depend on the first seed alone."""
    draw = Draw.seeded(seeds)
    act = actor(dynamics, Streams(seeds[0]).numpy("check"))
    state, alive = dynamics.initial(copies, draw), np.ones(copies, dtype=bool)
    for _ in range(dynamics.horizon):
        action = act(state)
        kept = copy.deepcopy(state)  # to see whether the world writes into what it is given
        after = dynamics.transition(state, action, draw)
        claim(same(leaves(kept), leaves(state)), "transition should not write into its state")
        yield _Moment(state, action, after, alive)
        alive = alive & ~dynamics.terminated(after)
        state = after
        if not alive.any():
            return


def _check_moment(dynamics: Dynamics, moment: _Moment) -> None:
    state, action, after, _ = moment
    count = len(action)
    for leaf in leaves(state):
        claim(leaf.shape[:1] == (count,), f"a state of {count} copies has shape {leaf.shape}")
    seen = dynamics.observe(state)
    space = dynamics.observation_space
    for row in np.asarray(seen):
        claim(space.contains(row), f"observation {row} ({row.dtype}) is not in {space}")
    shared = any(np.shares_memory(seen, leaf) for leaf in leaves(state))
    claim(not shared, "observe should return a new array, not a part of the state")
    claim(same(seen, dynamics.observe(state)), "observe should give the same for the same state")
    shapes = {"features": (count, dynamics.population.num_features)}
    shapes["party_rewards"] = (count, dynamics.population.num_parties)
    for name, shape in shapes.items():
        value = getattr(dynamics, name)(state, action, after)
        claim(value.shape == shape, f"{name} should have shape {shape}, has {value.shape}")
        claim(value.dtype == np.float64, f"{name} should be float64, is {value.dtype}")
        claim(np.isfinite(value).all(), f"{name} should be finite, is {value}")
    ended = dynamics.terminated(after)
    claim(ended.shape == (count,), f"terminated should have shape ({count},), has {ended.shape}")
    claim(ended.dtype == np.bool_, f"terminated should be bool, is {ended.dtype}")


def _check_repeats(dynamics: Dynamics, seed: int, moments: list[_Moment]) -> None:
    again = list(_rollout(dynamics, range(seed, seed + COPIES), COPIES))
    alike = len(again) == len(moments) and all(
        same(leaves(a.after), leaves(b.after)) for a, b in zip(again, moments, strict=True)
    )
    claim(alike, "the same seed should give the same states")


def _check_independence(dynamics: Dynamics, seed: int, moments: list[_Moment]) -> None:
    """Step the last copy alone: company should make no difference."""
    row = np.array([COPIES - 1])
    draw = Draw.seeded([seed + COPIES - 1])
    state = dynamics.initial(1, draw)
    for moment in moments:
        together = map_state(lambda leaf: leaf[row], moment.state)
        claim(close(together, state), "a copy alone differs from it in company")
        state = dynamics.transition(state, moment.action[row], draw)


def _check_view(dynamics: Dynamics, moment: _Moment) -> None:
    view, state = dynamics.view, take_rows(moment.after, 0)
    assert view is not None
    frame, text = view.frame(state), view.text(state)
    fits = isinstance(frame, np.ndarray) and frame.ndim == 3 and frame.shape[2] == 3
    claim(fits and frame.dtype == np.uint8, "view.frame should be uint8 [height, width, 3]")
    claim(isinstance(text, str) and text, "view.text should be some text")


def _check_torch(dynamics: Dynamics, moment: _Moment, seed: int) -> None:
    """Compare the first step with NumPy's, to float32 rounding; "meta" has no values to compare."""
    ours = _judged(dynamics, moment.state, moment.action, moment.after)
    for device in ("cpu", "meta"):
        for name, value in _on_device(dynamics, moment.action, seed, device).items():
            place = getattr(value.device, "type", "no torch device")  # NumPy's is a string
            claim(place == device, f"on {device}: {name} is on {place}")
            if device == "cpu":
                close = np.allclose(ours[name], np.asarray(value), rtol=1e-4, atol=1e-5)
                claim(close, f"{name} on torch differs from {name} on NumPy")


def _on_device(dynamics: Dynamics, action: np.ndarray, seed: int, device: str) -> dict[str, Any]:
    import torch

    world = dynamics.to(device)
    draw = Draw.seeded(range(seed, seed + COPIES)).to(device)
    state = world.initial(COPIES, draw)
    moved = torch.as_tensor(action).to(device)
    return _judged(world, state, moved, world.transition(state, moved, draw))


def _judged(dynamics: Dynamics, state: Any, action: Any, after: Any) -> dict[str, Any]:
    return {
        "observe": dynamics.observe(after),
        "terminated": dynamics.terminated(after),
        "features": dynamics.features(state, action, after),
        "party_rewards": dynamics.party_rewards(state, action, after),
    }
