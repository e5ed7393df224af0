"""Logs: whole lines whatever happens, gone on with after a resume, readable by others."""

import csv
import json
import sys

import numpy as np
import pytest

from agents.logs import Callbacks, CsvLog, JsonlLog, TensorBoardLog
from agents.policy import TablePolicy
from agents.progress import Progress

NAMES = ("north, upper", "south")
POLICY = TablePolicy(np.ones((1, 1, 1)), [[0.0]])
LOGS = {"log.csv": CsvLog, "log.jsonl": JsonlLog}


def progress(iteration, *, weights=(0.25, 0.75), returns=(1.0, 2.0), **metrics):
    return Progress(
        iteration=iteration,
        iterations=9,
        steps=100 * iteration,
        returns=np.array(returns) + iteration,
        weights=np.array(weights),
        policy=POLICY,
        metrics=metrics or {"kl": 0.01},
    )


def tell(log, *iterations):
    for iteration in iterations:
        log(progress(iteration))


def iterations(path):
    """What pandas and other readers would see."""
    with path.open(newline="") as file:
        if path.suffix == ".csv":
            return [int(row["iteration"]) for row in csv.DictReader(file)]
        return [json.loads(line)["iteration"] for line in file]


@pytest.fixture(params=LOGS)
def make_log(request, tmp_path):
    """A function that opens the log of a folder anew."""
    return lambda: LOGS[request.param](tmp_path / request.param, NAMES)


def test_lines_are_there_after_each_batch(make_log):
    log = make_log()
    for iteration in (1, 2, 3):
        tell(log, iteration)
        assert iterations(log.path) == list(range(1, iteration + 1))


@pytest.mark.parametrize(
    ("again", "wanted"),
    [
        ([4, 5], [1, 2, 3, 4, 5]),  # where it stopped
        ([2, 3], [1, 2, 3]),  # from an older checkpoint
        ([1], [1]),  # anew
    ],
)
def test_a_resumed_training_goes_on_with_its_lines(make_log, again, wanted):
    tell(make_log(), 1, 2, 3)
    log = make_log()
    tell(log, *again)
    assert iterations(log.path) == wanted


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_was_cut_off_is_dropped(make_log, cut):
    log = make_log()
    tell(log, 1, 2)
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    log = make_log()
    tell(log, 2, 3)
    assert iterations(log.path) == [1, 2, 3]


@pytest.mark.parametrize("kept", ["", "iteration,st"])
def test_a_table_without_a_whole_head_gets_one(tmp_path, kept):
    (tmp_path / "log.csv").write_text(kept)
    tell(log := CsvLog(tmp_path / "log.csv"), 4)
    assert iterations(log.path) == [4]


def test_what_a_table_holds(tmp_path):
    log = CsvLog(tmp_path / "log.csv", NAMES)
    log(progress(1))
    log(progress(2, entropy=0.5))  # a batch that measured something else
    with log.path.open(newline="") as file:
        first, second = csv.DictReader(file)
    numbers = {name: float(value) for name, value in first.items() if "second" not in name}
    assert numbers == {
        "iteration": 1,
        "steps": 100,
        "return/north, upper": 2.0,
        "return/south": 3.0,
        "weight/north, upper": 0.25,
        "weight/south": 0.75,
        "metric/kl": 0.01,
    }
    assert second["metric/kl"] == ""
    assert second.keys() == first.keys()


def test_what_a_line_of_json_holds(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log(progress(1, weights=(1.0,), returns=(np.float32(0.1) - 1, np.nan), kl=np.inf))
    found = json.loads(log.path.read_text())
    assert found["returns"] == {"0": 0.1, "1": None}  # not 0.10000000149011612
    assert found["weights"] == {}
    assert found["metrics"] == {"kl": None}


def test_speed_is_steps_of_a_batch_by_its_seconds(tmp_path, monkeypatch):
    times = iter([10.0, 12.0, 13.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    tell(log := JsonlLog(tmp_path / "log.jsonl"), 7, 8)
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line["steps_per_second"] for line in lines] == [50.0, 100.0]
    assert [line["seconds"] for line in lines] == [2.0, 3.0]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("log.csv", "a,b\n1,2\n", "has other columns: a,b"),
        ("log.jsonl", "hello\n", "is no log of a training"),
        ("log.jsonl", "[1]\n", "is no log of a training"),
    ],
)
def test_a_foreign_file_is_refused_and_kept(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=words):
        tell(LOGS[name](tmp_path / name), 5)
    assert (tmp_path / name).read_text() == text


def test_names_are_one_a_party(tmp_path):
    with pytest.raises(ValueError, match="names should be 2"):
        tell(CsvLog(tmp_path / "log.csv", ("one",)), 1)


@pytest.mark.parametrize(
    ("answers", "goes_on"),
    [([], True), ([None, None], True), ([True, None], True), ([False, None], False)],
)
def test_one_of_several_can_stop_the_training(answers, goes_on):
    told = []
    several = Callbacks(*(lambda p, a=a: (told.append(p.iteration), a)[1] for a in answers))
    assert several(progress(3)) is goes_on
    assert told == [3] * len(answers)  # the others are told all the same


def test_a_trainer_tells_and_stops(tmp_path, bandit):
    from agents import ppo
    from agents.config import PPOConfig
    from multiparty_envs.welfare import MaxMin

    log = CsvLog(tmp_path / "log.csv")
    config = PPOConfig(total_steps=2000, num_copies=64, epochs=1)
    both = Callbacks(log, lambda told: told.iteration < 3)
    ppo.train(bandit(np.eye(3)), welfare=MaxMin(), config=config, callback=both)
    assert iterations(log.path) == [1, 2, 3]


def test_curves_can_be_read_by_tensorboard(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = TensorBoardLog(tmp_path / "curves", NAMES)
    tell(log, 1, 2)
    log.close()
    again = TensorBoardLog(tmp_path / "curves", NAMES)
    tell(again, 2, 3)  # resumed: the second batch is told again
    again.close()
    found = events.EventAccumulator(str(tmp_path / "curves"))
    found.Reload()
    points = [(point.step, point.value) for point in found.Scalars("return/south")]
    assert points == [(100, 3.0), (200, 4.0), (300, 5.0)]
    assert "metric/kl" in found.Tags()["scalars"]


def test_a_missing_tensorboard_is_told_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r"multiparty-envs\[track\]"):
        TensorBoardLog(tmp_path)
