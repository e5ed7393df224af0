"""Studies: each a question, a grid, and a score in [0, 1] between floor and oracle."""

from __future__ import annotations

import importlib
from types import ModuleType

from multiparty_envs import expect

STUDIES = {
    "better-pessimism": "baselines.studies.better_pessimism",
    "confidence": "baselines.studies.confidence",
    "delivery-conflict": "baselines.studies.delivery_conflict",
    "efficiency": "baselines.studies.efficiency",
    "finite-optima": "baselines.studies.finite_optima",
    "labels": "baselines.studies.labels",
    "loop": "baselines.studies.loop",
    "low-rank": "baselines.studies.low_rank",
    "num-parties": "baselines.studies.num_parties",
    "parity": "baselines.studies.parity",
    "pessimism": "baselines.studies.pessimism",
    "rates": "baselines.studies.rates",
    "reward-free": "baselines.studies.reward_free",
    "separation": "baselines.studies.separation",
    "theorems": "baselines.studies.theorems",
    "travellers": "baselines.studies.travellers",
    "violation": "baselines.studies.violation",
    "welfare": "baselines.studies.welfare",
}
"""Study names, and the modules that answer them."""


def find_study(name: str) -> ModuleType:
    """Return the module of a study.

    Raises:
        ValueError: naming the studies there are.
    """
    return importlib.import_module(STUDIES[expect.choice(name, STUDIES, name="study")])
