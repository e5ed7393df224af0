"""The parties: who they are and how they answer."""

from multiparty_envs.parties.bradley_terry import BradleyTerryLuce
from multiparty_envs.parties.choice import Behaviour, ChoiceModel
from multiparty_envs.parties.generators import (
    clusters,
    conflict,
    dirichlet_traits,
    from_table,
    zipf_shares,
)
from multiparty_envs.parties.plackett_luce import PlackettLuce
from multiparty_envs.parties.population import Population
from multiparty_envs.parties.preference_matrices import PreferenceMatrices
from multiparty_envs.parties.ratings import Ratings
from multiparty_envs.parties.subspaces import low_rank

__all__ = [
    "Behaviour",
    "BradleyTerryLuce",
    "ChoiceModel",
    "PlackettLuce",
    "Population",
    "PreferenceMatrices",
    "Ratings",
    "clusters",
    "conflict",
    "dirichlet_traits",
    "from_table",
    "low_rank",
    "zipf_shares",
]
