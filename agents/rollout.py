"""Experience: what N copies of a world do under a policy in T steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, final

import torch
from torch import Tensor

from agents.distribution import Distribution
from multiparty_envs.dynamics import FiniteMDP, FiniteState
from multiparty_envs.faces.tensor import TensorEnv
from multiparty_envs.streams import Draw


class Rollout(NamedTuple):
    """A batch of steps.

    Networks look at `obs`, where on a CPU what was seen twice in a finite world stands once: they
    need to be evaluated once per distinct state, not once per copy and step.
    """

    obs: Tensor  # [U, O]
    row: Tensor  # [T + 1, N] where in `obs` each copy was, before each step and after the last
    action: Tensor  # [T, N, *A] as the policy drew it
    rewards: Tensor  # [T, N, M]
    terminated: Tensor  # [T, N] bool
    ended: Tensor  # [T, N] bool, terminated or cut
    gained: Tensor  # [T, N, M] return of the running episode, this step included
    after: Tensor | None = None  # [T, N, O] seen after each step; None where nothing is ever cut

    def mean_return(self) -> tuple[Tensor, Tensor]:
        """Return the mean return [M] of the episodes that ended, and how many did, [] float.

        Where none did, the mean is 0.
        """
        count = self.ended.sum().double()
        total = (self.gained * self.ended[..., None]).sum((0, 1), dtype=torch.float64)
        return total / count.clamp_min(1.0), count

    def mean_length(self) -> Tensor:
        """Return the mean steps of an episode [], or T where none ended."""
        return self.ended.numel() / self.ended.sum().clamp_min(self.ended.shape[1])


Act = Callable[[Tensor, Tensor], Tensor]
"""From obs [N, O] and random numbers [N, ...] to actions [N, *A]."""


class Acting(Protocol):
    """What collecting needs of an agent."""

    distribution: Distribution

    def acting(self) -> Act:
        """Return how it acts, as long as it learns nothing."""
        ...


@final
class Collector:
    """Steps N copies of a world by a policy; each batch goes on where the last one ended.

    Args:
        env: the copies; they are reset.
        num_steps: T.
        seed: of the policy's chance. What is drawn for a batch depends on its number alone, so
            there is no state to keep.
        distinct: whether to look for what was seen twice in a finite world. It asks the device for
            a count, so only a CPU should.

    Attributes:
        distinct: whether it looks.
    """

    def __init__(self, env: TensorEnv, num_steps: int, seed: int, distinct: bool) -> None:
        self.env, self.num_steps = env, num_steps
        keys = Draw.seeded(range(seed, seed + env.num_copies), "policy")
        self._keys = keys.to(env.device).key
        self.distinct = distinct and isinstance(env.dynamics, FiniteMDP)
        self._obs = env.reset()

    @torch.no_grad()
    def collect(self, agent: Acting, number: Tensor) -> Rollout:
        """Return the next T steps of all copies, without waiting for the device.

        Args:
            agent: acts.
            number: [] int64, of the batch.
        """
        draw = Draw(self._keys, number.expand(len(self._keys)))
        chance = agent.distribution.chance(draw, self.num_steps)
        seen, actions, steps, cut = [self._sight()], [], [], self.env.max_episode_steps is not None
        act = agent.acting()
        for t in range(self.num_steps):
            action = act(self._obs, chance[t])
            step = self.env.step(agent.distribution.playable(action))
            self._obs = step.obs
            seen.append(self._sight())
            actions.append(action)
            steps.append(
                (step.rewards, step.returns, step.terminated, step.truncated, step.final_obs)
            )
        rewards, returns, terminated, truncated, after = zip(*steps, strict=True)
        reward, gained = torch.stack(rewards).float(), torch.stack(returns).float()
        over, last = torch.stack(terminated), torch.stack(after) if cut else None
        ended = over | torch.stack(truncated) if cut else over
        return Rollout(*self._rows(seen), torch.stack(actions), reward, over, ended, gained, last)

    def _sight(self) -> Tensor:
        """Return what the copies see: a number each [N] where they are sought, else [N, O]."""
        if not self.distinct:
            return self._obs
        state = self.env.state
        return state.cell * (self.env.dynamics.horizon + 1) + state.time

    def _rows(self, seen: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the observations [U, O] and which of them was seen, [T + 1, N]."""
        sights = torch.stack(seen)
        if not self.distinct:
            obs = sights.flatten(0, 1)
            return obs, torch.arange(len(obs), device=obs.device).view(sights.shape[:2])
        number, row = torch.unique(sights, return_inverse=True)
        times = self.env.dynamics.horizon + 1
        return self.env.dynamics.observe(FiniteState(number // times, number % times)), row

    def tensors(self) -> dict[str, Tensor]:
        """Return where the copies stand, by name."""
        return self.env.tensors()

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` were taken."""
        self.env.put(tensors)
        self._obs = tensors["obs"]
