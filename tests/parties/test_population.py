"""Who the parties are."""

import numpy as np
import pytest
import torch

from multiparty_envs.parties import BradleyTerryLuce, Population, PreferenceMatrices

THETA = np.array([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0]])


def test_defaults_make_everybody_different_and_equally_heard():
    population = Population(THETA)
    assert (population.num_features, population.num_parties, population.num_clusters) == (2, 3, 3)
    np.testing.assert_allclose(population.share, 1 / 3)


@pytest.mark.parametrize("lead", [(), (4,), (4, 5)])
def test_rewards_are_linear_in_numpy_and_torch(lead):
    features = np.random.default_rng(0).normal(size=(*lead, 2))
    population = Population(THETA)
    expected = np.einsum("...d,dm->...m", features, THETA)
    np.testing.assert_allclose(population.rewards(features), expected)
    moved = population.on("cpu")
    np.testing.assert_allclose(moved.rewards(torch.tensor(features)).numpy(), expected)
    single = moved.rewards(torch.tensor(features, dtype=torch.float32))
    assert single.dtype == torch.float32
    assert moved.on("meta").rewards(torch.zeros(7, 2, device="meta")).shape == (7, 3)


def test_tensors_need_a_population_on_their_device():
    with pytest.raises(TypeError, match="take a copy by on"):
        Population(THETA).rewards(torch.zeros(4, 2))


def test_arrays_are_our_own_and_read_only():
    theta = THETA.copy()
    population = Population(theta)
    theta[0, 0] = 99.0
    assert population.theta[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        population.theta[0, 0] = 2.0


@pytest.mark.parametrize("beta", [0.5, 2.0, np.inf])
@pytest.mark.parametrize("lapse", [0.0, 0.2])
def test_label_accuracy_is_the_share_of_right_answers(beta, lapse):
    rng = np.random.default_rng(0)
    returns = 7.0 * rng.normal(size=(400, 2))  # standardised inside, so 7 plays no part
    got = Population(np.ones((1, 2)), choice=BradleyTerryLuce(beta, lapse)).label_accuracy(returns)
    gap = np.abs(rng.normal(size=10**6) - rng.normal(size=10**6))
    right = np.mean(1 / (1 + np.exp(-np.minimum(beta, 1e6) * gap)))
    np.testing.assert_allclose(got, lapse + (1 - 2 * lapse) * right, atol=0.01)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (BradleyTerryLuce(np.inf, sign=-1), 0.0),
        (BradleyTerryLuce(np.inf, tie_margin=100.0), 0.5),
        (BradleyTerryLuce(np.inf, skip_margin=100.0), np.nan),
        (BradleyTerryLuce(np.inf, skip_margin=0.0), 1.0),
        (BradleyTerryLuce(0.0), 0.5),
    ],
)
def test_label_accuracy_of_special_parties(choice, expected):
    returns = np.random.default_rng(1).normal(size=(30, 1))
    got = Population(np.ones((1, 1)), choice=choice).label_accuracy(returns)
    np.testing.assert_allclose(got, [expected])


def test_label_accuracy_of_the_myopic_needs_the_steps():
    # the past decides the return, a myopic party sees little more than the last step
    rewards = np.array([[10.0, 0.0], [5.0, 1.0], [0.0, 2.0]])[:, :, None]
    myopic = Population(np.ones((1, 1)), choice=BradleyTerryLuce(np.inf, myopia=0.01))
    np.testing.assert_allclose(myopic.label_accuracy(rewards), [0.0])


def test_label_accuracy_is_unknown_where_returns_never_differ():
    assert np.isnan(Population(np.ones((1, 1))).label_accuracy(np.ones((5, 1)))).all()


def test_parties_without_a_reward_have_no_label_accuracy():
    choice = PreferenceMatrices(np.full((1, 2, 2), 0.5))
    with pytest.raises(TypeError, match="follow no reward"):
        Population(np.ones((1, 1)), choice=choice).label_accuracy(np.arange(3.0)[:, None])


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"theta": np.ones(3)}, ValueError, r"theta should have shape \(any, any\), has \(3,\)"),
        ({"theta": [[np.nan]]}, ValueError, "theta should be finite"),
        ({"theta": np.ones((2, 0))}, ValueError, "theta should have a feature and a party"),
        ({"cluster": [0, 1]}, ValueError, "cluster should have shape"),
        ({"cluster": [0, 2, 2]}, ValueError, "cluster should use every id from 0 up"),
        ({"cluster": [0, -1, 1]}, ValueError, "cluster should use every id from 0 up"),
        ({"cluster": [0.0, 1.0, 1.0]}, TypeError, "cluster should hold whole numbers"),
        ({"share": [0.5, 0.5, 0.5]}, ValueError, "share should be probabilities"),
        ({"share": [0.5, 0.5]}, ValueError, "share should have shape"),
        ({"basis": np.ones((2, 1))}, ValueError, "basis and coefficients should be given together"),
        (
            {"basis": np.ones((2, 1)), "coefficients": np.ones((1, 3))},
            ValueError,
            "theta should be basis @ coefficients",
        ),
        ({"names": ("a", "b")}, ValueError, r"names should be 3 \(num_parties\), are 2"),
    ],
)
def test_bad_populations(fields, error, message):
    with pytest.raises(error, match=message):
        Population(**{"theta": THETA, **fields})


def test_features_of_the_returns_must_fit():
    with pytest.raises(ValueError, match="returns should have shape"):
        Population(THETA).label_accuracy(np.ones((4, 2)))
