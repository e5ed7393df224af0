"""Study `efficiency`: tau of learned policies, and the inequalities of the theory."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from baselines.studies import efficiency as study
from baselines.studies import find_study, grid
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import zero_normalised


@pytest.fixture(scope="module")
def rows():
    cells = [
        cell for world in study.WORLDS for cell in grid.grid(world, 3, parties=(2,), n=(100, 1_000))
    ]
    return [study.run(cell) for cell in cells]


def test_cells_cover_the_grid():
    assert find_study("efficiency") is study
    assert len(study.cells(2)) == 2 * 2 * 2 * 5
    assert len(study.cells(1, full=True)) == 2 * 3 * 6


def test_oracles_are_efficient(rows):
    for row in rows:
        for rule in study.RULES:
            assert row.values[f"oracle {rule} pareto"] == 0.0
            assert row.values[f"oracle {rule} ex-post"] == 0.0


def test_more_answers_leave_less_lacking(rows):
    lacking = [
        np.mean([1.0 - study.score(row) for row in grid.where(rows, n=n)]) for n in (100, 1_000)
    ]
    assert lacking[1] < lacking[0]


def test_what_is_told(rows):
    tables = study.tables(rows)
    assert len(tables) == 2 * len(study.MEASURES) + 1
    said = study.verdict(rows)
    assert "Linear world" in said
    assert "fail in 0 of those" in said
    assert len(study.figure(rows).axes) == 2
    assert all(0.0 <= study.score(row) <= 1.0 for row in rows)


def test_lower_bounds_are_those_of_the_ellipsoids():
    world = linear_bandit(num_contexts=4, num_actions=3, num_features=3, num_parties=2, rank=2)
    found, gamma = study.fit(world, 200, 0), 0.3
    low = study.lower_bounds(world.feature_table, found, gamma)
    assert (low >= 0.0).all()
    # the least of theta.x over the surface of the set, at many points, for one action's best bound
    rng = np.random.default_rng(0)
    for m in range(2):
        ball = rng.standard_normal((20_000, 3))
        ball /= np.linalg.norm(ball, axis=1, keepdims=True)
        root = np.linalg.cholesky(found.inverse[m])
        thetas = found.theta[:, m] + gamma * ball @ root.T
        x = world.feature_table[0, :, None] - world.feature_table[0]  # [A, A, D]
        least = (x @ thetas.T).min(axis=-1).max(axis=1)
        assert_allclose(low[0, :, m], least, atol=2e-2)
        # what the party truly gains is no less, whichever weights of the set are its own
        gains = world.feature_table[0] @ thetas.T
        assert (gains - gains.min(axis=0) >= low[0, :, m, None] - 1e-9).all()


def test_ties_of_bounds_are_broken_by_the_fit():
    seen, fitted = np.zeros((1, 3, 2)), np.array([[[1.0, 1.0], [2.0, 2.0], [0.0, 3.0]]])
    assert study.choose(seen, fitted, "nash").tolist() == [1]
    assert study.choose(fitted, seen, "utilitarian").tolist() == [1]


def instance(seed):
    """A small random world of three parties."""
    drawn = linear_bandit(
        num_contexts=10, num_actions=5, num_features=4, num_parties=3, rank=2, seed=seed
    )
    theta = study.LENGTH * np.asarray(drawn.population.theta)
    return linear_bandit(features=drawn.feature_table, theta=theta)


def test_theorem_4_and_corollary_1_hold_on_random_instances():
    """In at least 1 - delta of 200 worlds, with the oracle radius and the constants stated.

    tau(s) <= max over dominating a of 1 / prod_m (1 - 2 Gamma c_m(a) / u_m(a))_+ - 1, and the
    product rises by at most 2 Gamma sum_m c_m(a) prod_(k != m) u_k(a).
    """
    delta, n, streams = 0.1, 1_000, Streams(1)
    errors = [
        study.fit(instance(key), n, key).error
        for key in (streams.key(f"calibration {i}") for i in range(400))
    ]
    gamma = float(np.quantile(errors, 1.0 - delta))
    covered, four, one, naive, informative = [], [], [], [], []
    for key in (streams.key(f"instance {i}") for i in range(200)):
        world = instance(key)
        found = study.fit(world, n, streams.key(f"answers {key}"))
        u = zero_normalised(world.party_table)
        fitted = zero_normalised(world.feature_table @ found.theta)
        low = study.lower_bounds(world.feature_table, found, gamma)
        chosen = study.choose(low, fitted, "nash")
        told = study._theory(world, found, gamma, u, chosen)
        none = study._theory(world, found, 1e-3 * gamma, u, chosen)
        covered.append(found.error <= gamma)
        four.append(told["theorem 4"] == 1.0)
        one.append(told["corollary 1"] == 1.0)
        naive.append(none["theorem 4"] == 1.0 and none["corollary 1"] == 1.0)
        informative.append(told["tau"] > 0.0 and told["finite"] > 0.0)
    assert np.mean(covered) >= 1.0 - delta - 0.06  # three standard errors of 200 worlds
    # where all weights are in their sets the inequalities follow; they hold more often than that
    assert all(f and o for f, o, c in zip(four, one, covered, strict=True) if c)
    assert np.mean(four) >= 1.0 - delta
    assert np.mean(one) >= 1.0 - delta
    assert np.mean(naive) < 0.5  # a radius a thousand times smaller is too small to be true
    assert np.mean(informative) > 0.01
