"""Joint low-rank rewards by torch's optimisers and automatic derivatives, the usual way."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

MAX_STEPS = 30_000
RATE, DECAY = 0.02, 0.995
"""First step size of Adam, and what each step multiplies it by."""


class _There(Exception):
    """The gradient is small enough."""


@final
class TorchProblem:
    """Mean negative log-likelihood and a penalty on left right'.

    Args:
        design: [M, N, D] feature differences.
        target: [M, N] 1 where the first was preferred, else 0.
        penalty: half of it times the sum of squares is added.
        left: [D, R] where to begin.
        right: [M, R].
    """

    def __init__(
        self,
        design: np.ndarray,
        target: np.ndarray,
        penalty: float,
        left: np.ndarray,
        right: np.ndarray,
    ) -> None:
        self._design, self._target = torch.tensor(design), torch.tensor(target)
        self._penalty = penalty
        self._start = (torch.tensor(left), torch.tensor(right))

    def start(self) -> tuple[Tensor, Tensor]:
        """Return new parameters."""
        left, right = (part.clone().requires_grad_() for part in self._start)
        return left, right

    def loss(self, left: Tensor, right: Tensor) -> Tensor:
        """Return a scalar."""
        theta = right @ left.T
        utility = torch.bmm(self._design, theta[:, :, None])[..., 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(utility, self._target)
        return loss + 0.5 * self._penalty * theta.square().sum()


def lbfgs(problem: TorchProblem, goal: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return left and right by L-BFGS with strong Wolfe line searches; None: never there."""
    parameters = problem.start()
    optimiser = torch.optim.LBFGS(
        parameters,
        max_iter=MAX_STEPS,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> float:
        optimiser.zero_grad()
        loss = problem.loss(*parameters)
        loss.backward()
        if _norm(parameters) <= goal:
            raise _There
        return loss.item()

    try:
        optimiser.step(closure)
    except _There:
        return _arrays(parameters)
    return None


def adam(problem: TorchProblem, goal: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return left and right by Adam whose steps shrink; None: never there."""
    parameters = problem.start()
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, DECAY)
    for _ in range(MAX_STEPS):
        optimiser.zero_grad()
        problem.loss(*parameters).backward()
        if _norm(parameters) <= goal:
            return _arrays(parameters)
        optimiser.step()
        schedule.step()
    return None


def _norm(parameters: tuple[Tensor, Tensor]) -> float:
    grads = [each.grad.square().sum() for each in parameters if each.grad is not None]
    return float(torch.stack(grads).sum().sqrt())


def _arrays(parameters: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    left, right = (each.detach().numpy() for each in parameters)
    return left, right
