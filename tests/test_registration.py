"""One table of names; an import that registers and imports little else."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import multiparty_envs
from multiparty_envs.dynamics import Dynamics
from multiparty_envs.names import HOME, PARTS
from multiparty_envs.registration import ENVS, make_dynamics, register, register_all

HEAVY = ("torch", "stable_baselines3", "scipy", "pandas", "safetensors", "pygame")


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["multiparty_envs", "multiparty_envs.faces"])
def test_import_is_light(module):
    loaded = run(f"import sys, {module}; print(*{{m.split('.')[0] for m in sys.modules}})")
    assert not set(HEAVY) & set(loaded.split())


def test_running_a_finite_world_imports_no_torch():
    code = (
        "import sys, gymnasium as gym; e = gym.make_vec("
        "'multiparty_envs:multiparty/Delivery-v0', num_envs=2); "
        "e.reset(seed=0); e.step(e.action_space.sample()); print('torch' in sys.modules)"
    )
    assert run(code) == "False"


@pytest.mark.parametrize("name", sorted(ENVS))
def test_ids_are_registered_as_plain_data(name):
    spec = gym.spec(f"multiparty/{name}")
    assert json.loads(spec.to_json())["kwargs"] == {"dynamics": ENVS[name]}
    assert spec.entry_point == "multiparty_envs.faces.single:PartyEnv"
    assert spec.vector_entry_point == "multiparty_envs.faces.vector:PartyVectorEnv"


@pytest.mark.parametrize(
    "name",
    [
        "Delivery-v0",
        "multiparty/Delivery-v0",
        "multiparty_envs:multiparty/Delivery-v0",
        "multiparty_envs.envs.delivery:delivery",
    ],
)
def test_a_world_has_several_names(name):
    assert make_dynamics(name, num_parties=6).population.num_parties == 6


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("Delivry-v0", ValueError, "Did you mean 'Delivery-v0'"),
        ("multiparty/Nothing-v0", ValueError, "should be one of"),
        ("multiparty_envs.envs.delivery:nothing", ValueError, "no builder 'nothing'"),
        ("no_such_module_here:build", ModuleNotFoundError, "no_such_module_here"),
        ("json:dumps", TypeError, "obj"),
        ("multiparty_envs.streams:Streams", TypeError, "should build a Dynamics, built Streams"),
    ],
)
def test_unknown_worlds_are_refused(name, error, text):
    with pytest.raises(error, match=text):
        make_dynamics(name)


@pytest.fixture
def clean_table():
    known = dict(ENVS)
    yield
    for name in set(ENVS) - set(known):
        del ENVS[name]
        gym.registry.pop(f"multiparty/{name}")


@pytest.mark.usefixtures("clean_table")
def test_a_world_of_ones_own():
    register("Mine-v3", "multiparty_envs.envs.delivery:delivery")
    register("Mine-v3", "multiparty_envs.envs.delivery:delivery")
    register_all()
    assert isinstance(make_dynamics("Mine-v3"), Dynamics)
    assert gym.make("multiparty/Mine-v3", num_parties=5).unwrapped.dynamics.num_parties == 5


@pytest.mark.parametrize(
    ("name", "builder", "text"),
    [
        ("Mine", "a:b", "should look like 'MyWorld-v0'"),
        ("ns/Mine-v0", "a:b", "should look like 'MyWorld-v0'"),
        ("Mine-v0", "just_a_module", "module:function"),
        ("Delivery-v0", "a:b", "is taken by"),
    ],
)
def test_bad_registrations_are_refused(name, builder, text):
    with pytest.raises(ValueError, match=text):
        register(name, builder)
    assert name not in ENVS or ENVS[name] != builder


@pytest.mark.parametrize("name", sorted({*HOME, *PARTS}))
def test_public_names_are_there(name):
    assert getattr(multiparty_envs, name) is not None
    assert name in dir(multiparty_envs)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(multiparty_envs.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module.removeprefix("multiparty_envs.")
        for node in block.body
        for alias in node.names
    }
    assert seen == HOME


def test_unknown_public_name():
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        multiparty_envs.Nothing  # noqa: B018 - asking is the test
