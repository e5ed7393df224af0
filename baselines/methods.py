"""Names that users type: environments, and compared pipelines (who learns, for which welfare)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from multiparty_envs import expect
from multiparty_envs.registration import ENVS

Kind = Literal["random", "oracle", "learned"]

LEARNERS = ("pooled", "independent", "low-rank", "mixture", "hierarchical")
"""Reward learners that are compared unless told otherwise; a method name begins with one."""

FURTHER = ("low-rank-residual",)
"""Other learners that a method name may begin with."""

NEURAL = ("neural-pooled", "neural-shared", "neural-independent", "neural-mixture")
"""Learners that are networks: a method name may begin with them too, but they take their time."""

COMMON = ("pooled", "neural-pooled")
"""Learners of one reward for all, which every welfare function of the parties ranks alike."""

WELFARES = ("utilitarian", "nash", "max-min")
"""Welfare functions that a method name may end with; each is also a column of the report."""

OPTIMISERS = ("ppo", "sb3", "exact")
"""How a policy is made from learned rewards: our PPO, stable-baselines3's, exact planning."""

SINGLE = "single-reward"
"""The usual way, which every other method is compared with: one reward fitted to all answers."""

DEFAULT_METHODS = (
    "random",
    *(f"oracle+{welfare}" for welfare in WELFARES),
    SINGLE,
    *(f"{learner}+{welfare}" for learner in LEARNERS[1:] for welfare in WELFARES),
)


@final
@dataclass(frozen=True)
class Method:
    """A pipeline: learner × welfare function, with equal labels for all that learn.

    Attributes:
        name: what the user types and the tables print.
        kind: "learned", or one of the two bounds: "random" (the uniform policy, no labels) and
            "oracle" (exact planning on the true rewards, no labels).
        learner: key of the reward learner; empty where nothing is learned.
        welfare: key of the welfare function; empty for "random".
    """

    name: str
    kind: Kind
    learner: str = ""
    welfare: str = ""


def parse_method(name: str) -> Method:
    """Return the method called `name`: "random", "single-reward" or "learner+welfare".

    A pooled reward is the same for all parties, so the welfare function cannot matter and
    "single-reward" is its only name; that of networks is "neural-pooled+utilitarian".

    Raises:
        ValueError: naming the part that is unknown and what is allowed.
    """
    if name == "random":
        return Method(name, "random")
    if name == SINGLE:
        return Method(name, "learned", "pooled", "utilitarian")
    learner, plus, welfare = name.partition("+")
    if not plus:  # neither of the two names without a welfare function: say what there is
        networks = (f"{each}+{welfare}" for each in NEURAL for welfare in _welfares(each))
        expect.choice(name, (*DEFAULT_METHODS, *networks), name="method")
    learners = ("oracle", *LEARNERS[1:], *FURTHER, *NEURAL)
    expect.choice(learner, learners, name=f"learner of the method {name!r}")
    expect.choice(welfare, _welfares(learner), name=f"welfare of the method {name!r}")
    if learner == "oracle":
        return Method(name, "oracle", "", welfare)
    return Method(name, "learned", learner, welfare)


def _welfares(learner: str) -> tuple[str, ...]:
    """Return the welfare functions that make different methods of a learner."""
    return WELFARES[:1] if learner in COMMON else WELFARES


def method_order(name: str) -> int:
    """Return a method's place in tables and legends: bounds, single-reward, others; last strangers.

    The order of rows is that in which they were finished, which says nothing.
    """
    return DEFAULT_METHODS.index(name) if name in DEFAULT_METHODS else len(DEFAULT_METHODS)


def env_name(env: str) -> str:
    """Return the id without its namespace.

    Raises:
        ValueError: naming the ids there are.
    """
    return expect.choice(env.removeprefix("multiparty/"), ENVS, name="environment id")
