"""The building: heat is conserved, people are who they should be."""

import itertools

import numpy as np
import pytest

from multiparty_envs.envs.building import POWER, Clock, Room
from multiparty_envs.envs.thermostat import thermostat
from multiparty_envs.streams import Draw

STEP = 0.5  # hours
CLOCK = Clock.of(49, 8.0)


def rooms(temperature, weather=0.0, time=0, count=1):
    full = np.full(count, 1.0)
    return Room(full * temperature, full * weather, 0.0 * full, np.full(count, time))


def after(state, action, **knobs):
    world = thermostat(actions="continuous", **knobs)
    action = np.asarray(action, dtype=np.float32)[:, None]
    return world.transition(state, action, Draw.seeded(range(len(action))))


@pytest.mark.parametrize("time", [0, 17, 29, 40])
@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5])
def test_a_step_is_the_integral_of_the_heat_that_flows(time, share):
    state = rooms(20.0, weather=2.0, time=time)
    found = after(state, [share])
    outside, gain = CLOCK.outside[time] + 2.0, CLOCK.gain[time]
    temperature, parts = 20.0, 20_000
    for _ in range(parts):  # C dT = (heat + gain - (T - outside) / R) dt
        flow = 9.0 * share + gain - (temperature - outside) / 5.0
        temperature += flow / 4.0 * STEP / parts
    assert found.temperature[0] == pytest.approx(temperature, abs=1e-4)
    assert found.heat[0] == 9.0 * share


@pytest.mark.parametrize("time", [3, 25])
def test_rooms_in_equilibrium_stay_as_they_are(time):
    outside, gain = CLOCK.outside[time], CLOCK.gain[time]
    share = ((19.0 - outside) / 5.0 - gain) / 9.0
    assert after(rooms(19.0, time=time), [share]).temperature[0] == pytest.approx(19.0, abs=1e-6)


def test_more_power_is_warmer_and_dearer():
    share = np.linspace(0.0, 1.0, 11)
    state = rooms(20.0, count=11)
    found = after(state, share)
    assert (np.diff(found.temperature) > 0).all()
    world = thermostat(actions="continuous")
    savings = world.features(state, None, found)[:, -1]
    assert (np.diff(savings) < 0).all()
    # 3 kW of electricity for half an hour at 20 cents, of a budget of 15, in units of 30
    assert savings[-1] == pytest.approx((0.15 - 3.0 * 0.5 * 0.2) / 0.3)
    assert savings[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("temperature", "share", "heat"), [(15.9, -1.0, 9.0), (28.1, 1.0, -9.0), (16.1, -1.0, -9.0)]
)
def test_the_guard_takes_over_beyond_its_limits(temperature, share, heat):
    assert after(rooms(temperature), [share]).heat[0] == heat


@pytest.mark.parametrize("level", range(5))
def test_levels_are_shares_of_the_power(level):
    state, draw = rooms(20.0), Draw.seeded([0])
    chosen = thermostat().transition(state, np.array([level]), draw)
    for found, wanted in zip(chosen, after(state, POWER[[level]]), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_actions_beyond_the_full_power_are_cut():
    assert after(rooms(20.0, count=2), [-3.0, 3.0]).heat.tolist() == [-9.0, 9.0]


@pytest.mark.parametrize("time", [6, 14, 20, 39])
def test_comfort_is_a_parabola_while_present(time):
    wishes, tolerance = [18.0, 21.0, 24.5], np.array([2.0, 4.0, 3.0])
    world = thermostat(num_parties=4, preferred=wishes, tolerance=tolerance)
    state = rooms(22.0, time=time)
    action = np.array([3])
    reached = world.transition(state, action, Draw.seeded([0]))
    found = world.party_rewards(state, action, reached)[0]
    there = CLOCK.presence[time][[1, 0, 1]]  # at home, here by day, at home
    wanted = there * (1.0 - ((reached.temperature - wishes) / tolerance) ** 2)
    assert found[:-1] == pytest.approx(wanted)
    price = 4.5 / 3.0 * 0.5 * CLOCK.price[time]
    assert found[-1] == pytest.approx((0.15 - price) / 0.3)


def test_everybody_may_pay_alike():
    world = thermostat(num_parties=4, payer="everybody")
    assert world.population.num_parties == 4
    assert world.population.theta[-1] == pytest.approx(np.full(4, 0.25))
    assert "owner" not in world.population.names


@pytest.mark.parametrize(
    ("parties", "share", "cool"), [(6, 0.2, 1), (6, 0.0, 0), (11, 0.5, 5), (3, 0.1, 1), (2, 0.5, 0)]
)
def test_the_minority_has_its_share_of_the_occupants(parties, share, cool):
    population = thermostat(num_parties=parties, minority_share=share).population
    kinds = [name.split()[0] for name in population.names]
    assert kinds == ["warm"] * (parties - 1 - cool) + ["cool"] * cool + ["owner"]
    assert population.num_clusters == len(set(kinds))


def test_the_warm_like_it_warmer_than_the_cool():
    people = thermostat(num_parties=11, minority_share=0.5).view.people
    for wish, name in zip(people.preferred, people.names, strict=False):
        assert 22.5 < wish < 24.0 if name.startswith("warm") else 18.5 < wish < 20.0
    assert len(set(people.preferred)) == 10
    assert people.window.tolist() == [1, 0] * 5


def test_weather_is_stationary_and_remembers_a_day():
    world, draw = thermostat(), Draw.seeded(range(4096))
    state = world.initial(4096, draw)
    first = state.weather
    for _ in range(48):
        state = world.transition(state, np.ones(4096, dtype=int), draw)
    # cut at three standard deviations, a normal distribution loses 1.3 % of its spread
    assert first.std() == pytest.approx(3.0, rel=0.05)
    assert state.weather.std() == pytest.approx(3.0, rel=0.05)
    assert np.corrcoef(first, state.weather)[0, 1] == pytest.approx(np.exp(-1.0), abs=0.05)
    assert np.abs(state.weather).max() <= 9.0


def test_without_noise_only_the_first_temperature_is_drawn():
    world, draw = thermostat(noise=0.0), Draw.seeded(range(50))
    state = world.initial(50, draw)
    assert len(set(state.temperature)) == 50
    assert (world.transition(state, np.zeros(50, dtype=int), draw).weather == 0.0).all()


EXTREMES = list(itertools.product([-10.0, 30.0], [0.0, 2.0], [-1.0, 0.0, 1.0]))


@pytest.mark.parametrize(("outdoor", "noise", "share"), EXTREMES)
def test_observations_stay_in_their_space(outdoor, noise, share):
    world = thermostat(outdoor=outdoor, noise=noise, actions="continuous", horizon=192)
    space, draw = world.observation_space, Draw.seeded(range(64))
    state = world.initial(64, draw)
    # whatever the weather was, and however cold a step begins
    state = state._replace(weather=np.linspace(-9.0, 9.0, 64) * noise)
    action = np.full((64, 1), share, dtype=np.float32)
    for _ in range(world.horizon):
        seen = world.observe(state)
        assert (seen >= space.low).all()
        assert (seen <= space.high).all()
        state = world.transition(state, action, draw)


@pytest.mark.parametrize(
    ("hour", "day", "home", "price"),
    [(0, 0.0, 0.5, 0.2), (7, 0.0, 1.0, 0.3), (12, 1.0, 0.1, 0.3), (20, 0.0, 1.0, 0.45)],
)
def test_the_clock(hour, day, home, price):
    clock = Clock.of(49, 8.0)
    place = int(hour / STEP)
    assert clock.presence[place] == pytest.approx([day, home])
    assert clock.price[place] == price
    assert clock.outside[[6, 30]] == pytest.approx([3.0, 13.0])  # at 3:00 and 15:00


def test_the_picture_shows_who_is_there_and_how_warm_it_is():
    view = thermostat().view
    cold, warm, noon = (
        view.frame(Room(np.float64(t), np.float64(0.0), np.float64(0.0), np.int64(at)))
        for t, at in ((17.0, 0), (26.0, 0), (17.0, 24))
    )
    assert cold.shape == warm.shape == noon.shape
    assert (cold != warm).any()
    assert (cold[:, 280:] != noon[:, 280:]).any()
    lines = view.text(Room(np.float64(23.0), np.float64(0.0), np.float64(9.0), np.int64(24)))
    assert "hour 12.0  rooms 23.0" in lines
    assert "heat +9.0 kW" in lines
