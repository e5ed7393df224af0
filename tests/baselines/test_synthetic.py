"""Answers about nothing but normal features."""

import numpy as np
import pytest
from scipy.stats import binomtest, kstest

from baselines.studies.synthetic import answers
from multiparty_envs.streams import Streams

THETA = np.array([[1.0, 0.0, -2.0], [0.5, 0.0, 1.0]])


def test_every_party_gives_its_count_about_normal_differences():
    data = answers(THETA, np.array([300, 0, 50]), Streams(0))
    assert data.counts.tolist() == [300, 0, 50]
    assert kstest(data.differences().ravel(), "norm").pvalue > 1e-3
    assert answers(THETA, 7, Streams(0)).counts.tolist() == [7, 7, 7]


def test_answers_have_the_chances_of_the_model():
    data = answers(THETA, 20_000, Streams(1))
    margin = (data.differences() * THETA.T[data.party]).sum(axis=1)
    for low, high in ((-3.0, -1.0), (-0.5, 0.5), (1.0, 2.0)):
        inside = (low < margin) & (margin < high)
        expected = float((1.0 / (1.0 + np.exp(-margin[inside]))).mean())
        wins = int(data.label[inside].sum())
        assert binomtest(wins, int(inside.sum()), expected).pvalue > 1e-3


def test_the_same_seed_gives_the_same_answers():
    first, second, other = (answers(THETA, 20, Streams(seed)) for seed in (3, 3, 4))
    assert first.label.tobytes() == second.label.tobytes()
    assert not np.array_equal(first.differences(), other.differences())


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        (np.array([1, 2]), ValueError, r"counts should have shape \(3\)"),
        (-1, ValueError, "counts should be 0 or more"),
        (np.zeros(3, dtype=int), ValueError, "not all 0"),
        (2.5, TypeError, "counts should be whole numbers"),
    ],
)
def test_bad_counts(counts, error, message):
    with pytest.raises(error, match=message):
        answers(THETA, counts, Streams(0))
