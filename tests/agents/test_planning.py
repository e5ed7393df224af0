"""The planner against an independent one (occupancies in cvxpy), and its certificate."""

import cvxpy as cp
import numpy as np
import pytest
from scipy import sparse

from agents.planning import best_response, party_scale, policy_returns, solve
from multiparty_envs.registration import make_dynamics
from multiparty_envs.welfare import (
    GeneralizedGini,
    GeneralizedMean,
    Isoelastic,
    Leximin,
    MaxMin,
    Nash,
    Scale,
    Utilitarian,
    Welfare,
)

EXACT, SMOOTH = 1e-6, 1e-5  # relative gaps asked for; of conic problems the judge is less exact
WELFARES = {
    "utilitarian": (Utilitarian(), EXACT),
    "max-min": (MaxMin(), EXACT),
    "gini": (GeneralizedGini(), EXACT),
    "nash": (Nash(eps=0.05), SMOOTH),
    "geometric mean": (GeneralizedMean(p=0.0, eps=0.05), SMOOTH),
    "mean of roots": (GeneralizedMean(p=0.5, eps=0.05), SMOOTH),
    "harmonic mean": (GeneralizedMean(p=-1.0, eps=0.05), SMOOTH),
    "isoelastic": (Isoelastic(alpha=-2.0, eps=0.2), SMOOTH),
}
every_welfare = pytest.mark.parametrize("name", WELFARES)


class Occupancies:
    """All policies of a world, as variables of a conic programme: one a (t, s, a) ever reached.

    Parties judge expected features, so that there are D sums over them, however many parties.
    """

    def __init__(self, mdp, scale):
        actions = mdp.num_actions
        flow, table = _flow(mdp), mdp.feature_table.reshape(-1, mdp.num_features)
        here = np.flatnonzero(mdp.initial_table)
        arrived, worth, gained = mdp.initial_table[here], 1.0, 0.0
        self.constraints, self.features = [], cp.Variable(mdp.num_features)
        for _ in range(mdp.horizon):
            pairs = (here[:, None] * actions + np.arange(actions)).ravel()
            visits = cp.Variable(len(pairs), nonneg=True)
            acting = sparse.kron(sparse.eye(len(here)), np.ones((1, actions)))
            self.constraints.append(acting @ visits == arrived)
            gained = gained + worth * (table[pairs].T @ visits)
            ahead, worth = flow[:, pairs], worth * mdp.discount
            here = np.flatnonzero(ahead.sum(axis=1))
            arrived = ahead[here] @ visits
        self.constraints.append(self.features == gained)
        self.utilities = (mdp.population.theta.T @ self.features - scale.shift) / scale.unit

    def maximise(self, objective, extra=()):
        problem = cp.Problem(cp.Maximize(objective), [*self.constraints, *extra])
        problem.solve(solver=cp.SCIPY if objective.is_pwl() else cp.CLARABEL)
        return float(problem.value)


def _flow(mdp):
    """The chance of going from a pair (s, a) on to a cell that is not terminal, [S, S * A]."""
    pair = np.repeat(np.arange(mdp.num_states * mdp.num_actions), mdp.successors.shape[2])
    to = (mdp.successors.ravel(), pair)
    shape = (mdp.num_states, mdp.num_states * mdp.num_actions)
    moves = sparse.csr_matrix((mdp.probabilities.ravel(), to), shape=shape)
    return sparse.csr_matrix(sparse.diags((~mdp.terminal).astype(float)) @ moves)


def judged(occupancies, welfare, parties):
    """The optimum by cvxpy, from the definition of each welfare function."""
    u, extra = occupancies.utilities, ()
    if isinstance(welfare, Utilitarian):
        objective = cp.sum(u) / parties
    elif isinstance(welfare, MaxMin):
        objective = cp.min(u)
    elif isinstance(welfare, GeneralizedGini):
        objective = -cp.dotsort(-u, welfare.for_parties(parties))
    else:
        objective, extra = _mean_utility(welfare, u, parties)
    value = occupancies.maximise(objective, extra)
    return (
        float(welfare.utility.inverse(np.array(value)))
        if isinstance(welfare, GeneralizedMean)
        else value
    )


def _mean_utility(welfare, u, parties):
    curve, lift = welfare.utility, cp.Variable(parties, nonneg=True)
    if curve.alpha == 0:
        bent = cp.log(u + lift)
    else:
        bent = np.sign(curve.alpha) * cp.power(u + lift, curve.alpha)
    return cp.sum(bent - curve.top_slope * lift) / parties, [u + lift >= curve.eps / 2]


def ranged(mdp):
    return party_scale(mdp, "range")


@every_welfare
@pytest.mark.parametrize(
    "seed", [s if s < 12 else pytest.param(s, marks=pytest.mark.slow) for s in range(50)]
)
def test_agrees_with_cvxpy(name, seed, random_world):
    mdp = random_world(seed)
    (welfare, tolerance), scale = WELFARES[name], ranged(mdp)
    wanted = judged(Occupancies(mdp, scale), welfare, mdp.num_parties)
    found = solve(mdp, welfare, scale=scale)
    assert found.welfare == pytest.approx(wanted, rel=tolerance, abs=tolerance)
    assert 0.0 <= found.gap <= 1e-7 * max(1.0, abs(found.welfare))


def leximin_rounds(occupancies, parties):
    """The sorted optimum by linear programmes: raise the least, fix who cannot be raised alone."""
    u, level = occupancies.utilities, np.full(parties, np.nan)
    while np.isnan(level).any():
        free = np.flatnonzero(np.isnan(level))
        done = [u[m] >= level[m] - 1e-9 for m in np.flatnonzero(~np.isnan(level))]
        least = occupancies.maximise(cp.min(u[free]), done)
        rest = [*done, u[free] >= least - 1e-8]
        low = free[u.value[free] <= least + 1e-6]  # the others are seen to be above it
        alone = np.array([occupancies.maximise(u[m], rest) for m in low])
        level[low[alone <= max(least + 1e-6, alone.min())]] = least
        if pinned(occupancies, [u >= np.where(np.isnan(level), least, level) - 1e-9]):
            return np.sort(u.value)
    return np.sort(level)


def pinned(occupancies, constraints):
    """Whether nothing that anybody judges can change any more, but by rounding."""
    most = [
        occupancies.maximise(sign * feature, constraints)
        for feature in occupancies.features
        for sign in (1, -1)
    ]
    return max(np.add(most[::2], most[1::2])) < 1e-5


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("parties", [2, 4])
def test_leximin_agrees_with_rounds_in_cvxpy(seed, parties, random_world):
    mdp = random_world(seed, states=8, parties=parties, horizon=2)
    scale = ranged(mdp)
    found = solve(mdp, Leximin(), scale=scale)
    wanted = leximin_rounds(Occupancies(mdp, scale), parties)
    assert np.sort(scale.returns(found.returns)) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_no_random_mixture_beats_leximin(seed, random_world):
    mdp = random_world(seed, states=5, parties=4, horizon=2)
    best = solve(mdp, Leximin()).returns
    rng = np.random.default_rng(seed)
    corners = [best_response(mdp, rng.normal(size=4))[1] for _ in range(60)]
    mixed = rng.dirichlet(np.full(60, 0.1), 2000) @ np.array(corners)
    nearby = best + 0.01 * (mixed - best)
    assert (Leximin().compare(np.concatenate([mixed, nearby]), best[None], tol=1e-7) <= 0).all()


@pytest.mark.parametrize(
    ("payoffs", "wanted"),
    [
        # the first party has nothing to gain, the others should share
        ([[0, 1, 0], [0, 0, 1], [0, 0.3, 0.3]], [0, 0.5, 0.5]),
        # three levels: who is worst, second and third is settled one after the other
        ([[1, 2, 9, 3], [1, 2, 4, 8], [1, 0, 20, 20], [0, 50, 50, 50]], [1, 2, 6, 6]),
        # two parties who want the same, one who does not care
        ([[1, 1, 5, 0], [0, 0, 5, 1]], [0.5, 0.5, 5, 0.5]),
        # nothing to choose
        ([[3, 1, 2]], [3, 1, 2]),
    ],
)
def test_leximin_of_bandits(payoffs, wanted, bandit):
    found = solve(bandit(payoffs), Leximin())
    assert found.returns == pytest.approx(np.array(wanted), abs=1e-7)
    assert found.welfare == pytest.approx(min(wanted), abs=1e-9)


FEWER = {"Timetable-v0": {"num_parties": 30, "horizon": 5}}
"""Knobs that make a world quick enough for the judge; what is left out here is a slow test."""


@every_welfare
def test_registered_environments_agree_with_cvxpy(finite_name, name):
    agrees(make_dynamics(finite_name, **FEWER.get(finite_name, {})), name)


@pytest.mark.slow
@pytest.mark.parametrize("env", FEWER)
@every_welfare
def test_registered_environments_of_full_size_agree_with_cvxpy(env, name):
    agrees(make_dynamics(env), name)


def agrees(mdp, name):
    (welfare, tolerance), scale = WELFARES[name], ranged(mdp)
    wanted = judged(Occupancies(mdp, scale), welfare, mdp.num_parties)
    assert solve(mdp, welfare, scale=scale).welfare == pytest.approx(wanted, rel=tolerance)


def test_leximin_of_registered_environments_agrees_with_rounds_in_cvxpy(finite_name):
    agrees_on_leximin(make_dynamics(finite_name, **FEWER.get(finite_name, {})))


@pytest.mark.slow
@pytest.mark.parametrize("env", FEWER)
def test_leximin_of_full_size_agrees_with_rounds_in_cvxpy(env):
    agrees_on_leximin(make_dynamics(env))


def agrees_on_leximin(mdp):
    scale = ranged(mdp)
    found = solve(mdp, Leximin(), scale=scale)
    wanted = leximin_rounds(Occupancies(mdp, scale), mdp.num_parties)
    assert np.sort(scale.returns(found.returns)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("name", [*WELFARES, "leximin"])
def test_every_finite_environment_is_solved_and_certified(finite_name, name):
    mdp = make_dynamics(finite_name)
    welfare = WELFARES[name][0] if name in WELFARES else Leximin()
    scale = ranged(mdp)
    found = solve(mdp, welfare, scale=scale)
    u = scale.returns(policy_returns(mdp, found.policy))
    assert found.welfare == pytest.approx(float(welfare.value(u)), rel=1e-9)
    assert 0.0 <= found.gap <= 1e-7 * max(1.0, abs(found.welfare))


@every_welfare
def test_bound_holds_for_random_policies(name, random_world):
    mdp, welfare = random_world(3, parties=5), WELFARES[name][0]
    found = solve(mdp, welfare)
    rng = np.random.default_rng(0)
    for _ in range(50):
        policy = rng.dirichlet(np.full(mdp.num_actions, 0.2), (mdp.horizon, mdp.num_states))
        assert welfare.value(policy_returns(mdp, policy)) <= found.bound + 1e-12


@every_welfare
def test_many_parties_of_low_rank(name, random_world):
    mdp, (welfare, _) = random_world(0, parties=235, states=60, horizon=6), WELFARES[name]
    found = solve(mdp, welfare, scale=ranged(mdp))
    assert found.gap <= 1e-7 * max(1.0, abs(found.welfare))


def test_any_concave_welfare_of_ones_own(random_world):
    class Cautious(Welfare):
        """The mean, less half of how far the best-off is above it: concave."""

        name = "cautious"
        satisfies = frozenset()

        def value(self, u):
            return 1.5 * u.mean(-1) - 0.5 * u.max(-1)

        def weights(self, u):
            top = u == u.max(-1, keepdims=True)
            return 1.5 / u.shape[-1] - 0.5 * top / top.sum(-1, keepdims=True)

    mdp = random_world(5, parties=4)
    judge = Occupancies(mdp, Scale.none(4))
    least = [0.375 * cp.sum(judge.utilities) - 0.5 * judge.utilities[m] for m in range(4)]
    wanted = judge.maximise(cp.min(cp.hstack(least)))
    assert solve(mdp, Cautious()).welfare == pytest.approx(wanted, rel=1e-6)
