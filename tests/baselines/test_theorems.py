"""Study `theorems`: sub-optimality bounds with their constants."""

import numpy as np
import pytest

from agents.pessimism import lower_bounds
from baselines.studies import bandits, bounds, find_study, grid
from baselines.studies import theorems as study
from multiparty_envs.faces import offline
from multiparty_envs.rewards.confidence import ConfidenceSets, metric


@pytest.fixture(scope="module")
def rows():
    cells = grid.grid("bandit", 3, answers=(200, 800), instance=(0, 1), parties=(3,))
    return [study.run(cell) for cell in cells]


def world_of(seed, parties=3):
    return bandits.random_bandit(
        features=study.FEATURES,
        parties=parties,
        rank=2,
        seed=seed,
        contexts=study.CONTEXTS,
        actions=study.ACTIONS,
    )


def sets_of(world, seed, answers=300, times=1.0):
    """Sets whose radius is the very error of the fit: all weights are on their boundary or in."""
    data = offline(world, answers, seed)
    learner = bandits.fits(world, data)["separate"]
    sets = ConfidenceSets(learner.fitted, metric(data), np.zeros(world.num_parties))
    return sets.with_radius(times * float(sets.distance(world.population.theta).max()))


def test_cells_cover_the_grid():
    assert find_study("theorems") is study
    assert len(study.cells(10)) == 200


def test_lower_bounds_lie_within_twice_the_width_below_the_truth():
    for seed in range(20):
        world = world_of(seed)
        sets = sets_of(world, seed)
        u, low = bandits.utilities(world), lower_bounds(sets, world.feature_table)
        off = 2.0 * sets.radius * bounds.to_worst(world, sets)
        assert (low <= u + 1e-9).all()
        assert (low >= u - off - 1e-9).all()


def test_the_widths_are_those_of_the_truly_worst_action():
    world = world_of(0)
    sets = sets_of(world, 0)
    found = bounds.to_worst(world, sets)
    table, truth = world.feature_table, np.asarray(world.population.theta)
    for s, a, m in ((0, 1, 0), (3, 2, 2), (7, 0, 1)):
        worst = (table[s] @ truth[:, m]).argmin()
        x = table[s, a] - table[s, worst]
        assert found[s, a, m] == pytest.approx(np.sqrt(x @ np.linalg.solve(sets.sigma[m], x)))


@pytest.mark.parametrize("rule", bandits.RULES)
def test_bounds_hold_wherever_the_weights_are_in_their_sets_and_are_ordered(rule):
    for seed in range(60):
        world = world_of(seed, parties=2 + seed % 3)
        bound = bounds.bounds(world, sets_of(world, seed))[rule]
        assert -1e-9 <= bound.gap <= bound.sharp + 1e-7
        assert bound.sharp <= bound.finite + 1e-9


def test_bounds_of_sets_that_are_too_small_fail():
    """The check can fail: with a hundredth of the radius many instances lose more."""
    broken = dict.fromkeys(bandits.RULES, 0)
    for seed in range(30):
        world = world_of(seed)
        for rule, bound in bounds.bounds(world, sets_of(world, seed, 100, times=0.01)).items():
            broken[rule] += bound.gap > bound.finite + 1e-7
    assert min(broken.values()) > 5


def test_the_oracle_radius_covers_as_often_as_it_says():
    inside = []
    for seed in range(150):
        world = world_of(seed)
        data = offline(world, 200, seed)
        learner = bandits.fits(world, data)["separate"]
        sets = study.oracle_sets(world, data, learner, seed)
        inside.append(sets.contains(world.population.theta).all())
    # three standard errors
    assert abs(np.mean(inside) - (1.0 - study.DELTA)) < 0.075


def test_what_is_told(rows):
    assert all(
        study.holds(row, name, rule, form)
        for row in rows
        for name in bandits.LEARNERS
        for rule in bandits.RULES
        for form in study.FORMS
        if row.values[f"{name} covered"] == 1.0 and form != "printed"
    )
    tables = study.tables(rows)
    assert len(tables) == 3
    assert all(len(line) == len(tables[0].columns) for line in tables[0].rows)
    said = study.verdict(rows)
    assert "the sharp form fails in 0" in said
    assert len(study.figure(rows).axes) == 3
    assert all(0.0 <= study.score(row) <= 1.0 for row in rows)
