"""Agents: exact planning, PPO of our own, the bridge to stable-baselines3, and evaluation.

The modules are imported one by one (`from agents import ppo`), so that planning needs no torch.
"""
