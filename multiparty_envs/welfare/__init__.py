"""Welfare: what each party gets, turned into one number; axioms, units, fairness measures."""

from multiparty_envs.welfare.additive import GeneralizedMean as GeneralizedMean
from multiparty_envs.welfare.additive import Isoelastic as Isoelastic
from multiparty_envs.welfare.additive import Nash as Nash
from multiparty_envs.welfare.additive import Utilitarian as Utilitarian
from multiparty_envs.welfare.axioms import AXIOMS as AXIOMS
from multiparty_envs.welfare.axioms import Axiom as Axiom
from multiparty_envs.welfare.base import Welfare as Welfare
from multiparty_envs.welfare.functions import WELFARES as WELFARES
from multiparty_envs.welfare.functions import make_welfare as make_welfare
from multiparty_envs.welfare.ranked import GeneralizedGini as GeneralizedGini
from multiparty_envs.welfare.ranked import Leximin as Leximin
from multiparty_envs.welfare.ranked import MaxMin as MaxMin
from multiparty_envs.welfare.scale import LEVELS as LEVELS
from multiparty_envs.welfare.scale import NORMALISATIONS as NORMALISATIONS
from multiparty_envs.welfare.scale import Scale as Scale
from multiparty_envs.welfare.scale import zero_normalised as zero_normalised
