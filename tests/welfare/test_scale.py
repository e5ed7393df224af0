"""Units of the parties."""

import pickle

import numpy as np
import pytest
import torch

from multiparty_envs.welfare import Scale, zero_normalised

SCALE = Scale(np.array([1.0, -2.0]), np.array([2.0, 0.5]))


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_returns_are_shifted_and_rewards_are_not(make):
    values = make([[3.0, -1.0], [1.0, 0.0]])
    assert SCALE.returns(values).tolist() == [[1.0, 2.0], [0.0, 4.0]]
    assert SCALE.rewards(values).tolist() == [[1.5, -2.0], [0.5, 0.0]]


def test_none_changes_nothing():
    values = np.random.default_rng(0).normal(size=(3, 2))
    assert (Scale.none(2).returns(values) == values).all()
    assert (Scale.none(2).rewards(values) == values).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_and_device_of_the_values_are_kept(dtype):
    assert SCALE.returns(torch.ones(2, dtype=dtype)).dtype == dtype
    assert SCALE.rewards(torch.ones((4, 2), dtype=dtype, device="meta")).device.type == "meta"


def test_survives_pickling_after_use():
    SCALE.returns(torch.ones(2))
    again = pickle.loads(pickle.dumps(SCALE))
    assert (again.shift == SCALE.shift).all()
    assert (again.unit == SCALE.unit).all()


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_zero_normalised_rewards_start_at_zero_in_every_state(make):
    rewards = make([[[1.0, 5.0], [3.0, 4.0]], [[0.0, 0.0], [-1.0, 2.0]]])  # [S, A, M]
    wanted = [[[0.0, 1.0], [2.0, 0.0]], [[1.0, 0.0], [0.0, 2.0]]]
    assert zero_normalised(rewards).tolist() == wanted


@pytest.mark.parametrize(
    ("shift", "unit", "words"),
    [
        ([0.0], [0.0], "unit should be positive"),
        ([0.0, 1.0], [1.0], "unit should have shape"),
        ([np.nan], [1.0], "shift should be finite"),
        ([[0.0]], [[1.0]], "shift should have shape"),
    ],
)
def test_bad_scales_are_named(shift, unit, words):
    with pytest.raises(ValueError, match=words):
        Scale(np.array(shift), np.array(unit))


def test_another_number_of_parties_is_told():
    with pytest.raises(ValueError, match="2 parties, got 3"):
        SCALE.returns(np.ones(3))
