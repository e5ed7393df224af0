"""The main job: every method on every task, some seeds, one table and one report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from baselines.methods import DEFAULT_METHODS, LEARNERS, OPTIMISERS, SINGLE, env_name, parse_method
from baselines.rows import Cell, Row
from multiparty_envs import expect

DEFAULT_ENVS = ("Timetable-v0", "Delivery-v0")
"""The default suite: recorded answers of real people, and a simulated minority of a fifth."""

DEFAULT_STEPS = 100_000
"""Environment steps of a training: within a hundredth or two of exact planning, in seconds."""

CURVE_METHODS = (SINGLE, *(f"{learner}+max-min" for learner in LEARNERS[1:]))
"""Methods of the plot of welfare against labels; planned exactly, so that it costs seconds."""

CURVE_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)
"""Parts of the task's labels at which that plot has points."""


@final
@dataclass(frozen=True)
class Settings:
    """What is compared; all of it decides the rows, and another choice needs another folder.

    Attributes:
        envs: environment ids.
        methods: method names.
        seeds: repetitions, numbered from 0.
        optimisers: how policies are made from learned rewards; several give several lines.
        steps: environment steps of each PPO training.
        labels: answers to learn from; 0: as many as each task gives.

    Raises:
        ValueError: on an unknown id, method or optimiser, or an empty choice.
    """

    envs: tuple[str, ...] = DEFAULT_ENVS
    methods: tuple[str, ...] = DEFAULT_METHODS
    seeds: int = 3
    optimisers: tuple[str, ...] = ("ppo",)
    steps: int = DEFAULT_STEPS
    labels: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "envs", tuple(env_name(env) for env in self.envs))
        for name in ("envs", "methods", "optimisers"):
            values = tuple(dict.fromkeys(getattr(self, name)))
            if not values:
                raise ValueError(f"{name} should not be empty")
            object.__setattr__(self, name, values)
        for method in self.methods:
            parse_method(method)
        for optimiser in self.optimisers:
            expect.choice(optimiser, OPTIMISERS, name="optimiser")
        expect.integer(self.seeds, name="seeds", low=1)
        expect.integer(self.steps, name="steps", low=1)
        expect.integer(self.labels, name="labels")

    @classmethod
    def of(cls, config: dict[str, Any]) -> Settings:
        """Return the settings that a manifest recorded.

        Raises:
            ValueError: when they are not those of a comparison.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not set(names) <= set(config):
            raise ValueError(f"these are not the settings of a comparison: {config}")
        values: dict[str, Any] = {name: config[name] for name in names}
        for name, value in values.items():
            values[name] = tuple(value) if isinstance(value, list) else value
        return cls(**values)

    def cells(self) -> list[Cell]:
        """Return everything to run, trainings first: the short ones then fill the gaps."""
        cells = [cell for seed in range(self.seeds) for cell in self._of_seed(seed)]
        # sorting keeps neighbours: cells of one learner share its fit in a process
        return sorted(cells, key=lambda cell: cell.steps == 0)

    def _of_seed(self, seed: int) -> list[Cell]:
        cells = [
            self._cell(env, name, optimiser, seed)
            for env in self.envs
            for name in self.methods
            for optimiser in self._optimisers(name)
        ]
        curve = [
            Cell(env, name, "exact", seed, labels=count)
            for env in self.envs
            for count in self._counts(env)
            for name in CURVE_METHODS
            if name in self.methods
        ]
        # with exact planning and a given number of labels both want some of the same cells
        return cells + [cell for cell in curve if cell not in cells]

    def _cell(self, env: str, method: str, optimiser: str, seed: int) -> Cell:
        # so that exact rows are the same whatever the trainings beside them take
        steps = 0 if optimiser in ("none", "exact") else self.steps
        return Cell(env, method, optimiser, seed, labels=self.labels, steps=steps)

    def _optimisers(self, method: str) -> Sequence[str]:
        bounds = {"random": ("none",), "oracle": ("exact",)}
        return bounds.get(parse_method(method).kind, self.optimisers)

    def _counts(self, env: str) -> list[int]:
        from baselines.tasks import make_task  # brings the whole stack; reports do without

        total = self.labels or make_task(env).labels
        return sorted({max(1, round(share * total)) for share in CURVE_SHARES})

    def main(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the table: all labels, the optimisers asked for, and the bounds."""
        return [
            row
            for row in rows
            if row.cell.labels == self.labels
            and row.cell.optimiser in self._optimisers(row.cell.method)
        ]

    def curve(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the plot of welfare against labels."""
        return [
            row for row in rows if row.cell.labels and row.cell.optimiser == "exact" and row.labels
        ]
