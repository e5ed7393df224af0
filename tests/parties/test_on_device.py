"""Answers computed in torch: the chances of NumPy, and draws from them."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from multiparty_envs.parties import Behaviour, BradleyTerryLuce, Population, PreferenceMatrices
from multiparty_envs.parties.choice import draw_columns, labels_of

PARTIES, FEATURES, SEGMENTS, LENGTH, ACTIONS = 3, 2, 6, 4, 5
MODELS = {
    "plain": BradleyTerryLuce(),
    "rational": BradleyTerryLuce(np.inf, lapse=0.1),
    "own": BradleyTerryLuce([0.5, np.inf, 2.0], lapse=[0.0, 0.1, 0.2], sign=[1, -1, 1]),
    "thresholds": BradleyTerryLuce(2.0, tie_margin=[0.0, 0.8, 0.2], skip_margin=-0.3),
    "myopic": BradleyTerryLuce(myopia=[1.0, 0.7, 0.9], tie_margin=0.1),
    "tired": BradleyTerryLuce(3.0, drift=[0.0, 0.1, 0.5]),
    "actions": PreferenceMatrices(
        [[[0.5, p, *[0.5] * 3], [1 - p, *[0.5] * 4], *[[0.5] * 5] * 3] for p in (0.1, 0.8, 0.6)]
    ),
}


def with_contexts():
    raw = np.random.default_rng(3).random((2, PARTIES, ACTIONS, ACTIONS))
    return PreferenceMatrices((raw + 1.0 - raw.swapaxes(-1, -2)) / 2.0)


MODELS["contexts"] = with_contexts()


@pytest.fixture(params=list(MODELS))
def people(request):
    theta = np.random.default_rng(0).normal(size=(FEATURES, PARTIES))
    return Population(theta, choice=MODELS[request.param])


def bank():
    rng = np.random.default_rng(1)
    mask = np.arange(LENGTH) < rng.integers(1, LENGTH + 1, size=SEGMENTS)[:, None]
    features = rng.normal(size=(SEGMENTS, LENGTH, FEATURES))
    obs = np.eye(2)[rng.integers(2, size=(SEGMENTS, LENGTH))]
    return Behaviour(features, rng.integers(ACTIONS, size=mask.shape), mask, obs)


def queries(count):
    rng = np.random.default_rng(2)
    pairs = tuple(rng.integers(SEGMENTS, size=(2, count)))
    return pairs, rng.integers(PARTIES, size=count), rng.integers(5, size=count)


def moved(arrays, device="cpu"):
    return type(arrays)(*(torch.tensor(array, device=device) for array in arrays))


def rows(arrays, device="cpu"):
    return tuple(torch.tensor(array, device=device) for array in arrays)


# many queries make it worth while to compute the rewards of the whole bank first
@pytest.mark.parametrize("count", [7, 500])
def test_chances_are_those_of_numpy(people, count):
    pairs, party, answered = queries(count)
    scale, shown = np.array([1.0, 2.0, 0.5]), bank()
    expected = people.choice.probabilities(
        people, shown.at(pairs[0]), shown.at(pairs[1]), party, scale, answered=answered
    )
    assert expected.shape == (count, 4)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0)
    own = people.choice.compare(people, shown, pairs, party, scale, answered=answered)
    np.testing.assert_allclose(own, expected, rtol=0.0, atol=1e-12)
    twin = people.on("cpu")
    asked, before, unit = rows((party, answered, scale))
    got = twin.choice.compare(twin, moved(shown), rows(pairs), asked, unit, answered=before)
    assert isinstance(got, torch.Tensor)
    assert got.dtype == torch.float64
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("count", [7, 500])
def test_chances_need_no_values(people, count):
    pairs, party, answered = queries(count)
    twin = people.on("meta")
    asked, before, unit = rows((party, answered, np.ones(PARTIES)), "meta")
    got = twin.choice.compare(
        twin, moved(bank(), "meta"), rows(pairs, "meta"), asked, unit, answered=before
    )
    labels = labels_of(draw_columns(got, torch.empty(count, device="meta")))
    assert (got.shape, labels.shape) == ((count, 4), (count,))
    assert labels.device.type == "meta"


def test_the_same_uniform_numbers_give_the_same_labels():
    rng = np.random.default_rng(4)
    chances, uniform = rng.dirichlet(np.ones(4), size=1000), rng.random(1000)
    expected = labels_of(draw_columns(chances, uniform))
    got = labels_of(draw_columns(torch.tensor(chances), torch.tensor(uniform)))
    assert set(expected[~np.isnan(expected)]) == {0.0, 0.5, 1.0}
    np.testing.assert_array_equal(got, expected)


def test_answers_are_drawn_by_a_generator_of_torch(people):
    count = 20_000
    shown, party = bank(), np.ones(count, dtype=np.int64)
    pairs = np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64)
    expected = people.choice.probabilities(
        people, shown.at(pairs[0][:1]), shown.at(pairs[1][:1]), party[:1], np.ones(PARTIES)
    )[0]
    twin, there = people.on("cpu"), moved(shown)
    first, second, asked, unit = rows((*pairs, party, np.ones(PARTIES)))
    labels = twin.choice.answer(
        twin, there.at(first), there.at(second), asked, unit, rng=torch.Generator().manual_seed(5)
    )
    found = [labels == 1.0, labels == 0.0, labels == 0.5, labels.isnan()]
    counts = np.array([int(kind.sum()) for kind in found])
    possible = expected > 0.0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert chisquare(counts[possible], count * expected[possible]).pvalue > 1e-3


def test_a_moved_model_can_be_moved_on_and_knows_what_it_was():
    choice = BradleyTerryLuce([1.0, 2.0], myopia=0.5, drift=0.1)
    twin = choice.on("cpu").on("meta")
    assert not twin.additive
    assert twin.tires
    assert isinstance(twin.beta, torch.Tensor)
    assert twin.beta.device.type == "meta"
    assert isinstance(choice.beta, np.ndarray)
    assert BradleyTerryLuce().tires is PreferenceMatrices(np.full((1, 2, 2), 0.5)).tires is False


def test_actions_on_a_device_must_still_be_whole_numbers():
    choice = MODELS["actions"]
    people = Population(np.zeros((FEATURES, PARTIES)), choice=choice).on("cpu")
    shown = moved(bank())
    wrong = shown._replace(action=shown.action.float())
    row = torch.zeros(1, dtype=torch.int64)
    with pytest.raises(TypeError, match="whole numbers"):
        people.choice.compare(people, wrong, (row, row), row, torch.ones(PARTIES))
