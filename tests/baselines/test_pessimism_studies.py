"""Studies of confidence sets and pessimism: what each must show, on small grids."""

import numpy as np
import pytest

from baselines.rows import Cell
from baselines.studies import (
    asking,
    better_pessimism,
    confidence,
    pessimism,
    pessimism_worlds,
)
from baselines.studies.grid import grid, knob, slope
from multiparty_envs.streams import Streams

SEEDS = 4


@pytest.fixture(scope="module")
def block():
    cells = grid("block", SEEDS, gap=("0.1", "5/√n"), n=(50, 400, 3_200))
    return [pessimism.run(cell) for cell in cells]


@pytest.fixture(scope="module")
def worlds():
    cells = grid("bandit", 2, skew=(1.0, 0.01), n=(25, 100)) + grid(
        "chain", 2, skew=(1.0,), n=(50,)
    )
    return [pessimism.run(cell) for cell in cells]


@pytest.fixture(scope="module")
def ways():
    return [better_pessimism.run(cell) for cell in grid("bandit", 2, n=(25, 100))]


def mean(rows, value, **places):
    kept = [row for row in rows if all(knob(row, k) == v for k, v in places.items())]
    return np.mean([row.values[value] for row in kept])


def test_in_the_four_action_block_the_plug_in_does_not_learn_and_caution_does(block):
    for n in (50, 400, 3_200):
        assert mean(block, "utilitarian 0", gap="5/√n", n=n) > 0.03
        assert mean(block, "leximin 0 worst", gap="5/√n", n=n) > 0.1
    for welfare in pessimism.WELFARES:
        found = slope(pessimism.hardest(block), "n", f"{welfare} 1")
        assert found.value == pytest.approx(-0.5, abs=0.15)
    assert mean(block, "utilitarian 0.5", gap="0.1", n=3_200) < 0.02


def test_optimism_runs_into_the_trap(block):
    for welfare in pessimism.WELFARES:
        assert mean(block, f"{welfare} -1") > 0.9


def test_in_the_block_the_sets_are_of_the_right_size(block):
    assert mean(block, "held") == pytest.approx(0.95, abs=0.04)


def test_too_much_caution_stays_with_the_reference(worlds):
    chains = [row for row in worlds if row.cell.env == "chain"]
    assert mean(chains, "utilitarian 4") > mean(chains, "utilitarian 0")
    assert all(np.isnan(row.values["nash -1"]) for row in chains)


def test_a_rare_arm_is_worse_covered(worlds):
    bandits = [row for row in worlds if row.cell.env == "bandit"]
    assert mean(bandits, "C* nash", skew=0.01) > 2 * mean(bandits, "C* nash", skew=1.0)


@pytest.mark.parametrize("study", [pessimism, better_pessimism, confidence])
def test_grids_have_no_cell_twice_and_the_larger_one_has_more(study):
    small, large = study.cells(2), study.cells(2, full=True)
    assert len({cell.key for cell in small}) == len(small)
    assert len({cell.key for cell in large}) == len(large) > len(small)


def test_pessimism_is_told_from_the_rows(block, worlds):
    rows = block + worlds
    tables = pessimism.tables(rows)
    assert [table.title.split(":")[0] for table in tables[::2]] == [
        "bandit",
        "chain",
        "block, gap 0.1",
    ]
    assert all(len(line) == len(table.columns) for table in tables for line in table.rows)
    assert "slopes of log regret" in pessimism.verdict(rows)
    assert len(pessimism.figure(rows).axes) == 4
    assert all(0.0 <= pessimism.score(row) <= 1.0 for row in rows)


def test_of_equally_good_multipliers_the_smallest_is_best(block):
    same = [row for row in block if row.cell.seed == 0]
    for row in same:
        row.values.update({pessimism.name_of("nash", c): 0.5 for c in pessimism.MULTIPLIERS})
    assert pessimism.best_multiplier(same, "nash") == 0.0


def test_bounds_of_all_parties_and_directions_hold_where_they_promise_to(ways):
    assert mean(ways, "own radii holds") > 0.99
    assert mean(ways, "likelihood ratio holds") > 0.99
    assert mean(ways, "plug-in holds") < 0.7
    assert mean(ways, "ensemble holds") < mean(ways, "own radii holds")


def test_better_pessimism_is_told_from_the_rows(ways):
    regrets, bounds, _ = better_pessimism.tables(ways)
    assert [line[0] for line in regrets.rows] == list(better_pessimism.METHODS)
    assert bounds.columns == ("bounds", "n = 25", "n = 100")
    assert dict((line[0], line[2]) for line in regrets.rows)["value level"] == "–"
    assert "the least regret" in better_pessimism.verdict(ways)
    assert len(better_pessimism.figure(ways).axes) == 3
    assert all(0.0 <= better_pessimism.score(row) <= 1.0 for row in ways)


def test_answers_are_shared_out_unequally():
    counts = better_pessimism.counts(100)
    assert counts.sum() == pytest.approx(500, abs=3)
    assert counts[0] == pytest.approx(5 * counts[4], rel=0.05)


def test_confidence_is_told_from_the_rows(monkeypatch):
    monkeypatch.setattr(confidence, "DATA_SETS", {"independent": 40, "low-rank": 4})
    cells = [
        Cell("sets", learner, "none", seed, (("answers", "equal"), ("n", 40)))
        for learner in confidence.SHAPES
        for seed in range(2)
    ]
    rows = [confidence.run(cell) for cell in cells]
    held, sizes = confidence.tables(rows)
    assert [line[:2] for line in held.rows] == [("independent", "40"), ("low-rank", "40")]
    assert sizes.columns[-1] == "K"
    assert mean(rows[:2], "studentised held") >= 0.85
    assert mean(rows, "studentised radius") < mean(rows, "plain radius")
    assert confidence.verdict(rows).count("studentised sets hold") == 2
    assert len(confidence.figure(rows).axes) == 2
    assert all(0.0 <= confidence.score(row) <= 1.0 for row in rows)


def test_episodes_have_the_mean_that_the_tables_say():
    from agents.occupancy import World
    from agents.planning import policy_table

    mdp = pessimism_worlds.chain(Streams(0), 0.3)
    start = np.random.default_rng(0).choice(6, 40_000)
    sums = asking.episodes(mdp, start, np.random.default_rng(1))
    world = World(mdp, mdp.feature_table)
    expected = world.returns(world.occupancy(policy_table(mdp, mdp.behaviour)))
    assert sums.mean(axis=0) == pytest.approx(expected, abs=0.03)


def test_pairs_are_asked_as_often_as_they_should():
    mdp = better_pessimism.bandit(Streams(0), 0.1)
    answers = asking.about_actions(mdp, np.full(5, 4_000), np.random.default_rng(0))
    arms = np.stack([answers.first % 4, answers.second % 4])
    assert (arms[0] != arms[1]).all()
    assert (answers.first // 4 == answers.second // 4).all()
    # of pairs with weights 1, 1, 1, 0.1: 6 * 1 without the last arm, 6 * 0.1 with it
    assert (arms == 3).any(axis=0).mean() == pytest.approx(0.6 / 6.6, abs=0.01)
