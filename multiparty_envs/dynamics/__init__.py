"""Worlds: what an environment provides, and worlds that are all tables."""

from multiparty_envs.dynamics.base import Dynamics as Dynamics
from multiparty_envs.dynamics.base import View as View
from multiparty_envs.dynamics.finite import FiniteMDP as FiniteMDP
from multiparty_envs.dynamics.finite import FiniteState as FiniteState
from multiparty_envs.dynamics.finite import Names as Names
