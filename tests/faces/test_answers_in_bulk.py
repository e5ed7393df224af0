"""The scale of answers, the behaviour policy, and answers collected in bulk."""

import itertools

import numpy as np
import pytest

from multiparty_envs.faces import PartyVectorEnv, collect, segment_scale
from multiparty_envs.faces.acting import actor
from multiparty_envs.feedback import Comparisons, Feedback
from multiparty_envs.parties import BradleyTerryLuce, Population


def exact_spread(world):
    """Standard deviation of whole episodes' returns, over all action sequences of the uniform."""
    totals = []
    for plan in itertools.product(range(world.num_actions), repeat=world.horizon):
        cell, total = world.start, 0.0
        for action in plan:
            total = total + world.party_table[cell, action]
            cell = world.successors[cell, action, 0]
            if world.terminal[cell]:
                break
        totals.append(total)
    return np.std(totals, axis=0)


@pytest.mark.parametrize("terminal", [(), (1,), (5, 8)])
def test_scale_is_the_spread_of_returns(make_grid, terminal):
    world = make_grid(horizon=5, terminal=terminal)
    np.testing.assert_allclose(segment_scale(world), exact_spread(world), rtol=0.06)


@pytest.mark.parametrize("length", [1, 2, 5])
def test_scale_of_segments_is_what_the_emitter_shows(make_grid, length):
    world = make_grid(slip=0.2, terminal=(10,))
    answers = collect(world, Feedback(segment_length=length), 4000, seed=1)
    returns = answers.segments.feature_sums() @ world.population.theta
    np.testing.assert_allclose(segment_scale(world, length), returns.std(axis=0), rtol=0.1)


def test_scale_is_computed_once(make_grid):
    world = make_grid()
    assert segment_scale(world, 2) is segment_scale(world, 2)
    assert segment_scale(world, 2) is not segment_scale(world, 3)
    with pytest.raises(ValueError, match="read-only"):
        segment_scale(world)[0] = 1.0


def test_scale_of_a_world_without_tables(drift):
    assert (segment_scale(drift) > 0.1).all()


@pytest.mark.parametrize("kind", ["behaviour", "flat", "timed"])
def test_actor_follows_its_table(make_grid, kind):
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(4), size=(6, 16) if kind == "timed" else 16)
    world = make_grid(behaviour=table if kind == "behaviour" else None)
    envs = PartyVectorEnv(20_000, world, feedback=None)
    act = actor(world, rng, None if kind == "behaviour" else table)
    envs.reset(seed=0)
    for time in range(3):
        state, action = envs.state, act(envs.state)
        wanted = table[time] if kind == "timed" else table
        for cell in np.unique(state.cell):
            chosen = np.bincount(action[state.cell == cell], minlength=4)
            error = 5 * np.sqrt(0.25 / chosen.sum())
            assert np.abs(chosen / chosen.sum() - wanted[cell]).max() < error
        envs.step(action)


@pytest.mark.parametrize(
    "policy", [np.ones((16, 4)), np.full((16, 3), 1 / 3), np.full((5, 16, 4), 0.25), np.nan]
)
def test_bad_policies_are_refused(make_grid, policy):
    with pytest.raises(ValueError, match="policy"):
        collect(make_grid(), Feedback(), 5, seed=0, policy=policy)


def test_a_world_without_tables_takes_no_table(drift):
    with pytest.raises(ValueError, match="policy should be a function"):
        collect(drift, Feedback(), 5, seed=0, policy=np.ones((1, 1)))


@pytest.mark.parametrize("length", [None, 1, 3])
@pytest.mark.parametrize("total", [1, 17, 1000])
def test_exactly_so_many_answers(make_grid, total, length):
    world = make_grid(slip=0.1, terminal=(9,))
    answers = collect(world, Feedback(segment_length=length, budget=3), total, seed=0)
    assert isinstance(answers, Comparisons)
    assert len(answers) == total
    assert np.ptp(answers.counts) <= 1  # asked in turn


def test_skipped_queries_do_not_count(make_grid):
    population = Population(np.ones((2, 3)), choice=BradleyTerryLuce(skip_margin=0.5))
    answers = collect(make_grid(population=population), {"segment_length": 2}, 200, seed=0)
    assert len(answers) == 200


def test_people_who_never_answer_end_it(make_grid, monkeypatch):
    monkeypatch.setattr("multiparty_envs.faces.bulk.PATIENCE", 5)
    population = Population(np.ones((2, 3)), choice=BradleyTerryLuce(skip_margin=1e9))
    with pytest.raises(RuntimeError, match="0 of 5 answers"):
        collect(make_grid(population=population), {"segment_length": 1}, 5, seed=0)


def test_same_seed_same_answers(make_grid):
    world = make_grid(slip=0.3)
    first, again, other = (collect(world, Feedback(), 60, seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(first.label, again.label)
    np.testing.assert_array_equal(first.differences(), again.differences())
    assert not np.array_equal(first.differences(), other.differences())


@pytest.mark.parametrize("total", [0, -5])
def test_bad_totals_are_refused(make_grid, total):
    with pytest.raises(ValueError, match="total should be 1 or more"):
        collect(make_grid(), Feedback(), total, seed=0)


def test_a_function_can_act(make_grid):
    world = make_grid()
    policy = lambda obs: np.full(len(obs), 2)  # noqa: E731 - as a user would
    answers = collect(world, Feedback(), 10, seed=0, policy=policy)
    assert (answers.segments.action == 2).all()


def test_a_world_without_tables_can_be_asked_about(drift):
    answers = collect(drift, Feedback(segment_length=3), 30, seed=0)
    assert answers.segments.action.shape[2:] == (1,)
    assert len(answers) == 30


def test_answers_agree_with_the_returns_they_judge(make_grid):
    world = make_grid(population=Population(np.eye(2), choice=BradleyTerryLuce(beta=np.inf)))
    answers = collect(world, Feedback(), 300, seed=0)
    margin = answers.differences()[np.arange(300), answers.party]
    clear = np.abs(margin) > 1e-9
    np.testing.assert_array_equal(answers.label[clear], (margin > 0)[clear])
