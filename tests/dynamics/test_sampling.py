"""Samplers of fixed distributions: exact chances, the same in batches, one by one and on torch."""

import numpy as np
import pytest
import torch

from multiparty_envs.dynamics.sampling import AliasTable, Borders, sampler_of

KINDS = [Borders, AliasTable]
SIZES = [1, 2, 3, 4, 7, 40]
ROWS = 20
LAST = np.nextafter(1.0, 0.0)


def chances(size, shared=False):
    rng = np.random.default_rng(size)
    table = rng.dirichlet(np.full(size, 0.3), size=ROWS)
    table[0] = np.eye(size)[0]
    return np.broadcast_to(table[1], table.shape).copy() if shared else table


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_chances_are_exact(kind, size, shared):
    """A fine grid of numbers gives every outcome its share, to the grid's width."""
    wanted, grid = chances(size, shared), 20_000
    sampler = kind(wanted.copy())
    numbers = (np.arange(grid) + 0.5) / grid
    for row in range(ROWS):
        outcome = sampler.place(np.full(grid, row), numbers) - row * size
        found = np.bincount(outcome, minlength=size) / grid
        np.testing.assert_allclose(found, wanted[row], atol=2 * size / grid)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_no_chance_never_comes(kind, size):
    wanted = np.eye(size)
    wanted[-1] = 1.0 / size
    sampler = kind(wanted.copy())
    numbers = np.append(np.linspace(0, 1, 5000, endpoint=False), LAST)
    for row in range(size - 1):
        assert set(sampler.place(np.full(len(numbers), row), numbers) - row * size) == {row}


@pytest.mark.parametrize("row", [[0.1] * 10, [0.7, 0.2, 0.1, 0.0], [1 / 3] * 3, [0.0, 1.0, 0.0]])
@pytest.mark.parametrize("kind", KINDS)
def test_rounding_does_not_lead_past_the_last_outcome(kind, row):
    table = np.array([row, row[::-1]])
    sampler = kind(table.copy())
    for number in (0.0, LAST):
        places = sampler.place(np.array([0, 1]), np.array([number, number]))
        assert (table.reshape(-1)[places] > 0.0).all()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_by_one_and_on_torch_are_the_batch(kind, size, shared):
    sampler = kind(chances(size, shared))
    rng = np.random.default_rng(1)
    row, number = rng.integers(ROWS, size=500), np.append(rng.random(498), [0.0, LAST])
    batch = sampler.place(row, number)
    one = sampler.one()
    alone = [one(*pair) for pair in zip(row.tolist(), number.tolist(), strict=True)]
    np.testing.assert_array_equal(batch, alone)
    moved = sampler.to("cpu").place(torch.as_tensor(row), torch.as_tensor(number))
    np.testing.assert_array_equal(batch, moved)
    assert batch.dtype == np.int64


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_asked_for_are_left_alone(kind):
    row = np.arange(5)
    kind(chances(3)).place(row, np.full(5, 0.5))
    assert row.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("size", "kind"), [(1, Borders), (4, Borders), (5, AliasTable)])
def test_the_kind_depends_on_the_number_of_outcomes(size, kind):
    assert type(sampler_of(chances(size))) is kind
