"""Exponents: log-linear regressions along the axes of a grid, with intervals over its seeds.

What is fitted is the mean over seeds at each place, so that a seed in which nothing was lost, which
has no logarithm, counts as what it is. Seeds are drawn anew as wholes: what one seed's places have
in common does not make an interval too short. The interval is Student's t times the bootstrap's
standard error, for a bootstrap of ten seeds alone claims too much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from baselines.rows import Finding
from baselines.statistics import Estimate
from baselines.studies import grid
from multiparty_envs.streams import Streams

RESAMPLES = 400

Measure = Callable[[Finding], float] | str
"""A measured value by its name, or what is made of a row."""


def exponents(rows: Sequence[Finding], axes: Sequence[str], value: Measure) -> dict[str, Estimate]:
    """Return the exponent of each axis in value = constant * product of places ** exponent.

    Places at which the mean over all seeds is not positive are left out. Where these are half of
    the places or more there is no exponent (NaN), nor is there one of an axis that does not vary.

    Args:
        rows: with every seed at every place.
        axes: names of knobs.
        value: what is fitted.

    Raises:
        ValueError: when some seed lacks a place.
    """
    places, values = table(rows, axes, value)
    positive = values.mean(axis=1) > 0.0
    if 2 * positive.sum() <= len(positive):
        positive[:] = False
    places, values = places[positive], values[positive]
    found = around(values, lambda means: fit(places, means))
    return dict(zip(axes, found, strict=True))


def fit(places: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the exponents [..., K] of values [..., P] at places [P, K]; NaN where not positive."""
    logs = np.log(places)
    varies = np.ptp(logs, axis=0) > 0.0 if len(logs) else np.zeros(places.shape[1], dtype=bool)
    design = np.column_stack([np.ones(len(logs)), logs[:, varies]])
    found = np.full((*values.shape[:-1], places.shape[1]), np.nan)
    if len(design) <= design.shape[1] or not varies.any():  # a line through two points fits always
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        target = np.log(values)
    target = np.where(np.isfinite(target), target, np.nan)
    found[..., varies] = (target @ np.linalg.pinv(design).T)[..., 1:]
    return found


def around(values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> list[Estimate]:
    """Return a statistic of the means over seeds, with its interval over seeds.

    Args:
        values: [P, seeds].
        statistic: from means [..., P] to [..., K].
    """
    from scipy import stats

    seeds = values.shape[1]
    whole = statistic(values.mean(axis=1))
    if seeds < 2:
        return [Estimate(float(each), np.nan, np.nan, seeds) for each in whole]
    drawn = statistic(resampled(values))
    drawn = drawn[np.isfinite(drawn).all(axis=-1) | ~np.isfinite(whole).all()]
    # a resample of n seeds varies by (n - 1) / n of what n new seeds would
    spread = drawn.std(axis=0) * np.sqrt(seeds / (seeds - 1.0)) if len(drawn) else np.nan * whole
    half = float(stats.t.ppf(0.975, df=seeds - 1)) * spread
    return [
        Estimate(float(v), float(v - h), float(v + h), seeds)
        for v, h in zip(whole, half, strict=True)
    ]


def resampled(values: np.ndarray, count: int = RESAMPLES) -> np.ndarray:
    """Return the means [count, P] of values [P, seeds] over seeds drawn with replacement."""
    seeds = values.shape[1]
    # the same for all values, so that differences and ratios of two are paired
    weight = Streams(0).numpy("resampled").multinomial(seeds, np.full(seeds, 1.0 / seeds), count)
    return weight @ values.T / seeds


def table(
    rows: Sequence[Finding], axes: Sequence[str], value: Measure
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places [P, K] of the rows along the axes, and the values [P, seeds] there.

    Raises:
        ValueError: when some seed lacks a place, or has it twice.
    """
    measure = (lambda row: row.values[value]) if isinstance(value, str) else value
    found: dict[tuple[float, ...], dict[int, float]] = {}
    for row in rows:
        place = tuple(float(grid.knob(row, axis)) for axis in axes)
        found.setdefault(place, {})[row.cell.seed] = measure(row)
    seeds = sorted({row.cell.seed for row in rows})
    if sum(map(len, found.values())) != len(rows) or len(rows) != len(found) * len(seeds):
        raise ValueError(
            f"rows should have every one of {len(seeds)} seeds once at every one of "
            f"{len(found)} places, are {len(rows)}"
        )
    values = [[found[place][seed] for seed in seeds] for place in sorted(found)]
    return np.array(sorted(found)), np.array(values)


def told(estimate: Estimate, digits: int = 2) -> str:
    """Return "value [low, high]"."""
    if np.isnan(estimate.value):
        return "–"
    value, low, high = (
        f"{round(each, digits) + 0.0:.{digits}f}"
        for each in (estimate.value, estimate.low, estimate.high)
    )
    return value if np.isnan(estimate.low) else f"{value} [{low}, {high}]"


def against(estimate: Estimate, theory: float) -> str:
    """Say whether an exponent of `theory` is compatible with what was found."""
    if np.isnan(estimate.low):
        return "undecided"
    if theory > estimate.high:
        return "rejected (smaller)"
    return "rejected (larger)" if theory < estimate.low else "not rejected"


def curves(
    rows: Sequence[Finding], axis: str, values: Mapping[str, str]
) -> dict[str, dict[float, Estimate]]:
    """Return {name of a curve: {place: estimate}} of measured values by the names of curves."""
    return {name: grid.along(rows, axis, value) for name, value in values.items()}
