"""The race of joint fits: all sides solve the same problem to the same end."""

import numpy as np
import pytest

from baselines.races import joint, peers_joint
from multiparty_envs.rewards.joint import Factors


@pytest.fixture
def small(monkeypatch):
    for name, value in {"PARTIES": 12, "FEATURES": 10, "RANK": 2, "ANSWERS": 150}.items():
        monkeypatch.setattr(joint, name, value)
    joint.setting.cache_clear()
    yield joint.setting(0)
    joint.setting.cache_clear()


@pytest.mark.parametrize("solve", [joint.ours, joint.torch_lbfgs, joint.torch_adam])
@pytest.mark.parametrize("ratio", [1.0, 3.0])
@pytest.mark.usefixtures("small")
def test_every_side_reaches_the_same_loss_and_gradient(solve, ratio):
    given = joint.setting(0, ratio)
    problem, best = given.ours, joint.ours(given)
    found = solve(given)
    assert found is not None
    slopes = problem.slopes(found)
    assert problem.norm(found, slopes) <= 1.3 * joint.GOAL  # theirs may be out of balance
    least = problem.slopes(best).value
    assert slopes.value == pytest.approx(least, rel=1e-8)
    assert problem.theta(found) == pytest.approx(problem.theta(best), abs=1e-3)


def test_both_sides_mean_the_same_loss(small):
    left, right = (part.detach().numpy() for part in small.theirs.start())
    theirs = small.theirs.loss(*small.theirs.start()).item()
    basis, triangle = np.linalg.qr(left)
    ours = small.ours.slopes(Factors(np.zeros(10), basis, right @ triangle.T))
    assert theirs == pytest.approx(ours.value / small.ours.count, rel=1e-9)


def test_who_never_gets_there_is_told(small, monkeypatch):
    monkeypatch.setattr(peers_joint, "MAX_STEPS", 3)
    assert joint.torch_lbfgs(small) is None
    assert joint.torch_adam(small) is None


def test_a_run_of_the_race_takes_time(small):
    for race in (joint.joint_fit(), joint.joint_fit_uneven()):
        assert race.ours(0).seconds > 0.0
        assert len(race.peers) == 2
