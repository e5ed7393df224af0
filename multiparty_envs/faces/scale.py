"""How far segment returns spread for each party: the unit in which answers see them."""

from __future__ import annotations

import weakref

import numpy as np

from multiparty_envs.dynamics import Dynamics
from multiparty_envs.faces.acting import actor
from multiparty_envs.streams import Draw, Streams

COPIES = 2048
"""Episodes that are simulated: the spread is then known to about 2 %."""

_known: weakref.WeakKeyDictionary[Dynamics, dict[int | None, np.ndarray]]
_known = weakref.WeakKeyDictionary()


def segment_scale(dynamics: Dynamics, segment_length: int | None = None) -> np.ndarray:
    """Return the standard deviation [M] of segment returns under the behaviour policy.

    Simulated once for a world and a length, from a fixed seed, so it is a property of the two.

    Args:
        dynamics: the world; its behaviour policy is uniform where it names none.
        segment_length: steps of a segment, which its episode may end sooner; None: episodes.
    """
    lengths = _known.setdefault(dynamics, {})
    if segment_length not in lengths:
        returns = _segment_returns(dynamics, segment_length or dynamics.horizon)
        lengths[segment_length] = returns.std(axis=0)
        lengths[segment_length].setflags(write=False)
    return lengths[segment_length]


def _segment_returns(dynamics: Dynamics, length: int) -> np.ndarray:
    """Return [G, M], the returns of all segments of `COPIES` episodes."""
    draw = Draw.seeded(range(COPIES), "scale")
    act = actor(dynamics, Streams(0).numpy("scale"))
    state = dynamics.initial(COPIES, draw)
    running = np.ones(COPIES, dtype=bool)
    total = np.zeros((COPIES, dynamics.population.num_parties))
    returns = []
    for time in range(1, dynamics.horizon + 1):
        action = act(state)
        after = dynamics.transition(state, action, draw)
        total += dynamics.party_rewards(state, action, after)
        ended = running & dynamics.terminated(after)
        closed = running if time % length == 0 else ended
        returns.append(total[closed])  # ended copies step on, but are in no segment any more
        total[closed] = 0.0
        running, state = running & ~ended, after
    return np.concatenate(returns)
