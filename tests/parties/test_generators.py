"""Ways to make a population."""

import numpy as np
import pytest
from scipy.stats import kstest

from multiparty_envs.parties import (
    BradleyTerryLuce,
    clusters,
    conflict,
    dirichlet_traits,
    from_table,
    low_rank,
    zipf_shares,
)
from multiparty_envs.streams import Streams

S = Streams(0)
CENTRES = np.array([[1.0, -1.0], [0.0, 2.0]])


@pytest.mark.parametrize(("features", "parties", "rank"), [(8, 5, 2), (3, 20, 3), (6, 4, 4)])
def test_low_rank_has_the_rank_and_length_asked_for(features, parties, rank):
    population = low_rank(features, parties, rank, streams=S, norm=2.0)
    assert np.linalg.matrix_rank(population.theta) == rank
    np.testing.assert_allclose(np.linalg.norm(population.theta, axis=0), 2.0)
    np.testing.assert_allclose(population.basis.T @ population.basis, np.eye(rank), atol=1e-12)


def test_low_rank_directions_are_even():
    # a coordinate of a point spread evenly over the sphere in three dimensions is uniform
    first = [low_rank(3, 1, 1, streams=Streams(seed)).theta[0, 0] for seed in range(300)]
    assert kstest(first, "uniform", args=(-1, 2)).pvalue > 1e-3


@pytest.mark.parametrize("outside", [0.2, 0.8])
def test_outside_share_of_the_squared_length(outside):
    broken = low_rank(10, 50, 2, streams=S, outside=outside)
    shared = low_rank(10, 50, 2, streams=S)
    inside = shared.basis.T @ broken.theta
    np.testing.assert_allclose((inside**2).sum(axis=0), 1 - outside)
    np.testing.assert_allclose(np.linalg.norm(broken.theta, axis=0), 1.0)
    assert broken.basis is None


def test_parties_nearly_alike_have_hardly_any_second_direction():
    second = []
    for alike in (0.0, 0.5, 0.9, 0.99):
        theta = low_rank(10, 40, 3, streams=S, norm=2.0, alike=alike).theta
        np.testing.assert_allclose(np.linalg.norm(theta, axis=0), 2.0)
        second.append(np.linalg.svd(theta, compute_uv=False)[1])
    assert (np.diff(second) < 0.0).all()
    assert second[-1] < 0.1 * second[0]


@pytest.mark.parametrize(
    ("exponent", "expected"), [(0.0, [1, 1, 1, 1]), (1.0, [12, 6, 4, 3]), (2.0, [144, 36, 16, 9])]
)
def test_zipf_shares_fall_as_a_power(exponent, expected):
    share = zipf_shares(4, exponent)
    np.testing.assert_allclose(share, np.array(expected) / sum(expected))
    population = low_rank(5, 4, 2, streams=S, share=share, outside=0.1)
    np.testing.assert_array_equal(population.share, share)


def test_clusters_give_sizes_shares_and_spread():
    population = clusters(CENTRES, [30, 10], shares=[0.9, 0.1], spread=0.1, streams=S)
    np.testing.assert_array_equal(np.bincount(population.cluster), [30, 10])
    np.testing.assert_allclose(population.share[:30], 0.9 / 30)
    np.testing.assert_allclose(population.share[30:], 0.1 / 10)
    off = population.theta - CENTRES[:, population.cluster]
    assert 0.07 < off.std() < 0.13


def test_clusters_share_the_answers_by_size_by_default():
    np.testing.assert_allclose(clusters(CENTRES, [3, 1], streams=S).share, 0.25)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
@pytest.mark.parametrize("angle", [0.0, 1.0, np.pi])
def test_conflict_has_the_angle_and_the_shares(share, angle):
    population = conflict(10, share, angle, num_features=3, norm=2.0)
    majority, minority = population.theta[:, 0], population.theta[:, -1]
    np.testing.assert_allclose(majority @ minority / 4.0, np.cos(angle), atol=1e-12)
    np.testing.assert_allclose(population.share[population.cluster == 1].sum(), share)
    assert (population.cluster == 1).sum() == max(1, round(10 * share))


@pytest.mark.parametrize("concentration", [1e-3, 0.1, 5.0])
def test_dirichlet_weights_have_its_moments(concentration):
    population = dirichlet_traits(np.eye(4), 20_000, concentration, streams=S)
    weights = population.theta
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    np.testing.assert_allclose(weights.mean(axis=1), 0.25, atol=0.015)
    variance = 0.25 * 0.75 / (4 * concentration + 1)
    np.testing.assert_allclose(weights.var(axis=1), variance, rtol=0.05)


def test_dirichlet_keeps_the_traits_as_basis():
    population = dirichlet_traits(CENTRES, 5, 1.0, streams=S)
    np.testing.assert_allclose(population.basis @ population.coefficients, population.theta)


def test_table_of_people():
    columns = {
        "name": ["Ann", "Bob"],
        "price": ["-1.5", "-0.5"],
        "time": [-2.0, -3.0],
        "cluster": [1, 0],
        "share": [3, 1],
    }
    population = from_table(columns, ["time", "price"], choice=BradleyTerryLuce(2.0))
    np.testing.assert_array_equal(population.theta, [[-2.0, -3.0], [-1.5, -0.5]])
    np.testing.assert_array_equal(population.cluster, [1, 0])
    np.testing.assert_allclose(population.share, [0.75, 0.25])
    assert population.names == ("Ann", "Bob")


@pytest.mark.parametrize(
    "draw",
    [
        lambda streams: low_rank(5, 4, 2, streams=streams),
        lambda streams: clusters(CENTRES, [2, 2], spread=1.0, streams=streams),
        lambda streams: dirichlet_traits(CENTRES, 4, 1.0, streams=streams),
    ],
)
def test_the_same_seed_draws_the_same_people(draw):
    assert draw(Streams(3)).theta.tobytes() == draw(Streams(3)).theta.tobytes()
    assert (draw(Streams(3)).theta != draw(Streams(4)).theta).any()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: low_rank(4, 3, 4, streams=S), r"rank should be in 1..3, is 4"),
        (lambda: low_rank(4, 3, 0, streams=S), r"rank should be in 1..3, is 0"),
        (lambda: low_rank(4, 3, 1, streams=S, norm=0.0), "norm should be in"),
        (lambda: low_rank(4, 3, 1, streams=S, outside=1.5), r"outside should be in \[0, 1\]"),
        (lambda: low_rank(2, 3, 2, streams=S, outside=0.5), "outside should be 0 when rank"),
        (lambda: low_rank(4, 3, 2, streams=S, alike=1.0), r"alike should be in \[0, 1\]"),
        (lambda: low_rank(4, 3, 1, streams=S, alike=0.5), "alike should be 0 when rank is 1"),
        (lambda: low_rank(4, 3, 2, streams=S, share=[1.0, 0.0]), "share should have shape"),
        (lambda: zipf_shares(0, 1.0), "num_parties should be 1 or more"),
        (lambda: zipf_shares(4, -1.0), "exponent should be in"),
        (lambda: clusters(CENTRES, [1, 2, 3], streams=S), "centres should have shape"),
        (lambda: clusters(CENTRES, [1, 0], streams=S), "sizes should be 1 or more, is 0"),
        (lambda: clusters(CENTRES, [1, 1], shares=[1, 1], streams=S), "shares should be prob"),
        (lambda: clusters(CENTRES, [1, 1], spread=-1.0, streams=S), "spread should be in"),
        (lambda: conflict(1, 0.2, 1.0), "num_parties should be 2 or more"),
        (lambda: conflict(4, 0.6, 1.0), r"minority_share should be in \[0.01, 0.5\], is 0.6"),
        (lambda: conflict(4, 0.0, 1.0), "minority_share should be in"),
        (lambda: conflict(4, 0.2, 4.0), "angle should be in"),
        (lambda: conflict(4, 0.2, 1.0, num_features=1), "num_features should be 2 or more"),
        (lambda: dirichlet_traits(CENTRES, 3, 0.0, streams=S), "concentration should be in"),
        (lambda: dirichlet_traits([1.0], 3, 1.0, streams=S), "traits should have shape"),
        (lambda: from_table({"a": [1]}, ["a", "b"]), r"lacks \['b'\]"),
        (lambda: from_table({"a": ["x"]}, ["a"]), "column 'a' should hold finite numbers"),
        (lambda: from_table({"a": [1], "cluster": [0.5]}, ["a"]), "should hold whole numbers"),
        (lambda: from_table({"a": [1]}, []), "the table should have columns"),
    ],
)
def test_bad_knobs(build, message):
    with pytest.raises(ValueError, match=message):
        build()
