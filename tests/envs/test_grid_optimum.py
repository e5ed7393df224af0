"""How much there is to win in the worlds that are no tables: planning on a grid of their states."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from multiparty_envs.dynamics.arrays import map_state
from multiparty_envs.envs.building import Room
from multiparty_envs.envs.lake import Flows, Water
from multiparty_envs.registration import find_builder, make_dynamics
from multiparty_envs.streams import Draw

NODES = 7
EPISODES = 4096


class Grid:
    """A world whose states are two numbers and the time, one of the two driven by noise."""

    def __init__(self, name):
        self.world = make_dynamics(name)
        # the numbers (axes), and how a state is made of them and read
        if name == "Thermostat-v0":
            self.axes = np.linspace(14.0, 29.5, 125), np.linspace(-9.0, 9.0, 19)
            self.pair = lambda state: (state.temperature, state.weather)
        else:
            self.axes = np.linspace(0.0, 150.0, 76), np.linspace(-3.0, 3.0, 19)
            self.pair = lambda state: (state.storage, state.anomaly)
        node, weight = np.polynomial.hermite_e.hermegauss(NODES)
        self.node, self.weight = node, weight / weight.sum()
        self.actions = int(self.world.action_space.n)

    def state(self, first, second, time):
        none, time = 0.0 * first, np.full(len(first), time)
        if self.world.observation_space.shape == (8,):
            return Room(first, second, none, time)
        return Water(first, second, Flows(*[none] * 6), time)

    def worths(self, state, weights, value):
        """Return [N, A], the expected worth of each action: weighted rewards, then `value`."""
        count = len(state.time)
        many = map_state(lambda leaf: np.repeat(leaf, self.actions * NODES), state)
        action = np.tile(np.repeat(np.arange(self.actions), NODES), count)
        noise = np.tile(self.node, count * self.actions)
        after = self.world.transition(many, action, SimpleNamespace(normal=lambda: noise))
        worth = self.world.party_rewards(many, action, after) @ weights
        places = [
            (number - axis[0]) / (axis[1] - axis[0])
            for number, axis in zip(self.pair(after), self.axes, strict=True)
        ]
        worth += map_coordinates(value, places, order=1, mode="nearest")
        return worth.reshape(count, self.actions, NODES) @ self.weight

    def plan(self, weights):
        """Return the values [H + 1] of [X, Y] of the best policy for weighted parties."""
        first, second = (part.reshape(-1) for part in np.meshgrid(*self.axes, indexing="ij"))
        shape = tuple(len(axis) for axis in self.axes)
        values = [np.zeros(shape)]
        for time in reversed(range(self.world.horizon)):
            worth = self.worths(self.state(first, second, time), weights, values[0])
            values.insert(0, worth.max(axis=1).reshape(shape))
        return values

    def play(self, weights, episodes=EPISODES):
        """Return the parties' mean returns [M] of the best policy, in the world itself."""
        values, draw = self.plan(weights), Draw.seeded(range(episodes))
        state, returns = self.world.initial(episodes, draw), 0.0
        for time in range(self.world.horizon):
            action = self.worths(state, weights, values[time + 1]).argmax(axis=1)
            after = self.world.transition(state, action, draw)
            returns = returns + self.world.party_rewards(state, action, after)
            state = after
        return returns.mean(axis=0)


# weights of the parties under which the best policy is also best for the worst party: found by
# multiplicative updates, after which the weighted mean is as low as it gets
WEIGHTS = {
    "Thermostat-v0": [0.0, 0.002, 0.168, 0.133, 0.035, 0.662],
    "Reservoir-v0": [0.452, 0.242, 0.0, 0.248, 0.058],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_stated_returns_are_what_planning_reaches(name):
    grid = Grid(name)
    stated = re.findall(
        r"mean party (-?\d+\.\d), worst party (-?\d+\.\d)", find_builder(name).__doc__
    )
    weights = np.array(WEIGHTS[name])
    even = np.full(len(weights), 1.0 / len(weights))
    for own, (mean, worst) in zip((even, weights), stated[-2:], strict=True):
        returns = grid.play(own)
        assert returns.mean() == pytest.approx(float(mean), abs=0.1)
        assert returns.min() == pytest.approx(float(worst), abs=0.1)
    # no policy does better by the worst party than the best one does by a weighted mean
    assert weights @ returns - returns.min() < 0.1
