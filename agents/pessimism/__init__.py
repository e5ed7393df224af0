"""Policies that are good wherever in the confidence sets the truth is ([Zhong2024] section 4)."""

from agents.pessimism.bounds import lower_bounds
from agents.pessimism.planning import (
    PessimisticOptimum,
    pessimistic_value,
    plan_steps,
    solve_pessimistic,
)
from agents.pessimism.statewise import Choice, choose, welfare_of_profiles

__all__ = [
    "Choice",
    "PessimisticOptimum",
    "choose",
    "lower_bounds",
    "pessimistic_value",
    "plan_steps",
    "solve_pessimistic",
    "welfare_of_profiles",
]
