"""Values, weights, settings and orders of every welfare function, on NumPy and torch."""

import numpy as np
import pytest
import torch

from multiparty_envs.welfare import (
    WELFARES,
    GeneralizedGini,
    GeneralizedMean,
    Isoelastic,
    Leximin,
    MaxMin,
    Nash,
    Utilitarian,
    make_welfare,
)

SKEWED = (0.1, 0.2, 0.3, 0.4)
ALL = [
    Utilitarian(),
    Utilitarian(party_weights=SKEWED),
    Nash(),
    Nash(reference=(0.4, 0.0, -0.3, 0.1), eps=0.1, party_weights=SKEWED),
    MaxMin(),
    Leximin(),
    GeneralizedGini(),
    GeneralizedGini(rank_weights=(4, 3, 2, 2)),
    GeneralizedMean(p=1.0),
    GeneralizedMean(p=0.5),
    GeneralizedMean(p=0.0),
    GeneralizedMean(p=-3.0, eps=0.1, party_weights=SKEWED),
    Isoelastic(alpha=1.0),
    Isoelastic(alpha=0.3),
    Isoelastic(alpha=0.0),
    Isoelastic(alpha=-2.0, eps=0.1, party_weights=SKEWED),
]
every_welfare = pytest.mark.parametrize("welfare", ALL, ids=str)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(
    ("welfare", "u", "value"),
    [
        (Utilitarian(), [1.0, 2.0, 6.0], 3.0),
        (Utilitarian(party_weights=(2, 1, 1)), [1.0, 2.0, 6.0], 2.5),
        (Nash(), [1.0, np.e, np.e**2], 1.0),
        (Nash(reference=1.0), [2.0, 1.0 + np.e**2], 1.0),
        (Nash(eps=0.5), [0.0, 0.0], np.log(0.5) - 1.0),
        (MaxMin(), [3.0, -1.0, 2.0], -1.0),
        (Leximin(), [3.0, -1.0, 2.0], -1.0),
        (GeneralizedGini(), [7.0, 0.0], 7.0 / 3.0),
        (GeneralizedGini(rank_weights=(3, 2, 1)), [1.0, 6.0, 0.0], 8.0 / 6.0),
        (GeneralizedMean(p=-1.0), [1.0, 3.0], 1.5),
        (GeneralizedMean(p=0.0), [1.0, 4.0], 2.0),
        (GeneralizedMean(p=0.5), [1.0, 9.0], 4.0),
        (Isoelastic(alpha=0.5), [1.0, 9.0], 2.0),
        (Isoelastic(alpha=-1.0), [1.0, 2.0], -0.75),
    ],
    ids=str,
)
def test_known_values(welfare, u, value):
    assert welfare.value(np.array(u)) == pytest.approx(value, rel=1e-12)


@every_welfare
@pytest.mark.parametrize("shift", [0.0, -1.0], ids=["inside", "some below eps"])
def test_weights_are_the_gradient(welfare, shift, rng):
    u = rng.uniform(0.5, 2.0, (40, 4)) + shift
    step = 1e-6
    for party, bump in enumerate(np.eye(4) * step):
        slope = (welfare.value(u + bump) - welfare.value(u - bump)) / (2 * step)
        assert welfare.weights(u)[:, party] == pytest.approx(slope, rel=1e-5, abs=1e-7)


@every_welfare
@pytest.mark.parametrize("low", [0.5, -1.0])
def test_weights_are_a_supergradient(welfare, low, rng):
    if isinstance(welfare, GeneralizedMean):
        low = 0.1  # below eps its weights are only the gradient, as it says
    u, v = rng.uniform(low, 2.0, (2, 200, 4))
    u[:50] = np.round(u[:50], 1)  # ties
    above = welfare.value(u) + (welfare.weights(u) * (v - u)).sum(-1)
    assert (welfare.value(v) <= above + 1e-9 * np.abs(above)).all()


@every_welfare
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_torch_agrees_with_numpy(welfare, dtype, rng):
    u = rng.uniform(-0.5, 2.0, (3, 5, 4))
    tensor = torch.tensor(u, dtype=dtype)
    tolerance = {"rel": 1e-4, "abs": 1e-4} if dtype == torch.float32 else {"rel": 1e-12}
    assert welfare.value(tensor).dtype == dtype
    assert welfare.value(tensor).numpy() == pytest.approx(welfare.value(u), **tolerance)
    assert welfare.weights(tensor).numpy() == pytest.approx(welfare.weights(u), **tolerance)
    assert (welfare.compare(tensor, 2 * tensor).numpy() == welfare.compare(u, 2 * u)).all()


@every_welfare
def test_runs_where_tensors_hold_no_values(welfare):
    u = torch.empty((6, 4), device="meta")
    assert welfare.value(u).shape == (6,)
    assert welfare.weights(u).shape == (6, 4)


@every_welfare
def test_gradient_of_torch_is_the_weights(welfare, rng):
    u = torch.tensor(rng.uniform(0.5, 2.0, (5, 4)), requires_grad=True)
    welfare.value(u).sum().backward()
    assert u.grad.numpy() == pytest.approx(welfare.weights(u.detach()).numpy(), rel=1e-9)


@every_welfare
def test_is_a_value_of_its_own(welfare):
    kind, settings = type(welfare), vars(welfare)
    assert kind(**settings) == welfare
    assert hash(kind(**settings)) == hash(welfare)
    with pytest.raises(AttributeError):
        welfare.name = "other"


@every_welfare
def test_lists_and_whole_numbers_will_do(welfare):
    assert welfare.value([1, 2, 3, 4]) == pytest.approx(welfare.value(np.array([1.0, 2, 3, 4])))
    assert welfare.value(np.array([1, 2, 3, 4])) == welfare.value([1, 2, 3, 4])


@pytest.mark.parametrize("welfare", [Nash(), Isoelastic(alpha=-1.0), GeneralizedMean(p=0.0)])
def test_the_worst_off_pulls_hardest_even_below_the_reference(welfare):
    weights = welfare.weights(np.array([-5.0, 0.02, 1.0]))
    assert weights[0] > weights[1] > weights[2] > 0


@pytest.mark.parametrize("welfare", [MaxMin(), Leximin()])
def test_ties_for_the_worst_share_the_weight(welfare):
    assert welfare.weights(np.array([1.0, 0.0, 0.0, 2.0])).tolist() == [0.0, 0.5, 0.5, 0.0]


def test_gini_ranks_ties_by_party_number():
    weights = GeneralizedGini(rank_weights=(3, 2, 1)).weights(np.array([1.0, 0.0, 1.0]))
    assert weights == pytest.approx(np.array([2, 3, 1]) / 6)


@pytest.mark.parametrize(
    ("u", "v", "order"),
    [
        ([1.0, 2.0, 3.0], [3.0, 1.0, 2.0], 0),
        ([1.0, 2.0, 3.0], [1.0, 9.0, 1.5], 1),
        ([0.9, 9.0, 9.0], [1.0, 1.0, 1.0], -1),
        ([1.0, 1.0, 5.0], [1.0, 1.0 + 1e-12, 4.0], 1),
    ],
)
def test_leximin_compares_the_worst_first(u, v, order):
    assert Leximin().compare(np.array(u), np.array(v)) == order
    assert Leximin().compare(np.array(v), np.array(u)) == -order


@pytest.mark.parametrize("p", [1.0, 0.5, 0.0, -2.0])
def test_generalized_mean_orders_as_isoelastic_does(p, rng):
    u, v = rng.uniform(-0.5, 2.0, (2, 300, 4))
    orders = [w.compare(u, v) for w in (GeneralizedMean(p=p), Isoelastic(alpha=p))]
    assert (orders[0] == orders[1]).all()


@pytest.mark.parametrize("p", [1.0, 0.5, 0.0, -2.0])
def test_generalized_mean_of_equals_is_what_they_have(p):
    u = np.array([[2.5] * 3, [-4.0] * 3])
    assert GeneralizedMean(p=p).value(u) == pytest.approx([2.5, -4.0])


def test_steeper_means_fall_towards_the_minimum():
    u = np.array([0.7, 1.0, 3.0])
    means = [float(GeneralizedMean(p=p).value(u)) for p in (1.0, 0.0, -2.0, -5.0)]
    assert means == sorted(means, reverse=True)
    assert 0.7 < means[-1] < 0.9


@pytest.mark.parametrize("name", WELFARES)
def test_every_name_makes_its_function(name):
    needed = {"generalized-mean": {"p": 0.5}, "isoelastic": {"alpha": 0.5}}
    assert make_welfare(name, **needed.get(name, {})).name == name


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: make_welfare("nesh"), ValueError, "Did you mean 'nash'"),
        (lambda: make_welfare("max-min", p=2), TypeError, "p"),
        (lambda: Nash(eps=0.0), ValueError, "eps"),
        (lambda: Nash(reference=float("nan")), ValueError, "reference"),
        (lambda: Utilitarian(party_weights=(1.0, 0.0)), ValueError, "party_weights"),
        (lambda: GeneralizedGini(rank_weights=(1, 2)), ValueError, "not increase"),
        (lambda: GeneralizedGini(rank_weights=(1, -1)), ValueError, "positive"),
        (lambda: GeneralizedMean(p=1.5), ValueError, "p should be"),
        (lambda: Isoelastic(alpha=2.0), ValueError, "alpha should be"),
        (lambda: Isoelastic(alpha=-6.0), ValueError, "alpha should be"),
        (lambda: Utilitarian().value(np.float64(3.0)), ValueError, "parties"),
        (lambda: MaxMin().value(np.empty((3, 0))), ValueError, "parties"),
        (lambda: Nash(reference=(0.0, 1.0)).value(np.ones(3)), ValueError, "2 parties, u has 3"),
        (lambda: GeneralizedGini(rank_weights=(2, 1)).value(np.ones(3)), ValueError, "2 parties"),
    ],
)
def test_bad_settings_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()
