"""Actor and critic in one vector: first weights, and the backward pass against autograd."""

import pytest
import torch

from agents.networks import Tanh, mlp
from agents.optimiser import FlatAdam, RunningMean
from agents.towers import Towers

HIDDEN = [(), (6,), (6, 5), (4, 4, 4)]
every_depth = pytest.mark.parametrize("hidden", HIDDEN, ids=str)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def towers(hidden, seed=0, free=2):
    return Towers(
        inputs=5,
        hidden=hidden,
        num_outputs=3,
        num_free=free,
        num_values=4,
        generator=generator(seed),
    )


def networks(made, hidden):
    """The same two networks as torch modules, with parameters of their own."""
    result = []
    for start, outputs in ((0, 3), (made.split, 4)):
        network, rest = mlp((5, *hidden, outputs)), made.vector[start:].clone()
        for layer in list(network)[::2]:
            sizes = layer.weight.numel(), len(layer.bias)
            weight, bias = rest[: sum(sizes)].split(sizes)
            layer.weight.data = weight.view(layer.weight.shape[::-1]).T
            layer.bias.data, rest = bias, rest[sum(sizes) :]
        result.append(network)
    return result


def gradient(network):
    parts = [
        part.flatten()
        for layer in list(network)[::2]
        for part in (layer.weight.grad.T, layer.bias.grad)
    ]
    return torch.cat(parts)


def test_tanh_is_the_hyperbolic_tangent():
    x = torch.linspace(-20.0, 20.0, 4001)
    torch.testing.assert_close(Tanh()(x), torch.tanh(x), rtol=1e-6, atol=3e-7)


@every_depth
def test_both_towers_are_plain_networks(hidden):
    made, obs = towers(hidden), torch.randn(7, 5, generator=generator(1))
    seen = made.forward(obs)
    made.vector += 0.1 * torch.randn(made.vector.shape, generator=generator(2))
    seen = made.forward(obs)
    actor, critic = networks(made, hidden)
    torch.testing.assert_close(seen.outputs, actor(obs))
    torch.testing.assert_close(seen.values, critic(obs))
    torch.testing.assert_close(made.outputs(obs), actor(obs))
    torch.testing.assert_close(made.actor_now()(obs), actor(obs))
    torch.testing.assert_close(torch.from_numpy(made.actor_on_arrays()(obs.numpy())), actor(obs))
    torch.testing.assert_close(made.values(obs), critic(obs))


@every_depth
def test_the_backward_pass_is_autograds(hidden):
    made, rng = towers(hidden), generator(1)
    obs = torch.randn(7, 5, generator=rng)
    slopes = [torch.randn(shape, generator=rng) for shape in ((7, 3), (7, 4), (2,))]
    made.gradient.fill_(9.0)  # whatever was there before does not count
    made.backward(made.forward(obs), slopes[0], slopes[1], slopes[2])
    actor, critic = networks(made, hidden)
    (actor(obs) * slopes[0]).sum().backward()
    (critic(obs) * slopes[1]).sum().backward()
    wanted = torch.cat([gradient(actor), slopes[2], gradient(critic)])
    torch.testing.assert_close(made.gradient, wanted, rtol=1e-4, atol=1e-5)


def test_layers_are_orthogonal_at_first():
    made = Towers(
        inputs=8,
        hidden=(8,),
        num_outputs=3,
        num_free=0,
        num_values=2,
        generator=generator(),
    )
    first, (last, bias) = made.actor(made.vector)[0][0][0], made.actor(made.vector)[0][1]
    torch.testing.assert_close(first.T @ first, 2.0 * torch.eye(8), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(last.T @ last, 1e-4 * torch.eye(3), rtol=1e-4, atol=1e-8)
    assert not bias.any()
    critic = made.vector[made.split + 8 * 9 :][: 8 * 2].view(8, 2)
    torch.testing.assert_close(critic.T @ critic, torch.eye(2), rtol=1e-5, atol=1e-5)


def test_first_weights_come_from_the_generator_alone():
    before = torch.get_rng_state()
    same = [towers((4,), seed=7).vector for _ in range(2)]
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(*same)
    assert not torch.equal(same[0], towers((4,), seed=8).vector)


def test_adam_is_torchs_on_each_part():
    rng = generator()
    vector = torch.randn(9, generator=rng)
    parts = [vector[:4].clone().requires_grad_(), vector[4:].clone().requires_grad_()]
    descent = torch.zeros(9)
    ours = FlatAdam(vector, descent, split=4, max_norm=0.1)
    theirs = torch.optim.Adam(parts, eps=1e-5)
    for step in range(20):
        rate = 0.01 / (1 + step)
        descent.copy_(torch.randn(9, generator=rng))
        for part, slope in zip(parts, descent.clone().split((4, 5)), strict=True):
            part.grad = slope.clone()
            torch.nn.utils.clip_grad_norm_([part], 0.1)
        theirs.param_groups[0]["lr"] = rate
        theirs.step()
        ours.step(torch.tensor(rate), torch.ones(()))
    torch.testing.assert_close(vector, torch.cat([part.detach() for part in parts]))


def test_a_step_that_is_not_taken_leaves_no_trace():
    vector, slope = torch.ones(3), torch.full((3,), 0.01)
    adam = FlatAdam(vector, slope, split=1, max_norm=1.0)
    adam.step(torch.tensor(0.1), torch.ones(()))
    before = [vector.clone(), *(t.clone() for t in adam.tensors().values())]
    adam.step(torch.tensor(0.1), torch.zeros(()))
    assert all(map(torch.equal, before, [vector, *adam.tensors().values()]))


def test_the_mean_is_over_what_was_added():
    vector = torch.zeros(2)
    mean = RunningMean(vector)
    assert torch.equal(mean.value(), vector)
    for value, going in ((1.0, 0.0), (2.0, 1.0), (4.0, 1.0), (9.0, 1.0), (7.0, 0.0)):
        vector.fill_(value)
        mean.add(torch.tensor(going))
    torch.testing.assert_close(mean.value(), torch.full((2,), 5.0))
