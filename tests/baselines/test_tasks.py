"""Tasks: equal shares, no leak between training and held-out answers, fixed groups."""

import numpy as np
import pytest

from baselines.tasks import HELD_OUT_LABELS, Recorded, Simulated, _thinned, make_task
from multiparty_envs.data import load


@pytest.fixture(scope="module")
def delivery():
    return make_task("Delivery-v0")


@pytest.fixture(scope="module")
def timetable():
    return make_task("multiparty/Timetable-v0")


def test_the_travellers_own_answers_are_all_there_is(timetable):
    assert isinstance(timetable, Recorded)
    train, held_out = timetable.answers(0)
    assert len(train) + len(held_out) == len(load("train"))
    assert len(train) == timetable.labels
    assert timetable.mdp.num_parties == train.num_parties == load("train").num_people


def test_a_third_of_each_persons_answers_is_held_out(timetable):
    train, held_out = timetable.answers(3)
    total = train.counts + held_out.counts
    assert (abs(held_out.counts - total / 3) <= 0.5).all()


def test_seeds_differ_in_the_split_and_repeat_themselves(timetable):
    one, other, again = (timetable.answers(seed).held_out for seed in (0, 1, 0))
    assert not np.array_equal(one.label, other.label)
    assert np.array_equal(one.differences(), again.differences())


@pytest.mark.parametrize("labels", [235, 500, 1900])
def test_thinned_answers_are_spread_over_the_people(timetable, labels):
    train = timetable.answers(0).train
    thin, held_out = timetable.answers(0, labels)
    assert len(thin) == labels
    assert len(held_out) == len(timetable.answers(0).held_out)
    assert (thin.counts <= train.counts).all()
    # nobody has two answers more than somebody who still had some to give
    asked_out = thin.counts == train.counts
    assert thin.counts[~asked_out].max() - thin.counts[~asked_out].min() <= 1


@pytest.mark.parametrize("labels", [-1, 5000])
def test_more_answers_than_people_gave_are_refused(timetable, labels):
    with pytest.raises(ValueError, match=r"labels should be in 1\.\.19"):
        timetable.answers(0, labels)


def test_thinning_takes_everything_in_the_end(timetable):
    train = timetable.answers(0).train
    whole = _thinned(train, len(train), np.random.default_rng(0))
    assert np.array_equal(whole.label, train.label)


def test_the_worst_served_tenth_is_judged_without_held_out_answers(timetable):
    train, _ = timetable.answers(0)
    groups = timetable.groups(train)
    assert groups.majority.all()
    assert groups.minority.sum() == 23
    order = np.random.default_rng(0).permutation(len(train))
    assert np.array_equal(timetable.groups(train.subset(order)).minority, groups.minority)


@pytest.mark.parametrize(
    "knobs", [{"population": "clusters"}, {"conflict": 0.5}, {"num_parties": 20}]
)
def test_other_parties_are_simulated(knobs):
    task = make_task("Timetable-v0", knobs)
    assert isinstance(task, Simulated)
    assert task.answers(0, 50).train.num_parties == task.mdp.num_parties


def test_other_sizes_keep_the_people():
    assert isinstance(make_task("Timetable-v0", {"num_prices": 3}), Recorded)


@pytest.mark.parametrize("labels", [0, 30])
def test_simulated_answers_are_as_many_as_asked(delivery, labels):
    train, held_out = delivery.answers(1, labels)
    assert len(train) == (labels or delivery.labels)
    assert len(held_out) == HELD_OUT_LABELS
    assert np.ptp(held_out.counts) <= 1


def test_held_out_answers_are_about_other_episodes(delivery):
    train, held_out = delivery.answers(1)
    assert not np.array_equal(train.segments.action[:20], held_out.segments.action[:20])


def test_the_minority_is_who_lives_elsewhere(delivery):
    groups = delivery.groups(delivery.answers(0).train)
    assert groups.minority.tolist() == [False] * 4 + [True]
    assert (groups.majority == ~groups.minority).all()


def test_without_a_largest_kind_the_worst_served_are_the_minority():
    task = make_task("LinearBandit-v0")
    groups = task.groups(task.answers(0).train)
    assert groups.majority.all()
    assert groups.minority.sum() == 1


def test_where_a_world_says_what_is_compared_that_is_learned_from():
    task = make_task("HardBandit-v0", {"coverage": 3.0})
    train = task.answers(0, 401).train
    assert len(train) == 401
    assert np.ptp(train.counts) <= 1
    action = train.segments.action[:, 0]
    pairs = set(zip(action[train.first].tolist(), action[train.second].tolist(), strict=True))
    assert pairs == {(0, 1), (1, 2)}


@pytest.mark.parametrize(
    ("env", "knobs", "message"),
    [
        ("Delivry-v0", {}, "Did you mean 'Delivery-v0'"),
        ("Delivery-v0", {"conflict": 2.0}, "conflict should be in"),
    ],
)
def test_bad_tasks_are_refused(env, knobs, message):
    with pytest.raises(ValueError, match=message):
        make_task(env, knobs)


def test_unknown_knobs_are_refused():
    with pytest.raises(TypeError, match="colour"):
        make_task("Delivery-v0", {"colour": 1})
