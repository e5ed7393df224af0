"""Who the parties are: true rewards, kinds, shares of the answers, and how they answer."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.parties.bradley_terry import BradleyTerryLuce
from multiparty_envs.parties.choice import ChoiceModel

Array = Any
"""NumPy array or torch tensor."""

PARTNERS = 32
"""Other segments with which each is paired to measure label accuracy."""


@final
@dataclass(frozen=True, eq=False)
class Population:
    """M parties; party m's true reward is `features @ theta[:, m]` ([Zhong2024], assumption 1).

    Raises:
        ValueError: when a shape, share, cluster or setting does not fit, naming it.
    """

    theta: Array
    """[D, M] reward weights."""
    cluster: Array = None
    """[M] kind of each party, 0..C-1; every party its own kind if not given."""
    share: Array = None
    """[M] share of the answers that come from each party, sums to 1; equal if not given."""
    choice: ChoiceModel = field(default_factory=BradleyTerryLuce)
    """How they answer."""
    basis: Array = None
    """[D, R] shared directions, if theta = basis @ coefficients."""
    coefficients: Array = None
    """[R, M] each party's place along the shared directions."""
    names: tuple[str, ...] | None = None
    """[M] names of the parties, for people."""

    def __post_init__(self) -> None:
        theta = expect.finite(self.theta, name="theta")
        expect.shape(theta, None, None, name="theta")
        if 0 in theta.shape:
            raise ValueError(f"theta should have a feature and a party, has shape {theta.shape}")
        count = theta.shape[1]
        share = np.full(count, 1.0 / count) if self.share is None else self.share
        self._store(
            theta=theta,
            cluster=_clusters(self.cluster, count),
            share=expect.shape(expect.distribution(share, name="share"), count, name="share"),
            basis=None if self.basis is None else expect.finite(self.basis, name="basis"),
            coefficients=None
            if self.coefficients is None
            else expect.finite(self.coefficients, name="coefficients"),
        )
        self._check_low_rank()
        self._check_names()
        self.choice.check(count)

    def _store(self, **arrays: np.ndarray | None) -> None:
        for name, value in arrays.items():
            own = None if value is None else value.copy()  # the caller's array stays writeable
            if own is not None:
                own.setflags(write=False)
            object.__setattr__(self, name, own)

    def _check_low_rank(self) -> None:
        if (self.basis is None) != (self.coefficients is None):
            raise ValueError("basis and coefficients should be given together")
        if self.basis is None or self.coefficients is None:
            return
        expect.shape(self.basis, self.num_features, None, name="basis")
        expect.shape(self.coefficients, self.basis.shape[1], self.num_parties, name="coefficients")
        error = np.abs(self.basis @ self.coefficients - self.theta).max()
        if error > 1e-8 * max(1.0, np.abs(self.theta).max()):
            raise ValueError(f"theta should be basis @ coefficients, differs by {error:g}")

    def _check_names(self) -> None:
        if self.names is None:
            return
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        if len(self.names) != self.num_parties:
            raise ValueError(
                f"names should be {self.num_parties} (num_parties), are {len(self.names)}"
            )

    @property
    def num_features(self) -> int:
        """D."""
        return self.theta.shape[0]

    @property
    def num_parties(self) -> int:
        """M."""
        return self.theta.shape[1]

    @property
    def num_clusters(self) -> int:
        """C."""
        return int(np.max(self.cluster)) + 1

    def rewards(self, features: Array) -> Array:
        """True rewards: features [..., D] -> [..., M], in NumPy, or in torch on a copy from `on`.

        Raises:
            TypeError: when features are torch tensors and this is not such a copy.
        """
        if isinstance(features, np.ndarray):
            return features @ self.theta
        if isinstance(self.theta, np.ndarray):
            raise TypeError(f"features are {type(features).__name__}: take a copy by on(device)")
        # torch, unlike NumPy, multiplies no float32 by float64
        return features @ self.theta.to(features.dtype)

    def on(self, device: Any) -> Population:
        """Return a copy whose `theta` and `choice` are on `device`; the rest stays NumPy."""
        import torch

        # not dataclasses.replace: it would check, and turn the tensor back into an array
        twin = copy.copy(self)
        object.__setattr__(twin, "theta", torch.tensor(np.asarray(self.theta), device=device))
        object.__setattr__(twin, "choice", self.choice.on(device))
        return twin

    def label_accuracy(self, returns: np.ndarray) -> np.ndarray:
        """Chance that an answer agrees with the true order of a random pair, per party.

        Skipped queries are left out and a tie counts as half right. Pairs of equal true returns
        are left out; a party for which nothing is left gets NaN. Answers are those of parties
        that have not tired yet.

        Args:
            returns: [G, M] returns of segments in random order, or [G, L, M] their rewards by
                step, which myopic parties need. They are standardised here.

        Returns:
            [M]

        Raises:
            TypeError: when the parties follow no reward.
        """
        rewards = expect.finite(returns, name="returns")
        rewards = rewards[:, None, :] if rewards.ndim == 2 else rewards
        expect.shape(rewards, None, None, self.num_parties, name="returns")
        spread = rewards.sum(axis=1).std(axis=0)
        rewards = (rewards / np.where(spread > 0.0, spread, 1.0)).swapaxes(1, 2)  # [G, M, L]
        right, asked = np.zeros(self.num_parties), np.zeros(self.num_parties)
        # round a circle: each segment beside the next one, the one after that, and so on
        for shift in range(1, min(len(rewards), PARTNERS + 1)):
            scores = self._scores(rewards, np.roll(rewards, shift, axis=0))
            right += scores[0]
            asked += scores[1]
        return np.divide(right, asked, out=np.full(self.num_parties, np.nan), where=asked > 0.0)

    def _scores(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums over pairs, for each party: chance of the right answer, chance of any answer."""
        count, num_parties, length = first.shape
        party = np.tile(np.arange(num_parties), count)
        chances = self.choice.from_rewards(
            first.reshape(-1, length), second.reshape(-1, length), party
        ).reshape(count, num_parties, 4)
        gap = first.sum(axis=2) - second.sum(axis=2)
        right = np.where(gap > 0.0, chances[..., 0], chances[..., 1]) + 0.5 * chances[..., 2]
        differs = gap != 0.0
        return (right * differs).sum(axis=0), ((1.0 - chances[..., 3]) * differs).sum(axis=0)


def _clusters(cluster: Array | None, count: int) -> np.ndarray:
    if cluster is None:
        return np.arange(count)
    array = np.asarray(cluster)
    expect.shape(array, count, name="cluster")
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"cluster should hold whole numbers, is {array.dtype}")
    missing = np.setdiff1d(np.arange(max(int(array.max()) + 1, 1)), array)
    if array.min() < 0 or missing.size:
        raise ValueError(f"cluster should use every id from 0 up, has {np.unique(array).tolist()}")
    return array.astype(np.int64)
