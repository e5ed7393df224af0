"""Method names: every default is known, every mistake is named."""

import numpy as np
import pytest

from baselines.cells import run_cell
from baselines.extras import require
from baselines.methods import DEFAULT_METHODS, NEURAL, Method, parse_method
from baselines.plots import COLOURS, accuracy_by_person
from baselines.rows import Cell
from multiparty_envs.rewards import neural, neural_mixture


@pytest.mark.parametrize("name", DEFAULT_METHODS)
def test_every_default_method_parses_to_its_own_name(name):
    assert parse_method(name).name == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("random", Method("random", "random")),
        ("single-reward", Method("single-reward", "learned", "pooled", "utilitarian")),
        ("oracle+nash", Method("oracle+nash", "oracle", "", "nash")),
        ("low-rank+max-min", Method("low-rank+max-min", "learned", "low-rank", "max-min")),
        (
            "low-rank-residual+nash",
            Method("low-rank-residual+nash", "learned", "low-rank-residual", "nash"),
        ),
        ("neural-shared+nash", Method("neural-shared+nash", "learned", "neural-shared", "nash")),
        (
            "neural-pooled+utilitarian",
            Method("neural-pooled+utilitarian", "learned", "neural-pooled", "utilitarian"),
        ),
    ],
)
def test_parts_of_a_name(name, expected):
    assert parse_method(name) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hierarchical+maxmin", "welfare of the method .* Did you mean 'max-min'"),
        ("hierachical+nash", "learner of the method .* Did you mean 'hierarchical'"),
        ("pooled+nash", "learner of the method"),
        ("singlereward", "Did you mean 'single-reward'"),
        ("hierarchical", "method should be one of"),
        ("neural-shared", r"Did you mean 'neural-shared\+nash'"),
        ("neural-pooled+nash", "welfare of the method .* one of utilitarian; is 'nash'"),
        ("", "method should be one of"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        parse_method(name)


@pytest.fixture
def quick(monkeypatch):
    """Networks that learn little, in no time."""
    for module, class_ in (
        (neural, "NeuralPooled"),
        (neural, "NeuralShared"),
        (neural, "NeuralIndependent"),
        (neural_mixture, "NeuralMixture"),
    ):
        made = getattr(module, class_)
        monkeypatch.setattr(module, class_, lambda made=made: made(max_epochs=2, members=2))


@pytest.mark.parametrize("learner", NEURAL)
def test_networks_are_compared(learner, quick):
    assert not any(method.startswith(learner) for method in DEFAULT_METHODS)
    method = f"{learner}+utilitarian"
    row = run_cell(Cell("Delivery-v0", method, "ppo", 0, labels=64, steps=64))
    assert (row.labels, len(row.accuracy)) == (64, 5)
    assert np.isfinite([row.worst, row.utilitarian, *row.accuracy]).all()
    (line, _) = accuracy_by_person([row]).axes[0].lines
    assert (line.get_label(), line.get_color()) == (learner, COLOURS[learner])


def test_a_missing_extra_is_named():
    with pytest.raises(ImportError, match=r"pip install 'multiparty-envs\[peers\]'"):
        require("no_such_module_here.part", extra="peers")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text("import no_such_module_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        require("broken_here")
