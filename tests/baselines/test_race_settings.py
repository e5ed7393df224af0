"""Settings of stable-baselines3 and ours are the same settings."""

import pytest
from stable_baselines3 import PPO

from baselines.races import sb3_peer
from baselines.races.cartpole import CartPole
from baselines.races.settings import ZOO, SB3Settings, as_config


def test_defaults_are_those_of_stable_baselines3():
    theirs = PPO("MlpPolicy", sb3_peer.dummy(CartPole(), 1), device="cpu")
    ours = SB3Settings()
    for name in ("n_envs", "n_steps", "batch_size", "n_epochs", "gae_lambda", "gamma", "ent_coef"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.learning_rate == theirs.learning_rate
    assert callable(theirs.clip_range)
    assert ours.clip_range == theirs.clip_range(1.0)


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        (SB3Settings(), (1, 2048, 32)),
        (SB3Settings(n_envs=8, n_steps=256), (8, 256, 32)),
        (SB3Settings(n_envs=64, n_steps=32), (64, 32, 32)),
        (ZOO, (8, 32, 1)),
    ],
)
def test_batches_and_minibatches_keep_their_sizes(settings, sizes):
    config = as_config(settings, 10_000)
    assert (config.num_copies, config.num_steps, config.minibatches) == sizes
    assert config.batch_size(horizon=500) // config.minibatches == settings.batch_size


def test_everything_else_has_another_name_only():
    config = as_config(ZOO, 10_000)
    assert (config.total_steps, config.epochs, config.gae_lambda) == (10_000, 20, 0.8)
    assert (config.learning_rate, config.clip, config.entropy) == (1e-3, 0.2, 0.0)
    assert (config.hidden, config.averaging) == ((64, 64), 0.0)
    assert as_config(ZOO, 10_000, clip=0.1).clip == 0.1


@pytest.mark.parametrize("size", [25, 61])
def test_minibatches_of_unequal_size_are_refused(size):
    with pytest.raises(ValueError, match="batch_size should cut n_envs"):
        as_config(SB3Settings(n_envs=6, n_steps=10, batch_size=size), 100)


@pytest.mark.parametrize(
    ("falling", "half", "schedule"), [(True, 5e-4, "linear"), (False, 1e-3, "constant")]
)
def test_schedules(falling, half, schedule):
    settings = SB3Settings(learning_rate=1e-3, falling=falling)
    config = as_config(settings, 1000)
    assert (config.schedule, config.clip_schedule) == (schedule, schedule)
    given = settings.keywords()
    model = PPO("MlpPolicy", sb3_peer.dummy(CartPole(), 2), device="cpu", **given)
    assert model.lr_schedule(0.5) == half


@pytest.mark.parametrize("make", [sb3_peer.dummy, sb3_peer.batched])
def test_a_peer_stops_where_it_is_there_and_is_looked_at_after_each_update(make):
    settings = SB3Settings(n_envs=2, n_steps=8, batch_size=16, n_epochs=1)
    seen = []

    def look(model):
        seen.append(model.num_timesteps)
        return model.num_timesteps >= 32

    finish = sb3_peer.run(lambda: make(CartPole(), 2), settings, 64, 0, look)
    assert seen == [0, 16, 32]
    assert finish is not None
    assert finish.steps == 32
    seen.clear()
    assert sb3_peer.run(lambda: make(CartPole(), 2), settings, 16, 0, look) is None
    assert seen == [0, 16]


def test_the_mean_of_the_last_episodes_waits_for_enough_of_them():
    envs = sb3_peer.gymnasiums("CartPole-v1", 2)
    model = sb3_peer.model(envs, SB3Settings(n_envs=2, n_steps=64, n_epochs=1), 0)
    model.learn(128)
    seen = [info["r"] for info in model.ep_info_buffer]
    assert len(seen) >= 2
    assert sb3_peer.mean_of_last(model, 2) == sum(seen[-2:]) / 2
    assert sb3_peer.mean_of_last(model, 1000) != sb3_peer.mean_of_last(model, 1000)  # NaN
