"""From rows to tables: one line per method, every number with its interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final

from baselines.methods import SINGLE, method_order
from baselines.rows import Row
from baselines.statistics import Estimate, improvement, interval, two_places

METRICS = {
    "utilitarian": "utilitarian",
    "nash": "Nash",
    "worst": "worst party",
    "regret": "regret",
    "accuracy_majority": "acc. majority",
    "accuracy_minority": "acc. minority",
}
"""Fields of a row that the tables show, with their headings."""

BETTER_BY = ("worst", "utilitarian")
"""Fields by which the probability of improvement over single-reward is told; console: the first."""


@final
@dataclass(frozen=True)
class Line:
    """What several seeds of one method and optimiser gave on one task.

    Attributes:
        env: environment id.
        method: method name.
        optimiser: as in the cell.
        labels: answers learned from, 0 where nothing is learned.
        estimates: mean and interval by metric name.
        better: probability that a run beats a run of single-reward, by metric name; empty for
            single-reward itself and where it was not run.
        nash_floors: parties below the floor of the Nash metric, mean over seeds.
    """

    env: str
    method: str
    optimiser: str
    labels: int
    estimates: dict[str, Estimate]
    better: dict[str, Estimate]
    nash_floors: float


@final
@dataclass(frozen=True)
class Table:
    """Strings in rows and columns; the console, Markdown and HTML print the same ones."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def summarise(rows: Iterable[Row]) -> list[Line]:
    """Return one line per (environment, method, optimiser, labels asked for), in table order."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        cell = row.cell
        groups.setdefault((cell.env, cell.method, cell.optimiser, cell.labels), []).append(row)
    ordered = sorted(groups, key=_order)
    return [_line(groups[key], _baseline(groups, key)) for key in ordered]


def main_tables(lines: Sequence[Line]) -> list[Table]:
    """Return one table per environment, the heart of the report."""
    envs = list(dict.fromkeys(line.env for line in lines))
    return [_table(env, [line for line in lines if line.env == env]) for env in envs]


def _table(env: str, lines: Sequence[Line]) -> Table:
    labels = max(line.labels for line in lines)
    runs = max(line.estimates["worst"].runs for line in lines)
    # one probability is enough for a terminal; the report has them all
    columns = ("method", "by", *METRICS.values(), f"P(better than {SINGLE})")
    cells = tuple(
        (
            line.method,
            line.optimiser,
            *(short(line.estimates[name]) for name in METRICS),
            str(line.better.get(BETTER_BY[0], "–")),
        )
        for line in lines
    )
    return Table(f"{env} · {labels} labels · {runs} seeds", columns, cells)


def better_table(lines: Sequence[Line]) -> Table:
    """Return the probabilities of improvement over single-reward by each of `BETTER_BY`."""
    columns = ("method", "by", *(METRICS[name] for name in BETTER_BY))
    cells = tuple(
        (line.method, line.optimiser, *(str(line.better[name]) for name in BETTER_BY))
        for line in lines
        if line.better
    )
    return Table(f"Probability that a run beats a run of {SINGLE}", columns, cells)


def short(estimate: Estimate) -> str:
    """Return "0.62 ±0.08" where the interval is symmetric to two places, else with brackets."""
    text = str(estimate)
    half = two_places(estimate.high - estimate.value)
    if "[" not in text or half != two_places(estimate.value - estimate.low):
        return text
    return f"{two_places(estimate.value)} ±{half}"


def _line(rows: Sequence[Row], baseline: Sequence[Row]) -> Line:
    cell = rows[0].cell
    better = {
        name: improvement([getattr(r, name) for r in rows], [getattr(r, name) for r in baseline])
        for name in BETTER_BY
        if baseline and cell.method != SINGLE
    }
    return Line(
        env=cell.env,
        method=cell.method,
        optimiser=cell.optimiser,
        labels=max(row.labels for row in rows),
        estimates={name: interval([getattr(row, name) for row in rows]) for name in METRICS},
        better=better,
        nash_floors=sum(row.nash_floors for row in rows) / len(rows),
    )


def _baseline(groups: dict[tuple, list[Row]], key: tuple) -> list[Row]:
    """Return single-reward's rows, by the same optimiser if there are such (bounds have none)."""
    env, _, optimiser, labels = key
    # a policy by PPO should not win or lose against one by exact planning
    found = groups.get((env, SINGLE, optimiser, labels))
    if found is None:
        of_env = [k for k in groups if k[:2] == (env, SINGLE) and k[3] == labels]
        found = groups[of_env[0]] if of_env else []
    return found


def _order(key: tuple) -> tuple:
    env, method, optimiser, labels = key
    return env, labels, method_order(method), method, optimiser
