"""Whether a vector environment is its single environment N times: Gymnasium has no such check."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from gymnasium import Env
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from multiparty_envs.checks.claims import claim, same

ACROSS = ("comparisons",)
"""Keys of the info that speak of all copies at once, which one copy alone cannot give."""


class _Moment(NamedTuple):
    """What a step returned."""

    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    info: dict[str, Any]


def check_vector(
    many: Callable[[int], VectorEnv],
    one: Callable[[], Env],
    *,
    num_envs: int = 3,
    episodes: int = 3,
    seed: int = 0,
    max_steps: int = 10_000,
) -> None:
    """Check a vector environment that resets in the same step (SAME_STEP).

    Spaces and metadata; types and fresh arrays; the same seed gives the same numbers; bit for
    bit what Gymnasium's own SyncVectorEnv makes of `one`, over whole episodes, infos and their
    masks included; and a reset of one copy leaves the others alone.

    Args:
        many: gives the vector environment with so many copies.
        one: gives the single environment, with a scalar reward.
        num_envs: copies to compare; one copy is compared too.
        episodes: that every copy must end.
        seed: of copy 0 and of the actions.
        max_steps: after which the episodes should have ended.

    Raises:
        AssertionError: saying which promise is broken.
    """
    for count in {1, num_envs}:
        envs = many(count)
        _check_spaces(envs, one(), count)
        _check_agreement(envs, one, episodes, seed, max_steps)
    _check_seeds(many(num_envs), seed)
    _check_solitude(many(num_envs), many(num_envs), seed)


def _check_spaces(envs: VectorEnv, single: Env, count: int) -> None:
    mode = envs.metadata.get("autoreset_mode")
    claim(mode is AutoresetMode.SAME_STEP, f"metadata: autoreset_mode should be SAME_STEP: {mode}")
    claim(envs.num_envs == count, f"num_envs should be {count}, is {envs.num_envs}")
    for name in ("observation_space", "action_space"):
        alone = getattr(single, name)
        space, batch = getattr(envs, f"single_{name}"), getattr(envs, name)
        claim(space == alone, f"single_{name} should be {alone}, is {space}")
        claim(batch == batch_space(alone, count), f"{name} should be a batch of {count}: {batch}")


def _check_agreement(
    envs: VectorEnv, one: Callable[[], Env], episodes: int, seed: int, max_steps: int
) -> None:
    """Step beside the reference until every copy has ended so many episodes."""
    # Gymnasium's own vectoriser says what SAME_STEP means, infos and masks included
    sync = SyncVectorEnv([one] * envs.num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.action_space.seed(seed)
    found, wanted = envs.reset(seed=seed), sync.reset(seed=seed)
    _compare(found[0], wanted[0], "obs of reset")
    _compare(_own(found[1]), _own(wanted[1]), "info of reset")
    ended = np.zeros(envs.num_envs, dtype=int)
    for time in range(max_steps):
        action = envs.action_space.sample()
        moment = _Moment(*envs.step(action))
        _check_types(envs, moment)
        for name, ours, theirs in zip(moment._fields, moment, sync.step(action), strict=True):
            _compare(_own(ours), _own(theirs), f"{name} of step {time}")
        ended += moment.terminated | moment.truncated
        if (ended >= episodes).all():
            return
    raise AssertionError(f"after {max_steps} steps the copies have ended {ended} episodes")


def _check_types(envs: VectorEnv, moment: _Moment) -> None:
    claim(envs.observation_space.contains(moment.obs), f"obs is not in {envs.observation_space}")
    types = {"reward": np.float64, "terminated": np.bool_, "truncated": np.bool_}
    for name, dtype in types.items():
        value = getattr(moment, name)
        fits = isinstance(value, np.ndarray) and value.shape == (envs.num_envs,)
        claim(fits and value.dtype == dtype, f"{name} should be [{envs.num_envs}] {dtype.__name__}")


def _check_seeds(envs: VectorEnv, seed: int) -> None:
    first, again = _run(envs, seed), _run(envs, seed)
    claim(same(first, again), "the same seed should give the same numbers again")
    listed = _run(envs, [seed + copy for copy in range(envs.num_envs)])
    claim(same(first, listed), "copy i of seed s should be the copy that is seeded with s + i")
    arrays = [moment.obs for moment in first]
    shared = any(np.shares_memory(a, b) for a, b in pairwise(arrays))
    claim(not shared, "obs of two steps share memory: every step should return a new array")


def _run(envs: VectorEnv, seed: Any, steps: int = 20) -> list[_Moment]:
    envs.action_space.seed(0)
    envs.reset(seed=seed)
    moments = [envs.step(envs.action_space.sample()) for _ in range(steps)]
    return [_Moment(*moment[:4], _own(moment[4])) for moment in moments]


def _check_solitude(envs: VectorEnv, others: VectorEnv, seed: int, steps: int = 20) -> None:
    """Reset copy 0 of `others` over and over: the rest should not notice."""
    rest = slice(1, None)
    mask = np.arange(envs.num_envs) == 0
    envs.action_space.seed(seed)
    envs.reset(seed=seed)
    others.reset(seed=seed)
    for _ in range(steps):
        action = envs.action_space.sample()
        others.reset(options={"reset_mask": mask.copy()})
        here, there = envs.step(action), others.step(action)
        alike = all(same(a[rest], b[rest]) for a, b in zip(here[:4], there[:4], strict=True))
        claim(alike, "a reset of copy 0 changed what other copies do")


def _own(value: Any) -> Any:
    """Return an info without what is about all copies; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {key: part for key, part in value.items() if key not in ACROSS}


def _compare(found: Any, wanted: Any, name: str) -> None:
    claim(same(found, wanted), f"{name}: should be {wanted}, is {found}")
