"""Method names: every default is known, every mistake is named."""

import pytest

from baselines.extras import require
from baselines.methods import DEFAULT_METHODS, Method, parse_method


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
        ("", "method should be one of"),
    ],
)
def test_unknown_names_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        parse_method(name)


def test_a_missing_extra_is_named():
    with pytest.raises(ImportError, match=r"pip install 'multiparty-envs\[peers\]'"):
        require("no_such_module_here.part", extra="peers")


def test_a_broken_package_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "broken_here.py").write_text("import no_such_module_here")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_module_here"):
        require("broken_here")
