"""One seed, many named random streams: NumPy and torch generators, and per-copy world numbers."""

from __future__ import annotations

import hashlib
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, final

import array_api_compat
import numpy as np

from multiparty_envs import expect

if TYPE_CHECKING:
    import torch


class _Words(NamedTuple):
    """The constants of splitmix64 [Steele2014]."""

    gamma: Any
    first: Any
    second: Any
    episode: Any


def _signed(number: int) -> int:
    """Return the int64 that has the lowest 64 bits of `number`."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


_NUMBERS = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD1342543DE82EF95)
# arrays, because NumPy would convert a Python number anew at every use
_UNSIGNED = _Words(*(np.array(number, dtype=np.uint64) for number in _NUMBERS))
_PLACES = {places: np.array(places, dtype=np.uint64) for places in (11, 27, 30, 31)}
# torch has no arithmetic on uint64, but its int64 products wrap around to the same bits
_SIGNED = _Words(*map(_signed, _NUMBERS))


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

        # a device without values has no generators, and takes those of the CPU
        own = "cpu" if torch.device(device).type == "meta" else device
        return torch.Generator(own).manual_seed(self.key(name))

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
    the copy's key and the number of the episode alone [Steele2014]. So a copy draws the same
    numbers whatever the other copies do, and NumPy and torch draw the same on any device.

    Args:
        key: [N] int64, NumPy or torch.
        episode: [N] int64, the episode that each copy is in; default 0 for all.
        ahead: numbers of `uniform()` to make at once, on NumPy: its cost is mostly per call.
    """

    def __init__(self, key: Any, episode: Any = None, ahead: int = 1) -> None:
        self.key = key
        self.ahead = ahead
        self._words = _UNSIGNED if isinstance(key, np.ndarray) else _SIGNED
        self.episode = self._xp.zeros_like(key) if episode is None else episode
        self._root: Any = None  # what the key alone makes of the position, once it is known
        self._at: Any = None  # found out at the first number: certain worlds never draw
        self._stock: Any = None  # [B, N], numbers of `uniform()` that are made
        self._given = 0  # rows of them that have been given

    @property
    def _xp(self) -> Any:
        # asked for anew, because a draw that kept a module could not be copied
        return (
            np if isinstance(self.key, np.ndarray) else array_api_compat.array_namespace(self.key)
        )

    @classmethod
    def seeded(cls, seeds: Sequence[int], name: str = "world") -> Draw:
        """Return the NumPy draw of copies seeded one by one."""
        keys = [Streams(seed).key(name) for seed in seeds]
        return cls(np.asarray(keys, dtype=np.int64))

    def uniform(self, *shape: int) -> Any:
        """Return [N, *shape] float64 in [0, 1)."""
        if not shape:
            return self._next()
        size = math.prod(shape)
        at = self._position()
        numbers = self._made(at[:, None], self._steps(size)[None, :])
        self._at = at + self._jump(size)
        return self._xp.reshape(numbers, (len(at), *shape))

    def normal(self, *shape: int) -> Any:
        """Return [N, *shape] standard normal float64, by Box and Muller: two uniforms a number.

        NumPy and torch agree to the last digits only: their logarithms differ by rounding.
        """
        pair = self.uniform(2, *shape)
        radius = self._xp.sqrt(-2.0 * self._xp.log1p(-pair[:, 0, ...]))
        return radius * self._xp.cos(2.0 * math.pi * pair[:, 1, ...])

    def integers(self, high: int, *shape: int) -> Any:
        """Return [N, *shape] int64 in 0..high - 1."""
        expect.integer(high, name="high", low=1)
        return self._xp.astype(self.uniform(*shape) * high, self._xp.int64)

    def next_episode(self, rows: Any = None) -> Draw:
        """Return the draw of `rows` (default: every copy) at the start of their next episode."""
        if rows is None:
            later = Draw(self.key, self.episode + 1, self.ahead)
            later._root = self._root
            return later
        return Draw(self.key[rows], self.episode[rows] + 1)

    def put(self, rows: Any, other: Draw) -> None:
        """Take over, in place, what `other` holds for `rows`; NumPy only."""
        self.key[rows] = other.key
        self._root = None
        self.episode[rows] = other.episode
        if self._at is None and other._at is None:
            return
        start = other._position()
        if self._stock is None or len(rows) == len(self.key):
            self._position()[rows] = start
            return
        begun: Any = self._at  # where the numbers that are made ahead begin
        begun[rows] = start - self._jump(self._given)
        left = len(self._stock) - self._given
        self._stock[self._given :, rows] = self._made(start, self._steps(left)[:, None])

    def where(self, mask: Any, other: Draw) -> Draw:
        """Return a draw of the same copies that goes on as `other` where `mask` [N] holds."""
        chosen = Draw(self.key, self._xp.where(mask, other.episode, self.episode), self.ahead)
        if self._at is not None or other._at is not None:
            chosen._at = self._xp.where(mask, other._position(), self._position())
        chosen._root = self._root
        return chosen

    def tensors(self) -> dict[str, Any]:
        """Return where the streams stand, arrays [N] by name, for `of`."""
        found = {"key": self.key, "episode": self.episode}
        if self._at is not None:
            at = self._position()
            found["at"] = at.view(np.int64) if isinstance(at, np.ndarray) else at
        return found

    @classmethod
    def of(cls, tensors: Mapping[str, Any]) -> Draw:
        """Return the draw that goes on from where `tensors` were taken."""
        made = cls(tensors["key"], tensors["episode"])
        if "at" in tensors:
            made._at = _bits(tensors["at"])
        return made

    def to(self, device: Any) -> Draw:
        """Return this draw as torch tensors on `device`, at the start of its episodes."""
        import torch

        return Draw(
            torch.asarray(self.key, device=device), torch.asarray(self.episode, device=device)
        )

    def _next(self) -> Any:
        """Return one number a copy, from the stock while it lasts."""
        if self._stock is None or self._given == len(self._stock):
            at = self._position()
            self._stock = self._made(at, self._steps(self.ahead)[:, None])
        self._given += 1
        return self._stock[self._given - 1]

    def _position(self) -> Any:
        """Return where the streams stand [N], with nothing made ahead."""
        if self._at is None:
            if self._root is None:
                self._root = self._mix(_bits(self.key))
            self._at = self._mix(self._root + _bits(self.episode) * self._words.episode)
        if self._given:
            self._at = self._at + self._jump(self._given)
        self._stock, self._given = None, 0
        return self._at

    def _steps(self, count: int) -> Any:
        """Return what to add to a position for its next `count` numbers."""
        bits = _bits(self.key)
        like = {"dtype": bits.dtype, "device": array_api_compat.device(bits)}
        return self._xp.arange(1, count + 1, **like) * self._words.gamma

    def _jump(self, count: int) -> Any:
        """Return what to add to a position that has given `count` numbers."""
        bits = count * _NUMBERS[0] % (1 << 64)
        return np.array(bits, np.uint64) if isinstance(self.key, np.ndarray) else _signed(bits)

    def _made(self, at: Any, steps: Any) -> Any:
        return self._unit(self._mix(at + steps))

    def _mix(self, bits: Any) -> Any:
        """Return splitmix64's finaliser of `bits`."""
        bits = bits ^ _shift(bits, 30)
        bits *= self._words.first  # in place from here on: the array is ours
        bits ^= _shift(bits, 27)
        bits *= self._words.second
        bits ^= _shift(bits, 31)
        return bits

    def _unit(self, bits: Any) -> Any:
        """Return the upper 53 bits as float64 in [0, 1)."""
        high = _shift(bits, 11)
        if isinstance(high, np.ndarray):
            return high * 2.0**-53
        return self._xp.astype(high, self._xp.float64) * 2.0**-53


def _bits(number: Any) -> Any:
    return number.view(np.uint64) if isinstance(number, np.ndarray) else number


def _shift(bits: Any, places: int) -> Any:
    """Return the logical right shift; that of int64 copies the sign, which is masked away."""
    if isinstance(bits, np.ndarray):
        return bits >> _PLACES[places]
    return (bits >> places) & ((1 << (64 - places)) - 1)
