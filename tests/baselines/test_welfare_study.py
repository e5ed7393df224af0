"""Study `welfare`: whom each welfare function follows, at every level."""

import itertools

import numpy as np
import pytest

from baselines.studies import find_study, grid
from baselines.studies import welfare as study
from multiparty_envs.welfare import zero_normalised


@pytest.fixture(scope="module")
def rows():
    return [study.run(cell) for cell in study.cells(2)]


@pytest.fixture(scope="module")
def true(rows):
    return grid.where(rows, n=0)


def test_every_profile_is_met_with_true_and_learned_rewards(rows):
    assert find_study("welfare") is study
    assert {row.cell.method for row in rows} == set(study.PROFILES)
    assert len(rows) == 2 * 2 * (len(study.COSINES) + len(study.OTHERS))
    assert len(study.cells(1, full=True)) > len(study.cells(1))


@pytest.mark.parametrize("level", study.LEVELS)
def test_each_rule_has_the_most_of_what_it_maximises(true, level):
    for row, rule, other in itertools.product(true, study.RULES, study.RULES):
        own = study.OWN[rule]
        most = row.values[f"{level} {rule} {own}"]
        assert most >= row.values[f"{level} {other} {own}"] - 1e-5, (row.cell.key, rule, other)


@pytest.mark.parametrize("level", study.LEVELS)
def test_with_two_parties_nash_lies_between(true, level):
    pairs = [r for r in true if r.cell.method in ("conflict", "compromise", "mixture")]
    assert all(row.values[f"{level} between"] == 1.0 for row in pairs)


def test_nash_does_not_see_units_and_zeros(true):
    # as precisely as it is planned: the welfare to 1e-8, utilities of a flat optimum to 1e-5
    assert max(row.values["nash moved"] for row in true) < 1e-5
    assert max(abs(row.values["nash lost"]) for row in true) < 1e-8
    assert max(row.values["nash other"] for row in true) == 0.0
    for rule in ("utilitarian", "leximin"):
        assert max(row.values[f"{rule} moved"] for row in true) > 0.1


def test_utilitarian_follows_the_loudest_and_nash_does_not(true):
    for row in [r for r in true if r.cell.method == "scale"]:
        assert row.values["utilitarian loud"] > row.values["utilitarian usual"] + 1e-3
        assert row.values["utilitarian loud"] > 0.95
        assert row.values["nash loud"] == pytest.approx(row.values["nash usual"], abs=1e-5)
        assert row.values["leximin loud"] <= row.values["leximin usual"] + 1e-6


def test_leximin_ignores_that_the_majority_is_one(true):
    for row in [r for r in true if r.cell.method == "majority"]:
        world = study.build("majority", row.cell.seed)
        u = zero_normalised(world.party_table)
        pair = u[..., [0, -1]]  # one of either kind
        expected = np.einsum("sa,sam->m", study._mixture(pair, "leximin"), pair) / len(u)
        assert row.values["policy leximin worst"] == pytest.approx(expected.min(), abs=1e-4)


def test_levels_differ_where_a_mixture_beats_the_compromise(true):
    (row, *_) = [r for r in true if r.cell.method == "mixture"]
    worst = {level: row.values[f"{level} leximin worst"] for level in study.LEVELS}
    assert worst == pytest.approx({"step": 0.4, "episode": 0.5, "policy": 0.5}, abs=1e-5)
    assert row.values["policy nash geo"] == pytest.approx(0.5, abs=1e-5)
    assert row.values["step nash geo"] == pytest.approx(0.4, abs=1e-5)


def test_all_rules_take_the_compromise(true):
    for row in [r for r in true if r.cell.method == "compromise"]:
        for level, rule in itertools.product(study.LEVELS, study.RULES):
            assert row.values[f"{level} {rule} worst"] == pytest.approx(0.9, abs=1e-5)


def test_what_a_level_can_reach_is_brute_force():
    rng = np.random.default_rng(0)
    u = zero_normalised(rng.random((2, 3, 3)))
    for rule, metric in study.OWN.items():
        found = study._evaluate(u, study._choose(u, rule, "episode"))["episode"][metric]
        each = [
            max(
                study._metric((u[s, a] + u[s, b]) / 2, metric)
                for a, b in itertools.product(range(3), repeat=2)
            )
            for s in range(2)
        ]
        assert found == pytest.approx(np.mean(each))


def test_oracles_score_one_and_learned_rewards_less(rows, true):
    assert min(map(study.score, true)) == pytest.approx(1.0, abs=1e-5)
    learned = [study.score(row) for row in rows if row not in true]
    assert 0.5 < np.mean(learned) < 1.0


def test_what_is_told(rows):
    titles = [table.title for table in study.tables(rows)]
    assert len(titles) == 5
    said = study.verdict(rows)
    assert "NOT" not in said
    assert "0.5 at policy level" in said
    assert "0.4 at step level" in said
    assert len(study.figure(rows).axes) == 3


def test_a_rule_that_is_beaten_is_told(true):
    row = true[0]
    worse = dict(row.values) | {"policy leximin worst": -1.0}
    broken = [type(row)(row.cell, worse, row.seconds), *true[1:]]
    assert "NOT always" in study.verdict(broken)
