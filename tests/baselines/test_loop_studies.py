"""Studies of the loop and of PPO against the optimum: rows, scores, and what they conclude."""

import dataclasses

import numpy as np
import pytest

from agents.planning import party_scale, policy_returns, solve, uniform_policy
from baselines.cells import measures
from baselines.methods import SINGLE, WELFARES
from baselines.rows import Cell, Row
from baselines.studies import finite_optima, loop, pivot
from multiparty_envs.registration import make_dynamics
from multiparty_envs.welfare import MaxMin, make_welfare


@pytest.mark.parametrize("name", finite_optima.ENVS)
def test_the_random_policy_is_where_the_way_begins(name):
    world = make_dynamics(name)
    returns = policy_returns(world, uniform_policy(world))
    np.testing.assert_allclose(party_scale(world, "range").returns(returns), 0.0, atol=1e-9)


@pytest.mark.parametrize("welfare", WELFARES)
def test_shares_run_from_the_random_policy_to_the_optimum(welfare):
    world = make_dynamics("Delivery-v0")
    cell = Cell("Delivery-v0", f"oracle+{welfare}", "ppo", 0)
    best = solve(world, make_welfare(welfare), scale=party_scale(world, "range")).returns
    none = policy_returns(world, uniform_policy(world))
    ends = [pivot.row_of_returns(cell, welfare, returns, 1.0) for returns in (none, best)]
    assert [finite_optima.score(row) for row in ends] == pytest.approx([0.0, 1.0], abs=1e-6)
    # twice the returns above those of the random policy are twice the way, by every measure
    half = finite_optima.score(pivot.row_of_returns(cell, welfare, (none + best) / 2, 1.0))
    assert half == pytest.approx(0.5, abs=1e-6)


def test_a_short_training_is_on_its_way():
    cell = Cell("Condorcet-v0", "oracle+utilitarian", "ppo", 0, steps=20_000)
    row = finite_optima.run(cell)
    assert 0.5 < finite_optima.score(row) <= 1.0
    assert row.regret == pytest.approx(row.regrets["utilitarian"])
    assert Row.from_json(row.to_json()).worst == row.worst


def reaching(env, welfare, shares):
    optimum = 0.5
    row = pivot.row_of_returns(Cell(env, f"oracle+{welfare}", "ppo", 0), welfare, RETURNS, 1.0)
    return [
        dataclasses.replace(
            row,
            cell=dataclasses.replace(row.cell, seed=seed),
            worst=optimum * share,
            utilitarian=optimum * share,
            regrets=dict.fromkeys(WELFARES, optimum * (1.0 - share)),
        )
        for seed, share in enumerate(shares)
    ]


RETURNS = np.zeros(5)


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ([0.98, 0.99, 1.0], "short of it: none."),
        ([1.0, 1.0, 0.95], "short of it: none."),
        ([0.96, 0.96, 0.96], "short of it: Delivery-v0 max-min."),
        ([1.0] * 9 + [0.92], "short of it: Delivery-v0 max-min."),
    ],
)
def test_who_falls_short_is_named(shares, told):
    rows = [
        *reaching("Delivery-v0", "max-min", shares),
        *reaching("Delivery-v0", "utilitarian", [1.0, 1.0]),
    ]
    assert finite_optima.verdict(rows).endswith(told)
    (table,) = finite_optima.tables(rows)
    assert table.rows[1][:2] == ("Delivery-v0", "max-min")
    assert table.rows[1][2:4] == (f"{np.mean(shares):.3f}", f"{min(shares):.3f}")
    assert len(finite_optima.figure(rows).axes[0].get_yticks()) == 2


@pytest.fixture(scope="module")
def rows():
    """Two seeds of three methods with little of everything."""
    few = {"labels": 400, "steps": 10_000, "rounds": 2}
    return [
        loop.run(dataclasses.replace(cell, **few))
        for cell in loop.cells(2)
        if cell.method in (SINGLE, "mixture of 2+max-min", "low-rank+max-min")
    ]


def test_rows_tell_what_was_heard_and_how_large_the_learner_is(rows):
    assert {row.labels for row in rows} == {400}
    for row in rows:
        size = row.regrets[loop.SIZE]
        known = {SINGLE: np.isnan(size), "mixture of 2+max-min": size == 2}
        assert known.get(row.cell.method, size >= 1)
        assert len(row.returns) == 5
        again = Row.from_json(row.to_json())
        assert loop.score(again) == loop.score(row)


def test_the_score_is_the_share_of_the_exact_optimum(rows):
    world = make_dynamics("Delivery-v0")
    optimum = solve(world, MaxMin(), scale=party_scale(world, "range")).welfare
    for row in rows:
        want = np.clip(min(row.returns) / optimum, 0.0, 1.0)
        assert loop.score(row) == pytest.approx(want, abs=1e-6)
        known = measures(row.cell, "max-min", np.zeros(5))["regrets"]
        assert set(row.regrets) == {*known, loop.SIZE}


def test_the_table_has_a_line_a_method(rows):
    (table,) = loop.tables(rows)
    shown = [line[0] for line in table.rows]
    assert shown == [SINGLE, "low-rank+max-min", "mixture of 2+max-min"]
    assert [line[-1] for line in table.rows][::2] == ["–", "2 (2 times)"]
    assert len(loop.figure(rows).axes[0].get_yticks()) == 3


def test_the_gain_is_over_single_reward_seed_by_seed(rows):
    single, *_ = (row for row in rows if row.cell.method == SINGLE)
    ours, *_ = (row for row in rows if row.cell.method.startswith("mixture"))

    def made(row, worst, seed):
        regrets = {**row.regrets, "max-min": 0.6 - worst}
        cell = dataclasses.replace(row.cell, seed=seed)
        return dataclasses.replace(row, cell=cell, worst=worst, regrets=regrets)

    told = [
        *(made(ours, worst, seed) for seed, worst in enumerate((0.57, 0.54, 0.6))),
        *(made(single, worst, seed) for seed, worst in enumerate((0.07, 0.04, 0.1))),
    ]
    verdict = loop.verdict(told)
    assert verdict.startswith(
        "0.85 of the exact max-min optimum is reached by mixture of 2+max-min"
    )
    assert "0.50 [0.50, 0.50] more normalised return than single-reward" in verdict
    assert loop.verdict(told[:3]).endswith("is reached by mixture of 2+max-min.")
    assert loop.verdict(told[3:]) == "0.85 of the exact max-min optimum is reached by none."
