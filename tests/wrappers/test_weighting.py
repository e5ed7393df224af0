"""Weights of the parties: gradients as they are, and an adversary that finds max-min's."""

import numpy as np
import pytest
import torch

from multiparty_envs.welfare import GeneralizedGini, Leximin, MaxMin, Nash, Utilitarian
from multiparty_envs.wrappers.weighting import Adversary, Gradient, weighting

GAMES = {
    "either of two": ([[1, 0], [0, 1], [0.4, 0.4]], 0.5),
    "a compromise": ([[1, 0], [0, 1], [0.6, 0.6]], 0.6),
    "unequal": ([[1, 0], [0, 0.5]], 1 / 3),
    "three parties": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 1 / 3),
}


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize(("rate", "sharpness"), [(0.3, 10.0), (3.0, 30.0)])
def test_adversary_leads_a_learner_to_max_min(game, rate, sharpness):
    payoffs, value = np.array(GAMES[game][0], dtype=float), GAMES[game][1]
    weights, logits = weighting(MaxMin(), rate, sharpness), np.zeros(len(payoffs))
    for _ in range(4000):
        policy = np.exp(logits - logits.max())
        policy /= policy.sum()
        returns = policy @ payoffs
        weights.settle(returns)
        logits += 0.02 * (payoffs @ weights.weights(returns))
    assert returns.min() == pytest.approx(value, abs=0.01)


@pytest.mark.parametrize("welfare", [Utilitarian(), Nash(), GeneralizedGini()])
def test_smooth_welfare_has_its_own_gradient(welfare):
    returns = np.array([0.3, 0.1, 0.8])
    kept = weighting(welfare)
    kept.settle(returns)
    assert isinstance(kept, Gradient)
    np.testing.assert_array_equal(kept.weights(returns), welfare.weights(returns))


@pytest.mark.parametrize("welfare", [MaxMin(), Leximin()])
def test_weights_are_the_same_in_torch(welfare):
    returns = np.array([0.3, 0.1, 0.8])
    here, there = weighting(welfare), weighting(welfare)
    here.settle(returns)
    there.settle(torch.tensor(returns))
    assert isinstance(here, Adversary)
    np.testing.assert_allclose(
        here.weights(returns), there.weights(torch.tensor(returns)).numpy(), rtol=1e-12
    )
    assert here.weights(returns).argmax() == 1


@pytest.mark.parametrize(("rate", "sharpness"), [(-1.0, 1.0), (1.0, np.nan)])
def test_negative_steps_are_refused(rate, sharpness):
    with pytest.raises(ValueError, match=r"rate|sharpness"):
        Adversary(rate, sharpness)
