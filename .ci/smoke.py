"""Outside the checkout: the installed package makes every environment and emits answers."""

import sysconfig
from pathlib import Path

import gymnasium as gym

import multiparty_envs

installed = Path(multiparty_envs.__file__).resolve()
assert Path(sysconfig.get_paths()["purelib"]).resolve() in installed.parents, installed
for name in multiparty_envs.ENVS:
    env = gym.make(f"multiparty/{name}")
    env.reset(seed=0)
    heard, steps = 0, 20 * env.unwrapped.dynamics.horizon  # people are asked after 16 episodes
    for _ in range(steps):
        _, _, terminated, truncated, info = env.step(env.action_space.sample())
        heard += len(info.get("comparisons", ()))
        if terminated or truncated:
            env.reset()
    assert heard > 0, f"{name} emitted no answer in {steps} steps"
    print(f"{name}: {heard} answers, from {installed.parent}")
