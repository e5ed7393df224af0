"""Distributions over actions: against torch's own, and their slopes against autograd."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Tuple
from torch.distributions import Categorical, Independent, Normal

from agents.distributions import distribution_from, distribution_of
from multiparty_envs.streams import Draw

SPACES = {
    "discrete": Discrete(4),
    "multi": MultiDiscrete([3, 2, 4]),
    "box": Box(np.array([0.0, -1.0], np.float32), np.array([4.0, 3.0], np.float32)),
    "endless": Box(-np.inf, np.inf, (2,), np.float32),
}
every_space = pytest.mark.parametrize("name", SPACES)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def made(name, rows=5, seed=0):
    """A distribution, outputs for some rows, free parameters, and samples that share rows."""
    kind = distribution_of(SPACES[name])
    rng = generator(seed)
    outputs = torch.randn(rows, kind.num_outputs, generator=rng)
    free = 0.3 * torch.randn(kind.num_free, generator=rng)
    row = torch.tensor([0, 3, 3, 1, 4, 0, 2, 2])
    chance = torch.as_tensor(kind.chance_of(np.random.default_rng(seed), len(row))).float()
    return kind, outputs, free, row, kind.sample(outputs[row], free, chance)


def theirs(kind, outputs, free):
    if kind.kind == "gaussian":
        return [Independent(Normal(outputs, free.exp().expand_as(outputs)), 1)]
    return [Categorical(logits=part) for part in outputs.split(list(kind.sizes), dim=1)]


def split(action, count):
    return [action] if count == 1 else list(action.unbind(1))


@every_space
def test_log_probabilities_and_entropies_are_torchs(name):
    kind, outputs, free, row, action = made(name)
    mine, parts = kind.at(outputs, free), theirs(kind, outputs, free)
    each = theirs(kind, outputs[row], free)
    logs = [p.log_prob(a) for p, a in zip(each, split(action, len(parts)), strict=True)]
    torch.testing.assert_close(mine.log_prob(row, action), sum(logs))
    torch.testing.assert_close(mine.entropy(), sum(p.entropy() for p in parts))


@every_space
def test_slopes_are_autograds(name):
    kind, outputs, free, row, action = made(name)
    of_log, of_entropy = torch.randn(len(row), generator=generator(2)), torch.rand(len(outputs))
    found = kind.at(outputs, free).slopes(row, action, of_log, of_entropy)
    outputs.requires_grad_(), free.requires_grad_()
    chances = kind.at(outputs, free)
    total = of_log @ chances.log_prob(row, action) + of_entropy @ chances.entropy()
    wanted = torch.autograd.grad(total, (outputs, free), allow_unused=True)
    torch.testing.assert_close(found.outputs, wanted[0], rtol=1e-4, atol=1e-5)
    if kind.num_free:
        torch.testing.assert_close(found.free, wanted[1], rtol=1e-4, atol=1e-5)


@every_space
def test_no_entropy_is_a_slope_of_nothing(name):
    kind, outputs, free, row, action = made(name)
    of_log = torch.randn(len(row), generator=generator(2))
    chances = kind.at(outputs, free)
    pairs = zip(
        chances.slopes(row, action, of_log, None),
        chances.slopes(row, action, of_log, torch.zeros(len(outputs))),
        strict=True,
    )
    for found, wanted in pairs:
        torch.testing.assert_close(found, wanted)


@every_space
def test_samples_follow_the_distribution(name):
    kind, outputs, free, *_ = made(name)
    outputs = outputs[:1]
    draw = Draw.seeded(range(400)).to("cpu")
    chance = kind.chance(draw, 50).flatten(0, 1)
    drawn = kind.sample(outputs.expand(len(chance), -1), free, chance)
    parts = theirs(kind, outputs, free)
    if kind.kind == "gaussian":
        torch.testing.assert_close(drawn.mean(0), outputs[0], atol=0.03, rtol=0.0)
        torch.testing.assert_close(drawn.std(0), free.exp(), atol=0.03, rtol=0.03)
        return
    for part, column in zip(parts, split(drawn, len(parts)), strict=True):
        share = torch.bincount(column, minlength=part.probs.shape[1]) / len(column)
        torch.testing.assert_close(share, part.probs[0], atol=0.015, rtol=0.0)


@every_space
def test_what_is_played_is_in_the_space(name):
    kind, outputs, _, _, action = made(name)
    for some in (action, 100.0 * action if kind.kind == "gaussian" else action):
        for one in kind.playable(some).numpy():
            assert SPACES[name].contains(one)
    likeliest = kind.playable(kind.likeliest(outputs)).numpy()
    assert all(SPACES[name].contains(one) for one in likeliest)


def test_a_box_is_in_units_of_its_half_width():
    kind = distribution_of(SPACES["box"])
    played = kind.playable(torch.tensor([[0.0, 0.0], [1.0, -1.0], [0.5, 9.0]]))
    torch.testing.assert_close(played, torch.tensor([[2.0, 1.0], [4.0, -1.0], [3.0, 3.0]]))


@pytest.mark.parametrize("chance", [0.0, 1.0 - 2**-24, 1.0])
def test_the_ends_of_the_unit_interval_are_actions(chance):
    kind = distribution_of(Discrete(3))
    drawn = kind.sample(torch.zeros(1, 3), torch.zeros(0), torch.tensor([[chance]]))
    assert drawn.item() == (2 if chance else 0)


@every_space
def test_settings_make_the_same_distribution(name):
    kind, outputs, free, row, action = made(name)
    again = distribution_from(kind.kind, kind.settings())
    assert again.settings() == kind.settings()
    assert torch.equal(again.playable(action), kind.playable(action))
    assert torch.equal(
        again.at(outputs, free).log_prob(row, action), kind.at(outputs, free).log_prob(row, action)
    )


@pytest.mark.parametrize(
    "space", [Discrete(3, start=1), Box(0.0, 1.0, (2, 2)), Tuple([]), MultiDiscrete([[2], [3]])]
)
def test_other_spaces_are_refused(space):
    with pytest.raises(ValueError, match="action space should be Discrete or MultiDiscrete"):
        distribution_of(space)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind should be one of categorical, gaussian"):
        distribution_from("beta", {})
