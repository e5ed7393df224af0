"""The checks at the public door: what passes comes back, what does not is named."""

import math

import numpy as np
import pytest

from multiparty_envs import expect


@pytest.mark.parametrize("expected", [(2, 3), (None, 3), (None, None)])
def test_shape_returns_what_fits(expected):
    value = np.zeros((2, 3))
    assert expect.shape(value, *expected, name="x") is value


@pytest.mark.parametrize("expected", [(3, 2), (2,), (2, 3, 1), (None, 4)])
def test_shape_names_both_shapes(expected):
    with pytest.raises(ValueError, match=r"x should have shape .* has \(2, 3\)"):
        expect.shape(np.zeros((2, 3)), *expected, name="x")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_finite_names_the_place(bad):
    array = np.zeros((2, 2))
    array[1, 0] = bad
    with pytest.raises(ValueError, match=r"theta should be finite, holds .* at \(1, 0\)"):
        expect.finite(array, name="theta")


@pytest.mark.parametrize("bad", ["many", [[1.0], [2.0, 3.0]], {"a": 1}])
def test_what_is_no_array_of_numbers_is_named(bad):
    with pytest.raises(ValueError, match="theta should be an array of numbers"):
        expect.finite(bad, name="theta")


@pytest.mark.parametrize("bad", ["0.5", None, True, [0.5], np.ones(2)])
def test_what_is_no_number_is_named(bad):
    with pytest.raises(TypeError, match="conflict should be a number, is"):
        expect.number(bad, name="conflict")


@pytest.mark.parametrize("good", [1, 0.5, np.float32(0.5), np.int64(1)])
def test_numbers_come_back_as_floats(good):
    found = expect.number(good, name="conflict")
    assert type(found) is float
    assert found == good


@pytest.mark.parametrize("bad", [[0.5, 0.6], [-0.1, 1.1], [[1.0, 0.0], [0.2, 0.2]]])
def test_distribution_must_sum_to_one(bad):
    with pytest.raises(ValueError, match="sum to 1"):
        expect.distribution(bad, name="share")


def test_distribution_returns_float64():
    assert expect.distribution([1, 0], name="share").dtype == np.float64


@pytest.mark.parametrize(
    ("value", "options"),
    [(1.1, {"high": 1.0}), (-1, {"low": 0}), (math.nan, {}), (0.0, {"low": 0, "open_": True})],
)
def test_number_outside_its_interval(value, options):
    with pytest.raises(ValueError, match="conflict should be in"):
        expect.number(value, name="conflict", **options)


@pytest.mark.parametrize(
    ("value", "error"), [(1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_integer_must_be_whole(value, error):
    with pytest.raises(error, match="whole number"):
        expect.integer(value, name="rank")


@pytest.mark.parametrize(("value", "high"), [(0, 3), (4, 3), (0, None)])
def test_integer_outside_its_range(value, high):
    with pytest.raises(ValueError, match=f"is {value}"):
        expect.integer(value, name="rank", low=1, high=high)


def test_choice_suggests_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'nash'"):
        expect.choice("nsh", ["nash", "max-min"], name="welfare")
