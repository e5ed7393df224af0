"""Training of many networks at once: the same as one after the other, pair after pair."""

import numpy as np
import pytest
import torch
from torch import nn

from multiparty_envs.feedback import Comparisons, Rankings, Segments, Steps
from multiparty_envs.rewards import (
    NeuralIndependent,
    NeuralMixture,
    NeuralPooled,
    NeuralShared,
    Pooled,
)
from multiparty_envs.rewards.neural_adam import Adam
from multiparty_envs.rewards.neural_answers import Groups, split
from multiparty_envs.rewards.neural_inputs import Reader, tabulate

LEARNERS = {
    "pooled": NeuralPooled,
    "independent": NeuralIndependent,
    "shared": lambda **settings: NeuralShared(3, **settings),
    "mixture": lambda **settings: NeuralMixture(2, **settings),
}


def bank(segments=40, length=4, obs=2, seed=0, values=None):
    """Segments of 1 to `length` steps; `values` makes features of so many whole numbers."""
    rng = np.random.default_rng(seed)
    shape = (segments, length)
    mask = np.arange(length) < rng.integers(1, length + 1, size=segments)[:, None]
    features = rng.normal(size=(*shape, 3))
    if values:
        features = rng.integers(values, size=(*shape, 3)).astype(float)
    return Segments(
        obs=rng.normal(size=(*shape, obs)).astype(np.float32),
        action=rng.integers(3, size=shape),
        features=features * mask[..., None],
        mask=mask,
    )


def comparisons(count=30, parties=3, **settings):
    segments, rng = bank(**settings), np.random.default_rng(1)
    first, second = rng.integers(segments.num_segments, size=(2, count))
    label = rng.choice([0.0, 0.5, 1.0], size=count)
    return Comparisons(segments, first, second, rng.integers(parties, size=count), label, parties)


def rankings(count=30, parties=3, **settings):
    segments, rng = bank(**settings), np.random.default_rng(2)
    ordered = np.argsort(rng.random((count, segments.num_segments)), axis=1)[:, :4]
    ordered[::3, -1] = -1
    ordered[::6, -2] = -1
    depth = rng.integers(1, 3, size=count)
    return Rankings(segments, ordered, depth, rng.integers(parties, size=count), parties)


def plain_return(network, head, inputs, table, segment):
    """The return of a segment, step by step."""
    total = torch.zeros(())
    for place, real in zip(table.place[segment], table.mask[segment], strict=True):
        if real:
            total = total + (network(inputs[place]) * head).sum()
    return total * table.unit


def plain_value(utility, row, orders):
    """The log-likelihood of one answer by the returns of its segments."""
    value = torch.zeros(())
    present = [u for u, there in zip(utility, orders.present[row], strict=True) if there]
    for stage, weight in enumerate(orders.stages[row]):
        if weight:
            value = value - torch.logsumexp(torch.stack(present[stage:]), 0)
    for own, credit in zip(utility, orders.credit[row], strict=True):
        value = value + float(credit) * own
    return value


def plain_network(layout, weights):
    """A torch module with these weights, and the head of every party."""
    layers, taken = [], 0
    for wide, next_ in zip(layout.widths[:-1], layout.widths[1:], strict=True):
        layer = nn.Linear(wide, next_)
        slope, bias = weights[taken:][: wide * next_], weights[taken + wide * next_ :][:next_]
        layer.weight.data, layer.bias.data = slope.reshape(wide, next_).T.clone(), bias.clone()
        taken += wide * next_ + next_
        layers += [layer, nn.ReLU()]
    heads = weights[taken:].reshape(layout.widths[-1], -1) if layout.heads else None
    return nn.Sequential(*layers[:-1]), heads


@pytest.mark.parametrize("make", [comparisons, rankings])
@pytest.mark.parametrize("values", [None, 2])
@pytest.mark.parametrize("kind", LEARNERS)
def test_a_step_is_a_loop_over_members_networks_and_pairs(kind, make, values):
    """The gradient by autograd, one network, answer, segment and step after the other."""
    learner = LEARNERS[kind](hidden=(5, 4), members=2, batch_size=8)
    training = learner.training(make(values=values))
    data, layout = training.data, training.predictor.layout
    if layout.heads:  # not zero, as at first
        training.weights[:, -layout.heads :] = 0.3
    seen = []
    training._adam.step = seen.append
    rows = data.train.epoch(0, 8, np.random.default_rng(0))[0]
    training.step(training.predictor.look_up(torch.tensor(rows)))
    inputs = torch.tensor(data.table.inputs)
    for member in range(2):
        for number in range(training.networks):
            place = member * training.networks + number
            weights = training.weights[place].clone().requires_grad_()
            network, heads = plain_network(layout, weights)
            loss = torch.zeros(())
            for row in rows[member, number]:
                party = int(data.orders.party[row])
                head = torch.ones(1)
                if heads is not None:
                    heads = heads.detach().requires_grad_()
                    head = heads[:, 0] + heads[:, 1 + party]
                utility = [
                    plain_return(network, head, inputs, data.table, segment)
                    for segment in data.orders.place[row]
                ]
                weight = 1.0
                if kind == "mixture":
                    weight = float(training.responsibilities[member, number, party])
                loss = loss - weight * plain_value(utility, row, data.orders)
            (loss / rows.shape[2]).backward()
            expected = [
                (layer.weight.grad.T if name == "weight" else layer.bias.grad).flatten()
                for layer in network
                if isinstance(layer, nn.Linear)
                for name in ("weight", "bias")
            ]
            flat = torch.cat(expected)
            assert torch.allclose(seen[0][place][: len(flat)], flat, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_slope_is_that_of_the_log_likelihood(kind):
    """Heads included: finite differences of what is maximised, in float64."""
    training = LEARNERS[kind](hidden=(4,), members=2).training(rankings())
    rows = torch.tensor(training.data.train.epoch(0, 16, np.random.default_rng(0))[0])
    batch, seen = training.predictor.look_up(rows), []
    training._adam.step = seen.append
    training.step(batch)
    weight = training._importance(batch.party)

    def objective(weights):
        parts = training.predictor.layout.parts(weights)
        return -(weight * training.predictor.log_likelihood(parts, batch)).mean(dim=-1).sum()

    start = training.weights.clone().requires_grad_()
    (slope,) = torch.autograd.grad(objective(start), start)
    assert torch.allclose(seen[0], slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_step_asks_no_device_for_a_number(kind):
    """Torch's meta device has none to give."""
    training = LEARNERS[kind](hidden=(8,), members=2, device="meta").training(comparisons())
    rows = torch.tensor(training.data.train.epoch(0, 8, np.random.default_rng(0))[0])
    training.step(training.predictor.look_up(rows.to("meta")))
    assert training.weights.device.type == "meta"


def test_steps_that_occur_often_are_evaluated_once():
    few = tabulate(Reader.of("features", bank(values=2)), bank(values=2))
    assert len(few.inputs) == 2**3
    assert few.counts().sum() == few.mask.sum()
    again = few.inputs[few.place] * few.mask[..., None]
    assert np.array_equal(again, bank(values=2).features.astype(np.float32))


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("counts", [[10, 0, 5], [1, 1, 1], [100, 2, 30]])
@pytest.mark.parametrize("members", [1, 3])
def test_answers_are_held_out_from_every_party_and_never_learned_from(fraction, counts, members):
    party = np.random.default_rng(0).permutation(np.repeat(np.arange(3), counts))
    train, held = split(party, fraction, members, np.random.default_rng(1))
    for ours, theirs in zip(train.rows, held.rows, strict=True):
        assert not set(ours) & set(theirs)
        assert np.array_equal(party[ours], train.party)
        assert np.array_equal(party[theirs], held.party)
        if members == 1:
            assert sorted([*ours, *theirs]) == list(range(len(party)))
    learned = np.bincount(train.party, minlength=3)
    assert (learned >= np.minimum(counts, 1)).all()
    assert abs(np.array(counts) * (1 - fraction) - learned).max() <= 1


def test_every_network_goes_through_its_rows_in_turn():
    """Whatever the batches, no row is met twice before every other was met once."""
    party = np.repeat(np.arange(3), [7, 0, 4])
    train, _ = split(party, 0.0, 1, np.random.default_rng(0))
    groups = Groups.by_party(train, 3)
    rng = np.random.default_rng(1)
    rows = np.concatenate([groups.epoch(number, 3, rng) for number in range(5)])
    met = rows.transpose(1, 2, 0, 3).reshape(3, -1)  # [n, draws]
    for network, size in ((0, 7), (2, 4)):
        assert (party[met[network]] == network).all()
        for turn in range(0, 45 - size, size):
            assert len(set(met[network, turn : turn + size])) == size
    assert len(groups.epoch(0, 3, rng)) == 3


def test_adam_is_that_of_torch():
    rng = np.random.default_rng(0)
    ours = torch.tensor(rng.normal(size=(2, 5)), dtype=torch.float32)
    theirs = ours.clone().requires_grad_()
    adam = Adam(ours, 0.01, 0.3)
    reference = torch.optim.AdamW([theirs], lr=0.01, weight_decay=0.3)
    for _ in range(20):
        slope = torch.tensor(rng.normal(size=(2, 5)), dtype=torch.float32)
        theirs.grad = slope
        adam.step(slope)
        reference.step()
    assert torch.allclose(ours, theirs.detach(), rtol=1e-5, atol=1e-6)


def test_the_best_weights_are_kept_and_training_ends():
    """What is predicted with the weights that are kept is the best that was watched."""
    learner = NeuralPooled(members=3, patience=4, max_epochs=100, learning_rate=0.05)
    training = learner.training(comparisons(count=100))
    kept, trace = training.run()
    best = trace.argmax(axis=0)
    assert len(trace) == best.max() + 1 + 4 < 100
    rows, weight = training.data.watched.all()
    value = training.predictor.in_chunks(kept, torch.tensor(rows)).numpy()
    again = (value * weight).sum(axis=(1, 2)) / weight.sum()
    assert again == pytest.approx(trace.max(axis=0), rel=1e-5)


def test_a_network_without_hidden_layers_is_logistic_regression(simulate):
    """Newton's method on the same likelihood, which has a single optimum."""
    theta = np.array([[1.0], [-2.0], [0.5]])
    data = simulate.compare(theta, np.array([300]))
    settings = {"weight_decay": 0.0, "held_out": 0.0, "batch_size": 300, "learning_rate": 0.05}
    learner = NeuralPooled(hidden=(), members=1, max_epochs=400, patience=400, **settings).fit(data)
    exact = Pooled(ridge=0.0).fit(data)
    steps = Steps(None, None, np.random.default_rng(0).normal(size=(20, 3)))
    ours, theirs = (one.rewards(steps)[:, 0] for one in (learner, exact))
    # near its top a likelihood in float32 is flat over the root of its rounding
    assert ours - ours.mean() == pytest.approx(theirs - theirs.mean(), abs=5e-3)
    assert learner.log_likelihood(data).sum() == pytest.approx(
        exact.log_likelihood(data).sum(), abs=1e-3
    )
