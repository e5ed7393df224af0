"""Known profiles of parties, and the best policies of each welfare function at every level."""

from __future__ import annotations

import itertools

import numpy as np

from agents.planning import solve
from multiparty_envs.dynamics import FiniteMDP
from multiparty_envs.envs.linear_bandit import linear_bandit
from multiparty_envs.faces import offline
from multiparty_envs.feedback import Steps
from multiparty_envs.rewards import Independent
from multiparty_envs.streams import Streams
from multiparty_envs.welfare import Leximin, Nash, Utilitarian, Welfare, zero_normalised

LEVELS: tuple[str, ...] = ("step", "episode", "policy")
RULES: tuple[str, ...] = ("utilitarian", "nash", "leximin")
METRICS: tuple[str, ...] = ("mean", "geo", "worst")
"""What each of the rules maximises: mean, geometric mean, and smallest utility."""

OWN: dict[str, str] = dict(zip(RULES, METRICS, strict=True))
LENGTH = 3.0
"""Of the parties' weights: features have length one, so answers are well told from noise."""

LOUD = 10.0
"""Unit of the scale outlier."""


def measure(profile: str, seed: int, n: int, cos: float) -> dict[str, float]:
    """Return what each rule gives at each level, and with true rewards what moves it."""
    world = build(profile, seed, cos)
    truth = world.party_table
    seen = truth if n == 0 else _learned(world, n, Streams(seed).key("answers"))
    values: dict[str, float] = {}
    for level in LEVELS:
        for rule in RULES:
            found = evaluate(zero_normalised(truth), choose(zero_normalised(seen), rule, level))
            values |= {f"{level} {rule} {m}": found[level][m] for m in METRICS}
            if n:
                best = choose(zero_normalised(truth), rule, level)
                reached = evaluate(zero_normalised(truth), best)[level]
                values[f"{level} {rule} oracle"] = reached[OWN[rule]]
        if n == 0:
            values[f"{level} between"] = float(_is_between(values, level))
    if n == 0:
        values |= _outlier(profile, truth)
        values |= _moved(truth, Streams(seed).numpy("units"))
    digits = 4 if n else 6  # what is learned is not known to more
    return {name: float(f"{value:.{digits}g}") for name, value in values.items()}


def build(profile: str, seed: int, cos: float = 0.0) -> FiniteMDP:
    """Return the world of a profile."""
    if profile in ("compromise", "mixture"):
        third = 0.9 if profile == "compromise" else 0.4
        payoffs = np.array([[1.0, 0.0], [0.0, 1.0], [third, third]])
        return linear_bandit(features=np.eye(3)[None], theta=payoffs)
    rng = Streams(seed).numpy("profile")
    features = rng.standard_normal((8, 5, 4))
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    theta = LENGTH * _weights(profile, rng, cos)
    if profile == "zero":
        # a feature that all actions of a context share: a zero of one's own in each context
        shift = np.broadcast_to(rng.normal(0.0, LENGTH, (8, 1, 1)), (8, 5, 1))
        features = np.concatenate([features, shift], axis=-1)
        theta = np.vstack([theta, np.eye(theta.shape[1])[-1]])
    return linear_bandit(features=features, theta=theta)


def _weights(profile: str, rng: np.random.Generator, cos: float) -> np.ndarray:
    """Return the weights [4, M] of length one, but for the scale outlier's."""
    if profile in ("conflict", "majority"):
        first, second = np.linalg.qr(rng.standard_normal((4, 2)))[0].T
        cos = cos if profile == "conflict" else -0.5
        pair = np.array([first, cos * first + np.sqrt(1.0 - cos**2) * second]).T
        return pair if profile == "conflict" else np.repeat(pair, (8, 2), axis=1)
    count = {"three": 3, "five": 5}.get(profile, 4)
    drawn = rng.standard_normal((4, count))
    drawn /= np.linalg.norm(drawn, axis=0)
    return drawn * np.where((np.arange(count) == 3) & (profile == "scale"), LOUD, 1.0)


def _learned(world: FiniteMDP, n: int, seed: int) -> np.ndarray:
    fitted = Independent().fit(offline(world, n, seed))
    return np.asarray(fitted.rewards(Steps(None, None, world.feature_table)))


def choose(u: np.ndarray, rule: str, level: str) -> np.ndarray:
    """Return the chances [S, A, A] of an episode's two actions that are best for utilities u."""
    if level == "policy":
        table = mixture(u, rule)
        return table[:, :, None] * np.eye(u.shape[1])  # one draw an episode, done twice
    states, actions = u.shape[:2]
    if level == "step":
        at = best_option(u, rule)
        first = second = at
    else:
        pairs = (u[:, :, None] + u[:, None]) / 2.0
        first, second = np.divmod(best_option(pairs.reshape(states, -1, u.shape[2]), rule), actions)
    chances = np.zeros((states, actions, actions))
    chances[np.arange(states), first, second] = 1.0
    return chances


def best_option(u: np.ndarray, rule: str) -> np.ndarray:
    """Return the best of N options [S] by their utilities [S, N, M]; of equal ones the first."""
    if rule == "utilitarian":
        return u.mean(axis=-1).argmax(axis=1)
    if rule == "nash":
        return u.prod(axis=-1).argmax(axis=1)
    ranked = np.round(np.sort(u, axis=-1), 9)
    # the last of lexsort's keys comes first, and the last of its places is the largest
    return np.array([np.lexsort(options.T[::-1])[-1] for options in ranked])


def mixture(u: np.ndarray, rule: str) -> np.ndarray:
    """Return the chances [S, A] of the actions that are best for expected utilities."""
    kinds: dict[str, Welfare] = {
        "utilitarian": Utilitarian(),
        "nash": Nash(eps=1e-6),
        "leximin": Leximin(),
    }
    world = linear_bandit(features=u, theta=np.eye(u.shape[-1]))
    return solve(world, kinds[rule]).policy[0]


def evaluate(u: np.ndarray, chances: np.ndarray) -> dict[str, dict[str, float]]:
    """Return what a policy [S, A, A] gives at each level, in each metric."""
    one = np.einsum("sab,sam->sm", chances, u)
    expected = (one + np.einsum("sab,sbm->sm", chances, u)).mean(axis=0) / 2.0
    alone = chances.sum(axis=2)
    pairs = (u[:, :, None] + u[:, None]) / 2.0
    steps = (alone + chances.sum(axis=1)) / 2.0
    return {
        "step": {m: float((steps * metric(u, m)).sum(axis=1).mean()) for m in METRICS},
        "episode": {
            m: float((chances * metric(pairs, m)).sum(axis=(1, 2)).mean()) for m in METRICS
        },
        "policy": {m: float(metric(expected, m)) for m in METRICS},
    }


def metric(u: np.ndarray, name: str) -> np.ndarray:
    """Return one of `METRICS` of utilities [..., M]."""
    if name == "mean":
        return u.mean(axis=-1)
    if name == "worst":
        return u.min(axis=-1)
    return np.maximum(u, 0.0).prod(axis=-1) ** (1.0 / u.shape[-1])


def _is_between(values: dict[str, float], level: str) -> bool:
    """Return whether Nash welfare lies between the other two in mean and in the worst utility."""
    found = {m: [values[f"{level} {rule} {m}"] for rule in RULES] for m in ("mean", "worst")}
    falls = all(a >= b - 1e-6 for a, b in itertools.pairwise(found["mean"]))
    rises = all(a <= b + 1e-6 for a, b in itertools.pairwise(found["worst"]))
    return falls and rises


def _outlier(profile: str, truth: np.ndarray) -> dict[str, float]:
    """Return what the last party has of its own best, policy level, by rule, and if it were usual.

    Of the scale outlier: with its unit, and with everybody's. Of the zero outlier under leximin at
    step level, what the worst has with and without zero normalisation.
    """
    if profile == "zero":
        u = zero_normalised(truth)
        raw = evaluate(u, choose(truth - truth.min(), "leximin", "step"))
        return {"step leximin raw worst": raw["step"]["worst"]}
    if profile != "scale":
        return {}
    u, values = zero_normalised(truth), {}
    usual = u / np.where(np.arange(u.shape[-1]) == u.shape[-1] - 1, LOUD, 1.0)
    for rule in RULES:
        for name, table in (("loud", u), ("usual", usual)):
            mine = np.einsum("sa,sa->s", mixture(table, rule), u[..., -1]).mean()
            values[f"{rule} {name}"] = float(mine / u[..., -1].max(axis=1).mean())
    return values


def _moved(truth: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Return how far each rule's policy moves when every party has another unit and other zeros.

    At policy level, the largest change of a party's expected utility, as a share of its own best,
    and what that costs of the rule's own welfare in the old units, as a share of it; at step level
    the share of the states in which another action is taken.
    """
    parties = truth.shape[-1]
    changed = np.geomspace(0.2, 5.0, parties) * truth + rng.normal(size=(len(truth), 1, parties))
    before, after = zero_normalised(truth), zero_normalised(changed)
    best = before.max(axis=1).mean(axis=0)
    values = {}
    for rule in RULES:
        mean = [
            np.einsum("sa,sam->m", mixture(u, rule), before) / len(truth) for u in (before, after)
        ]
        values[f"{rule} moved"] = float((np.abs(mean[0] - mean[1]) / best).max())
        own = [float(metric(each, OWN[rule])) for each in mean]
        values[f"{rule} lost"] = 1.0 - own[1] / own[0]
        values[f"{rule} other"] = float(
            (best_option(before, rule) != best_option(after, rule)).mean()
        )
    return values
