"""Whether a reward learner has the manners of one."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from multiparty_envs.checks.claims import claim
from multiparty_envs.feedback import Comparisons, Segments, Steps
from multiparty_envs.rewards import RewardLearner

FEATURES, PARTIES, ANSWERS = 3, 4, 400


def check_learner(learner: RewardLearner, *, seed: int = 0, on_torch: bool = True) -> None:
    """Check a learner on made-up answers of four parties to segments of one step.

    `fit` returns the learner, gives the same twice and forgets what came before; predictions
    have one column a party, for any leading axes, in the library they are asked in; parties that
    all agree are understood; one party's answers alone, and a party never asked, are no error,
    and the latter is known no better than the others; no answers at all are a `ValueError`.

    Args:
        learner: with its settings; it is copied, never fitted itself.
        seed: draws the answers.
        on_torch: ask for predictions on torch too.

    Raises:
        AssertionError: saying which promise is broken.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=FEATURES)
    answers = _answers(rng, weights, rng.integers(PARTIES, size=ANSWERS))
    steps = _steps(rng, 6, 2)
    fitted = _fit(learner, answers)
    _check_shapes(fitted, steps)
    _check_forgets(learner, _answers(rng, -weights, answers.party), answers, steps)
    _check_understands(fitted, steps, weights)
    # one party's answers alone, then everybody's but the last one's
    for party in (answers.party * 0, answers.party % (PARTIES - 1)):
        _check_unasked(_fit(learner, _answers(rng, weights, party)), steps)
    _check_empty(learner, answers)
    if on_torch:
        _check_torch(fitted, steps)


def _steps(rng: np.random.Generator, *shape: int) -> Steps:
    features = rng.normal(size=(*shape, FEATURES))
    return Steps(features.astype(np.float32), np.zeros(shape, dtype=np.int64), features)


def _answers(rng: np.random.Generator, weights: np.ndarray, party: np.ndarray) -> Comparisons:
    """Return Bradley–Terry–Luce answers of parties that all have these reward weights."""
    count = len(party)
    bank = Segments(*_steps(rng, 2 * count, 1), mask=np.ones((2 * count, 1), dtype=bool))
    first, second = np.arange(count), np.arange(count) + count
    sums = bank.feature_sums() @ weights
    chance = 1.0 / (1.0 + np.exp(sums[second] - sums[first]))
    label = (rng.random(count) < chance).astype(np.float64)
    return Comparisons(bank, first, second, party, label, PARTIES)


def _fit(learner: RewardLearner, answers: Comparisons) -> RewardLearner:
    own = copy.deepcopy(learner)
    claim(own.fit(answers) is own, "fit should return the learner itself")
    return own


def _predictions(learner: RewardLearner, steps: Steps) -> np.ndarray:
    return np.stack([np.asarray(learner.rewards(steps)), np.asarray(learner.stderr(steps))])


def _check_shapes(learner: RewardLearner, steps: Steps) -> None:
    for own in (steps, Steps(*(part[0] for part in steps)), Steps(*(part[0, 0] for part in steps))):
        wanted = (*own.features.shape[:-1], PARTIES)
        for name in ("rewards", "stderr"):
            value = np.asarray(getattr(learner, name)(own))
            claim(value.shape == wanted, f"{name} should have shape {wanted}, has {value.shape}")
            claim(np.isfinite(value).all(), f"{name} should be finite, is {value}")
            claim(name == "rewards" or (value >= 0.0).all(), "stderr should not be negative")


def _check_forgets(
    learner: RewardLearner, before: Comparisons, answers: Comparisons, steps: Steps
) -> None:
    fresh = _predictions(_fit(learner, answers), steps)
    again = _predictions(_fit(learner, answers), steps)
    claim(np.array_equal(fresh, again), "the same answers should give the same rewards twice")
    used = _fit(_fit(learner, before), answers)
    claim(np.allclose(fresh, _predictions(used, steps)), "a second fit should forget the first")


def _check_understands(learner: RewardLearner, steps: Steps, weights: np.ndarray) -> None:
    found, truth = np.asarray(learner.rewards(steps)), steps.features @ weights
    for party in range(PARTIES):
        agreement = np.corrcoef(found[..., party].ravel(), truth.ravel())[0, 1]
        claim(agreement > 0.5, f"all parties agree, but party {party} is learned wrong")


def _check_unasked(learner: RewardLearner, steps: Steps) -> None:
    rewards, stderr = _predictions(learner, steps)
    finite = np.isfinite(rewards).all() and np.isfinite(stderr).all()
    claim(finite, "a party never asked should have a finite prediction and standard error")
    known = stderr[..., 0].mean() <= stderr[..., -1].mean() * (1.0 + 1e-6)
    claim(known, "a party never asked should not be known better than one that was")


def _check_empty(learner: RewardLearner, answers: Comparisons) -> None:
    try:
        copy.deepcopy(learner).fit(answers.subset(np.zeros(0, dtype=np.int64)))
    except ValueError:
        return
    raise AssertionError("fit without any answer should raise ValueError")


def _check_torch(learner: RewardLearner, steps: Steps) -> None:
    import torch

    tensors: Any = Steps(*(torch.as_tensor(part) for part in steps))
    for name in ("rewards", "stderr"):
        ours, theirs = getattr(learner, name)(steps), getattr(learner, name)(tensors)
        claim(isinstance(theirs, torch.Tensor), f"{name} of tensors should be a tensor")
        close = np.allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
        claim(close, f"{name} differs on torch")
