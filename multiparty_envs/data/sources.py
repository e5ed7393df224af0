"""The panels that are shipped: which there are, in what units, from where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from multiparty_envs import expect
from multiparty_envs.data.panel import ChoicePanel
from multiparty_envs.data.tables import read_columns

FOLDER = Path(__file__).parent


class Source(NamedTuple):
    """One shipped panel."""

    units: Mapping[str, float]
    """What the numbers in the file are divided by, so that all features are of size one."""
    citation: str


SOURCES = {
    # file: cents of guilders and minutes; here tens of guilders and hours
    "train": Source(
        {"price": 1000.0, "time": 60.0},
        "Dutch rail travellers, stated choices between two journeys [BenAkiva1993]",
    ),
    # file: cents per kWh; here tens of cents, the price that the two variable rates come to
    "electricity": Source(
        {"price": 10.0},
        "Households of the United States, stated choices of an electricity supplier "
        "[ReveltTrain2000] [HuberTrain2001]",
    ),
}


@cache
def load(name: str) -> ChoicePanel:
    """Return a shipped panel of real people's choices; `README.md` beside it tells its story.

    Args:
        name: "train" (235 people, 2,929 choices between two rail journeys: price in tens of
            guilders, time in hours, changes, comfort class with 0 the best) or "electricity" (361
            people, 4,308 choices among four suppliers: price in tens of cents per kWh, contract
            in years, local, known, time-of-day rate, seasonal rate).

    Raises:
        ValueError: when there is no such panel.
    """
    source = SOURCES[expect.choice(name, SOURCES, name="panel")]
    columns = read_columns(FOLDER / f"{name}.csv.gz")
    return ChoicePanel.from_table(columns, units=source.units, source=source.citation)
