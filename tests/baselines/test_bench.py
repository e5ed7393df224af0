"""The bookkeeping of races, with made-up runners."""

import math
import time

import pytest

from baselines import bench
from baselines.bench import goal_lines, rate_line, run_bench
from baselines.races.learning import Latest
from baselines.races.race import Finish, LearningRace, Race, Watch, rate


def at(*seconds):
    """A runner whose run of seed i takes seconds[i]; None: it never gets there."""
    return lambda seed: None if seconds[seed] is None else Finish(seconds[seed], 1000)


def rates(*values):
    return iter(values).__next__


def line(ours, **peers):
    race = LearningRace("walking", at(*ours), {name: at(*times) for name, times in peers.items()})
    return goal_lines(race, range(len(ours)))


def test_a_ratio_of_rates_is_the_median_over_turns():
    race = Race("steps", rates(10.0, 40.0, 20.0), "the peer", rates(5.0, 4.0, 10.0))
    assert rate_line(race, 3) == ("steps", "20/s", "5/s", "2×", "2–10", "the peer")


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ((1.0, 3.0, 2.0), (30.0, 10.0, 20.0), ("2 s", "3 of 3", "20 s", "3 of 3", "10×")),
        # one of three that never gets there moves the median to the slower of the two others
        ((1.0, None, 2.0), (8.0, 8.0, 8.0), ("2 s", "2 of 3", "8 s", "3 of 3", "4×")),
        ((1.0, 1.0, 1.0), (5.0, None, None), ("1 s", "3 of 3", "never", "1 of 3", "–")),
        ((None, None), (5.0, 7.0), ("never", "0 of 2", "6 s", "2 of 2", "–")),
    ],
)
def test_who_never_gets_there_counts_as_the_slowest(ours, theirs, expected):
    assert line(ours, them=theirs) == [("walking", *expected, "them")]


def test_each_peer_has_a_line_and_ours_runs_once_a_seed():
    seen = []

    def runner(name, seconds):
        return lambda seed: seen.append((name, seed)) or Finish(seconds, 1)

    race = LearningRace("x", runner("we", 1.0), {n: runner(n, 4.0) for n in ("a", "b")})
    assert [row[-1] for row in goal_lines(race, range(2))] == ["a", "b"]
    assert seen == [("we", 0), ("a", 0), ("b", 0), ("we", 1), ("a", 1), ("b", 1)]


def test_chosen_races_only_and_a_missing_peer_is_told(monkeypatch):
    def fast_one():
        return Race("fast", lambda: 2.0, "slow", lambda: 1.0)

    def goal_one():
        return LearningRace("goal", at(1.0), {"them": at(2.0)})

    def absent_one():
        raise ImportError("no such peer")

    def not_asked():
        raise AssertionError

    monkeypatch.setattr(bench, "RACES", (fast_one, goal_one, absent_one, not_asked))
    first, second = run_bench(("fast-one", "absent-one", "goal-one"), repeats=1, seeds=1)
    assert [row[0] for row in first.rows] == ["fast", "absent-one"]
    assert first.rows[1][-1] == "no such peer"
    assert second.rows == (("goal", "1 s", "1 of 1", "2 s", "1 of 1", "2×", "them"),)
    for table in (first, second):
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert len(run_bench(("fast-one",), repeats=1)) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"races": ("fast",)}, "race should be one of"),
        ({"repeats": 0}, "repeats should be 1 or more"),
        ({"seeds": 0}, "seeds should be 1 or more"),
    ],
)
def test_settings_are_checked_before_anything_runs(given, message, monkeypatch):
    monkeypatch.setattr(bench, "RACES", ())
    with pytest.raises(ValueError, match=message):
        run_bench(**given)


def test_names_are_unique():
    assert len(bench.names()) == len(bench.RACES)


def test_a_watch_stands_while_somebody_looks(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    watch = Watch()

    def looking(answer):
        def there():
            now[0] += 50.0
            return answer

        return there

    now[0] += 1.0
    assert not watch.look(looking(False), 10)
    now[0] += 2.0
    assert watch.look(looking(True), 20)
    now[0] += 4.0
    assert watch.look(looking(False), 30)  # once there, always there
    assert watch.finish == Finish(3.0, 20)


def test_a_rate_is_the_inverse_of_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert rate(lambda: now.__setitem__(0, 0.25)) == 4.0


def test_the_latest_episodes_are_the_last_whole_batches():
    latest = Latest(100)
    latest.add(0.0, 60)
    assert math.isnan(latest.mean())
    latest.add(10.0, 60)
    assert latest.mean() == 5.0  # 40 of the first batch are still needed
    latest.add(20.0, 0)  # nobody's episode ended
    assert latest.mean() == 5.0
    latest.add(40.0, 40)
    assert latest.mean() == pytest.approx((60 * 10 + 40 * 40) / 100)
    latest.add(7.0, 500)
    assert latest.mean() == 7.0
