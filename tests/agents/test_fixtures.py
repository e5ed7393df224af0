"""Small problems from the literature whose answers are known exactly."""

import itertools

import numpy as np
import pytest

from agents.games import margins
from agents.planning import solve
from agents.regularised import gibbs, kl_maxmin
from agents.winners import von_neumann_winner
from multiparty_envs.feedback import Comparisons, Segments, Steps
from multiparty_envs.rewards import Pooled
from multiparty_envs.welfare import (
    GeneralizedGini,
    Isoelastic,
    Leximin,
    MaxMin,
    Nash,
    Utilitarian,
    zero_normalised,
)

DIVIDED = [Utilitarian(), Nash(), MaxMin(), Leximin(), GeneralizedGini(), Isoelastic(alpha=-1.0)]


def logistic(margin):
    return 1.0 / (1.0 + np.exp(-np.asarray(margin, dtype=float)))


# Two parties with opposite favourites and a compromise [Zhong2024, introduction].
COMPROMISE = 0.1
TWO_AND_A_COMPROMISE = np.array([[1.0, 0.0], [0.0, 1.0], [1.0 - COMPROMISE] * 2])


@pytest.mark.parametrize("level", ["policy", "step"])
@pytest.mark.parametrize("welfare", DIVIDED, ids=lambda w: w.name)
def test_every_rule_picks_the_compromise(welfare, level, bandit):
    found = solve(bandit(TWO_AND_A_COMPROMISE), welfare, level=level)
    assert found.policy[0, 0] == pytest.approx([0, 0, 1], abs=1e-6)
    assert found.returns == pytest.approx([0.9, 0.9], abs=1e-6)


def test_sure_answers_hide_the_compromise_and_noisy_ones_do_not():
    # [D, M] -> each party's chance of a over b, [M, A, A]
    gap = TWO_AND_A_COMPROMISE.T[:, :, None] - TWO_AND_A_COMPROMISE.T[:, None, :]
    sure = (np.sign(gap) + 1) / 2
    assert sure.mean(axis=0) == pytest.approx(np.full((3, 3), 0.5))
    pooled = logistic(gap).mean(axis=0)
    assert pooled[2, 0] == pytest.approx(0.593, abs=5e-4)
    assert np.array_equal(np.argsort(pooled.sum(axis=1))[-1:], [2])


def test_one_reward_fitted_to_sure_answers_is_constant():
    options, pairs = np.eye(3), list(itertools.combinations(range(3), 2))
    first, second, party = np.array([(*pair, party) for pair in pairs for party in (0, 1)]).T
    worth = TWO_AND_A_COMPROMISE
    answers = Comparisons(
        segments=Segments(
            np.zeros((3, 1, 0)), np.zeros((3, 1, 0)), options[:, None], np.ones((3, 1), bool)
        ),
        first=first,
        second=second,
        party=party,
        label=(worth[first, party] > worth[second, party]).astype(float),
        num_parties=2,
    )
    rewards = Pooled().fit(answers).rewards(Steps(None, None, options))
    assert rewards == pytest.approx(np.zeros((3, 2)), abs=1e-12)


def test_indifference_gives_the_mean_of_all_options(bandit):
    uniform = np.full(3, 1 / 3) @ TWO_AND_A_COMPROMISE
    assert uniform.mean() == pytest.approx((2 - COMPROMISE) / 3)


# Two states in which two parties want opposite things [Zhong2024, proposition 3].
OPPOSED = np.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]])


@pytest.mark.parametrize("welfare", DIVIDED, ids=lambda w: w.name)
def test_no_single_policy_serves_opposed_parties(welfare, bandit):
    returns = solve(bandit(OPPOSED), welfare).returns
    assert (1.0 - returns).max() >= 0.5 - 1e-9
    assert returns.sum() == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("welfare", DIVIDED[1:], ids=lambda w: w.name)
def test_equality_leaves_half_to_each(welfare, bandit):
    assert solve(bandit(OPPOSED), welfare).returns == pytest.approx([0.5, 0.5], abs=1e-6)


# Utilities against majorities [Zhong2024, section 6].
@pytest.mark.parametrize(
    ("gains", "utilitarian", "winner"),
    [((6.0, -2.0, -2.0), 0, 1), ((6.0, -2.0), 0, 0), ((1.0, -2.0), 1, 1), ((3.0,), 0, 0)],
)
def test_von_neumann_winner_may_differ_from_utilitarian_with_three(
    gains, utilitarian, winner, bandit
):
    payoffs = np.stack([np.array(gains), np.zeros(len(gains))])
    assert solve(bandit(payoffs), Utilitarian()).policy[0, 0].argmax() == utilitarian
    over = logistic(gains)
    preferences = np.stack([[[0.5, p], [1 - p, 0.5]] for p in over])
    chosen, value, _ = von_neumann_winner(margins(preferences))
    assert chosen.argmax() == winner
    assert value == pytest.approx(0.0, abs=1e-9)
    if len(gains) == 3:
        assert over.mean() == pytest.approx(0.412, abs=5e-4)


def test_a_common_cycle_is_mixed_evenly():
    cycle = np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])
    chosen, value, _ = von_neumann_winner(margins(np.stack([cycle] * 4)))
    assert chosen == pytest.approx(np.full(3, 1 / 3))
    assert value == pytest.approx(0.0, abs=1e-9)


# Two extremes and a poor compromise: the levels disagree.
LEVELS = np.array([[1.0, 0.0], [0.0, 1.0], [0.4, 0.4]])


@pytest.mark.parametrize(
    ("welfare", "level", "policy", "value"),
    [
        (MaxMin(), "policy", [0.5, 0.5, 0.0], 0.5),
        (MaxMin(), "step", [0.0, 0.0, 1.0], 0.4),
        (Leximin(), "policy", [0.5, 0.5, 0.0], 0.5),
        (Nash(), "policy", [0.5, 0.5, 0.0], np.log(0.25) / 2),
        (Nash(), "step", [0.0, 0.0, 1.0], np.log(0.16) / 2),
    ],
    ids=str,
)
def test_levels_differ(welfare, level, policy, value, bandit):
    found = solve(bandit(LEVELS), welfare, level=level)
    assert found.policy[0, 0] == pytest.approx(policy, abs=1e-6)
    assert found.welfare == pytest.approx(value, abs=1e-8)
    assert found.bound == pytest.approx(value, abs=1e-8)


# The price of a policy that another objective would have chosen: beta times a divergence.
@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_alignment_gap_is_a_divergence(beta):
    rng = np.random.default_rng(0)
    reference = rng.dirichlet(np.ones(5), 1)
    wanted, other = rng.normal(size=(2, 1, 5))

    def objective(policy):
        return (policy * (wanted - beta * np.log(policy / reference))).sum()

    best, mine = gibbs(wanted, reference, beta)
    theirs = gibbs(other, reference, beta)[1]
    assert objective(mine) == pytest.approx(best[0], rel=1e-12)
    divergence = (theirs * np.log(theirs / mine)).sum()
    assert objective(mine) - objective(theirs) == pytest.approx(beta * divergence, rel=1e-12)


# KL-regularised max-min: primal and dual meet [Chakraborty2024, eq. 14].
@pytest.mark.parametrize("beta", [0.05, 0.5, 5.0])
@pytest.mark.parametrize(("contexts", "actions", "parties"), [(1, 4, 2), (3, 5, 4), (6, 3, 8)])
def test_regularised_max_min_has_no_duality_gap(beta, contexts, actions, parties):
    rng = np.random.default_rng(parties)
    rewards = rng.normal(size=(contexts, actions, parties))
    reference = rng.dirichlet(np.ones(actions), contexts)
    chance = rng.dirichlet(np.ones(contexts))
    found = kl_maxmin(rewards, reference, beta, chance)
    assert found.value == pytest.approx(found.bound, abs=1e-8)
    assert found.weights.sum() == pytest.approx(1.0)
    mean = np.einsum("x,xa,xam->m", chance, found.policy, rewards)
    assert mean[found.weights > 1e-3] == pytest.approx(mean.min(), abs=1e-6)


def test_without_a_price_the_regularised_optimum_is_max_min(bandit):
    rewards = np.random.default_rng(1).normal(size=(1, 5, 3))
    free = solve(bandit(rewards), MaxMin()).welfare
    found = kl_maxmin(rewards, np.full((1, 5), 0.2), beta=1e-3)
    assert found.value == pytest.approx(free, abs=1e-3 * np.log(5))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"beta": 0.0}, "beta"),
        ({"reference": np.array([[1.0, 0.0]])}, "positive chance"),
        ({"reference": np.array([[0.2, 0.3, 0.5]])}, "reference should have shape"),
        ({"rewards": np.ones((2, 2))}, "rewards should have shape"),
        ({"contexts": np.array([0.4])}, "contexts"),
    ],
)
def test_bad_regularised_problems_are_named(settings, words):
    good = {"rewards": np.ones((1, 2, 2)), "reference": np.full((1, 2), 0.5), "beta": 1.0}
    with pytest.raises(ValueError, match=words):
        kl_maxmin(**{**good, **settings})


# Every party is sure of another favourite [Zhong2024, proposition 4].
@pytest.mark.parametrize("parties", [2, 3, 5])
def test_sure_favourites_leave_somebody_with_next_to_nothing(parties):
    actions = np.arange(parties)
    likes = (actions[:, None] == actions).astype(float)  # [M, A]
    preferences = 0.5 + 0.5 * (likes[:, :, None] - likes[:, None, :])
    uniform = np.full(parties, 1 / parties)
    each = [(uniform @ margins(one[None])).min() for one in preferences]
    assert min(each) == pytest.approx(-(parties - 1) / parties)
    assert (uniform @ margins(preferences)).min() == pytest.approx(0.0, abs=1e-12)


# Scales and zeros of the parties' own [Zhong2024, section 4].
RESCALES = {
    "scale": (np.array([0.3, 1.0, 7.0]), 0.0),
    "zero": (np.ones(3), 1.0),
    "both": (np.array([0.3, 1.0, 7.0]), 1.0),
}
UNMOVED = {
    ("nash", "scale"),
    ("nash", "zero"),
    ("nash", "both"),
    ("utilitarian", "zero"),
    ("leximin", "zero"),
}


@pytest.mark.parametrize("change", RESCALES)
@pytest.mark.parametrize(
    "welfare", [Nash(eps=1e-9), Utilitarian(), Leximin()], ids=lambda w: w.name
)
def test_who_is_moved_by_scales_and_zeros(welfare, change, bandit):
    rng = np.random.default_rng(2)
    rewards = rng.normal(size=(30, 4, 3))
    factor, shift = RESCALES[change]
    changed = factor * rewards + shift * rng.normal(size=(30, 1, 3))
    plain, moved = (
        solve(bandit(table), welfare, level="step", rewards=zero_normalised(table)).policy
        for table in (rewards, changed)
    )
    assert (plain == moved).all() == ((welfare.name, change) in UNMOVED)


@pytest.mark.parametrize("seed", range(5))
def test_with_two_parties_nash_lies_between_utilitarian_and_max_min(seed, bandit):
    payoffs = np.random.default_rng(seed).uniform(size=(6, 2))
    returns = [solve(bandit(payoffs), w).returns for w in (Utilitarian(), Nash(), MaxMin())]
    for one, two in itertools.pairwise(returns):
        assert one.mean() >= two.mean() - 1e-7
        assert one.min() <= two.min() + 1e-7


@pytest.mark.parametrize(
    ("preferences", "words"),
    [
        (np.full((2, 3, 3), 0.6), "sum to one"),
        (np.full((2, 3, 2), 0.5), "shape"),
        (np.array([[[0.5, 1.5], [-0.5, 0.5]]]), "chances"),
    ],
)
def test_what_are_no_preferences_is_refused(preferences, words):
    with pytest.raises(ValueError, match=words):
        margins(preferences)
