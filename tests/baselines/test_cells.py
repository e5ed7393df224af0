"""Cells: repeatable, blind to the truth before evaluation, measured on one scale."""

import dataclasses

import numpy as np
import pytest

from agents.units import reward_table
from baselines import cells
from baselines.cells import make_policy, party_accuracy, run_cell
from baselines.methods import LEARNERS, WELFARES, parse_method
from baselines.rows import Cell
from baselines.tasks import make_task
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.parties import Population
from multiparty_envs.rewards import make_learner

CELL = Cell("Delivery-v0", "independent+max-min", "exact", seed=0, labels=60)
LEARNED = [f"{learner}+nash" for learner in LEARNERS[1:]]


def forget():
    for kept in vars(cells).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


def without_time(row):
    return dataclasses.replace(row, seconds=0.0).to_json()


@pytest.mark.parametrize("method", ["random", "oracle+nash", "single-reward", *LEARNED])
def test_a_cell_depends_on_its_description_alone(method):
    cell = dataclasses.replace(CELL, method=method)
    forget()
    first = without_time(run_cell(cell))
    again = without_time(run_cell(cell))
    forget()
    assert first == again == without_time(run_cell(cell))


@pytest.mark.parametrize("optimiser", ["ppo", "sb3"])
def test_a_training_depends_on_its_description_alone(optimiser):
    cell = dataclasses.replace(CELL, optimiser=optimiser, steps=1_000)
    assert without_time(run_cell(cell)) == without_time(run_cell(cell))


@pytest.fixture
def poison(monkeypatch):
    """Return a function that turns every true reward into NaN once answers are collected."""

    def spread():
        monkeypatch.setattr(
            Population, "rewards", lambda self, features: np.nan * (features @ self.theta)
        )
        made = cells._task(CELL.env, CELL.knobs).mdp
        monkeypatch.setattr(made, "party_table", np.full_like(made.party_table, np.nan))
        monkeypatch.setattr(made, "_rewards", np.full_like(made._rewards, np.nan))
        theta = np.full_like(made.population.theta, np.nan)
        monkeypatch.setattr(made, "population", made.population.on("cpu"))
        object.__setattr__(made.population, "theta", theta)

    yield spread
    forget()


@pytest.mark.parametrize("optimiser", ["exact", "ppo", "sb3"])
@pytest.mark.parametrize("method", ["single-reward", "independent+max-min", "mixture+nash"])
def test_learning_and_training_ignore_the_truth(poison, method, optimiser):
    cell = dataclasses.replace(CELL, method=method, optimiser=optimiser, steps=1_000)
    forget()
    clean = make_policy(cell)
    forget()
    cells._answers(*cells._repetition(cell))  # people know what they want; nobody else does
    poison()
    assert np.isnan(cells._task(cell.env, cell.knobs).mdp.party_table).all()
    poisoned = make_policy(cell)
    seen = make_task(cell.env).mdp.observations_at(0)
    assert np.array_equal(clean.probabilities(seen), poisoned.probabilities(seen))


def test_the_oracle_does_read_the_truth(poison):
    cells._answers(*cells._repetition(CELL))
    poison()
    with pytest.raises(ValueError, match="finite"):
        make_policy(dataclasses.replace(CELL, method="oracle+nash"))


@pytest.mark.parametrize("welfare", WELFARES)
def test_oracles_have_no_regret_and_nobody_beats_them(welfare):
    oracle = run_cell(dataclasses.replace(CELL, method=f"oracle+{welfare}"))
    learned = run_cell(dataclasses.replace(CELL, method=f"independent+{welfare}"))
    assert oracle.regret == pytest.approx(0.0, abs=1e-8)
    assert learned.regret > -1e-8
    assert learned.regret == learned.regrets[welfare]


def test_the_reference_policy_is_zero_for_everybody():
    row = run_cell(dataclasses.replace(CELL, method="random", optimiser="none"))
    assert row.returns == pytest.approx([0.0] * 5, abs=1e-9)
    assert (row.labels, row.nash_floors) == (0, sum(value < 1e-8 for value in row.returns))


@pytest.mark.parametrize("method", ["single-reward", *LEARNED])
def test_all_that_learn_have_the_same_labels(method):
    assert run_cell(dataclasses.replace(CELL, method=method)).labels == 60


def test_row_metrics_follow_from_the_returns():
    row = run_cell(CELL)
    returns = np.array(row.returns)
    assert row.worst == returns.min()
    assert row.utilitarian == pytest.approx(returns.mean())
    assert row.nash == pytest.approx(np.exp(np.log(np.maximum(returns, 1e-8)).mean()))
    assert row.accuracy_minority == pytest.approx(row.accuracy[4])


def test_accuracy_counts_what_a_learner_gets_right():
    task = make_task("Delivery-v0")
    train, held_out = task.answers(0)
    learner = make_learner("independent").fit(train)
    found = party_accuracy(parse_method(CELL.method), learner, task, held_out)
    for party in range(5):
        own = held_out.of_party(party)
        margin = own.differences() @ learner.theta_[:, party]
        right = np.where(abs(margin) < 1e-8, 0.5, (margin > 0) == (own.label > 0.5))
        assert found[party] == pytest.approx(right.mean())


def test_ties_and_unasked_parties_in_the_accuracy():
    task = make_task("Delivery-v0")
    train, held_out = task.answers(0)
    learner = make_learner("independent").fit(train)
    one = held_out.of_party(2)
    tied = dataclasses.replace(one, label=np.full(len(one), 0.5))
    found = party_accuracy(parse_method(CELL.method), learner, task, tied)
    assert np.isnan(found[[0, 1, 3, 4]]).all()
    assert found[2] == 0.5


def test_reward_tables_are_the_learners_rewards():
    mdp: FiniteMDP = make_task("Delivery-v0").mdp
    learner = make_learner("independent").fit(make_task("Delivery-v0").answers(0).train)
    table = reward_table(mdp, learner)
    assert table.shape == (mdp.num_states, mdp.num_actions, 5)
    assert np.allclose(table, mdp.feature_table @ learner.theta_)


def test_few_answers_a_person_still_give_every_method_a_row():
    cell = Cell("Timetable-v0", "low-rank+max-min", "exact", 0, labels=235)
    assert run_cell(cell).labels == 235
    assert run_cell(dataclasses.replace(cell, method="mixture+nash")).labels == 235
