"""Weights of the parties while a policy improves: the gradient of a welfare of its returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

import array_api_compat

from multiparty_envs import expect
from multiparty_envs.welfare.additive import Utilitarian
from multiparty_envs.welfare.base import Welfare
from multiparty_envs.welfare.ranked import Leximin, MaxMin

Array = Any

ARMS = ("exponentiated", "softmin", "argmin", "per-sample")
"""How the field trains for max-min. "per-sample", the minimum of each episode's returns, is a
reward of its own and needs no weights of the parties."""


class Weighting(ABC):
    """Weights w such that a policy for which sum_m w_m J_m rises has a rising W(J).

    Works on NumPy arrays and torch tensors alike, and waits for no device.

    Attributes:
        memory: what was taken note of, arrays by name; numbers until `begin` or the first note.
    """

    def __init__(self) -> None:
        self.memory: dict[str, Array] = {}

    @abstractmethod
    def weights(self, returns: Array) -> Array:
        """Return the weights [M] at `returns` [M], which are in the welfare's units."""

    @property
    def steady(self) -> bool:
        """Whether the weights depend on the settled returns alone, not on the present ones."""
        return False

    def settle(self, returns: Array) -> None:  # noqa: B027 - most weights have no memory
        """Take note of what a policy got, once each time that the policy has changed."""

    def begin(self, like: Array) -> None:
        """Let the memory be arrays like `like` [M]."""
        self.memory = {name: like * 0 + value for name, value in self.memory.items()}


def weighting(
    welfare: Welfare,
    rate: float = 3.0,
    sharpness: float = 30.0,
    arm: str = "exponentiated",
    settles: int | None = None,
) -> Weighting:
    """Return the weights that belong to `welfare` at the level of the policy.

    Args:
        welfare: of the expected returns.
        rate: of `Adversary`, where the welfare looks at the worst-off.
        sharpness: of `Adversary`.
        arm: how max-min is trained, a name in `ARMS` other than "per-sample".
        settles: how often returns will be settled in all; with it, leximin goes on from the
            worst-off to the others.

    Raises:
        ValueError: when there is no such arm.
    """
    expect.choice(arm, ARMS[:-1], name="arm")
    if isinstance(welfare, Leximin) and settles is not None:
        return Saturation(settles, rate, sharpness)
    if not isinstance(welfare, MaxMin | Leximin):
        return Gradient(welfare)
    if arm == "argmin":
        return Worst()
    return Adversary(rate if arm == "exponentiated" else 0.0, sharpness)


@final
class Gradient(Weighting):
    """The welfare's own supergradient at the returns [Agarwal2022]."""

    def __init__(self, welfare: Welfare) -> None:
        super().__init__()
        self.welfare = welfare

    @property
    def steady(self) -> bool:
        """True of the mean, whose gradient is the same everywhere."""
        return isinstance(self.welfare, Utilitarian)

    def weights(self, returns: Array) -> Array:
        """Return dW/du [M]."""
        return self.welfare.weights(returns)


@final
class Worst(Weighting):
    """All weight on the party that the last settled policy left worst off.

    Source: [Chakraborty2024] algorithm 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.memory = {"worst": 0.0}

    @property
    def steady(self) -> bool:
        """True: it looks at the settled returns."""
        return True

    def weights(self, returns: Array) -> Array:
        """Return one-hot weights [M]."""
        return self.memory["worst"] + returns * 0

    def settle(self, returns: Array) -> None:
        """Find the worst-off; where several are, they share the weight."""
        self.memory["worst"] = MaxMin().weights(returns)


@final
class Adversary(Weighting):
    """The other player of the game that max-min is: exponentiated gradient, damped.

    The minimum's own gradient jumps from one party to another, so that a policy that follows it
    runs to and fro. Here w is a softmin of the present returns times `sharpness` plus all settled
    returns times `rate`. The second term is the exponentiated gradient, which finds
    the weights at which nobody can be helped without hurting others as badly off
    ([Chakraborty2024] section 4, as a game); alone it would circle around them. The first one
    damps it, as the proportional term does in the control of multipliers [Stooke2020].
    Without `settles`, leximin is led by the same weights: they find the first term of its order.

    Args:
        rate: how far one settled return moves the logits of the weights; 0 leaves the softmin.
        sharpness: inverse temperature of the softmin of the present.
    """

    def __init__(self, rate: float = 3.0, sharpness: float = 30.0) -> None:
        super().__init__()
        self.rate = expect.number(rate, name="rate", low=0.0)
        self.sharpness = expect.number(sharpness, name="sharpness", low=0.0)
        self.memory = {"settled": 0.0}

    def weights(self, returns: Array) -> Array:
        """Return the softmin [M]; it sums to one."""
        return _softmax(self.memory["settled"] - self.sharpness * returns)

    def settle(self, returns: Array) -> None:
        """Add the returns [M] to those that the weights remember."""
        xp: Any = array_api_compat.array_namespace(returns)
        step = self.rate * (returns - xp.mean(returns))
        self.memory["settled"] = self.memory["settled"] - step


@final
class Saturation(Weighting):
    """Leximin by successive saturation: who cannot be helped any more is held, others go on.

    Training is divided into rounds. In each, the parties that are free play max-min with an
    `Adversary`. At its end those that had a share in the weights are saturated: raising the least
    further would cost one of them. They are held at what they had by a price that rises while
    they get less [Stooke2020], and the next round is about the others. Source: [Ogryczak1997],
    whose linear programmes this follows by gradients.

    Args:
        settles: how often returns will be settled in all.
        rate: as of `Adversary`, for free parties, and for the prices of the held ones.
        sharpness: as of `Adversary`.
        rounds: at most; with fewer parties, as many as there are parties.
    """

    def __init__(
        self, settles: int, rate: float = 3.0, sharpness: float = 30.0, rounds: int = 4
    ) -> None:
        super().__init__()
        self.settles = expect.integer(settles, name="settles", low=1)
        self.rate = expect.number(rate, name="rate", low=0.0)
        self.sharpness = expect.number(sharpness, name="sharpness", low=0.0)
        self.rounds = expect.integer(rounds, name="rounds", low=1)
        names = ("settled", "held", "level", "price", "share", "mean", "age")
        self.memory = dict.fromkeys(names, 0.0)

    def weights(self, returns: Array) -> Array:
        """Return the weights [M]; those of free parties sum to one."""
        known = self.memory
        free = self._free(returns)
        short = known["level"] - returns
        xp: Any = array_api_compat.array_namespace(returns)
        price = xp.clip(known["price"] + self.sharpness * short, min=0.0)
        return xp.where(known["held"] + 0.0 * returns > 0.0, price, free)

    def _free(self, returns: Array) -> Array:
        """The softmin [M] among free parties, 0 for the held; where none is free, all 0."""
        xp: Any = array_api_compat.array_namespace(returns)
        open_ = 1.0 - self.memory["held"]
        # far below all others, so that what is held neither counts nor overflows
        logits = self.memory["settled"] - self.sharpness * returns - 1e9 * (1.0 - open_)
        odds = open_ * xp.exp(logits - xp.max(logits))
        return odds / xp.clip(xp.sum(odds), min=1e-30)

    def settle(self, returns: Array) -> None:
        """Take note of returns [M]; at the end of a round, hold who is saturated."""
        known = self.memory
        xp: Any = array_api_compat.array_namespace(returns)
        free, held = self._free(returns), known["held"] + 0.0 * returns
        open_ = 1.0 - held
        count = xp.clip(xp.sum(open_), min=1.0)
        off = open_ * (returns - xp.sum(open_ * returns) / count)
        known["settled"] = known["settled"] - self.rate * off
        short = held * (known["level"] - returns)
        known["price"] = xp.clip(known["price"] + self.rate * short, min=0.0)
        self._remember(free, returns)
        self._turn(held, count)

    def _remember(self, free: Array, returns: Array) -> None:
        """Average weights and returns over the later part of the round."""
        known = self.memory
        known["age"] = known["age"] + 1.0
        trust = 1.0 / (1.0 + known["age"] / 4.0)  # a window of the last quarter or so
        known["share"] = known["share"] + trust * (free - known["share"])
        known["mean"] = known["mean"] + trust * (returns - known["mean"])

    def _turn(self, held: Array, count: Array) -> None:
        """Begin the next round, where this one is over and not the last."""
        known = self.memory
        xp: Any = array_api_compat.array_namespace(held)
        length = max(1, self.settles // min(self.rounds, len(held)))
        over = known["age"] >= length
        # nobody is left to go on if all are held: the round is then played to the end
        some = (known["share"] >= 0.5 / count) & (held == 0.0)
        new = over & some & ((xp.sum(held) + xp.sum(xp.astype(some, held.dtype))) < len(held))
        known["level"] = xp.where(new, known["mean"], known["level"])
        known["price"] = xp.where(new, known["share"], known["price"])
        known["held"] = xp.where(new, xp.ones_like(held), held)
        known["age"] = xp.where(over, xp.zeros_like(held), known["age"] + 0.0 * held)


def _softmax(logits: Array) -> Array:
    xp: Any = array_api_compat.array_namespace(logits)
    odds = xp.exp(logits - xp.max(logits))
    return odds / xp.sum(odds)
