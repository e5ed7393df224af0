"""What networks learn: rewards that no linear learner can, structure, kinds, their own doubt."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import adjusted_rand_score

from multiparty_envs.feedback import Comparisons, Segments, Steps
from multiparty_envs.rewards import (
    Independent,
    LowRank,
    Mixture,
    NeuralIndependent,
    NeuralMixture,
    NeuralPooled,
    NeuralShared,
    Pessimistic,
    Pooled,
)

PARTIES = 10
KIND_OF = np.array([0, 1, 0, 1, 1, 0, 0, 0, 1, 0])
TASTES = np.random.default_rng(5).normal(size=(2, PARTIES)) * 2  # of two things that matter


def matters(features):
    """[..., 2] -> [..., 2]: neither is linear in the features."""
    wave = 1.5 * np.sin(2.0 * features[..., 0])
    fold = 1.5 * np.abs(features[..., 1]) - 1.5
    return np.stack([wave, fold], axis=-1)


def ask(tastes, count, seed=0, length=1):
    """`count` answers of every party about segments of steps spread evenly over a square."""
    rng, parties = np.random.default_rng(seed), tastes.shape[1]
    party = np.arange(count * parties) % parties
    features = rng.uniform(-2.0, 2.0, size=(2 * len(party), length, 2))
    bank = Segments(
        obs=features.astype(np.float32),
        action=np.zeros(features.shape[:2], dtype=np.int64),
        features=features,
        mask=np.ones(features.shape[:2], dtype=bool),
    )
    first = np.arange(len(party))
    value = (matters(features) @ tastes).sum(axis=1)
    margin = value[first, party] - value[first + len(party), party]
    label = (rng.random(len(party)) < expit(margin)).astype(float)
    return Comparisons(bank, first, first + len(party), party, label, parties)


def grid(low=-1.9, high=1.9):
    line = np.linspace(low, high, 12)
    features = np.stack(np.meshgrid(line, line), axis=-1)
    return Steps(features.astype(np.float32), np.zeros((12, 12), dtype=np.int64), features)


def correlation(learner, tastes):
    found, truth = learner.rewards(grid()), matters(grid().features) @ tastes
    pairs = [(found[..., m].ravel(), truth[..., m].ravel()) for m in range(tastes.shape[1])]
    return np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])


@pytest.mark.parametrize("inputs", ["features", "obs"])
def test_a_bent_reward_is_recovered_that_no_line_fits(inputs):
    alike = np.tile([[1.5], [1.0]], 4)
    data, fresh = ask(alike, 250), ask(alike, 500, seed=1)
    network = NeuralPooled(inputs=inputs).fit(data)
    line = Pooled().fit(data)
    assert correlation(network, alike).min() > 0.95
    assert correlation(line, alike).max() < 0.6
    assert network.log_likelihood(fresh).mean() > line.log_likelihood(fresh).mean() + 0.1
    assert network.accuracy(fresh).mean() > line.accuracy(fresh).mean() + 0.1


def test_scale_is_learned_too_from_segments_of_many_steps():
    """A segment's return is the sum over its steps, whose own rewards come out right."""
    alike = np.tile([[1.5], [1.0]], 4)
    learner = NeuralPooled(members=3).fit(ask(alike, 400, length=5))
    found, truth = learner.rewards(grid())[..., 0], matters(grid().features) @ alike[:, 0]
    slope = np.polyfit(truth.ravel(), found.ravel(), 1)[0]
    assert correlation(learner, alike).min() > 0.9
    assert 0.6 < slope < 1.4


def test_what_parties_share_is_learned_from_all_of_them():
    data, fresh = ask(TASTES, 60), ask(TASTES, 300, seed=1)
    shared, alone, one, line = (
        learner.fit(data).log_likelihood(fresh).mean()
        for learner in (NeuralShared(), NeuralIndependent(), NeuralPooled(), LowRank(2))
    )
    assert shared > alone + 0.05
    assert alone > max(one, line) + 0.02


def test_parties_of_unknown_kind_are_sorted():
    kinds = np.array([[2.0, -1.0], [-1.0, 2.0]])[:, KIND_OF]
    data, fresh = ask(kinds, 40), ask(kinds, 200, seed=1)
    learner = NeuralMixture(2, members=3).fit(data)
    found = learner.responsibilities_.argmax(axis=1)
    assert adjusted_rand_score(KIND_OF, found) == 1.0
    assert learner.share_ == pytest.approx([0.6, 0.4], abs=0.01)
    assert learner.responsibilities_.sum(axis=1) == pytest.approx(1.0)
    assert correlation(learner, kinds).min() > 0.8
    linear = Mixture(2).fit(data).log_likelihood(fresh).mean()
    assert learner.log_likelihood(fresh).mean() > linear + 0.15
    # members of a kind have one reward
    rewards = learner.rewards(grid())
    assert rewards[..., 0] == pytest.approx(rewards[..., 2], abs=0.05)


def test_number_of_kinds_is_found_where_it_is_not_given():
    kinds = np.array([[2.0, -1.0], [-1.0, 2.0]])[:, KIND_OF]
    learner = NeuralMixture(members=1, max_epochs=20).fit(ask(kinds, 60))
    assert learner.clusters_ == 2


def test_a_party_of_unknown_kind_is_known_least():
    """Who was never asked is of either kind, which the standard error tells."""
    kinds = np.array([[2.0, -1.0], [-1.0, 2.0]])[:, KIND_OF]
    data = ask(kinds, 40)
    fewer = data.subset(data.party != 3)
    learner = NeuralMixture(2, members=3).fit(fewer)
    rewards, error = learner.rewards(grid()), learner.stderr(grid())
    assert rewards[..., 3] == pytest.approx(rewards[..., :2] @ learner.share_, abs=0.1)
    assert error[..., 3].mean() > 2 * np.delete(error, 3, axis=-1).mean()


@pytest.mark.parametrize("learner", [NeuralPooled, NeuralShared])
def test_doubt_shrinks_with_answers_and_grows_where_nobody_was_asked(learner):
    few, many = (learner(members=8).fit(ask(TASTES[:, :4], count)) for count in (60, 600))
    assert many.stderr(grid()).mean() < 0.7 * few.stderr(grid()).mean()
    for fitted in (few, many):
        assert fitted.stderr(grid(4.0, 8.0)).mean() > 2 * fitted.stderr(grid()).mean()


def test_pessimism_lowers_a_network_too():
    learner = Pessimistic(NeuralPooled(members=3, max_epochs=5), 2.0).fit(ask(TASTES, 10))
    expected = learner.learner.rewards(grid()) - 2.0 * learner.learner.stderr(grid())
    assert learner.rewards(grid()) == pytest.approx(expected)


@pytest.mark.parametrize("inputs", ["features", "obs"])
def test_parties_alone_do_as_well_as_the_linear_learner_where_that_is_right(inputs):
    """With many answers, freedom that is not needed costs little."""
    theta = np.random.default_rng(3).normal(size=(2, 3)) * 1.5
    rng = np.random.default_rng(4)
    data = ask(np.zeros((2, 3)), 500)
    margin = (data.differences() * theta.T[data.party]).sum(axis=1)
    label = (rng.random(len(data)) < expit(margin)).astype(float)
    data = Comparisons(data.segments, data.first, data.second, data.party, label, 3)
    train, test = data.split(0.5, rng)
    line, network = Independent().fit(train), NeuralIndependent(inputs=inputs).fit(train)
    assert network.log_likelihood(test).mean() > line.log_likelihood(test).mean() - 0.03
