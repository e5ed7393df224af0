"""What every reward learner provides: answers in, one reward per party out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import array_api_compat
import numpy as np
from scipy.special import xlogy
from typing_extensions import Self

from multiparty_envs import expect
from multiparty_envs.feedback.comparisons import Comparisons
from multiparty_envs.feedback.rankings import Rankings
from multiparty_envs.feedback.segments import Steps
from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.choices import Choices, choices_of

TINY = np.finfo(np.float64).tiny  # the least chance whose logarithm is taken


class RewardLearner(ABC):
    """Answers in, one reward per party out, in scikit-learn's manners.

    Settings are stored unchanged by `__init__`; `fit` returns self and forgets what was fitted
    before; what is learned ends in an underscore.
    """

    @abstractmethod
    def fit(self, comparisons: Comparisons | Rankings) -> Self:
        """Learn from these answers alone."""

    @abstractmethod
    def rewards(self, steps: Steps) -> Any:
        """Return [..., M], NumPy for NumPy steps and torch for torch steps."""

    @abstractmethod
    def stderr(self, steps: Steps) -> Any:
        """Return [..., M], the standard error of `rewards`."""


class PredictingLearner(RewardLearner):
    """A learner that says how likely every answer is."""

    @abstractmethod
    def predict_proba(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return the chance [K] that the first is preferred.

        Of rankings [K, J]: each alternative's chance to be the best, in the order of `ordered`.
        """

    @abstractmethod
    def log_likelihood(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return [K], the log-likelihood of each answer."""

    def accuracy(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return [K]: 1 where the likelier alternative was preferred, 0 where not, 0.5 in a tie.

        Of an answer with a label between 0 and 1: the part of it that agrees.
        """
        chance = self.predict_proba(comparisons)
        if isinstance(comparisons, Comparisons):
            side = np.sign(chance - 0.5)
            return 0.5 + side * (comparisons.label - 0.5)
        best = chance == chance.max(axis=1, keepdims=True)
        return best[:, 0] / best.sum(axis=1)


class LinearLearner(PredictingLearner):
    """Rewards `features @ theta_[:, m]` with a normal approximation of what is not known.

    Attributes:
        theta_: [D, M] float64.
        covariance_: [M, D, D] float64, of each party's theta.
        answered_: D, and the parties of the answers.
    """

    theta_: np.ndarray
    covariance_: np.ndarray
    answered_: tuple[int, int]

    def fit(self, comparisons: Comparisons | Rankings) -> Self:
        """Learn from these answers alone.

        Raises:
            TypeError: when they are neither `Comparisons` nor `Rankings`.
            ValueError: when there are none, or features are not finite.
        """
        choices = choices_of(comparisons)
        self._fit(choices)
        self.answered_ = (choices.num_features, choices.num_parties)
        for name, value in list(vars(self).items()):
            # as a file would hold it: products with another layout may differ in the last digit
            if isinstance(value, np.ndarray) and name.endswith("_"):
                setattr(self, name, np.ascontiguousarray(value))
        self._placed: dict[tuple[str, Any, Any], Any] = {}
        return self

    @abstractmethod
    def _fit(self, choices: Choices) -> None:
        """Set `theta_` and `covariance_`."""

    def rewards(self, steps: Steps) -> Any:
        """Return features @ theta_: [..., D] -> [..., M] in the features' own library and dtype."""
        return steps.features @ self._beside("theta_", steps.features)

    def stderr(self, steps: Steps) -> Any:
        """Return sqrt(features' covariance_ features): [..., D] -> [..., M]."""
        features = steps.features
        xp = array_api_compat.array_namespace(features)
        half = xp.tensordot(features, self._beside("_spread", features), axes=1)  # [..., M, D]
        variance = xp.sum(half * features[..., None, :], axis=-1)
        return xp.sqrt(xp.clip(variance, min=0.0))

    @property
    def _spread(self) -> np.ndarray:
        """`covariance_` as [D, M, D]: one matrix product then serves all parties."""
        return np.ascontiguousarray(self.covariance_.swapaxes(0, 1))

    def predict_proba(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return the chance [K] that the first is preferred.

        Of rankings [K, J]: each alternative's chance to be the best, in the order of `ordered`.
        """
        choices = self._choices(comparisons)
        if isinstance(comparisons, Comparisons):
            return self._chances(choices)[:, 0]
        chances = self._chances(choices.first_of_each())
        return np.roll(chances, 1, axis=1)  # the alternative placed first is the reference

    def log_likelihood(self, comparisons: Comparisons | Rankings) -> np.ndarray:
        """Return [K], the log-likelihood of each answer."""
        choices = self._choices(comparisons)
        chances = self._chances(choices)
        target = np.concatenate([choices.target, 1 - choices.target.sum(1, keepdims=True)], axis=1)
        return choices.per_answer(xlogy(target, np.maximum(chances, TINY)).sum(axis=1))

    def _chances(self, choices: Choices) -> np.ndarray:
        """[N, P + 1] probabilities of the alternatives, the reference last."""
        chosen = softmax.moments(choices.utilities(self.theta_), choices.available)
        return np.concatenate([chosen.chance, np.exp(chosen.log_rest)[:, None]], axis=1)

    def _choices(self, comparisons: Comparisons | Rankings) -> Choices:
        _ = self.fitted
        choices = choices_of(comparisons)
        shape = (choices.num_features, choices.num_parties)
        if shape != self.answered_:
            raise ValueError(
                f"answers should have {self.answered_} (features, parties) as in fit, have {shape}"
            )
        return choices

    @property
    def fitted(self) -> np.ndarray:
        """`theta_`, or an error that says that `fit` comes first."""
        if not hasattr(self, "theta_"):
            raise RuntimeError(f"{type(self).__name__} is not fitted yet; call fit first")
        return self.theta_

    def _beside(self, name: str, features: Any) -> Any:
        """The learned array in the library, dtype and on the device of `features`.

        Kept from call to call: a copy to a GPU would wait for the device each step.
        """
        xp, device = array_api_compat.array_namespace(features), array_api_compat.device(features)
        expect.shape(features, *([None] * (features.ndim - 1)), len(self.fitted), name="features")
        if not xp.isdtype(features.dtype, "real floating"):
            raise TypeError(f"features should be floating-point numbers, are {features.dtype}")
        key = (name, features.dtype, device)
        placed = vars(self).setdefault("_placed", {})  # a learner that was loaded has none yet
        if key not in placed:
            placed[key] = xp.asarray(getattr(self, name), dtype=features.dtype, device=device)
        return placed[key]
