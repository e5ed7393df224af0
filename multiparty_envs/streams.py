"""One seed, many named random streams: NumPy and torch generators, and per-copy world numbers."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import array_api_compat
import numpy as np

from multiparty_envs import expect

if TYPE_CHECKING:
    import torch

# Constants of splitmix64 [Steele2014], written as signed numbers because the array API
# (and torch) multiplies int64; the products wrap around to the same 64 bits.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST = 0xBF58476D1CE4E5B9 - (1 << 64)
_SECOND = 0x94D049BB133111EB - (1 << 64)
_EPISODE = 0xD1342543DE82EF95 - (1 << 64)


@final
class Streams:
    """Independent generators, one per use: asking one more question must not change the weather.

    Args:
        seed: any whole number from 0; None takes fresh entropy. `seed` holds the number used.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = secrets.randbits(63) if seed is None else expect.integer(seed, name="seed")

    def numpy(self, name: str) -> np.random.Generator:
        """Return a new generator at the start of the stream `name`."""
        return np.random.default_rng(self._number(name, 16))

    def torch(self, name: str, device: Any = "cpu") -> torch.Generator:
        """Return a new torch generator at the start of the stream `name`."""
        import torch

        return torch.Generator(device).manual_seed(self.key(name))

    def key(self, name: str) -> int:
        """Return the 63-bit number that stands for (seed, name)."""
        return self._number(name, 8) >> 1

    def child(self, name: str | int) -> Streams:
        """Return streams of their own for a part or a repetition `name`."""
        return Streams(self.key(f"child {name}"))

    def _number(self, name: str, size: int) -> int:
        digest = hashlib.blake2b(f"{self.seed}/{name}".encode(), digest_size=size).digest()
        return int.from_bytes(digest, "little")


@final
class Draw:
    """Random numbers for N copies, one counter-based stream a copy.

    The j-th number of a copy's episode is splitmix64's j-th output from a start that depends on
    the copy's key and the episode's number alone [Steele2014]. So a copy draws the same
    numbers whatever the other copies do, and NumPy and torch draw the same on any device.

    Args:
        key: [N] int64, NumPy or torch.
        episode: [N] int64, the episode that each copy is in; default 0 for all.
    """

    def __init__(self, key: Any, episode: Any = None) -> None:
        self._xp = array_api_compat.array_namespace(key)
        self.key = key
        self.episode = self._xp.zeros_like(key) if episode is None else episode
        self._at = _mix(_mix(key) + self.episode * _EPISODE)

    @classmethod
    def seeded(cls, seeds: Sequence[int], name: str = "world") -> Draw:
        """Return the NumPy draw of copies seeded one by one."""
        keys = [Streams(int(seed)).key(name) for seed in seeds]
        return cls(np.asarray(keys, dtype=np.int64))

    def uniform(self, *shape: int) -> Any:
        """Return [N, *shape] float64 in [0, 1)."""
        size = math.prod(shape)
        if not shape:
            self._at = self._at + _GAMMA
            bits = _mix(self._at)
        else:
            count = self._xp.arange(1, size + 1, **self._like())
            bits = _mix(self._at[:, None] + count[None, :] * _GAMMA)
            self._at = self._at + _wrapped(size * _GAMMA)
        unit = self._xp.astype(_shift(bits, 11), self._xp.float64) * 2.0**-53
        return self._xp.reshape(unit, (unit.shape[0], *shape))

    def normal(self, *shape: int) -> Any:
        """Return [N, *shape] standard normal float64 (Box and Muller: two uniforms a number)."""
        pair = self.uniform(2, *shape)
        radius = self._xp.sqrt(-2.0 * self._xp.log1p(-pair[:, 0]))
        return radius * self._xp.cos(2.0 * math.pi * pair[:, 1])

    def integers(self, high: int, *shape: int) -> Any:
        """Return [N, *shape] int64 in 0..high - 1."""
        expect.integer(high, name="high", low=1)
        return self._xp.astype(self.uniform(*shape) * high, self._xp.int64)

    def next_episode(self, rows: Any = None) -> Draw:
        """Return the draw of `rows` (default: every copy) at the start of their next episode."""
        rows = slice(None) if rows is None else rows
        return Draw(self.key[rows], self.episode[rows] + 1)

    def put(self, rows: Any, other: Draw) -> None:
        """Take over, in place, what `other` holds for `rows`."""
        self.key[rows] = other.key
        self.episode[rows] = other.episode
        self._at[rows] = other._at

    def where(self, mask: Any, other: Draw) -> Draw:
        """Return a draw that goes on as `other` where `mask` [N] holds, without a branch."""
        chosen = Draw(self.key, self._xp.where(mask, other.episode, self.episode))
        chosen._at = self._xp.where(mask, other._at, self._at)
        return chosen

    def block(self, count: int) -> list[float]:
        """Return the next `count` uniforms of the only copy as Python floats."""
        return self.uniform(count)[0].tolist()

    def to(self, device: Any) -> Draw:
        """Return this draw as torch tensors on `device`."""
        import torch

        moved = Draw(torch.as_tensor(self.key, device=device))
        moved.episode = torch.as_tensor(self.episode, device=device)
        moved._at = torch.as_tensor(self._at, device=device)
        return moved

    def _like(self) -> dict[str, Any]:
        return {"dtype": self._xp.int64, "device": array_api_compat.device(self.key)}


def _mix(bits: Any) -> Any:
    """Return splitmix64's finaliser of int64 bits."""
    bits = (bits ^ _shift(bits, 30)) * _FIRST
    bits = (bits ^ _shift(bits, 27)) * _SECOND
    return bits ^ _shift(bits, 31)


def _shift(bits: Any, places: int) -> Any:
    """Return the logical right shift, which int64 lacks: the copied sign bits are masked away."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _wrapped(number: int) -> int:
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)
