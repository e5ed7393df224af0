"""Trainings that are interrupted and gone on with, and trainings that ask people in rounds."""

import json
from pathlib import Path

import numpy as np
import pytest

from agents import checkpoint, ppo, rlhf
from agents.keeper import Keeper
from baselines import asking
from baselines.bar import TrainingBar
from baselines.cli import main
from baselines.rows import Cell
from baselines.single import load_agent, seen_by
from multiparty_envs.feedback import Comparisons
from multiparty_envs.registration import make_dynamics
from multiparty_envs.rewards import load_learner
from multiparty_envs.streams import Draw
from multiparty_envs.wrappers.accrued import AccruedReturns

COMMAND = ("train", "Delivery-v0", "--steps", "20000", "--labels", "80", "--set", "epochs=2")
ROUNDS = ("--rounds", "2", "--method", "independent+max-min")


@pytest.fixture
def multiparty(tmp_path, monkeypatch, capsys):
    """A function that runs the command in a folder of its own: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = main([*map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out.strip(), said.err

    return run


@pytest.fixture
def eager(monkeypatch):
    """Let trainings be stored after each batch."""
    for module in (ppo, rlhf):
        monkeypatch.setattr(module, "Keeper", lambda save: Keeper(save, seconds=0.0))


@pytest.fixture
def stopping(monkeypatch):
    """A function after which trainings are interrupted in batch `stop`, until it is given None."""
    told = TrainingBar.__call__

    def at(stop):
        def call(self, progress):
            if progress.iteration == stop:
                raise KeyboardInterrupt
            told(self, progress)

        monkeypatch.setattr(TrainingBar, "__call__", call if stop else told)

    return at


def weights(run):
    return [p.detach().numpy() for p in load_agent(Path(run))[1].actor.parameters()]


def lines(run):
    text = (Path(run) / "log.jsonl").read_text()
    return [json.loads(line)["iteration"] for line in text.splitlines()]


@pytest.mark.parametrize("stop", [2, 5])
@pytest.mark.parametrize("options", [(), ROUNDS, ("--level", "episode", *ROUNDS)])
def test_the_same_command_goes_on_and_ends_as_if_it_had_never_stopped(
    options, stop, multiparty, eager, stopping
):
    command = (*COMMAND, *options)
    assert multiparty(*command, "--out", "whole")[0] == 0
    stopping(stop)
    status, out, err = multiparty(*command, "--out", "run")
    assert (status, out) == (130, "")
    assert "run keeps its training; the same command goes on from the last checkpoint" in err
    assert checkpoint.exists("run/checkpoint")
    assert "was not finished" in multiparty("evaluate", "run")[2]
    stopping(None)
    assert multiparty(*command, "--out", "run")[:2] == (0, "run")
    assert all(map(np.array_equal, weights("run"), weights("whole")))
    assert lines("run") == lines("whole") == list(range(1, len(lines("run")) + 1))
    assert sorted(p.name for p in Path("run").iterdir()) == sorted(
        p.name for p in Path("whole").iterdir()
    )
    assert not Path("run/checkpoint").exists()
    assert not Path("run/training.json").exists()


def test_without_a_checkpoint_the_same_command_begins_anew(multiparty, stopping):
    stopping(3)
    assert "without a checkpoint yet, the same command begins anew" in multiparty(*COMMAND)[2]
    (run,) = Path("runs").iterdir()
    assert lines(run) == [1, 2, 3]
    stopping(None)
    assert multiparty(*COMMAND)[:2] == (0, str(run))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--seed", "1"], "seed 0 there, 1 here"),
        (["--steps", "30000"], "steps 20000 there, 30000 here"),
        (["--rounds", "2"], "rounds 0 there, 2 here"),
        (["--optimiser", "sb3"], "optimiser 'ppo' there, 'sb3' here"),
        (["--set", "epochs=3"], "epochs"),
    ],
)
def test_the_beginning_of_another_training_is_refused(options, words, multiparty, eager, stopping):
    stopping(3)
    multiparty(*COMMAND, "--out", "run")
    before = {path: path.read_bytes() for path in Path("run").rglob("*.json*")}
    status, _, err = multiparty(*COMMAND, *options, "--out", "run")
    assert status == 2
    assert "run holds the beginning of another training" in err
    assert words in err
    assert {path: path.read_bytes() for path in Path("run").rglob("*.json*")} == before


def test_a_damaged_beginning_is_named(multiparty, eager, stopping):
    stopping(3)
    multiparty(*COMMAND, "--out", "run")
    Path("run/training.json").write_text("{")
    assert "training.json is damaged" in multiparty(*COMMAND, "--out", "run")[2]


def test_rounds_keep_what_was_said_and_learned(multiparty):
    assert multiparty(*COMMAND, *ROUNDS, "--out", "run")[0] == 0
    answers = Comparisons.load("run/answers.safetensors")
    assert (len(answers), answers.num_parties) == (80, 5)
    learned = load_learner("run/learner.safetensors")
    again = type(learned)().fit(answers)
    np.testing.assert_array_equal(again.theta_, learned.theta_)
    assert json.loads(Path("run/manifest.json").read_text())["cell"]["rounds"] == 2
    status, out, err = multiparty("evaluate", "run", "--episodes", "50")
    assert (status, "max-min" in out) == (0, True), err


@pytest.mark.parametrize("env", ["Delivery-v0", "Thermostat-v0"])
def test_an_agent_of_episodes_sees_returns_in_what_was_learned_last(env, multiparty, monkeypatch):
    scales, scale_of = [], rlhf.learned_scale
    # what the loop itself goes by, round after round
    monkeypatch.setattr(rlhf, "learned_scale", lambda *a: scales.append(scale_of(*a)) or scales[-1])
    options = (*ROUNDS, "--level", "episode", "--out", "run")
    assert multiparty("train", env, *COMMAND[2:], *options)[0] == 0
    assert len(scales) == 2
    cell, policy = load_agent(Path("run"))
    world = seen_by(Path("run"), cell)
    assert isinstance(world, AccruedReturns)
    found = asking.learn(cell)
    want = AccruedReturns(make_dynamics(env), found.learner.rewards, scales[1])
    assert np.ptp(scales[0].unit - scales[1].unit) > 0
    seen = [walked(each) for each in (world, want)]
    np.testing.assert_array_equal(*seen)
    np.testing.assert_array_equal(*(p.probabilities(seen[0]) for p in (policy, found.policy)))


def walked(world):
    """[8, O] what is seen after three steps with the first action."""
    draw = Draw.seeded(range(8))
    state = world.initial(8, draw)
    for _ in range(3):
        state = world.transition(state, np.zeros(8, dtype=np.int64), draw)
    return world.observe(state)


def test_two_thousand_answers_if_no_number_is_given():
    cell = Cell("Delivery-v0", "single-reward", "ppo", 0, steps=100_000, rounds=3)
    assert asking.config(cell).labels == 2_000


@pytest.mark.parametrize(
    ("env", "options", "words"),
    [
        ("Timetable-v0", [], "answered once and cannot be asked"),
        ("Delivery-v0", ["--method", "oracle+nash"], "'oracle+nash' asks nobody anything"),
        ("Delivery-v0", ["--method", "random"], "'random' asks nobody anything"),
        ("Delivery-v0", ["--optimiser", "sb3"], "for the optimiser 'ppo', not for 'sb3'"),
        ("Delivery-v0", ["--optimiser", "exact"], "for the optimiser 'ppo', not for 'exact'"),
        ("Delivery-v0", ["--labels", "1"], "labels should be 2 or more"),
        ("Delivery-v0", ["--steps", "3000"], "2 rounds take 4986 steps or more, not 3000"),
        ("Delivery-v0", ["--rounds", "-1"], "rounds should be 0 or more"),
    ],
)
def test_where_nobody_can_be_asked_rounds_are_refused(env, options, words, multiparty, tmp_path):
    status, _, err = multiparty("train", env, "--rounds", "2", *options)
    assert status == 2
    assert words in err
    assert not list(tmp_path.iterdir())


def test_simulated_people_of_a_recorded_world_can_be_asked(multiparty):
    options = ("--knobs", "num_parties=4", "--method", "single-reward", "--rounds", "1")
    status, out, err = multiparty("train", "Timetable-v0", "--steps", "3000", *options)
    assert status == 0, err
    assert len(Comparisons.load(Path(out) / "answers.safetensors")) == 2_000
