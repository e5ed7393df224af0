"""Nobody who learns sees the truth: poisoned true rewards change nothing."""

import numpy as np
import pytest
import torch
from gymnasium.vector import VectorWrapper
from stable_baselines3 import PPO

from agents.sb3 import SB3VecEnv
from multiparty_envs.faces import PartyVectorEnv
from multiparty_envs.feedback import Feedback
from multiparty_envs.rewards import Independent, Pooled
from multiparty_envs.welfare import MaxMin, Utilitarian
from multiparty_envs.wrappers import LearnedRewardVector, WelfareRewardVector


class PoisonTruth(VectorWrapper):
    """Makes every true reward, in the info and as reward, not a number."""

    def step(self, actions):
        obs, reward, terminated, truncated, info = self.env.step(actions)
        for told in (info, info.get("final_info", {})):
            if "party_rewards" in told:
                told["party_rewards"] = np.full_like(told["party_rewards"], np.nan)
        return obs, np.full_like(reward, np.nan), terminated, truncated, info


def trained(world, learner, welfare, level, poison):
    feedback = Feedback(segment_length=2, every=8, queries=8)
    envs = PartyVectorEnv(8, world, feedback=feedback)
    envs = LearnedRewardVector(poison(envs), learner, first_fit=32)
    envs = WelfareRewardVector(envs, welfare, level, episodes=8)
    model = PPO("MlpPolicy", SB3VecEnv(envs), n_steps=16, batch_size=64, seed=0, device="cpu")
    model.learn(256)
    assert envs.env.core.fits > 1
    return model.policy.state_dict()


@pytest.mark.parametrize(
    ("learner", "welfare", "level"),
    [
        (Pooled(), Utilitarian(), "policy"),
        (Independent(), MaxMin(), "policy"),
        (Independent(), MaxMin(), "step"),
        (Independent(), MaxMin(), "episode"),
    ],
)
def test_training_on_learned_rewards_does_not_see_the_truth(world, learner, welfare, level):
    clean = trained(world, learner, welfare, level, lambda envs: envs)
    poisoned = trained(world, learner, welfare, level, PoisonTruth)
    assert all(bool(torch.isfinite(value).all()) for value in clean.values())
    for name, value in clean.items():
        assert torch.equal(value, poisoned[name]), name


def test_poison_is_not_harmless(world):
    envs = WelfareRewardVector(
        PoisonTruth(PartyVectorEnv(8, world, feedback=None)), MaxMin(), "step", source="true"
    )
    envs.reset(seed=0)
    assert np.isnan(envs.step(np.zeros(8, dtype=int))[1]).all()
