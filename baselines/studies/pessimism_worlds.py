"""The worlds of the study `pessimism`, and what every multiplier of the radius misses in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from agents.coverage import coverage
from agents.pessimism import choose, lower_bounds, solve_pessimistic, welfare_of_profiles
from agents.planning import policy_returns
from baselines.studies import asking
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.parties import Population
from multiparty_envs.rewards import Independent
from multiparty_envs.rewards.confidence import ConfidenceSets
from multiparty_envs.rewards.radii import bootstrap_radius, theory_radius
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Leximin, MaxMin, Nash, Utilitarian, Welfare

MULTIPLIERS = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 4.0)
"""c, of the radius."""
WELFARES: Mapping[str, Welfare] = {
    "utilitarian": Utilitarian(),
    "nash": Nash(),
    "leximin": Leximin(),
}
FIXED = "0.1"
GAPS = (FIXED, "2/√n", "5/√n", "10/√n")
"""Between the block's best and next best action."""
PARTIES, BLOCK_PARTIES, REPLICATES, DRAWS = 3, 5, 99, 5
BLOCK = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Features of the four actions."""
BLOCK_REPEATS, BLOCK_CONSTANT = 20, 3.4


def name_of(welfare: str, multiplier: float) -> str:
    """Return the name of a regret among a row's values."""
    return f"{welfare} {multiplier:g}"


def in_bandit(seed: int, skew: float, n: int) -> dict[str, float]:
    """Return regrets, tie rates and C* in the bandit, mean over five draws of it."""
    draws = (Streams(seed).child(number) for number in range(DRAWS))
    return _mean_of([_in_bandit(streams, skew, n) for streams in draws])


def _mean_of(draws: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]}


def _in_bandit(streams: Streams, skew: float, n: int) -> dict[str, float]:
    mdp = bandit(streams, skew)
    rng = streams.numpy("answers")
    answers = asking.about_actions(mdp, np.full(PARTIES, n), rng)
    learner = Independent().fit(answers)
    radius = bootstrap_radius(learner, answers, rng, replicates=REPLICATES)
    sets = ConfidenceSets.of(learner, answers, radius)
    found = _statewise(mdp, sets, None)
    for name in ("utilitarian", "nash"):
        found[f"C* {name}"] = coverage(mdp, sets.sigma, WELFARES[name], sets=sets).shifted
    return found | {"held": float(sets.contains(np.asarray(mdp.population.theta)).all())}


def bandit(streams: Streams, skew: float) -> FiniteMDP:
    """Return the bandit with tastes half of whose variance is common."""
    rng = streams.numpy("world")
    return linear_bandit(features=bandit_features(rng), theta=_tastes(rng, 5), coverage=skew)


def bandit_features(rng: np.random.Generator) -> np.ndarray:
    """Return [20, 4, 5]: directions, and a feature that the last arm alone has."""
    features = np.zeros((20, 4, 5))
    drawn = rng.standard_normal((20, 4, 4))
    features[..., :4] = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
    features[:, -1, 4] = 1.0
    return features


def _tastes(rng: np.random.Generator, width: int) -> np.ndarray:
    """Return [D, M] normal tastes, half of whose variance is common; the last is around -1."""
    drawn = rng.standard_normal((width, 1)) + rng.standard_normal((width, PARTIES))
    theta = drawn / np.sqrt(2.0)
    theta[-1] -= 1.0
    return theta


def _statewise(
    mdp: FiniteMDP, sets: ConfidenceSets, reference: np.ndarray | None
) -> dict[str, float]:
    """Return the share of welfare missed by choosing state by state, and how often bounds tie."""
    features, found = np.asarray(mdp.feature_table), {}
    truth = mdp.party_table - mdp.party_table.min(axis=1, keepdims=True)
    states = np.arange(mdp.num_states)
    plug_in = lower_bounds(sets.with_radius(0.0), features, reference=reference)
    for multiplier in MULTIPLIERS:
        bounds = lower_bounds(sets.scaled(multiplier), features, reference=reference)
        for name, welfare in WELFARES.items():
            choice = choose(bounds, welfare, plug_in)
            worth = welfare_of_profiles(welfare, truth)
            regret = 1.0 - worth[states, choice.action].mean() / worth.max(axis=1).mean()
            found[name_of(name, multiplier)] = regret
            if multiplier == 1.0:
                found[f"{name} ties"] = choice.tie_rate(mdp.initial_table)
    return found


def in_block(seed: int, gap: str, n: int) -> dict[str, float]:
    """Return mean regrets of 20 draws of answers to the four-action block.

    Parties of all draws are fitted at once, as so many parties: none shares anything.
    """
    rng = Streams(seed).numpy("answers")
    best = float(gap) if gap == FIXED else float(gap.removesuffix("/√n")) / np.sqrt(n)
    many = BLOCK_PARTIES * BLOCK_REPEATS
    theta = np.tile([[-1.0], [best], [0.9]], many)
    mdp = linear_bandit(features=BLOCK[None], theta=theta)
    party = np.repeat(np.arange(many), n)
    rare = np.tile(np.arange(n) == 0, many)
    first, second = np.where(rare, 1, 0), np.where(rare, 2, 1)
    bank = asking.segments(BLOCK)
    answers = asking.asked(mdp.population, bank, (first, second), party, rng)
    learner = Independent().fit(answers)
    radius = theory_radius(
        n, num_parties=BLOCK_PARTIES, num_features=3, rank=1, constant=BLOCK_CONSTANT
    )
    sets = ConfidenceSets.of(learner, answers, radius[0])
    return _block_regrets(sets, np.array([best - 1.0, -1.0, 0.0, best]))


def _block_regrets(sets: ConfidenceSets, reward: np.ndarray) -> dict[str, float]:
    """Return mean regrets, from the third action and, of c = 0 and 1, from the worst."""
    found = {}
    for zero, reference in (("", np.eye(4)[[2]]), (" worst", None)):
        plug_in = _by_draw(sets.with_radius(0.0), reference)
        for multiplier in (0.0, 1.0) if zero else MULTIPLIERS:
            bounds = _by_draw(sets.scaled(multiplier), reference)
            for name, welfare in WELFARES.items():
                action = choose(bounds, welfare, plug_in).action
                missed = float((reward.max() - reward[action]).mean())
                found[name_of(name, multiplier) + zero] = missed
    theta = np.tile([[reward[1]], [reward[3]], [0.9]], sets.num_parties)
    held = sets.contains(theta).reshape(BLOCK_REPEATS, BLOCK_PARTIES).all(axis=1)
    return found | {"held": float(held.mean())}


def _by_draw(sets: ConfidenceSets, reference: np.ndarray | None) -> np.ndarray:
    """Return bounds of each draw of answers, as if a state of its own with five parties."""
    bounds = lower_bounds(sets, BLOCK[None], reference=reference)[0]
    return bounds.reshape(4, BLOCK_REPEATS, BLOCK_PARTIES).swapaxes(0, 1)


def in_chain(seed: int, skew: float, n: int) -> dict[str, float]:
    """Return regrets of occupancies in the random decision problem, mean over five draws of it."""
    draws = (Streams(seed).child(number) for number in range(DRAWS))
    return _mean_of([_in_chain(streams, skew, n) for streams in draws])


def _in_chain(streams: Streams, skew: float, n: int) -> dict[str, float]:
    mdp = chain(streams, skew)
    rng = streams.numpy("answers")
    answers = asking.about_episodes(mdp, np.full(PARTIES, n), rng)
    learner = Independent().fit(answers)
    radius = bootstrap_radius(learner, answers, rng, replicates=REPLICATES)
    sets = ConfidenceSets.of(learner, answers, radius)
    truth = ConfidenceSets(np.asarray(mdp.population.theta), sets.sigma, np.zeros(PARTIES))
    zero, found = policy_returns(mdp, mdp.behaviour), {}
    for name, welfare in WELFARES.items():
        least = MaxMin() if isinstance(welfare, Leximin) else welfare
        most = solve_pessimistic(mdp, truth, least).value
        for multiplier in MULTIPLIERS:
            if multiplier < 0.0:
                found[name_of(name, multiplier)] = float("nan")
                continue
            chosen = solve_pessimistic(mdp, sets.scaled(multiplier), least)
            gained = welfare_of_profiles(least, policy_returns(mdp, chosen.policy) - zero)
            found[name_of(name, multiplier)] = 1.0 - float(gained) / most
            if multiplier == 1.0:
                found[f"{name} ties"] = float(chosen.stayed)
    return found | {"held": float(sets.contains(truth.theta).all())}


def chain(streams: Streams, skew: float) -> FiniteMDP:
    """Return six states, three actions, the last of them rare and with a feature of its own."""
    rng = streams.numpy("world")
    features = np.zeros((6, 3, 5))
    features[..., :4] = 0.5 * rng.standard_normal((6, 3, 4))
    features[:, -1, 4] = 0.5
    behaviour = np.array([1.0, 1.0, skew]) / (2.0 + skew)
    return FiniteMDP(
        successors=rng.integers(6, size=(6, 3, 2)),
        probabilities=rng.dirichlet(np.ones(2), size=(6, 3)),
        features=features,
        initial=np.full(6, 1.0 / 6.0),
        population=Population(_tastes(rng, 5)),
        horizon=4,
        behaviour=np.broadcast_to(behaviour, (6, 3)),
    )
