"""What studies of bandits share, and the studies `num-parties` and `rates`."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from baselines.studies import bandits, exponents, find_study, grid, num_parties, rates
from multiparty_envs.faces import offline


def test_random_bandits_keep_their_features_when_parties_are_added():
    few, many = (bandits.random_bandit(features=6, parties=m, rank=2, seed=3) for m in (1, 5))
    assert_allclose(few.feature_table, many.feature_table)
    assert bandits.true_rank(many) == 2
    assert bandits.true_rank(few) == 1
    assert_allclose(np.linalg.norm(many.population.theta, axis=0), 1.0)


def test_what_is_reached_is_the_welfare_of_the_best_actions_as_seen():
    rng = np.random.default_rng(0)
    u, seen = rng.uniform(0.1, 1.0, (6, 4, 3)), rng.uniform(0.1, 1.0, (6, 4, 3))
    rules = {
        "utilitarian": lambda x: x.mean(axis=-1),
        "nash": lambda x: x.prod(axis=-1) ** (1 / 3),
        "leximin": lambda x: x.min(axis=-1),
    }
    expected = [rule(u)[np.arange(6), rule(seen).argmax(axis=1)].mean() for rule in rules.values()]
    assert list(rules) == list(bandits.RULES)
    assert_allclose(bandits.reached(u, seen), expected)
    assert (bandits.reached(u, u) >= bandits.reached(u, seen)).all()
    assert_allclose(bandits.uniform(u), [rule(u).mean() for rule in rules.values()])


def test_a_joint_fit_shares_only_where_parties_outnumber_the_rank():
    for parties in (2, 6):
        world = bandits.random_bandit(features=5, parties=parties, rank=2, seed=0)
        fits = bandits.fits(world, offline(world, 50, 0))
        assert tuple(fits) == bandits.LEARNERS
        assert (fits["joint"] is fits["separate"]) == (parties == 2)


@pytest.fixture(scope="module")
def scaling():
    cells = [
        cell
        for world, budget in (("random", "each"), ("random", "total"), ("same", "each"))
        for cell in grid.grid(world, 2, budget=(budget,), parties=(1, 4, 16))
    ]
    return [num_parties.run(cell) for cell in cells]


def test_num_parties_covers_its_grid():
    assert find_study("num-parties") is num_parties
    assert len(num_parties.cells(2)) == 2 * 6 * (2 + 2 + 1)
    assert len(num_parties.cells(1, full=True)) == 7 * (2 + 2 + 1)


def test_one_party_has_one_welfare(scaling):
    for row in grid.where(scaling, parties=1):
        for name in bandits.LEARNERS:
            gaps = [row.values[f"{name} plug-in {rule}"] for rule in bandits.RULES]
            assert_allclose(gaps, gaps[0], atol=1e-9)


def test_sharing_shrinks_errors_with_more_parties_and_separate_fits_do_not(scaling):
    of = [row for row in grid.where(scaling, budget="each") if row.cell.env == "random"]
    found = {
        name: exponents.exponents(of, ("parties",), f"{name} error")["parties"].value
        for name in bandits.LEARNERS
    }
    assert found["joint"] < -0.15
    assert abs(found["separate"]) < 0.1


def test_concentratability_hardly_grows_with_the_parties(scaling):
    of = [row for row in grid.where(scaling, budget="each") if row.cell.env == "random"]
    for star in num_parties.STARS:
        found = exponents.exponents(of, ("parties",), f"C* {star}")["parties"]
        assert -0.1 < found.value < 0.2


def test_num_parties_tells_of_every_world(scaling):
    tables = num_parties.tables(scaling)
    assert len(tables) == 3 + 2
    assert {len(line) for line in tables[-1].rows} == {len(tables[-1].columns)}
    said = num_parties.verdict(scaling)
    assert "Random · 200 answers of each party" in said
    assert "rejected" in said
    assert len(num_parties.figure(scaling).axes) == 3
    assert all(0.0 <= num_parties.score(row) <= 1.0 for row in scaling)


@pytest.fixture(scope="module")
def powers():
    random = grid.grid(
        "random", 2, ("all",), answers=(200, 800), parties=(8, 32), features=(10, 20), rank=(1, 2)
    )
    hard = grid.grid(
        "hard", 2, ("all",), answers=(400, 1_600), parties=(1, 4), coverage=(2, 4), rank=(3, 6)
    )
    return [rates.run(cell) for cell in [*random, *hard]]


def test_a_third_of_the_places_is_orthogonal():
    for axes in rates.GRID.values():
        places = np.array(rates.third(axes), dtype=float)
        assert len(places) == 27
        levels = [{value: i - 1 for i, value in enumerate(values)} for values in axes.values()]
        numbers = np.array(
            [[level[int(x)] for level, x in zip(levels, p, strict=True)] for p in places]
        )
        assert_allclose(numbers.T @ numbers, 18.0 * np.eye(len(axes)))
    assert len(rates.cells(2)) == 2 * 2 * 27
    assert len(rates.cells(1, full=True)) == 2 * 81
    assert find_study("rates") is rates


def test_joint_errors_have_the_exponents_of_the_degrees_of_freedom(powers):
    of, axes = rates.of_world(powers, "random"), ("answers", "parties", "features", "rank")
    found = exponents.exponents(of, axes, "joint error")
    expected = exponents.exponents(of, axes, rates.degrees_of_freedom)
    for axis in axes:
        assert found[axis].value == pytest.approx(expected[axis].value, abs=0.12)
    alone = exponents.exponents(of, axes, "separate error")
    assert abs(alone["parties"].value) < 0.1 < abs(alone["answers"].value)


def test_where_sharing_is_said_to_help():
    (row,) = [
        rates.run(cell)
        for cell in grid.grid(
            "random", 1, ("all",), answers=(100,), parties=(9,), features=(10,), rank=(2,)
        )
    ]
    assert not rates.inside(row)  # 4 > 9 / log 10
    assert rates.theorem_one(row) > rates.degrees_of_freedom(row)


def test_rates_are_told(powers):
    tables = rates.tables(powers)
    assert len(tables) == 3
    assert len(tables[0].columns) == 5
    said = rates.verdict(powers)
    assert "theorem 1" in said
    assert "theorem 3 (sum over parties)" in said
    assert len(rates.figure(powers).axes) == 4
    assert all(0.0 <= rates.score(row) <= 1.0 for row in powers)
