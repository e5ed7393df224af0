"""Settings of PPO are checked when they are made."""

import pytest

from agents.config import PPOConfig


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("total_steps", 0),
        ("num_copies", -1),
        ("num_steps", 0),
        ("epochs", 0),
        ("minibatches", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("clip", -0.1),
        ("gae_lambda", 1.5),
        ("entropy", -1.0),
        ("averaging", 2.0),
        ("return_memory", -0.5),
        ("hidden", (64, 0)),
        ("max_gradient_norm", 0.0),
        ("threads", 0),
        ("max_episode_steps", 0),
        ("value_clip", 0.0),
        ("target_kl", -1.0),
        ("kl_coefficient", -1.0),
        ("kl_target", 0.0),
        ("schedule", "cosine"),
        ("clip_schedule", "none"),
        ("max_min", "maximin"),
    ],
)
def test_values_out_of_range_are_refused(setting, value):
    with pytest.raises(ValueError, match=setting):
        PPOConfig(**{setting: value})


def test_a_part_of_a_batch_has_a_step():
    config = PPOConfig(num_copies=2, num_steps=4, minibatches=9)
    with pytest.raises(ValueError, match=r"minibatches should be in 1\.\.8, is 9"):
        config.batch_size(100)


def test_a_target_for_the_divergence_needs_a_price_to_start_from():
    with pytest.raises(ValueError, match="kl_target should come with a kl_coefficient"):
        PPOConfig(kl_target=1.0)


@pytest.mark.parametrize("setting", ["total_steps", "num_copies", "epochs"])
def test_counts_are_whole_numbers(setting):
    with pytest.raises(TypeError, match=setting):
        PPOConfig(**{setting: 2.5})


@pytest.mark.parametrize(
    ("horizon", "num_steps", "steps", "iterations"),
    [(10, None, 10, 10), (500, None, 128, 1), (10, 25, 25, 4), (1, None, 1, 100)],
)
def test_batches_follow_the_horizon(horizon, num_steps, steps, iterations):
    config = PPOConfig(total_steps=1000, num_copies=10, num_steps=num_steps)
    assert config.copies(horizon) == 10
    assert config.steps_per_copy(horizon) == steps
    assert config.iterations(horizon) == iterations


@pytest.mark.parametrize(("horizon", "copies"), [(1, 2500), (10, 250), (100, 64), (1000, 64)])
def test_short_horizons_have_more_copies(horizon, copies):
    assert PPOConfig().copies(horizon) == copies
