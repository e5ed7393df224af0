"""Part-worths of everybody in a panel, of two alternatives and of more."""

import numpy as np
import pytest

from multiparty_envs.data import ChoicePanel
from multiparty_envs.rewards.part_worths import part_worths


@pytest.mark.parametrize("options", [2, 3])
def test_tastes_are_found_from_choices(options):
    rng = np.random.default_rng(0)
    theta = np.array([[2.0], [-1.0]]) + rng.normal(size=(2, 30))
    person = np.repeat(np.arange(30), 60)
    features = rng.normal(size=(len(person), options, 2))
    utility = (features * theta.T[person][:, None]).sum(axis=2) + rng.gumbel(
        size=(len(person), options)
    )
    panel = ChoicePanel(
        person=person,
        features=features,
        available=np.ones((len(person), options), dtype=bool),
        chosen=utility.argmax(axis=1),
        people=tuple(map(str, range(30))),
        feature_names=("speed", "price"),
        source="simulated",
    )
    found = part_worths(panel)
    assert found.shape == (2, 30)
    assert np.corrcoef(found.ravel(), theta.ravel())[0, 1] > 0.95
    assert np.abs(found - theta).mean() < 0.4
