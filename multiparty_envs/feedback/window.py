"""The latest segments, from which pairs are taken."""

from __future__ import annotations

from typing import final

import numpy as np

from multiparty_envs.feedback.recorder import Clips
from multiparty_envs.feedback.segments import Segments


@final
class Window:
    """A ring of the latest W segments in preallocated arrays, lengthened when one is longer."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._added = 0
        self._length = np.zeros(size, dtype=np.int64)  # [W] steps of each segment
        self._arrays: tuple[np.ndarray, ...] = ()  # obs, action, features: [W, L, ...]

    @property
    def num_segments(self) -> int:
        """Segments held."""
        return min(self._added, self._size)

    def append(self, clips: Clips) -> None:
        """Add E segments; the oldest make way."""
        self._fit(clips)
        count, length = clips.obs.shape[:2]
        # of more than fit, only the last have a place
        kept = slice(max(0, count - self._size), count)
        place = np.arange(self._added + kept.start, self._added + count) % self._size
        self._length[place] = clips.length[kept]
        for ring, clip in zip(self._arrays, clips[:3], strict=True):
            # what a longer predecessor left behind the end is cut off by the mask
            ring[place, :length] = clip[kept]
        self._added += count

    def _fit(self, clips: Clips) -> None:
        length = clips.obs.shape[1]
        if not self._arrays:
            self._arrays = tuple(
                np.zeros((self._size, length, *clip.shape[2:]), dtype=clip.dtype)
                for clip in clips[:3]
            )
        have = self._arrays[0].shape[1]
        if length > have:
            # doubled, so that slowly growing episodes do not move everything each time
            longer = max(length, 2 * have) - have
            self._arrays = tuple(
                np.pad(ring, [(0, 0), (0, longer)] + [(0, 0)] * (ring.ndim - 2))
                for ring in self._arrays
            )

    def kinds(self) -> np.ndarray:
        """Return [W] numbers, the same for segments that begin with the same observation."""
        held = self._arrays[0][: self.num_segments, 0].reshape(self.num_segments, -1)
        return np.unique(held, axis=0, return_inverse=True)[1].reshape(-1)

    def segments(self, place: np.ndarray) -> Segments:
        """Copies of the segments at `place` [G], as long as the longest of them."""
        length = self._length[place]
        step = np.arange(length.max())
        mask = step < length[:, None]
        arrays = [ring[place, : len(step)] for ring in self._arrays]
        for array in arrays:
            array[~mask] = 0
        obs, action, features = arrays
        return Segments(obs, action, features, mask)
