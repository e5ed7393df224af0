"""The face for training on one torch device: N copies as tensors, nothing waits for a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, final

from multiparty_envs import expect
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.dynamics.arrays import leaves, map_state, where
from multiparty_envs.faces.judge import judge_of
from multiparty_envs.faces.scale import segment_scale
from multiparty_envs.faces.tally import Tally
from multiparty_envs.feedback import Feedback, Steps
from multiparty_envs.registration import make_dynamics
from multiparty_envs.streams import Draw, Streams

if TYPE_CHECKING:
    import torch

    from multiparty_envs.feedback.device import DeviceEmitter


AHEAD = 32
"""Random numbers of a copy that are made together, at most: their cost is mostly by the call."""


class TensorStep(NamedTuple):
    """What a step of N copies gives; copies that ended are already in their next episode."""

    obs: torch.Tensor  # [N, *O] to act on next
    rewards: torch.Tensor  # [N, M] float32
    terminated: torch.Tensor  # [N] bool
    truncated: torch.Tensor  # [N] bool: cut off by `max_episode_steps`, not ended by the world
    final_obs: torch.Tensor  # [N, *O] after the step, before any reset
    steps: Steps  # obs before the step, action, features
    returns: torch.Tensor  # [N, M] discounted, of the episode up to this step, before any reset
    plain_returns: torch.Tensor  # [N, M] the same, not discounted
    length: torch.Tensor  # [N] int64, steps of the episode, this one included


@final
class TensorEnv:
    """N copies of a world on a torch device, with the same numbers as `PartyVectorEnv`.

    Resets are branch-free: every copy computes the start of its next episode at each step, and
    takes it where it ended. So no step asks a device for a value, and rollouts also run on
    torch's "meta" device, which has none.

    On a CPU, which is not waited for, the world steps in NumPy, whose calls cost a third of
    torch's and whose arrays are tensors without a copy; and only a step in which a copy ends
    restarts any. The numbers are the same.

    Args:
        dynamics: the world, or its name (see `make_dynamics`).
        num_copies: N.
        device: where everything is.
        rewards: from steps [N, ...] to rewards [N, M], for example a learner's; None: the truth.
        seed: of copy 0; copy i has seed + i.
        max_episode_steps: truncate episodes after so many steps; None: never.
        feedback: about what people are asked, and who; None: nobody. Then `emitter` watches every
            step, and answers when it is told to ask.

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
        feedback: Feedback | Mapping[str, Any] | None = None,
    ) -> None:
        self._world = make_dynamics(dynamics) if isinstance(dynamics, str) else dynamics
        self.dynamics = self._world.to(device)
        self.num_copies = expect.integer(num_copies, name="num_copies", low=1)
        self.device = device
        self.rewards = rewards
        self.seed = expect.integer(seed, name="seed")
        if max_episode_steps is not None:
            expect.integer(max_episode_steps, name="max_episode_steps", low=1)
        self.max_episode_steps = max_episode_steps
        self.feedback = None if feedback is None else Feedback.of(feedback)
        self.emitter = self._new_emitter(self.seed)
        """Asks the people; another one after each reset with a seed. None without feedback."""
        self._native = _on_cpu(device)
        self._stepped = self._world if self._native else self.dynamics
        self._judge = judge_of(self._stepped)
        # numbers made ahead are lost at a restart, which elsewhere comes with every step
        self._ahead = min(AHEAD, self._world.horizon) if self._native else 1
        self._tally = Tally(self.dynamics.horizon, self.dynamics.discount, num_copies, device)
        self._draw: Draw | None = None
        self._state: Any = None
        self._obs: Any = None

    def reset(self, seed: int | None = None) -> torch.Tensor:
        """Begin the next episode of every copy; return obs [N, *O].

        A seed begins the first one of that seed, and the people's answers anew.
        """
        if seed is not None or self._draw is None:
            first = self.seed if seed is None else expect.integer(seed, name="seed")
            seeds = range(first, first + self.num_copies)
            draw = Draw.seeded(seeds)
            self._draw = draw if self._native else draw.to(self.device)
            self._draw.ahead = self._ahead
            self.emitter = self._new_emitter(first)
        else:
            self._draw = self._draw.next_episode()
            if self.emitter is not None:
                self.emitter.forget()
        self._tally.begin()
        self._state = self._stepped.initial(self.num_copies, self._draw)
        self._obs = self._out(self._stepped.observe(self._state))
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
        before, world, acted = self._state, self._stepped, self._in(action)
        after = world.transition(before, acted, self._draw)
        features = world.features(before, acted, after)
        steps = Steps(self._obs, action, self._out(features))
        if self.rewards is None:
            rewards = self._out(self._judge.party(before, acted, after, features))
        else:
            rewards = self.rewards(steps)
        told = self._tally.add(rewards)
        terminated, final_obs = self._out(world.terminated(after)), self._out(world.observe(after))
        ended, truncated = terminated, terminated.new_zeros(self.num_copies)
        if self.max_episode_steps is not None:
            truncated = (told.length >= self.max_episode_steps) & ~terminated
            ended = terminated | truncated
        if self.emitter is not None:
            self.emitter.record(steps.obs, action, steps.features, ended)
        if self._native and not bool(ended.any()):
            self._tally.go_on()
            self._state, self._obs = after, final_obs
        else:
            self._tally.close(ended)
            self._restart(self._in(ended), after)
        return TensorStep(self._obs, rewards, terminated, truncated, final_obs, steps, *told)

    @property
    def state(self) -> Any:
        """Where the copies are, [N, ...]; None before the first reset."""
        return None if self._state is None else map_state(self._out, self._state)

    def _out(self, array: Any) -> torch.Tensor:
        """Return what the world gave as a tensor; of NumPy's arrays, the same memory."""
        if not self._native:
            return array
        import torch

        return torch.from_numpy(array)

    def _in(self, tensor: torch.Tensor) -> Any:
        """Return a tensor as the world takes it."""
        return tensor.detach().numpy() if self._native else tensor

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return where everything but the emitter stands, by name."""
        assert self._draw is not None
        state = {f"state.{place}": leaf for place, leaf in enumerate(leaves(self.state))}
        draw = {f"draw.{name}": self._out(value) for name, value in self._draw.tensors().items()}
        tally = {f"tally.{name}": value for name, value in self._tally.tensors().items()}
        return {"obs": self._obs, **state, **draw, **tally}

    def put(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Go on from where `tensors` were taken; an episode must have begun."""
        places = count()
        inner = {name: self._in(value) for name, value in tensors.items()}
        self._state = map_state(lambda _: inner[f"state.{next(places)}"], self._state)
        self._obs = tensors["obs"]
        self._draw = Draw.of(_under("draw.", inner))
        self._draw.ahead = self._ahead
        self._tally.put(_under("tally.", tensors))

    def _new_emitter(self, seed: int) -> DeviceEmitter | None:
        if self.feedback is None:
            return None
        from multiparty_envs.feedback.device import DeviceEmitter

        horizon = self._world.horizon
        return DeviceEmitter(
            self.feedback,
            self._world.population,
            segment_scale(self._world, self.feedback.segment_length),
            self.num_copies,
            horizon=horizon
            if self.max_episode_steps is None
            else min(horizon, self.max_episode_steps),
            device=self.device,
            generator=Streams(seed).torch("answers", self.device),
        )

    def _restart(self, ended: Any, after: Any) -> None:
        """Go on after the step, at the start of the next episode where `ended` [N]."""
        assert self._draw is not None
        # computed for all copies: asking which ones ended would wait for the device
        fresh = self._draw.next_episode()
        first = self._stepped.initial(self.num_copies, fresh)
        self._state = map_state(lambda new, old: _where(ended, new, old), first, after)
        # looked up anew: choosing between rows of observations takes longer
        self._obs = self._out(self._stepped.observe(self._state))
        self._draw = self._draw.where(ended, fresh)


def _on_cpu(device: Any) -> bool:
    import torch

    return torch.device(device).type == "cpu"


def _under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _where(mask: Any, new: Any, old: Any) -> Any:
    """Choose whole rows by `mask` [N]."""
    return where(mask.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
