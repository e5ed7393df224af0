"""The one likelihood behind every linear learner, against loops, differences and integrals."""

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, log_expit

from multiparty_envs.feedback import Comparisons, Rankings
from multiparty_envs.rewards import softmax
from multiparty_envs.rewards.choices import choices_of
from multiparty_envs.rewards.likelihood import Likelihood

COUNTS = np.array([7, 0, 301, 1, 40])  # a party never asked, and one with several blocks
RNG = np.random.default_rng(5)
THETA = RNG.normal(size=(3, len(COUNTS)))
KINDS = ["comparisons", "best of four", "full order"]


@pytest.fixture(scope="module", params=KINDS)
def choices(request, simulate):
    if request.param == "comparisons":
        return choices_of(simulate.compare(THETA, COUNTS))
    depth = 1 if request.param == "best of four" else 3
    return choices_of(simulate.rank(THETA, COUNTS, depth=depth))


def naive(choices, theta):
    """[M] log-likelihoods by a loop over choices and alternatives."""
    total = np.zeros(choices.num_parties)
    for row in range(len(choices.party)):
        who = choices.party[row]
        present = choices.available[row] > 0
        utility = np.append(choices.design[row][present] @ theta[who], 0.0)
        target = choices.target[row][present]
        target = np.append(target, 1.0 - target.sum())
        total[who] += target @ (utility - np.log(np.exp(utility).sum()))
    return total


def test_value_is_that_of_a_loop(choices):
    value = Likelihood(choices).terms(THETA.T).value
    assert value == pytest.approx(naive(choices, THETA.T), rel=1e-12)
    assert value[1] == 0.0


def test_derivatives_are_those_of_finite_differences(choices):
    likelihood, step = Likelihood(choices), 1e-5
    terms = likelihood.terms(THETA.T)
    value, gradient = likelihood.gradient(THETA.T)
    assert np.array_equal(value, terms.value)
    assert np.array_equal(gradient, terms.gradient)
    for feature in range(len(THETA)):
        move = np.zeros((1, len(THETA)))
        move[0, feature] = step
        up, down = likelihood.terms(THETA.T + move), likelihood.terms(THETA.T - move)
        slope = (up.value - down.value) / (2 * step)
        bend = (down.gradient - up.gradient) / (2 * step)
        assert gradient[:, feature] == pytest.approx(slope, rel=1e-6, abs=1e-6)
        assert terms.information[:, feature] == pytest.approx(bend, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("label", [0.0, 0.5, 0.8, 1.0])
def test_a_soft_label_is_that_part_of_each_answer(simulate, label):
    data = simulate.compare(THETA, COUNTS)
    soft = Comparisons(
        data.segments, data.first, data.second, data.party, np.full(len(data), label), 5
    )
    margin = (data.differences() * THETA.T[data.party]).sum(axis=1)
    expected = label * log_expit(margin) + (1 - label) * log_expit(-margin)
    value = Likelihood(choices_of(soft)).terms(THETA.T).value
    assert value == pytest.approx(np.bincount(data.party, expected, 5))


def test_a_comparison_is_a_ranking_of_two(simulate):
    data = simulate.compare(THETA, COUNTS)
    best = np.where(data.label > 0.5, data.first, data.second)
    other = np.where(data.label > 0.5, data.second, data.first)
    ranking = Rankings(
        data.segments, np.stack([best, other], axis=1), np.ones(len(data), int), data.party, 5
    )
    one, two = (Likelihood(choices_of(d)).terms(THETA.T) for d in (data, ranking))
    for have, want in zip(one, two, strict=True):
        assert have == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_orders_to_any_depth_have_total_probability_one(simulate, depth):
    features = RNG.normal(size=(4, 3))
    orders = np.array(list(itertools.permutations(range(4))))
    # orders that agree in the ranked places are the same answer
    answers = orders[np.unique(orders[:, :depth], axis=0, return_index=True)[1]]
    data = Rankings(
        simulate.bank(features),
        answers,
        np.full(len(answers), depth),
        np.arange(len(answers)),
        num_parties=len(answers),
    )
    theta = np.tile(THETA[:, 2], (len(answers), 1))
    assert np.exp(Likelihood(choices_of(data)).terms(theta).value).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("deviation", [1e-4, 0.3, 1.0, 4.0, 12.0])
@pytest.mark.parametrize("mean", [-6.0, 0.0, 2.5])
def test_average_of_a_choice_of_two_is_an_integral(mean, deviation):
    def integral(function):
        def weighted(z):
            return np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) * function(mean + deviation * z)

        kink = -mean / deviation
        points = [kink] if abs(kink) < 9 else None
        return quad(weighted, -9, 9, points=points, limit=400)[0]

    found = softmax.averaged(np.array([[mean]]), np.array([[[deviation**2]]]), np.ones((1, 1)))
    slope = integral(lambda v: expit(v) * expit(-v))
    assert found.log_rest[0] == pytest.approx(integral(lambda v: log_expit(-v)), abs=3e-5)
    assert found.chance[0, 0] == pytest.approx(integral(expit), abs=3e-5)
    assert found.curvature[0, 0, 0] == pytest.approx(slope, abs=2e-4)


@pytest.mark.parametrize("deviation", [0.5, 2.0, 5.0])
def test_average_of_a_choice_of_four_is_near_monte_carlo(deviation):
    rng = np.random.default_rng(3)
    mean, root = rng.normal(size=(1, 3)), rng.normal(size=(1, 3, 3)) * deviation
    available = np.array([[1.0, 1.0, 0.0]])
    found = softmax.averaged(mean, root @ root.swapaxes(1, 2), available)
    draws = mean + rng.normal(size=(200_000, 3)) @ root[0].T
    exact = softmax.moments(draws, np.broadcast_to(available, draws.shape))
    assert found.chance[0] == pytest.approx(exact.chance.mean(axis=0), abs=0.02)
    assert found.curvature[0] == pytest.approx(exact.curvature.mean(axis=0), abs=0.02)
    assert found.log_rest[0] == pytest.approx(exact.log_rest.mean(), abs=0.02 * deviation + 0.01)
