"""Experience: what N copies of a world do under a policy in T steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor

from agents.distribution import Distribution
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


class Acting(Protocol):
    """What collecting needs of an agent."""

    distribution: Distribution

    @property
    def free(self) -> Tensor:
        """[F], of the distribution."""
        ...

    def outputs_now(self) -> Callable[[Tensor], Tensor]:
        """Return the function from obs [B, O] to outputs [B, K], while nothing is learned."""
        ...


class ActingOnArrays(Acting, Protocol):
    """What collecting in tables needs besides."""

    def outputs_on_arrays(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return the same function on NumPy's arrays, on a CPU."""
        ...


class Collector(ABC):
    """Steps N copies of a world by a policy; each batch goes on where the last one ended.

    Args:
        num_copies: N.
        num_steps: T.
        seed: of the policy's chance. What is drawn for a batch depends on its number alone, so
            there is no state to keep.

    Attributes:
        distinct: whether each observation of a batch is there once.
    """

    distinct: bool

    def __init__(self, num_copies: int, num_steps: int, seed: int) -> None:
        self.num_copies, self.num_steps = num_copies, num_steps
        self._keys = Draw.seeded(range(seed, seed + num_copies), "policy")

    @abstractmethod
    def collect(self, agent: ActingOnArrays, number: Tensor) -> Rollout:
        """Return the next T steps of all copies, without waiting for the device.

        Args:
            agent: acts.
            number: [] int64, of the batch.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return where the copies stand, by name."""

    @abstractmethod
    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` were taken."""


@final
class StepCollector(Collector):
    """For any world on any device, step by step.

    Args:
        env: the copies; they are reset.
        num_steps: T.
        seed: of the policy's chance.
    """

    distinct = False

    def __init__(self, env: TensorEnv, num_steps: int, seed: int) -> None:
        super().__init__(env.num_copies, num_steps, seed)
        self.env = env
        self._key = self._keys.to(env.device).key
        self._obs = env.reset()

    @torch.no_grad()
    def collect(self, agent: ActingOnArrays, number: Tensor) -> Rollout:
        """Return the next T steps of all copies."""
        draw = Draw(self._key, number.expand(self.num_copies))
        of, outputs = agent.distribution, agent.outputs_now()
        chance = of.chance(draw, self.num_steps)
        seen, actions, steps, cut = [self._obs], [], [], self.env.max_episode_steps is not None
        for t in range(self.num_steps):
            action = of.sample(outputs(self._obs), agent.free, chance[t])
            step = self.env.step(of.playable(action))
            self._obs = step.obs
            seen.append(self._obs)
            actions.append(action)
            steps.append(
                (step.rewards, step.returns, step.terminated, step.truncated, step.final_obs)
            )
        rewards, returns, terminated, truncated, after = zip(*steps, strict=True)
        over, last = torch.stack(terminated), torch.stack(after) if cut else None
        obs = torch.cat(seen)
        return Rollout(
            obs=obs,
            row=torch.arange(len(obs), device=obs.device).view(-1, self.num_copies),
            action=torch.stack(actions),
            rewards=torch.stack(rewards).float(),
            terminated=over,
            ended=over | torch.stack(truncated) if cut else over,
            gained=torch.stack(returns).float(),
            after=last,
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return where the copies stand, by name."""
        return self.env.tensors()

    def put(self, tensors: dict[str, Tensor]) -> None:
        """Go on from where `tensors` were taken."""
        self.env.put(tensors)
        self._obs = tensors["obs"]
