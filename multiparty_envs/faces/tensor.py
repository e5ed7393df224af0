"""The face for training on one torch device: N copies as tensors, nothing waits for a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, final

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import leaves, map_state
from multiparty_envs.faces.judge import judge_of
from multiparty_envs.feedback import Steps
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Draw

if TYPE_CHECKING:
    import torch


class TensorStep(NamedTuple):
    """What a step of N copies gives; copies that ended are already in their next episode."""

    obs: torch.Tensor  # [N, *O] to act on next
    rewards: torch.Tensor  # [N, M] float32
    terminated: torch.Tensor  # [N] bool
    truncated: torch.Tensor  # [N] bool
    final_obs: torch.Tensor  # [N, *O] after the step, before any reset
    steps: Steps  # obs before the step, action, features


@final
class TensorEnv:
    """N copies of a world on a torch device, with the same numbers as `PartyVectorEnv`.

    Resets are branch-free: every copy computes the start of its next episode at each step, and
    takes it where it ended. So no step asks the device for a value, and rollouts also run on
    torch's "meta" device, which has none.

    Args:
        dynamics: the world, or its name (see `make_dynamics`).
        num_copies: N.
        device: where everything is.
        rewards: from steps [N, ...] to rewards [N, M], for example a learner's; None: the truth.
        seed: of copy 0; copy i has seed + i.
        max_episode_steps: an episode that has not terminated after so many steps is truncated, a
            cut that the problem does not know of; None: never.

    Raises:
        ValueError: for an unknown name or a number out of range.
    """

    def __init__(
        self,
        dynamics: Dynamics | str,
        num_copies: int,
        device: Any = "cpu",
        rewards: Callable[[Steps], torch.Tensor] | None = None,
        seed: int = 0,
        *,
        max_episode_steps: int | None = None,
    ) -> None:
        world = make_dynamics(dynamics) if isinstance(dynamics, str) else dynamics
        self.dynamics = world.to(device)
        self.num_copies = expect.integer(num_copies, name="num_copies", low=1)
        self.device = device
        self.rewards = rewards
        self.seed = expect.integer(seed, name="seed")
        if max_episode_steps is not None:
            expect.integer(max_episode_steps, name="max_episode_steps", low=1)
        self.max_episode_steps = max_episode_steps
        self._judge = judge_of(self.dynamics)
        self._draw: Draw | None = None
        self._state: Any = None
        self._obs: Any = None
        self._length: Any = None  # [N] steps of the running episodes

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Begin the next episode of every copy, or the first one of `seed`; return obs [N, *O]."""
        if seed is not None or self._draw is None:
            first = self.seed if seed is None else expect.integer(seed, name="seed")
            seeds = range(first, first + self.num_copies)
            self._draw = Draw.seeded(seeds).to(self.device)
        else:
            self._draw = self._draw.next_episode()
        self._state = self.dynamics.initial(self.num_copies, self._draw)
        self._obs = self.dynamics.observe(self._state)
        self._length = self._draw.key * 0
        return self._obs

    def step(self, action: torch.Tensor) -> TensorStep:
        """Take one action a copy; action [N, *A].

        Raises:
            RuntimeError: before the first reset.
            ValueError: when there is not one action for each copy.
        """
        if self._draw is None:
            raise RuntimeError("no episode has begun: call reset() first")
        shape = (self.num_copies, *(self.dynamics.action_space.shape or ()))
        expect.shape(action, *shape, name="action")
        before, world = self._state, self.dynamics
        after = world.transition(before, action, self._draw)
        steps = Steps(self._obs, action, world.features(before, action, after))
        if self.rewards is None:
            rewards = self._judge.verdict(before, action, after).party
        else:
            rewards = self.rewards(steps)
        terminated, final_obs = world.terminated(after), world.observe(after)
        truncated = self._cut(terminated)
        self._restart(terminated | truncated, after, final_obs)
        return TensorStep(self._obs, rewards, terminated, truncated, final_obs, steps)

    def _cut(self, terminated: torch.Tensor) -> torch.Tensor:
        """Count the step; return whose episode it has made too long, [N] bool."""
        if self.max_episode_steps is None:
            return terminated & False
        self._length = self._length + 1
        return (self._length >= self.max_episode_steps) & ~terminated

    @property
    def state(self) -> Any:
        """Where the copies are, [N, ...]; None before the first reset."""
        return self._state

    def _restart(self, ended: torch.Tensor, after: Any, final_obs: torch.Tensor) -> None:
        """Go on after the step, at the start of the next episode where `ended` [N]."""
        assert self._draw is not None
        # computed for all copies: asking which ones ended would wait for the device
        fresh = self._draw.next_episode()
        first = self.dynamics.initial(self.num_copies, fresh)
        self._state = map_state(lambda new, old: _where(ended, new, old), first, after)
        self._obs = _where(ended, self.dynamics.observe(first), final_obs)
        self._draw = self._draw.where(ended, fresh)
        self._length = self._length * ~ended

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return where everything stands, by name: states, observations, random streams."""
        assert self._draw is not None
        state = {f"state.{place}": leaf for place, leaf in enumerate(leaves(self._state))}
        draw = {f"draw.{name}": value for name, value in self._draw.tensors().items()}
        return {"obs": self._obs, "length": self._length, **state, **draw}

    def put(self, tensors: dict[str, torch.Tensor]) -> None:
        """Go on from where `tensors` were taken; an episode must have begun."""
        parts = iter([t for name, t in tensors.items() if name.startswith("state.")])
        self._state = map_state(lambda _: next(parts), self._state)
        self._obs, self._length = tensors["obs"], tensors["length"]
        draw = {n.removeprefix("draw."): t for n, t in tensors.items() if n.startswith("draw.")}
        self._draw = Draw.of(draw)


def _where(mask: torch.Tensor, new: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
    """Choose whole rows by `mask` [N]."""
    return new.where(mask.reshape(-1, *(1,) * (new.ndim - 1)), old)
