"""Rewards lowered by their standard errors, and the failure of plain maximum likelihood."""

import numpy as np
import pytest
from scipy.special import expit

from multiparty_envs.feedback import Comparisons, Steps
from multiparty_envs.rewards import Independent, LowRank, Pessimistic, make_learner

THETA = np.random.default_rng(0).normal(size=(4, 3))
STEPS = Steps(None, None, np.random.default_rng(1).normal(size=(7, 2, 4)))


@pytest.mark.parametrize("kappa", [-1.0, 0.0, 2.5])
@pytest.mark.parametrize("inner", [Independent, lambda: LowRank(2)])
def test_it_is_the_learner_minus_kappa_standard_errors(simulate, inner, kappa):
    data = simulate.compare(THETA, np.full(3, 40))
    plain, lowered = inner().fit(data), Pessimistic(inner(), kappa).fit(data)
    assert lowered.stderr(STEPS) == pytest.approx(plain.stderr(STEPS))
    expected = plain.rewards(STEPS) - kappa * plain.stderr(STEPS)
    assert lowered.rewards(STEPS) == pytest.approx(expected)


def test_what_is_compared_with_the_reference_is_what_is_uncertain(simulate):
    data = simulate.compare(THETA, np.full(3, 40))
    reference = STEPS.features[0, 0]
    fit = Pessimistic(Independent(), 3.0, reference).fit(data)
    assert fit.stderr(STEPS)[0, 0] == pytest.approx(np.zeros(3), abs=1e-9)
    assert fit.rewards(STEPS)[0, 0] == pytest.approx(fit.learner.rewards(STEPS)[0, 0])
    difference = STEPS.features - reference
    variance = np.einsum("abd,mde,abe->abm", difference, fit.learner.covariance_, difference)
    assert fit.stderr(STEPS) == pytest.approx(np.sqrt(variance))


def test_one_flipped_label_fools_maximum_likelihood_but_not_pessimism(simulate):
    """The four actions of [Zhu2023]: three are never tried but once, and that answer lies.

    n - 1 comparisons of the first and second, one of the second and third, in favour of the
    second. The optimum is the fourth; the lone answer makes the first look best.
    """
    features = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    count = 4000
    label = np.append(np.arange(count - 1) % 21 < 11, True)  # 0.1 of reward apart
    data = Comparisons(
        simulate.bank(features),
        first=np.append(np.zeros(count - 1, int), 1),
        second=np.append(np.ones(count - 1, int), 2),
        party=np.zeros(count, int),
        label=label.astype(float),
        num_parties=1,
    )
    steps = Steps(None, None, features)
    plain = Independent(0.1).fit(data)
    # the reference is the third action, whose features are zero
    lowered = Pessimistic(Independent(0.1), 1.0).fit(data)
    assert plain.rewards(steps)[:, 0].argmax() == 0
    assert lowered.rewards(steps)[:, 0].argmax() == 3
    truth = features @ [-1.0, 0.1, 0.9]
    assert truth == pytest.approx([-0.9, -1.0, 0.0, 0.1])
    assert truth.max() - truth[0] == pytest.approx(1.0)  # what being fooled costs
    # a lie this likely, whatever the number of answers, keeps the expected loss above 0.1
    assert expit(truth[1] - truth[2]) == pytest.approx(0.269, abs=5e-4)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"learner": "pooled"}, TypeError, "learner should be a RewardLearner, is str"),
        ({"learner": Independent(), "kappa": np.nan}, ValueError, "kappa should be in"),
        ({"learner": Independent(), "reference": np.ones((2, 2))}, ValueError, "reference should"),
        ({"learner": Independent(), "reference": [np.nan]}, ValueError, "reference should be fin"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        make_learner("pessimistic", **settings)
