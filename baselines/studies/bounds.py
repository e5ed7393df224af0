"""The sub-optimality bounds of [Zhong2024] for confidence sets, with their constants written out.

If all weights are in their sets, then with c_m(s, a) = |phi(s, a) - phi(s, worst_m(s))| in the norm
of Sigma_m^-1, Gamma the radius, and lower bounds L_m of the utilities u_m:

* 0 <= L_m and u_m - 2 Gamma c_m <= L_m <= u_m for every context and action, since the truly worst
  action may stand for the zero;
* theorem 2, Nash, J = E_s prod_m u_m, the policy that maximises E_s prod_m L_m. One factor after
  another, J* - J <= E_s [prod u(s, pi*) - prod L(s, pi*)]
  <= 2 Gamma E_s sum_m c_m(s, pi*) prod_(k != m) u_k(s, pi*);
* theorem 6, leximin, J = E_s min_m u_m, the policy that maximises E_s min_m L_m:
  J* - J <= 2 Gamma E_s max_m c_m(s, pi*), of which the theorem has the sum over parties;
* theorem 5, utilitarian, J = E_s sum_m u_m, the policy that maximises the least value over the
  sets, counted from acting at random, v = E_s [phi(s, pi(s)) - phi(s, random)]:
  J* - J <= 2 Gamma sum_m |v*| in the norm of Sigma_m^-1.

Called "finite" here, these follow for sure; and so does "sharp", what the first step leaves:
W(u(s, pi*)) - W((u - 2 Gamma c)(s, pi*)_+) with W the product or the minimum, which is never above
J* (theorem 5 has no such form: its own is shown). "printed" is the theorems' form with the
constants that the proofs give: 2 M Gamma C* (theorem 5, shifted C*) and 4 M Gamma U^(M - 1) C*
(theorem 2; theorem 6 without the power), C* over the best policy, each party's worst actions, and
those under the least favourable weights, raw, U the largest utility. For policies that decide
context by context the norm of a mean is less than the mean of norms: printed forms do not follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from agents.coverage import coverage
from agents.pessimism import choose, lower_bounds, solve_pessimistic
from baselines.studies import bandits
from baselines.studies.bandits import RULES
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.rewards.confidence import ConfidenceSets


class Bound(NamedTuple):
    """One theorem on one instance."""

    gap: float  # J* - J
    best: float  # J*, above which a bound says nothing
    sharp: float
    finite: float
    printed: float


def bounds(world: FiniteMDP, sets: ConfidenceSets) -> dict[str, Bound]:
    """Return each theorem's gap and bounds, by the rule."""
    return {
        "nash": nash(world, sets),
        "utilitarian": utilitarian(world, sets),
        "leximin": leximin(world, sets),
    }


def nash(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 2 for the product of utilities."""
    u, rows = bandits.utilities(world), np.arange(world.num_states)
    best, chosen = _chosen(world, sets, "nash")
    product, radius = u.prod(axis=-1), sets.radius
    at, off = u[rows, best], 2.0 * radius * to_worst(world, sets)[rows, best]  # [S, M]
    others = np.stack([np.delete(at, m, axis=1).prod(axis=1) for m in range(at.shape[1])], axis=1)
    finite = (off * others).sum(axis=1).mean()
    sharp = (at.prod(axis=1) - np.maximum(at - off, 0.0).prod(axis=1)).mean()
    star = coverage(world, sets.sigma, RULES["nash"], sets=sets).raw
    parties = world.num_parties
    printed = 4.0 * parties * radius.max() * float(u.max()) ** (parties - 1) * star
    return _bound(product, best, chosen, (sharp, finite, printed))


def leximin(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 6 for the minimum of utilities."""
    u, rows = bandits.utilities(world), np.arange(world.num_states)
    best, chosen = _chosen(world, sets, "leximin")
    least = u.min(axis=-1)
    at, off = u[rows, best], 2.0 * sets.radius * to_worst(world, sets)[rows, best]  # [S, M]
    sharp = (at.min(axis=1) - np.maximum(at - off, 0.0).min(axis=1)).mean()
    star = coverage(world, sets.sigma, RULES["leximin"], sets=sets).raw
    printed = 4.0 * world.num_parties * float(sets.radius.max()) * star
    return _bound(least, best, chosen, (sharp, off.max(axis=1).mean(), printed))


def _bound(
    worth: np.ndarray, best: np.ndarray, chosen: np.ndarray, forms: tuple[float, float, float]
) -> Bound:
    """Return a bound with the gap between best and chosen actions [S] of worth [S, A]."""
    rows = np.arange(len(worth))
    most, had = worth[rows, best].mean(), worth[rows, chosen].mean()
    return Bound(float(most - had), float(most), *map(float, forms))


def utilitarian(world: FiniteMDP, sets: ConfidenceSets) -> Bound:
    """Return theorem 5 for the sum of utilities."""
    u = bandits.utilities(world)
    total = u.sum(axis=-1)
    policy = solve_pessimistic(world, sets, RULES["utilitarian"]).policy[0]  # [S, A]
    most = total.max(axis=1).mean()
    gap = most - (policy * total).sum(axis=1).mean()
    features = np.asarray(world.feature_table)
    best = features[np.arange(len(u)), total.argmax(axis=1)]
    zero = np.einsum("sa,sad->sd", world.behaviour, features)
    norms = sets.norm((best - zero).mean(axis=0))  # [M]
    star = coverage(world, sets.sigma, RULES["utilitarian"]).shifted
    printed = 2.0 * world.num_parties * float(sets.radius.max()) * star
    finite = float(2.0 * (sets.radius * norms).sum())
    # what the cone programme leaves is no loss
    return Bound(round(float(gap), 8), float(most), finite, finite, printed)


def _chosen(world: FiniteMDP, sets: ConfidenceSets, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the best actions [S] under the truth, and those by the lower bounds."""
    u, fitted = bandits.utilities(world), bandits.utilities(world, sets.theta)
    low = lower_bounds(sets, world.feature_table)
    return choose(u, RULES[rule], u).action, choose(low, RULES[rule], fitted).action


def to_worst(world: FiniteMDP, sets: ConfidenceSets) -> np.ndarray:
    """Return c [S, A, M]: how well an action is known beside the party's truly worst one."""
    table, worst = np.asarray(world.feature_table), world.party_table.argmin(axis=1)  # [S, M]
    norms = sets.norm(table[:, :, None] - table[:, None])  # [S, A, A, M]
    return np.take_along_axis(norms, worst[:, None, None, :], axis=2)[:, :, 0]
