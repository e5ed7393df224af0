"""Audits of trained agents: the table of `multiparty evaluate`, and the figure."""

import numpy as np
import pytest

from agents.audits import audit
from baselines import audits
from baselines.cli import main
from multiparty_envs.registration import make_dynamics


@pytest.fixture
def trained(tmp_path, capsys):
    """A function that trains an agent and returns its folder."""

    def make(env, *options):
        assert main(["train", env, *options, "--out", str(tmp_path / "run")]) == 0
        capsys.readouterr()
        return tmp_path / "run"

    return make


@pytest.mark.parametrize(
    ("method", "learned"), [("random", False), ("single-reward", True), ("oracle+nash", False)]
)
def test_evaluate_audits_worlds_of_tables(trained, method, learned, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    run = trained("LinearBandit-v0", "--method", method, "--optimiser", "exact")
    assert main(["evaluate", str(run), "--episodes", "20"]) == 0
    said = capsys.readouterr().out
    assert f"Audit of {method} on LinearBandit-v0" in said
    assert "surplus of returns" in said
    assert ("Pareto violations" in said) == learned
    picture = (run / audits.PLOT).read_text(encoding="utf-8")
    assert "Lorenz curve" in picture
    assert "efficiency at the states" in picture


def test_what_is_drawn_is_what_was_found():
    world = make_dynamics("Delivery-v0")
    found = audit(world.behaviour, world)
    names = world.population.names
    curve, parties, states = audits.figure(found, names).axes
    np.testing.assert_allclose(curve.lines[1].get_ydata(), found.lorenz)
    assert [bar.get_width() for bar in parties.patches] == sorted(found.shares)
    share = states.lines[0].get_ydata()
    assert share[0] == 0.0
    assert share[-1] == pytest.approx(1.0)


def test_many_parties_are_not_named():
    world = make_dynamics("LinearBandit-v0", num_parties=30)
    found = audit(world.behaviour, world)
    axis = audits.figure(found, tuple(map(str, range(30)))).axes[1]
    assert not axis.get_yticklabels()
    assert "30 parties" in axis.get_ylabel()


def test_there_is_no_audit_without_tables(trained):
    run = trained(
        "Thermostat-v0", "--method", "oracle+utilitarian", "--steps", "3000", "--optimiser", "ppo"
    )
    assert audits.audit_agent(run) is None
