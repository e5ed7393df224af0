"""Named streams, and numbers that are the same on every library and in any company."""

import numpy as np
import pytest
import torch

from multiparty_envs.streams import Draw, Streams

MASK = (1 << 64) - 1
SHAPES = [(), (1,), (3,), (2, 3), (0,)]


def mixed(bits):
    """Finish splitmix64 in plain Python."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def splitmix64(start, count):
    gamma = 0x9E3779B97F4A7C15
    return [mixed((start + (j + 1) * gamma) & MASK) for j in range(count)]


def test_reference_gives_the_published_numbers():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert splitmix64(1234567, 3) == published


@pytest.mark.parametrize(("key", "episode"), [(0, 0), (1, 7), (2**62 + 5, 3), (99, 10**6)])
def test_draw_is_splitmix64(key, episode):
    start = mixed((mixed(key) + episode * 0xD1342543DE82EF95) & MASK)
    wanted = [(number >> 11) * 2.0**-53 for number in splitmix64(start, 20)]
    draw = Draw(np.array([key]), np.array([episode]))
    np.testing.assert_array_equal(draw.uniform(20)[0], wanted)


@pytest.mark.parametrize("shape", SHAPES)
def test_torch_draws_the_numbers_of_numpy(shape):
    ours = Draw.seeded(range(5))
    theirs = Draw.seeded(range(5)).to("cpu")
    for _ in range(3):
        np.testing.assert_array_equal(ours.uniform(*shape), theirs.uniform(*shape).numpy())
        np.testing.assert_array_equal(ours.integers(7, *shape), theirs.integers(7, *shape))
        np.testing.assert_allclose(ours.normal(*shape), theirs.normal(*shape), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_meta_device_knows_the_shapes(shape):
    draw = Draw.seeded(range(5)).to("meta")
    mask = torch.empty(5, dtype=torch.bool, device="meta")
    draw = draw.where(mask, draw.next_episode())
    for number in (draw.uniform(*shape), draw.normal(*shape), draw.integers(3, *shape)):
        assert number.device.type == "meta"
        assert number.shape == (5, *shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_by_one_is_all_at_once(shape):
    size = int(np.prod(shape))
    together, apart = Draw.seeded([3, 4]), Draw.seeded([3, 4])
    block = together.uniform(*shape).reshape(2, size)
    ones = [apart.uniform() for _ in range(size)]
    np.testing.assert_array_equal(block, np.array(ones).reshape(size, 2).T)
    np.testing.assert_array_equal(together.uniform(), apart.uniform())


@pytest.mark.parametrize("copy", [0, 2, 4])
def test_a_copy_draws_the_same_in_any_company(copy):
    crowd, alone = Draw.seeded(range(10, 15)), Draw.seeded([10 + copy])
    for _ in range(3):
        rows = np.array([copy])
        np.testing.assert_array_equal(crowd.uniform(4)[copy], alone.uniform(4)[0])
        fresh = crowd.next_episode(rows)
        np.testing.assert_array_equal(fresh.uniform(), alone.next_episode().uniform())
        crowd.put(rows, crowd.next_episode(rows))
        alone = alone.next_episode()


@pytest.mark.parametrize("ahead", [1, 2, 5, 16])
def test_numbers_made_ahead_are_the_same(ahead):
    """Copies begin new episodes at odd moments; each draws what it would alone."""
    rng = np.random.default_rng(ahead)
    keys = Draw.seeded(range(4)).key
    crowd = Draw(keys.copy(), np.zeros(4, dtype=np.int64), ahead)
    alone = [Draw(keys[[i]]) for i in range(4)]
    for _ in range(40):
        number = crowd.uniform()
        np.testing.assert_array_equal(number, [draw.uniform()[0] for draw in alone])
        rows = np.flatnonzero(rng.random(4) < rng.choice([0.0, 0.3, 1.0]))
        crowd.put(rows, crowd.next_episode(rows))
        alone = [draw.next_episode() if i in rows else draw for i, draw in enumerate(alone)]
    np.testing.assert_array_equal(crowd.uniform(3), np.concatenate([d.uniform(3) for d in alone]))


def test_where_is_put():
    mask = np.array([True, False, True, False])
    first, second = Draw.seeded(range(4)), Draw.seeded(range(4))
    first.uniform(2), second.uniform(2)
    rows = np.flatnonzero(mask)
    fresh = first.next_episode(rows)
    fresh.uniform(), first.put(rows, fresh)
    everywhere = second.next_episode()
    everywhere.uniform()
    chosen = second.where(mask, everywhere)
    np.testing.assert_array_equal(first.uniform(3), chosen.uniform(3))
    np.testing.assert_array_equal(first.episode, chosen.episode)


@pytest.mark.parametrize("axis", ["copies", "counts", "episodes"])
def test_uniform_is_uniform_and_uncorrelated(axis):
    count = 20_000
    if axis == "counts":
        numbers = Draw.seeded([0]).uniform(count)[0]
    else:
        zero, step = np.zeros(count, dtype=np.int64), np.arange(count)
        numbers = Draw(zero + 5, step).uniform() if axis == "episodes" else Draw(step).uniform()
    cells = np.bincount((numbers * 50).astype(int), minlength=50)
    chi_square = ((cells - count / 50) ** 2 / (count / 50)).sum()
    assert 22.0 < chi_square < 90.0  # 49 degrees of freedom, beyond 1e-4 on either side
    for lag in (1, 2, 3):
        assert abs(np.corrcoef(numbers[lag:], numbers[:-lag])[0, 1]) < 4 / np.sqrt(count)


@pytest.mark.parametrize("high", [1, 2, 6, 1000])
def test_integers_are_in_range_and_even(high):
    numbers = Draw.seeded([1]).integers(high, 60_000)[0]
    assert numbers.dtype == np.int64
    assert set(numbers) <= set(range(high))
    share = np.bincount(numbers, minlength=high) / len(numbers)
    assert np.abs(share - 1 / high).max() < 5 * np.sqrt(1 / high / len(numbers))


def test_normal_has_the_moments_of_one():
    numbers = Draw.seeded([2]).normal(100_000)[0]
    assert abs(numbers.mean()) < 0.015
    assert abs(numbers.std() - 1.0) < 0.01
    assert abs((numbers**4).mean() - 3.0) < 0.15


@pytest.mark.parametrize("kind", ["numpy", "torch", "key", "child"])
def test_names_are_independent_and_repeatable(kind):
    def first(seed, name):
        made = getattr(Streams(seed), kind)(name)
        if kind == "numpy":
            return made.random()
        if kind == "torch":
            return torch.rand(1, generator=made).item()
        return made.seed if kind == "child" else made

    numbers = [first(seed, name) for seed in (0, 1, 2**70) for name in ("world", "answers")]
    assert len(set(numbers)) == 6
    assert first(0, "world") == numbers[0]


def test_no_seed_is_fresh_entropy_and_kept():
    first, second = Streams(), Streams(None)
    assert first.seed != second.seed
    assert Streams(first.seed).key("a") == first.key("a")
    assert 0 <= first.key("a") < 2**63


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_bad_seed_is_refused(seed, error):
    with pytest.raises(error, match="seed"):
        Streams(seed)


@pytest.mark.parametrize("high", [0, -3])
def test_bad_range_is_refused(high):
    with pytest.raises(ValueError, match="high"):
        Draw.seeded([0]).integers(high)


def test_global_generators_are_left_alone():
    np.random.seed(0)  # noqa: NPY002 - the global state is what is watched
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    Streams(0).numpy("a").random()
    Streams(0).torch("a")
    Draw.seeded(range(3)).normal(2)
    after = np.random.get_state()[1], torch.get_rng_state()  # noqa: NPY002
    assert all((np.asarray(a) == np.asarray(b)).all() for a, b in zip(before, after, strict=True))
