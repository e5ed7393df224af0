"""All parties' rewards in one subspace of few dimensions."""

from __future__ import annotations

from typing import final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.rewards.base import TINY, LinearLearner
from multiparty_envs.rewards.choices import Choices
from multiparty_envs.rewards.joint import JointProblem
from multiparty_envs.rewards.joint_fit import fit
from multiparty_envs.rewards.likelihood import Likelihood
from multiparty_envs.rewards.newton import DEFAULT_RIDGE
from multiparty_envs.rewards.selection import best_size


@final
class LowRank(LinearLearner):
    """theta_m = U alpha_m by joint maximum likelihood ([Zhong2024] A2 and step 1).

    With `mean=True`, theta_m = mean + U alpha_m: what all have in common costs no rank. Solved
    over both factors at once from the leading singular vectors of each party's first Newton
    step (see `joint_fit`). The covariance is the inverse expected information on the
    manifold of rank-R matrices, so that it counts what a party borrows from the others.
    A party never asked has alpha 0 and the covariance that the ridge leaves it.

    Assumes that parties differ in few directions; where they differ in all, as the travellers
    of `data.load("train")` do, low ranks are biased and the full rank is `Independent`.

    Args:
        rank: R, at most the number of features and of parties; None takes the one
            that predicts held-out answers best (see `selection`).
        ridge: weight of the prior N(0, .) on U alpha_m, in answers (see `Pooled`).
        mean: whether to estimate a common part outside of the subspace.
        seed: of the answers held out when `rank` is None.
        party_weights: [M] above 0, how much each party's likelihood counts; None: all alike.
            The covariance takes an answer that counts w times for w answers.

    Attributes:
        basis_: [D, R], U with orthonormal columns, the one that explains most first.
        coefficients_: [R, M], alpha.
        mean_: [D], zero without `mean`.
        rank_: R.
    """

    basis_: np.ndarray
    coefficients_: np.ndarray
    mean_: np.ndarray
    rank_: int

    def __init__(
        self,
        rank: int | None = None,
        ridge: float = DEFAULT_RIDGE,
        mean: bool = False,
        seed: int = 0,
        party_weights: np.ndarray | None = None,
    ) -> None:
        self.rank = None if rank is None else expect.integer(rank, name="rank", low=1)
        self.ridge = expect.number(ridge, name="ridge", low=0.0)
        self.mean = mean
        self.seed = seed
        self.party_weights = party_weights
        if party_weights is not None:
            expect.shape(party_weights, None, name="party_weights")
            expect.finite(party_weights, name="party_weights")
            expect.number(float(np.min(party_weights)), name="party_weights", low=TINY)

    def _fit(self, choices: Choices) -> None:
        if self.party_weights is not None:
            expect.shape(self.party_weights, choices.num_parties, name="party_weights")
        largest = min(choices.num_features, choices.num_parties)
        if self.rank is None:
            self.rank_ = best_size(range(1, largest + 1), choices, self._score, self.seed)
        else:
            self.rank_ = expect.integer(self.rank, name="rank", low=1, high=largest)
        problem = self._problem(self.rank_, choices)
        found = fit(problem)
        # what all deviate by alike belongs to the mean
        common = found.alpha.mean(axis=0) * self.mean
        self.mean_ = (found.center + found.basis @ common) / problem.unit
        alpha = (found.alpha - common) / problem.unit
        turn = np.linalg.svd(alpha, full_matrices=False)[2]
        self.basis_, self.coefficients_ = found.basis @ turn.T, turn @ alpha.T
        self.theta_ = problem.theta(found).T
        frame = np.linalg.qr(self.basis_, mode="complete")[0]
        frame[:, : self.rank_] = self.basis_  # QR may turn a sign
        information = problem.information(found)
        self.covariance_ = shared_covariance(information, frame, self.coefficients_, self.mean)

    def _problem(self, rank: int, choices: Choices) -> JointProblem:
        return JointProblem(choices, rank, self.ridge, mean=self.mean, weights=self.party_weights)

    def _score(self, rank: int, train: Choices, test: Choices) -> np.ndarray:
        problem = self._problem(rank, train)
        found = Likelihood(test).gradient(problem.theta(fit(problem)))[0]
        return found if self.party_weights is None else found * self.party_weights


def shared_covariance(
    information: np.ndarray, frame: np.ndarray, alpha: np.ndarray, mean: bool
) -> np.ndarray:
    """[M, D, D] covariance of theta_m = U alpha_m from each party's `information` [M, D, D].

    Tangent directions are d alpha_m and dU = V K, where `frame` [D, D] = [U, V] is orthonormal;
    alpha_m is eliminated from the joint information, which leaves sum_m B_m kron alpha_m alpha_m'
    for K. A mean moves along V alone (along U it is part of alpha): one more column of K.
    """
    rank = len(alpha)
    inside, outside = frame[:, :rank], frame[:, rank:]
    own = np.linalg.inv(inside.T @ information @ inside)  # [M, R, R]
    covariance = inside @ own @ inside.T
    if outside.shape[1] == 0:
        return covariance
    weights = np.concatenate([alpha, np.ones((1, alpha.shape[1]))]) if mean else alpha
    # how theta_m moves with V K weights_m when alpha_m gives way
    move = outside - inside @ own @ (inside.T @ information @ outside)  # [M, D, D - R]
    left_over = outside.T @ information @ move
    size = outside.shape[1] * len(weights)
    shared = np.einsum("mij,am,bm->iajb", left_over, weights, weights, optimize=True)
    inverse = np.linalg.pinv(shared.reshape(size, size), hermitian=True).reshape(shared.shape)
    # E[weights weights'], so that a party whose alpha is uncertain does not seem known outside U
    second = np.einsum("am,bm->mab", weights, weights)
    second[:, :rank, :rank] += own
    basis = np.einsum("iajb,mab->mij", inverse, second, optimize=True)
    return covariance + move @ basis @ move.swapaxes(1, 2)
