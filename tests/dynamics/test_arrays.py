"""Small things that NumPy and torch spell differently."""

import numpy as np
import pytest
import torch

from multiparty_envs.dynamics.arrays import clip, weigh


@pytest.mark.parametrize("parties", [1, 2, 9, 300])
@pytest.mark.parametrize("features", [1, 2, 9, 40])
def test_company_changes_no_digit_of_a_weighted_sum(features, parties):
    rng = np.random.default_rng(0)
    theta, table = rng.normal(size=(features, parties)), rng.normal(size=(65, features))
    whole = weigh(table, theta)
    assert whole == pytest.approx(table @ theta)
    for count in (1, 2, 3, 64):
        np.testing.assert_array_equal(weigh(table[:count], theta), whole[:count])
        np.testing.assert_array_equal(weigh(np.asfortranarray(table[:count]), theta), whole[:count])


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, np.inf)])
def test_clip(low, high):
    numbers = np.linspace(-3.0, 3.0, 7)
    wanted = [min(max(number, low), high) for number in numbers]
    assert clip(numbers, low, high).tolist() == wanted
    assert clip(numbers[0], low, high) == wanted[0]
    assert clip(torch.asarray(numbers), low, high).tolist() == wanted
