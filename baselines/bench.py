"""Speed on this machine: ours beside a peer, by turns in one run, one thread each."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from baselines.extras import require
from baselines.races.faces import many_copies, many_copies_asked, one_copy, one_copy_asked
from baselines.races.feedback import answers_in_rollouts
from baselines.races.joint import joint_fit, joint_fit_uneven
from baselines.races.learning import cartpole_learning, delivery_learning
from baselines.races.neural import neural_learning, neural_learning_of_many
from baselines.races.race import Finish, LearningRace, Race
from baselines.races.single import importing, labels, planning
from baselines.races.training import thermostat_training, training
from baselines.races.winners import dense_winners, quick_winners, winners
from baselines.summary import Table
from multiparty_envs import expect

RACES: tuple[Callable[[], Race | LearningRace], ...] = (
    one_copy,
    one_copy_asked,
    many_copies,
    many_copies_asked,
    planning,
    winners,
    dense_winners,
    quick_winners,
    labels,
    joint_fit,
    joint_fit_uneven,
    answers_in_rollouts,
    neural_learning,
    neural_learning_of_many,
    training,
    thermostat_training,
    delivery_learning,
    cartpole_learning,
    importing,
)
"""What is measured, in this order."""

RATE_COLUMNS = ("what", "ours", "peer's", "ratio", "lowest–highest", "peer")
GOAL_COLUMNS = ("what", "ours", "got there", "peer's", "its got there", "ratio", "peer")


def names() -> dict[str, Callable[[], Race | LearningRace]]:
    """Return the races by name: that of the function, with dashes."""
    return {prepare.__name__.replace("_", "-"): prepare for prepare in RACES}


def run_bench(races: Sequence[str] = (), repeats: int = 5, seeds: int = 10) -> list[Table]:
    """Run races and return a table of rates and one of times to a goal, where there are any.

    Args:
        races: names; none means all.
        repeats: how often ours and theirs take turns; the ratio is the median over turns, so that
            a neighbour who slows the machine down for a while slows both.
        seeds: trainings of each side in a race to a goal.

    Raises:
        ValueError: for an unknown race, or a number below one.
    """
    expect.integer(repeats, name="repeats", low=1)
    expect.integer(seeds, name="seeds", low=1)
    known = names()
    chosen = [expect.choice(race, known, name="race") for race in races] or list(known)
    # one thread each, as every worker of a comparison has
    require("torch").set_num_threads(1)
    rates: list[tuple[str, ...]] = []
    goals: list[tuple[str, ...]] = []
    for name in chosen:
        try:
            race = known[name]()
        except ImportError as error:
            rates.append((name, *["–"] * (len(RATE_COLUMNS) - 2), str(error)))
            continue
        if isinstance(race, LearningRace):
            goals += goal_lines(race, range(seeds))
        else:
            rates.append(rate_line(race, repeats))
    runs = f"medians of {seeds} seeds, one that does not get there counting as the slowest"
    tables = (
        Table(f"Speed, medians of {repeats} turns, one thread", RATE_COLUMNS, tuple(rates)),
        Table(f"Time to a goal, {runs}, one thread", GOAL_COLUMNS, tuple(goals)),
    )
    return [table for table in tables if table.rows]


def rate_line(race: Race, repeats: int) -> tuple[str, ...]:
    """Race by turns and return a row of the table: whatever slows the machine down meets both."""
    turns = [(race.ours(), race.theirs()) for _ in range(repeats)]
    ours, theirs = (statistics.median(turn[side] for turn in turns) for side in (0, 1))
    ratios = [mine / other for mine, other in turns]
    return (
        race.what,
        _rate_text(ours),
        _rate_text(theirs),
        f"{statistics.median(ratios):.3g}×",
        f"{min(ratios):.3g}–{max(ratios):.3g}",
        race.peer,
    )


def goal_lines(race: LearningRace, seeds: Sequence[int]) -> list[tuple[str, ...]]:
    """Race by turns, seed by seed, and return a row of the table for each peer."""
    sides = {"": race.ours, **race.peers}
    found: dict[str, list[Finish | None]] = {side: [] for side in sides}
    for seed in seeds:
        for side, train in sides.items():
            found[side].append(train(seed))
    ours = found.pop("")
    return [(race.what, *_compared(ours, theirs), peer) for peer, theirs in found.items()]


def _compared(
    ours: Sequence[Finish | None], theirs: Sequence[Finish | None]
) -> tuple[str, str, str, str, str]:
    """Return time and share of both, and by what factor ours is faster."""
    (mine, of_mine), (other, of_theirs) = _time(ours), _time(theirs)
    # where half the runs of one side never get there, nobody knows the ratio
    known = math.isfinite(mine) and math.isfinite(other)
    ratio = f"{other / mine:.3g}×" if known else "–"
    return _time_text(mine), of_mine, _time_text(other), of_theirs, ratio


def _time(runs: Sequence[Finish | None]) -> tuple[float, str]:
    """Return the median seconds, infinite where half the runs never got there, and how many did."""
    seconds = [math.inf if run is None else run.seconds for run in runs]
    reached = sum(run is not None for run in runs)
    return statistics.median(seconds), f"{reached} of {len(runs)}"


def _time_text(seconds: float) -> str:
    return f"{seconds:.3g} s" if math.isfinite(seconds) else "never"


def _rate_text(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
