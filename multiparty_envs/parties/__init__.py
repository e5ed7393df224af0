"""The parties: who they are and how they answer."""

from multiparty_envs.parties.bradley_terry import BradleyTerryLuce
from multiparty_envs.parties.choice import Behaviour, ChoiceModel
from multiparty_envs.parties.population import Population

__all__ = ["Behaviour", "BradleyTerryLuce", "ChoiceModel", "Population"]
