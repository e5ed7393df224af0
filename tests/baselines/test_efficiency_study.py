"""Study `efficiency`: tau of learned policies, and the inequalities of the theory."""

import numpy as np
import pytest

from agents.pessimism import lower_bounds
from baselines.studies import efficiency as study
from baselines.studies import find_study, grid, learned_policies
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import zero_normalised


@pytest.fixture(scope="module")
def rows():
    cells = [
        cell
        for world in study.WORLDS
        for cell in grid.grid(world, 3, parties=(2,), n=(100, 10_000))
    ]
    return [study.run(cell) for cell in cells]


def test_cells_cover_the_grid():
    assert find_study("efficiency") is study
    assert len(study.cells(2)) == 2 * (2 * 2 + 1) * 5
    assert len(study.cells(1, full=True)) == (2 * 3 + 1) * 6


def test_oracles_are_efficient(rows):
    for row in rows:
        for rule in study.RULES:
            assert row.values[f"oracle {rule} pareto"] == 0.0
            assert row.values[f"oracle {rule} ex-post"] == 0.0


def test_more_answers_leave_less_lacking(rows):
    wide = [row for row in rows if row.cell.env != "four-action"]
    lacking = [
        np.mean([1.0 - study.score(row) for row in grid.where(wide, n=n)]) for n in (100, 10_000)
    ]
    assert lacking[1] < lacking[0]


def test_what_is_told(rows):
    tables = study.tables(rows)
    assert len(tables) == 3 * len(study.MEASURES) + 1
    said = study.verdict(rows)
    assert "Linear world" in said
    assert "fail in 0 of those" in said
    assert len(study.figure(rows).axes) == 3
    assert all(0.0 <= study.score(row) <= 1.0 for row in rows)


def test_no_number_of_answers_helps_in_the_four_action_block(rows):
    """The pair that decides is asked about once; bounds of zero-normalised utilities tie there."""
    cells = grid.grid("four-action", 20, parties=(2,), n=(1_000,))
    lacking = [study.run(cell).values for cell in cells]
    assert np.mean([values["plug-in nash pareto"] for values in lacking]) > 0.05
    assert all(v["plug-in nash pareto"] == v["pessimistic nash pareto"] for v in lacking)


def instance(seed):
    """A small random world of three parties."""
    drawn = linear_bandit(
        num_contexts=10, num_actions=5, num_features=4, num_parties=3, rank=2, seed=seed
    )
    theta = learned_policies.LENGTH * np.asarray(drawn.population.theta)
    return linear_bandit(features=drawn.feature_table, theta=theta)


def test_theorem_4_and_corollary_1_hold_on_random_instances():
    """In at least 1 - delta of 200 worlds, with the oracle radius and the constants stated.

    tau(s) <= max over dominating a of 1 / prod_m (1 - 2 Gamma c_m(a) / u_m(a))_+ - 1, and the
    product rises by at most 2 Gamma sum_m c_m(a) prod_(k != m) u_k(a).
    """
    delta, n, streams = 0.1, 1_000, Streams(1)
    errors = [
        learned_policies.fit(instance(key), n, key).error
        for key in (streams.key(f"calibration {i}") for i in range(400))
    ]
    gamma = float(np.quantile(errors, 1.0 - delta))
    covered, four, one, naive, informative = [], [], [], [], []
    for key in (streams.key(f"instance {i}") for i in range(200)):
        world = instance(key)
        found = learned_policies.fit(world, n, streams.key(f"answers {key}"))
        u = zero_normalised(world.party_table)
        fitted = zero_normalised(world.feature_table @ found.sets.theta)
        low = lower_bounds(found.sets.with_radius(gamma), world.feature_table)
        chosen = learned_policies.chosen_by("nash", low, fitted)
        told = learned_policies._theory(world, found, gamma, u, chosen)
        none = learned_policies._theory(world, found, 1e-3 * gamma, u, chosen)
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
