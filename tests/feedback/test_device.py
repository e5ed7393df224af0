"""The emitter on a device: the segments, pairs, parties and answers of the NumPy one."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, chisquare

from multiparty_envs.feedback import Emitter, Feedback, ask
from multiparty_envs.feedback.device import DeviceEmitter
from multiparty_envs.parties import (
    Behaviour,
    BradleyTerryLuce,
    ChoiceModel,
    Population,
    PreferenceMatrices,
)
from multiparty_envs.streams import Streams

HORIZON = 9
THETA = np.random.default_rng(0).normal(size=(3, 3))
PEOPLE = Population(THETA)


def make(num_copies=3, people=PEOPLE, seed=0, device="cpu", horizon=HORIZON, **settings):
    return DeviceEmitter(
        Feedback(**settings),
        people,
        np.ones(people.num_parties),
        num_copies,
        horizon=horizon,
        device=device,
        generator=Streams(seed).torch("answers", device),
    )


def rollout(num_copies, steps, ends=0.2, seed=0):
    """Arrays [T, N, ...]; features are (copy, episode, place in the episode)."""
    rng = np.random.default_rng(seed)
    episode, place = np.zeros((2, num_copies))
    features, done = np.zeros((steps, num_copies, 3)), np.zeros((steps, num_copies), dtype=bool)
    for t in range(steps):
        features[t] = np.stack([np.arange(num_copies), episode, place], axis=1)
        done[t] = (rng.random(num_copies) < ends) | (place == HORIZON - 1)
        episode, place = episode + done[t], np.where(done[t], 0, place + 1)
    return features.astype(np.float32), features[..., 2].astype(np.int64), features, done


def tensors(arrays):
    return tuple(torch.tensor(array) for array in arrays)


def filled(*, steps=60, **settings):
    """An emitter that has seen something."""
    emitter = make(**{"segment_length": 2, **settings})
    emitter.record_rollout(*tensors(rollout(emitter.num_copies, steps)))
    return emitter


def segments_by_hand(features, done, length):
    """All segments in the order of their ends, by a plain loop."""
    begun = [[] for _ in range(features.shape[1])]
    ended = []
    for t in range(len(features)):
        for copy, steps in enumerate(begun):
            steps.append(features[t, copy])
            if done[t, copy] or len(steps) == length:
                ended.append(np.array(steps))
                steps.clear()
    return ended


@pytest.mark.parametrize("length", [None, 1, 4])
@pytest.mark.parametrize("num_copies", [1, 3, 20])
@pytest.mark.parametrize("portion", [1, 7, 50])
@pytest.mark.parametrize("window", [2, 5, 64])
def test_the_window_holds_the_latest_segments(length, num_copies, portion, window):
    emitter = make(num_copies, segment_length=length, window=window)
    arrays = rollout(num_copies, 50)
    for at in range(0, 50, portion):
        emitter.record_rollout(*tensors(part[at : at + portion] for part in arrays))
    every = segments_by_hand(arrays[2], arrays[3], length or HORIZON)
    asked = emitter.ask(window)
    expected = every[: -window - 1 : -1]  # latest first
    assert int(asked.mask.any(1).sum()) == len(expected)
    for place, steps in enumerate(expected):
        mask = asked.mask[place]
        np.testing.assert_array_equal(asked.features[place][mask], steps)
        np.testing.assert_array_equal(asked.obs[place][mask], steps)
        np.testing.assert_array_equal(asked.action[place][mask], steps[:, 2])
        assert not asked.features[place][~mask].any()


def test_step_by_step_is_the_same_as_a_whole_rollout():
    whole, single = filled(steps=40), make(segment_length=2)
    for step in zip(*tensors(rollout(3, 40)), strict=True):
        single.record(*step)
    for one, other in zip(whole.ask(50), single.ask(50), strict=True):
        assert torch.equal(one.nan_to_num(9.0), other.nan_to_num(9.0))


@pytest.mark.parametrize("copies", [None, torch.tensor([True, False, False])])
def test_a_reset_in_mid_episode_drops_what_was_begun(copies):
    emitter = make(segment_length=3, window=6)
    parts = tensors(rollout(3, 5, ends=0.0))
    emitter.record_rollout(*(part[:2] for part in parts))
    emitter.forget(copies)
    emitter.record_rollout(*(part[2:] for part in parts))
    asked = emitter.ask(6)
    shown = [bank[mask][:, [0, 2]].tolist() for bank, mask in zip(*asked[2:4], strict=True)]
    late, early = [[0, 2], [0, 3], [0, 4]], [[1, 0], [1, 1], [1, 2]]
    assert late in shown
    assert (early in shown) == (copies is not None)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_few_queries_carry_only_their_own_segments(count):
    emitter = filled(window=32)
    asked = emitter.ask(count)
    assert len(asked.mask) == min(32, 2 * count)
    assert asked.label.shape == (count,)
    assert asked.mask[asked.first].any(1).all()
    assert asked.mask[asked.second].any(1).all()


def test_every_pair_of_different_segments_is_equally_likely():
    asked = filled(window=5).ask(20_000)
    counts = torch.bincount(asked.first * 5 + asked.second, minlength=25).view(5, 5)
    assert not counts.diagonal().any()
    assert chisquare(counts[~torch.eye(5, dtype=torch.bool)]).pvalue > 1e-3


def test_nobody_is_asked_before_there_are_two_segments():
    emitter = make(1, segment_length=2, window=4, budget=100)
    parts = tensors(rollout(1, 4, ends=0.0))
    emitter.record_rollout(*(part[:3] for part in parts))
    assert emitter.ask(7).label.isnan().all()
    emitter.record_rollout(*(part[3:] for part in parts))
    asked = emitter.ask(7)
    assert not asked.label.isnan().any()
    assert sorted({*asked.first.tolist(), *asked.second.tolist()}) == [0, 1]
    assert int(emitter.answers) == 7


CHOICES = {
    "plain": BradleyTerryLuce(2.0),
    "all": BradleyTerryLuce([1.0, np.inf, 3.0], lapse=0.1, tie_margin=0.5, sign=[1, 1, -1]),
    "myopic": BradleyTerryLuce(myopia=0.5, skip_margin=-1.0),
    "actions": PreferenceMatrices(
        np.stack(
            [0.5 + s * np.subtract.outer(np.arange(9), np.arange(9)) for s in (0.05, 0, -0.05)]
        )
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_answers_have_the_chances_of_the_numpy_model(name):
    people = Population(THETA / 3.0, choice=CHOICES[name])
    asked = filled(people=people, window=4).ask(60_000)
    pairs = asked.first.numpy(), asked.second.numpy()
    shown = [part.numpy() for part in (asked.features, asked.action, asked.mask, asked.obs)]
    chances = people.choice.compare(
        people, Behaviour(*shown), pairs, asked.party.numpy(), np.ones(3)
    )
    label = asked.label.numpy()
    found = np.stack([label == 1.0, label == 0.0, label == 0.5, np.isnan(label)], axis=1)
    # one test a cell: (first, second, party) and kind of answer
    cell = (pairs[0] * 4 + pairs[1]) * 3 + asked.party.numpy()
    values = []
    for own in np.unique(cell):
        rows = cell == own
        assert np.ptp(chances[rows], axis=0).max() < 1e-12
        for kind in range(4):
            chance = min(1.0, max(0.0, chances[rows][0, kind]))
            values.append(binomtest(int(found[rows, kind].sum()), int(rows.sum()), chance).pvalue)
    assert min(values) > 1e-3 / len(values)


def test_answers_agree_with_those_of_ask_on_the_same_segments():
    """Two samples of the same distribution: the share of "first" of each party."""
    asked = filled(window=16).ask(30_000)
    ours = asked.comparisons(3)
    theirs = ask(
        PEOPLE,
        ours.segments,
        ours.first,
        ours.second,
        ours.party,
        scale=np.ones(3),
        rng=np.random.default_rng(0),
    )
    for party in range(3):
        rows = ours.party == party
        gap = ours.label[rows].mean() - theirs.label[rows].mean()
        assert abs(gap) < 4.0 * np.sqrt(0.5 / rows.sum())
    assert not np.array_equal(ours.label, theirs.label)


@pytest.mark.parametrize("people", [1, 3, 7])
def test_balanced_assignment_asks_everybody_equally_often(people):
    emitter = filled(people=Population(np.ones((3, people))))
    party = torch.cat([emitter.ask(count).party for count in (5, 1, 2, 16, 3)]).numpy()
    for end in range(1, len(party) + 1):
        counts = np.bincount(party[:end], minlength=people)
        assert counts.max() - counts.min() <= 1


def test_the_order_of_a_round_is_drawn():
    party = filled().ask(3 * 12_000).party.view(-1, 3)
    order = party @ torch.tensor([9, 3, 1])
    assert chisquare(order.unique(return_counts=True)[1]).pvalue > 1e-3
    assert len(order.unique()) == 6


def test_assignment_by_share():
    share = np.array([0.7, 0.25, 0.05])
    emitter = filled(people=Population(THETA, share=share), assignment="share")
    counts = np.bincount(emitter.ask(5000).party, minlength=3)
    assert chisquare(counts, 5000 * share).pvalue > 1e-3


class Spy(ChoiceModel):
    """Writes down who is asked after how many queries; always prefers the first."""

    additive = True

    def __init__(self):
        self.seen = []

    def check(self, num_parties):
        pass

    def from_rewards(self, *args, **kwargs):
        raise AssertionError

    def probabilities(self, population, first, second, party, scale, *, answered=None):
        self.seen.extend(zip(party.tolist(), answered.tolist(), strict=True))
        return torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(len(party), 1)


@pytest.mark.parametrize("assignment", ["balanced", "share"])
def test_fatigue_counts_over_rounds(assignment):
    people = Population(np.ones((3, 3)), choice=Spy())
    emitter = filled(people=people, assignment=assignment)
    for count in (5, 2, 9, 1):
        emitter.ask(count)
    for party in range(3):
        counts = [before for who, before in people.choice.seen if who == party]
        assert counts == list(range(len(counts)))


@pytest.mark.parametrize("assignment", ["balanced", "share"])
def test_queries_that_are_not_put_tire_nobody(assignment):
    people = Population(np.ones((3, 3)), choice=Spy())
    emitter = make(people=people, assignment=assignment, segment_length=2)
    parts = tensors(rollout(3, 6, ends=0.0))
    emitter.record_rollout(*(part[:1] for part in parts))
    assert emitter.ask(8).label.isnan().all()
    emitter.record_rollout(*(part[1:] for part in parts))
    people.choice.seen.clear()
    emitter.ask(6)
    for party in range(3):
        counts = [before for who, before in people.choice.seen if who == party]
        assert counts == list(range(len(counts)))


@pytest.mark.parametrize("budget", [1, 10, 33])
def test_budget_is_kept_to_the_answer(budget):
    emitter = filled(budget=budget)
    answers = sum(len(emitter.comparisons(emitter.ask(7))) for _ in range(8))
    assert answers == budget == int(emitter.answers)


def test_a_skip_is_no_answer():
    silent = Population(np.ones((3, 1)), choice=BradleyTerryLuce(skip_margin=1e9))
    emitter = filled(people=silent, budget=5)
    assert len(emitter.comparisons(emitter.ask(50))) == 0
    assert int(emitter.answers) == 0


@pytest.mark.parametrize(("every", "queries"), [(1, 1), (5, 2), (40, 7)])
def test_the_schedule_is_that_of_the_numpy_emitter(every, queries):
    settings = {"segment_length": 2, "every": every, "queries": queries, "window": 8}
    ours = make(4, **settings)
    theirs = Emitter(Feedback(**settings), PEOPLE, np.ones(3), np.random.default_rng(0), 4)
    steps = rollout(4, 60)
    for step in zip(*steps, strict=True):
        theirs.record(*step)
    for at in range(0, 60, 6):
        ours.record_rollout(*tensors(part[at : at + 6] for part in steps))
        asked = ours.ask_due(24 * queries)
        assert len(asked.label) == 24 * queries
    assert int(ours.answers) == theirs.answers > 0


def test_rounds_that_do_not_fit_stay_owed():
    emitter = filled(every=10, queries=3)
    owed = len(segments_by_hand(*rollout(3, 60)[2:], 2)) // 10
    given = [len(emitter.comparisons(emitter.ask_due(7))) for _ in range(owed)]
    assert given[:2] == [6, 6]
    assert sum(given) == 3 * owed
    assert given[-1] == 0


@pytest.mark.parametrize(
    ("identity", "num_parties", "names"),
    [("party", 3, ("a", "b", "c")), ("cluster", 2, None), ("none", 1, None)],
)
def test_identity(identity, num_parties, names):
    people = Population(THETA, cluster=[0, 1, 1], names=("a", "b", "c"))
    emitter = filled(people=people, identity=identity)
    answers = emitter.comparisons(emitter.ask(300))
    assert (answers.num_parties, answers.names) == (num_parties, names)
    expected = {"party": [100] * 3, "cluster": [100, 200], "none": [300]}[identity]
    assert answers.counts.tolist() == expected


def test_the_hand_over_keeps_what_was_asked():
    people = Population(THETA / 3.0, choice=BradleyTerryLuce(skip_margin=0.0, tie_margin=0.2))
    emitter = filled(people=people, window=40, steps=12)
    asked = emitter.ask(200)
    answers = emitter.comparisons(asked)
    given = ~asked.label.isnan()
    assert 0 < len(answers) == int(given.sum()) < 200
    np.testing.assert_array_equal(answers.label, asked.label[given])
    np.testing.assert_array_equal(answers.party, asked.party[given])
    for ours, theirs in (("first", asked.first), ("second", asked.second)):
        shown = answers.segments.subset(getattr(answers, ours))
        np.testing.assert_array_equal(shown.features, asked.features[theirs[given]])
        np.testing.assert_array_equal(shown.mask, asked.mask[theirs[given]])


def test_the_same_seed_gives_the_same_answers_and_another_seed_others():
    labels = [filled(seed=seed).ask(200).label for seed in (0, 0, 1)]
    assert torch.equal(labels[0], labels[1])
    assert not torch.equal(labels[0], labels[2])


def test_only_some_copies_are_watched():
    asked = filled(num_copies=8, watched=3, window=100).ask(100)
    assert asked.features[..., 0].max() == 2


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("assignment", ["balanced", "share"])
def test_runs_where_there_are_no_values(name, assignment):
    people = Population(THETA, choice=CHOICES[name])
    emitter = make(
        people=people, device="meta", assignment=assignment, segment_length=2, budget=9, window=16
    )
    steps = [part.to("meta") for part in tensors(rollout(3, 5))]
    emitter.record_rollout(*steps)
    emitter.record(*(part[0] for part in steps))
    emitter.forget(steps[3][0])
    for asked in (emitter.ask(4), emitter.ask(40), emitter.ask_due(32)):
        assert {part.device.type for part in asked} == {"meta"}
        assert asked.features.shape == (min(16, 2 * len(asked.label)), 2, 3)


def test_what_is_remembered_stays_where_it_was():
    """As a captured graph needs it: the same memory before and after."""
    emitter = filled()
    before = _memory(emitter)
    emitter.record_rollout(*tensors(rollout(3, 7)))
    emitter.ask(5)
    emitter.ask_due(16)
    emitter.forget()
    assert _memory(emitter) == before


def _memory(part):
    tensors_ = [x for x in vars(part).values() if isinstance(x, torch.Tensor)]
    inner = [x for x in vars(part).values() if type(x).__module__.startswith("multiparty_envs.fee")]
    addresses = [x.data_ptr() for x in tensors_]
    return addresses + [a for x in inner if hasattr(x, "__dict__") for a in _memory(x)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pairs": "disagreement"}, "pairs should be 'uniform' on a device, is 'disagreement'"),
        ({"num_copies": 0}, "num_copies should be 1 or more"),
        ({"horizon": 0}, "horizon should be 1 or more"),
        ({"segment_length": 0}, "segment_length should be"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_bad_scale_is_refused():
    generator = torch.Generator()
    with pytest.raises(ValueError, match="scale should have shape"):
        DeviceEmitter({}, PEOPLE, np.ones(2), 1, horizon=3, device="cpu", generator=generator)


def test_bad_calls_are_refused():
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        make().ask(3)
    emitter = filled(queries=5)
    with pytest.raises(ValueError, match="count should be 1 or more, is 0"):
        emitter.ask(0)
    with pytest.raises(ValueError, match="most should be 5 or more, is 4"):
        emitter.ask_due(4)
    with pytest.raises(ValueError, match="done should have shape"):
        emitter.record_rollout(*tensors(rollout(2, 5)))
