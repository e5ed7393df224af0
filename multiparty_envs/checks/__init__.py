"""The contracts as a test kit: run these on worlds, faces, learners and welfare functions of yours.

Each raises `AssertionError` that says what was promised and what came instead.
"""

from multiparty_envs.checks.dynamics import check_dynamics as check_dynamics
from multiparty_envs.checks.learner import check_learner as check_learner
from multiparty_envs.checks.vector import check_vector as check_vector
from multiparty_envs.checks.welfare import check_welfare as check_welfare
