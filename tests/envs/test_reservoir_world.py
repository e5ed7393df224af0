"""The lake: no water is lost, and everybody gets what flows by."""

import numpy as np
import pytest

from multiparty_envs.envs.lake import CANALS, RELEASES, Calendar, Flows, Water
from multiparty_envs.envs.reservoir import reservoir
from multiparty_envs.streams import Draw

WEEK = 7 * 86_400 / 1e6  # million m3 that 1 m3/s brings
SUMMER, WINTER = 41, 12


def lake(storage, time=0, anomaly=0.0, count=1):
    full = np.full(count, 1.0)
    flows = Flows(*[0.0 * full] * 6)
    return Water(full * storage, full * anomaly, flows, np.full(count, time))


def open_(release, canal=0.0):
    """Return continuous actions [N, 2] that release so many m3/s."""
    release, canal = np.broadcast_arrays(np.atleast_1d(release) / 60.0, canal)
    return (2.0 * np.stack([release, canal], axis=1) - 1.0).astype(np.float32)


def after(state, action, **knobs):
    world = reservoir(actions="continuous", **{"noise": 0.0, **knobs})
    found = world.transition(state, action, Draw.seeded(range(len(action))))
    return found, world.features(state, action, found)


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("evaporation", [0.0, 1.0, 5.0])
def test_no_water_is_lost(noise, evaporation):
    world = reservoir(noise=noise, evaporation=evaporation)
    rng, draw = np.random.default_rng(0), Draw.seeded(range(500))
    state = world.initial(500, draw)
    for week in range(world.horizon):
        new = world.transition(state, rng.integers(15, size=500), draw)
        flows = new.flows
        leaves = flows.evaporation + flows.town + flows.release + flows.spill
        assert new.storage == pytest.approx(state.storage + flows.inflow - leaves)
        assert all((flow >= 0.0).all() for flow in flows)
        assert ((new.storage >= 0.0) & (new.storage <= 150.0)).all()
        assert (new.storage[flows.spill > 0.0] == 150.0).all()
        assert (flows.canal <= flows.release).all()
        assert (flows.canal <= WEEK * Calendar.of(53, 1.0).fields[week] + 1e-12).all()
        assert (flows.evaporation > 0.0).any() == (evaporation > 0.0)
        state = new


def test_a_full_lake_spills_what_comes():
    found, features = after(lake(150.0, WINTER), open_(0.0), evaporation=0.0)
    inflow = WEEK * Calendar.of(53, 0.0).inflow[WINTER]
    assert found.flows.inflow[0] == pytest.approx(inflow)
    assert found.flows.spill[0] == pytest.approx(inflow - 2.5 * WEEK)
    assert features[0, 2] == 0.0  # what spills drives no turbine


def test_outlets_do_not_reach_the_bottom():
    inflow = WEEK * Calendar.of(53, 0.0).inflow[WINTER]
    town = 2.5 * WEEK * (15.0 / 60.0)  # the lake a quarter as full as the town needs it
    found, _ = after(lake(15.0, WINTER), open_(60.0), evaporation=0.0)
    assert found.flows.town[0] == pytest.approx(town)
    assert found.flows.release[0] == pytest.approx(inflow - town)
    assert found.storage[0] == pytest.approx(15.0)
    dry, features = after(lake(0.0, WINTER), open_(60.0), evaporation=0.0)
    assert dry.flows.release[0] == dry.flows.town[0] == 0.0
    assert features[0, 1] == 1.0


@pytest.mark.parametrize("release", [0.0, 6.0, 24.0, 48.0])
def test_energy_is_weight_times_height(release):
    found, features = after(lake(90.0, WINTER), open_(release))
    mean = (90.0 + found.storage[0]) / 2.0 / 150.0
    head = 30.0 + 40.0 * mean
    power = 1000.0 * 9.81 * head * min(release, 24.0)
    most = 1000.0 * 9.81 * 70.0 * 24.0
    assert features[0, 2] == pytest.approx(power / most, rel=1e-6)


def test_features_are_what_they_say():
    world = reservoir()
    rng, draw = np.random.default_rng(1), Draw.seeded(range(200))
    state = lake(0.0, count=200)._replace(
        storage=rng.uniform(0.0, 150.0, 200), time=rng.integers(52, size=200)
    )
    action = rng.integers(15, size=200)
    new = world.transition(state, action, draw)
    found = world.features(state, action, new)
    for copy in range(200):
        flows = Flows(*(float(flow[copy]) / WEEK for flow in new.flows))  # m3/s
        need = 20.0 * max(0.0, np.cos(2.0 * np.pi * (state.time[copy] - 41) / 52))
        river = flows.release - flows.canal + flows.spill
        wanted = [
            ((need - flows.canal) / 20.0) ** 2,
            ((2.5 - flows.town) / 2.5) ** 2,
            found[copy, 2],
            max(0.0, (6.0 - river) / 6.0) ** 2,
            min(1.0, max(0.0, river - 40.0) / 40.0),
        ]
        assert found[copy] == pytest.approx(wanted, abs=1e-9)
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    rewards = world.party_rewards(state, action, new)
    assert rewards == pytest.approx(found * [-2.0, -2.0, 1.0, -1.0, -5.0])


def test_more_release_is_more_energy_and_less_lake():
    release = np.linspace(1.0, 24.0, 12)
    found, features = after(lake(100.0, WINTER, count=12), open_(release))
    assert (np.diff(found.storage) < 0).all()
    assert (np.diff(features[:, 2]) > 0).all()
    assert (np.diff(features[:, 3]) <= 0).all()


def test_the_canal_takes_from_the_river_what_it_gives_the_fields():
    canal = np.linspace(0.0, 1.0, 11)
    state = lake(100.0, SUMMER, count=11)
    found, features = after(state, open_(12.0, canal))
    assert found.flows.canal == pytest.approx(canal * 12.0 * WEEK, rel=1e-6)
    assert (np.diff(features[:, 0]) < 0).all()
    assert (np.diff(features[:, 3]) >= 0).all()
    assert features[-1, 3] == pytest.approx(1.0)
    assert np.ptp(found.storage) == 0.0


def test_fields_need_nothing_in_winter():
    found, features = after(lake(100.0, WINTER), open_(12.0, 1.0))
    assert found.flows.canal[0] == features[0, 0] == 0.0


def test_a_flood_is_what_the_banks_do_not_hold():
    _, features = after(lake(149.0, WINTER, count=3), open_([39.0, 50.0, 60.0]))
    assert features[:, 4] == pytest.approx([0.0, 0.25, 0.5], abs=1e-6)


def test_inflow_is_log_normal_and_remembers():
    world, draw = reservoir(), Draw.seeded(range(20_000))
    state = world.initial(20_000, draw)
    first = state.anomaly
    state = world.transition(state, np.zeros(20_000, dtype=int), draw)
    assert state.anomaly.mean() == pytest.approx(0.0, abs=0.03)
    assert state.anomaly.std() == pytest.approx(1.0, abs=0.03)
    assert np.corrcoef(first, state.anomaly)[0, 1] == pytest.approx(0.8, abs=0.02)
    usual = WEEK * Calendar.of(53, 1.0).inflow[0]
    logs = np.log(state.flows.inflow / usual)
    assert logs == pytest.approx(0.5 * state.anomaly - 0.125)
    assert state.flows.inflow.mean() == pytest.approx(usual, rel=0.02)


def test_the_year_brings_about_what_is_needed():
    calendar = Calendar.of(52, 1.0)
    need = calendar.fields.mean() + 2.5 + 6.0
    assert calendar.inflow.mean() == pytest.approx(15.0)
    assert need == pytest.approx(calendar.inflow.mean(), rel=0.05)
    assert int(calendar.inflow.argmax()) == 32
    assert int(calendar.fields.argmax()) == 41


@pytest.mark.parametrize("number", range(15))
def test_levels_are_shares(number):
    state, draw = lake(100.0, SUMMER), Draw.seeded([0])
    chosen = reservoir(noise=0.0).transition(state, np.array([number]), draw)
    share = np.array([[RELEASES[number // 3], CANALS[number % 3]]])
    found, _ = after(state, (2.0 * share - 1.0).astype(np.float32))
    assert chosen.storage == pytest.approx(found.storage, rel=1e-6)
    assert chosen.flows.canal == pytest.approx(found.flows.canal, rel=1e-6)
    assert chosen.flows.release[0] == pytest.approx(WEEK * 3.0 * 2 ** (number // 3))


def test_shares_beyond_their_range_are_cut():
    found, _ = after(lake(100.0, SUMMER, count=2), open_([-9.0, 99.0], [-1.0, 2.0]))
    assert found.flows.release == pytest.approx([0.0, 60.0 * WEEK])
    assert found.flows.canal == pytest.approx([0.0, 20.0 * WEEK])


@pytest.mark.parametrize(
    ("parties", "share", "kinds"),
    [
        (5, 0.2, "farmers town hydropower river residents"),
        (5, 0.0, "farmers farmers town hydropower residents"),
        (4, 0.5, "farmers town river river"),
        (2, 0.1, "farmers river"),
        (
            10,
            0.2,
            "farmers farmers town town hydropower hydropower river river residents residents",
        ),
    ],
)
def test_the_river_has_its_share_of_the_parties(parties, share, kinds):
    population = reservoir(num_parties=parties, minority_share=share).population
    assert [name.split()[0] for name in population.names] == kinds.split()
    assert len(set(population.names)) == parties
    assert population.num_clusters == len(set(kinds.split()))
    same = population.cluster[:, None] == population.cluster
    equal = (population.theta[:, :, None] == population.theta[:, None, :]).all(axis=0)
    np.testing.assert_array_equal(same, equal)


def test_the_picture_shows_lake_river_and_fields():
    view = reservoir().view
    found, _ = after(lake(60.0, SUMMER), open_(12.0, 1.0))
    wetter, _ = after(lake(120.0, SUMMER), open_(55.0, 1.0))
    frames = [view.frame(Water(*_first(state))) for state in (found, wetter)]
    assert frames[0].shape == frames[1].shape
    assert (frames[0][:, :236] != frames[1][:, :236]).any()  # the lake
    assert (frames[0][:, 260:330] != frames[1][:, 260:330]).any()  # below the dam
    text = view.text(Water(*_first(found)))
    assert "July week 42" in text
    assert "canal 12.0" in text
    assert "fields     60 %" in text


def _first(state):
    return [
        Flows(*(leaf[0] for leaf in part)) if isinstance(part, tuple) else part[0] for part in state
    ]
