"""What a terminal and a log file show while something runs."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from agents.policy import TablePolicy
from agents.progress import Progress
from baselines.bar import FEW, TrainingBar
from baselines.console import Counter, counting, make_console
from multiparty_envs.welfare import Scale

POLICY = TablePolicy(np.ones((1, 1, 1)), [[0.0]])


class Screen(Console):
    """A terminal whose text is kept."""

    def __init__(self, terminal=True, width=80):
        super().__init__(
            file=io.StringIO(), force_terminal=terminal, width=width, markup=False, height=40
        )

    @property
    def text(self):
        return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]", "", self.file.getvalue())  # without colours


def progress(iteration, returns, weights, iterations=4, steps=None):
    returns, weights = np.array(returns, dtype=np.float32), np.array(weights, dtype=np.float32)
    return Progress(
        iteration=iteration,
        iterations=iterations,
        steps=steps or 1000 * iteration,
        returns=returns,
        weights=weights,
        policy=POLICY,
    )


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def move(seconds):
        now[0] += seconds

    return move


def draw(screen, told, names, clock, scale=None):
    with TrainingBar(screen, "World-v0 · method", names) as bar:
        bar.begin(scale or Scale.none(len(names)), "0: nothing, 1: everything")
        for each in told:
            clock(2.0)
            bar(each)


def test_a_picture_has_speed_returns_and_weights(clock):
    screen = Screen()
    told = progress(3, [4.0, 1.0], [0.25, 0.75])
    scale = Scale(np.array([0.0, 1.0]), np.array([8.0, 1.0]))
    draw(screen, [told], ["[west]", "east"], clock, scale)
    # 1,000 of 3,000 steps came in these two seconds; one batch of four is left, at 2/3 s each
    for text in ("3,000/4,000 steps", "500 steps/s", "0:00:01 left"):
        assert text in screen.text
    lines = [line.split() for line in screen.text.splitlines()]
    assert ["worst", "mean", "[west]", "east"] in lines
    assert ["return", "0.000", "0.250", "0.500", "0.000"] in lines
    assert ["weight", "0.250", "0.750"] in lines


@pytest.mark.parametrize("width", [80, 100, 200])
def test_of_many_parties_the_worst_off_are_shown(clock, width):
    screen = Screen(width=width)
    returns = np.arange(40.0)[::-1]
    names = [f"{m:02d}" for m in range(40)]
    told = progress(5, returns, returns / 100, iterations=10, steps=10_000_000)
    draw(screen, [told], names, clock)
    lines = [line.split() for line in screen.text.splitlines()]
    assert ["worst", "mean", *names[: 40 - FEW - 1 : -1]] in lines
    assert ["return", "0.000", "19.500", *(f"{k}.000" for k in range(FEW))] in lines
    wanted = "10,000,000/20,000,000 steps  1,000,000 steps/s  0:00:02 left"
    assert wanted in screen.text


@pytest.mark.parametrize("terminal", [True, False])
def test_the_round_of_asking_is_shown(clock, terminal):
    """Of 10 batches in 3 rounds the first ends with the third, the second with the sixth."""
    numbers = []
    for iteration in range(1, 11):
        screen = Screen(terminal)
        with TrainingBar(screen, "World-v0 · method", ["a"]) as bar:
            bar.begin(None, "raw", rounds=3)
            clock(20.0)
            bar(progress(iteration, [2.5], [1.0], iterations=10))
        assert "2.500" in screen.text
        numbers.append(re.findall(r"round (\d) of 3", screen.text)[-1])
    assert numbers == [*"1112223333"]


def test_weights_of_another_level_are_not_shown(clock):
    screen = Screen()
    draw(screen, [progress(1, [1.0, 2.0], [1.0])], ["a", "b"], clock)
    assert "return" in screen.text
    assert "weight" not in screen.text


def test_a_fresh_picture_is_not_drawn_over_but_the_last_one_is(clock):
    screen = Screen()
    with TrainingBar(screen, "World-v0", ["a"]) as bar:
        clock(1.0)
        for iteration in (1, 2, 3, 4):
            bar(progress(iteration, [1.0], [1.0]))
    drawn = [f"{k},000/4,000" in screen.text for k in (1, 2, 3, 4)]
    assert drawn == [True, False, False, True]


def test_a_log_has_a_line_every_ten_seconds(clock):
    screen = Screen(terminal=False)
    names = ["a", "b"]
    told = [progress(k, [k, 2.0 * k], [0.5, 0.5], iterations=13) for k in range(1, 14)]
    draw(screen, told, names, clock)
    lines = screen.text.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["5,000", "10,000", "13,000"]
    wanted = "5,000 of 13,000 steps · 500 steps/s · return: worst 5.000, mean 7.500"
    assert lines[2] == wanted


def test_progress_is_no_result():
    assert make_console(stderr=True).stderr
    assert not make_console().stderr


def test_counter_tells_what_is_running():
    shown = []
    names = ["x", "x", "y", "z", "w"]
    counter = Counter(Screen(), names, 3, lambda done, what: shown.append((done, what)))
    for name in ("y", "x", "x", "w", "z"):
        counter.advance(name)
    assert shown == [
        (0, "x · y"),
        (1, "x · z"),
        (2, "x · z and 1 more"),
        (3, "z · w"),
        (4, "z"),
        (5, ""),
    ]


def test_a_terminal_shows_the_running_cells():
    screen = Screen()
    with counting(screen, ["Delivery-v0 random", "Delivery-v0 oracle"], 1) as counter:
        counter.advance("Delivery-v0 random")
    assert "Delivery-v0 oracle" in screen.text
