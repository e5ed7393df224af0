"""One agent, from training to pictures, with and without tables; in this process."""

import copy
import json
import sys
from pathlib import Path
from types import ModuleType

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Discrete

from agents.policy import TablePolicy
from baselines import cells
from baselines.cells import make_policy, seen_world, training_scale
from baselines.cli import main
from baselines.rows import Cell
from baselines.single import load_agent
from multiparty_envs import registration
from multiparty_envs.wrappers.accrued import AccruedReturns

ENV = "Pushes-v0"


@pytest.fixture(scope="module")
def pushes(drift):
    """A world that is no table, with three actions, registered like a user's own."""

    class Pushes(type(drift)):
        action_space = Discrete(3)

        def transition(self, state, action, draw):
            return super().transition(state, action[:, None] - 1.0, draw)

    module = ModuleType("pushes_world")
    module.make = Pushes
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "pushes_world", module)
    patch.setattr(registration, "ENVS", registration.ENVS)
    registration.register(ENV, "pushes_world:make")
    yield Pushes()
    patch.undo()
    del registration.ENVS[ENV], gymnasium.registry[f"multiparty/{ENV}"]
    for kept in vars(cells).values():
        if hasattr(kept, "cache_clear"):
            kept.cache_clear()


@pytest.fixture
def multiparty(tmp_path, monkeypatch, capsys):
    """A function that runs the command in a folder of its own: exit status, output, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = main([*map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def train(multiparty, env, *options):
    status, out, err = multiparty("train", env, "--steps", 3000, "--labels", 60, *options)
    assert status == 0, err
    return out.strip()


def table(out):
    """The rows of the first table, cells by column."""
    lines = [line for line in out.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


@pytest.mark.parametrize("optimiser", ["ppo", "sb3"])
@pytest.mark.parametrize("method", ["oracle+max-min", "single-reward", "independent+nash"])
def test_a_world_without_tables_is_trained_on_and_evaluated(pushes, multiparty, method, optimiser):
    run = train(multiparty, ENV, "--method", method, "--optimiser", optimiser)
    status, out, err = multiparty("evaluate", run, "--episodes", 200)
    assert status == 0, err
    assert "random policy's" in out
    assert "Welfare of the gains over the random policy" in out
    assert {row[0] for row in table(out)[:3]} == {"party 0", "party 1", "party 2"}


def test_training_helps_where_nothing_is_exact(pushes, multiparty):
    options = ("--method", "oracle+utilitarian", "--steps", 60_000)
    run = train(multiparty, ENV, *options)
    _, out, _ = multiparty("evaluate", run, "--episodes", 2000, "--deterministic")
    gains = {row[0]: row[1] for row in table(out)}
    # the mean of the thetas is (1/6, 2/3): further on is good, and so is the middle
    assert float(gains["utilitarian"]) > 0.3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--optimiser", "exact"], "not finite"),
        (["--method", "random"], "not finite"),
        (["--knobs", "size=3"], "knob of Pushes-v0 should be one of"),
    ],
)
def test_what_needs_tables_is_refused_before_anything_is_written(
    pushes, multiparty, tmp_path, options, words
):
    status, _, err = multiparty("train", ENV, *options)
    assert status == 2
    assert words in err
    assert not list(tmp_path.iterdir())


def test_comparisons_need_tables(pushes, multiparty, tmp_path):
    status, _, err = multiparty("compare", "Delivery-v0", ENV)
    assert status == 2
    assert f"{ENV} is not finite" in err
    assert "multiparty train" in err
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_drawn_is_told(pushes, multiparty):
    run = train(multiparty, ENV)
    status, _, err = multiparty("render", run, "--ansi")
    assert (status, "has no view" in err) == (2, True)


def test_the_list_shows_worlds_without_tables(pushes, multiparty):
    _, out, _ = multiparty("envs")
    (line,) = [row for row in table(out) if ENV in row[0]]
    assert line == [f"multiparty/{ENV}", "3", "3", "–", "3", "2", "7", "not known"]


def test_units_come_from_the_rewards_that_are_learned(pushes, monkeypatch):
    cell = Cell(ENV, "independent+max-min", "ppo", seed=3, labels=60)
    scale = training_scale(cell)
    cells._simulated_scale.cache_clear()
    cells._answers(*cells._repetition(cell))  # people know what they want; nobody else does
    world = copy.copy(cells._task(ENV, ()).world)
    monkeypatch.setattr(type(world), "party_rewards", lambda *_: 1 / 0)
    again = training_scale(cell)
    assert np.array_equal(scale.unit, again.unit)
    assert np.array_equal(scale.shift, again.shift)


@pytest.mark.parametrize("env", ["Delivery-v0", ENV])
@pytest.mark.parametrize("level", ["step", "episode"])
def test_every_level_is_trained_evaluated_and_drawn(pushes, multiparty, env, level):
    run = train(multiparty, env, "--level", level)
    manifest = json.loads(Path(run, "manifest.json").read_text())
    assert manifest["cell"]["level"] == level
    status, out, err = multiparty("evaluate", run, "--episodes", 50)
    assert status == 0, err
    # what depends on the returns so far is no table; elsewhere there is an exact column
    exact = env == "Delivery-v0" and level == "step"
    assert len(table(out)[0]) == 4 + exact
    if env == "Delivery-v0":
        assert "time left" in multiparty("render", run, "--ansi")[1]


def test_an_episodes_policy_sees_what_was_accrued():
    for method in ("single-reward", "oracle+max-min"):
        cell = Cell("Delivery-v0", method, "ppo", 0, labels=60, level="episode")
        assert isinstance(seen_world(cell), AccruedReturns)
    step = Cell("Delivery-v0", "single-reward", "ppo", 0, labels=60, level="step")
    assert seen_world(step) is cells._task("Delivery-v0", ()).world


def test_oracles_plan_for_their_level():
    cell = Cell("Delivery-v0", "oracle+max-min", "ppo", 0, level="step")
    table = make_policy(cell).table
    assert not np.array_equal(
        table, make_policy(Cell("Delivery-v0", "oracle+max-min", "", 0)).table
    )


def test_where_an_oracle_cannot_plan_it_is_trained(multiparty):
    options = ("--method", "oracle+max-min", "--level", "episode")
    run = Path(train(multiparty, "Delivery-v0", *options))
    assert (run / "log.csv").is_file()
    assert not isinstance(load_agent(run)[1], TablePolicy)


def test_settings_reach_the_trainer_and_the_manifest(multiparty, monkeypatch):
    from agents import ppo

    asked = {}
    trained = ppo.train

    def spy(world, **settings):
        asked.update(world=world, **settings)
        return trained(world, **settings)

    monkeypatch.setattr(ppo, "train", spy)
    options = ("--set", "hidden=8", "learning_rate=1e-2", "--knobs", "num_parties=7")
    run = train(multiparty, "Delivery-v0", *options)
    config = asked["config"]
    assert (config.hidden, config.learning_rate, config.total_steps) == ((8,), 1e-2, 3000)
    assert asked["world"].num_parties == 7
    cell, policy = load_agent(Path(run))
    assert policy.hidden == (8,)
    assert dict(cell.ppo) == {"hidden": (8,), "learning_rate": 0.01}
    assert dict(cell.knobs) == {"num_parties": 7}
    hash(cell)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "learning_rate"], "--set should be given NAME=VALUE"),
        (["--set", "learnin_rate=1"], "Did you mean 'learning_rate'"),
        (["--set", "learning_rate=fast"], "learning_rate should be a number, is 'fast'"),
        (["--set", "learning_rate=-1"], "learning_rate should be in (0, inf)"),
        (["--set", "total_steps=10"], "setting of PPO (--set) should be one of"),
        (["--set", "epochs=2.5"], "epochs should be a whole number"),
        (["--knobs", "num_partys=8"], "Did you mean 'num_parties'"),
        (["--knobs", "conflict=2"], "conflict should be in"),
        (["--level", "episode", "--optimiser", "exact"], "choose --optimiser ppo or sb3"),
        (["--steps", "0"], "total_steps should be 1 or more"),
    ],
)
def test_bad_settings_are_one_clear_line(options, words, multiparty, tmp_path):
    status, _, err = multiparty("train", "Delivery-v0", *options)
    assert status == 2
    assert words in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_whole_numbers_may_be_written_with_an_exponent():
    from baselines.settings import ppo_of

    assert ppo_of(["num_copies=1e2", "hidden=32,16", "device=cpu:0"]) == (
        ("device", "cpu:0"),
        ("hidden", (32, 16)),
        ("num_copies", 100),
    )


def test_curves_are_written_if_asked_for(multiparty, tmp_path):
    pytest.importorskip("tensorboard")
    run = train(multiparty, "Delivery-v0", "--tensorboard")
    assert list((tmp_path / run / "tensorboard").glob("events.*"))


def test_without_tensorboard_nothing_is_begun(multiparty, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    status, _, err = multiparty("train", "Delivery-v0", "--tensorboard")
    assert (status, "multiparty-envs[track]" in err) == (2, True)
    assert not list(tmp_path.iterdir())
