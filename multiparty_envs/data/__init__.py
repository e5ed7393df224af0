"""Recorded answers of real people, shipped small and open."""

from multiparty_envs.data.panel import ChoicePanel
from multiparty_envs.data.sources import SOURCES, load
from multiparty_envs.data.tables import read_columns, write_columns

__all__ = ["SOURCES", "ChoicePanel", "load", "read_columns", "write_columns"]
