"""Experience: what N copies of a world do under a policy in T steps."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from multiparty_envs.dynamics import FiniteMDP, FiniteState
from multiparty_envs.faces.tensor import TensorEnv


class Rollout(NamedTuple):
    """A batch of steps.

    Networks look at `obs`, where what was seen twice in a finite world stands once: they need
    to be evaluated once per distinct state, not once per copy and step.
    """

    obs: Tensor  # [U, O]
    row: Tensor  # [T + 1, N] where in `obs` each copy was, before each step and after the last
    action: Tensor  # [T, N]
    rewards: Tensor  # [T, N, M]
    ended: Tensor  # [T, N] bool
    gained: Tensor  # [T, N, M] return of the running episode, this step included

    def mean_return(self) -> tuple[Tensor, Tensor]:
        """Return the mean return [M] of the episodes that ended, and how many did, [] float.

        Where none did, the mean is 0.
        """
        count = self.ended.sum().double()
        total = (self.gained * self.ended[..., None]).sum((0, 1), dtype=torch.float64)
        return total / count.clamp_min(1.0), count

    def mean_length(self) -> Tensor:
        """Return the mean steps of an episode [], or T where none ended."""
        return self.action.numel() / self.ended.sum().clamp_min(self.action.shape[1])


@final
class Collector:
    """Steps N copies of a world by a policy; each batch goes on where the last one ended.

    Args:
        env: the copies; they are reset.
        num_steps: T.
        generator: the chance of the policy.
    """

    def __init__(self, env: TensorEnv, num_steps: int, generator: torch.Generator) -> None:
        self.env = env
        self.num_steps = num_steps
        self._generator = generator
        self._finite = isinstance(env.dynamics, FiniteMDP)
        self._obs = env.reset()
        self._total: Any = 0.0  # [N, M] return of the running episodes
        self._factor: Any = 1.0  # [N, 1] discount of their next rewards

    @torch.no_grad()
    def collect(self, actor: nn.Module) -> Rollout:
        """Return the next T steps of all copies, without waiting for the device."""
        shape = (self.num_steps, self.env.num_copies, 1)
        chance = torch.rand(shape, generator=self._generator, device=self._obs.device)
        seen, actions, rewards, ended = [self._sight()], [], [], []
        for t in range(self.num_steps):
            action = pick(actor(self._obs), chance[t])
            step = self.env.step(action)
            self._obs = step.obs
            seen.append(self._sight())
            actions.append(action)
            rewards.append(step.rewards)
            ended.append(step.terminated | step.truncated)
        reward, end = torch.stack(rewards).float(), torch.stack(ended)
        gained = self._gained(reward, end)
        return Rollout(*self._rows(seen), torch.stack(actions), reward, end, gained)

    def _sight(self) -> Tensor:
        """Return what the copies see: a number each [N] in a finite world, else [N, O]."""
        if not self._finite:
            return self._obs
        state = self.env.state
        return state.cell * (self.env.dynamics.horizon + 1) + state.time

    def _rows(self, seen: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the distinct observations [U, O] and which of them was seen, [T + 1, N]."""
        sights = torch.stack(seen)
        if not self._finite:
            obs = sights.flatten(0, 1)
            return obs, torch.arange(len(obs), device=obs.device).view(sights.shape[:2])
        number, row = torch.unique(sights, return_inverse=True)
        times = self.env.dynamics.horizon + 1
        return self.env.dynamics.observe(FiniteState(number // times, number % times)), row

    def _gained(self, rewards: Tensor, ended: Tensor) -> Tensor:
        gained = torch.empty_like(rewards)
        for t, end in enumerate(ended[..., None]):
            gained[t] = self._total + self._factor * rewards[t]
            self._total = gained[t] * ~end
            self._factor = torch.where(end, 1.0, self._factor * self.env.dynamics.discount)
        return gained


def pick(logits: Tensor, chance: Tensor) -> Tensor:
    """Return actions [N] of the distributions softmax(logits [N, A]) by uniforms [N, 1]."""
    reached = torch.softmax(logits, dim=-1).cumsum(dim=-1) < chance
    # the last sum may be a little below one, by rounding
    return reached.sum(dim=-1).clamp_max(logits.shape[-1] - 1)
