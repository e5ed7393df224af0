"""Faces: one copy (`gym.make`), many copies in NumPy (`gym.make_vec`), many on a torch device."""

from multiparty_envs.faces.bulk import collect as collect
from multiparty_envs.faces.offline import offline as offline
from multiparty_envs.faces.scale import segment_scale as segment_scale
from multiparty_envs.faces.single import PartyEnv as PartyEnv
from multiparty_envs.faces.tensor import TensorEnv as TensorEnv
from multiparty_envs.faces.tensor import TensorStep as TensorStep
from multiparty_envs.faces.vector import PartyVectorEnv as PartyVectorEnv
