"""What comes out of an environment: whole segments, on time, within the budget."""

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from multiparty_envs.feedback import Comparisons, Emitter, Feedback
from multiparty_envs.parties import BradleyTerryLuce, ChoiceModel, Population

PEOPLE = Population(np.ones((3, 3)), choice=BradleyTerryLuce(np.inf))


def make(num_copies=1, people=PEOPLE, scale=None, seed=0, **settings):
    scale = np.ones(people.num_parties) if scale is None else scale
    return Emitter(Feedback(**settings), people, scale, np.random.default_rng(seed), num_copies)


def world(num_copies, steps, ends=0.1, seed=0):
    """Steps whose features are (copy, episode, place in the episode)."""
    rng = np.random.default_rng(seed)
    episode, place = np.zeros((2, num_copies))
    for _ in range(steps):
        features = np.stack([np.arange(num_copies), episode, place], axis=1)
        done = rng.random(num_copies) < ends
        yield features.astype(np.float32), features[:, 2].astype(np.int64), features, done
        episode, place = episode + done, np.where(done, 0, place + 1)


def run(emitter, num_copies=1, steps=300, **kwargs):
    out = [emitter.record(*step) for step in world(num_copies, steps, **kwargs)]
    return [answers for answers in out if answers is not None]


@pytest.mark.parametrize("length", [None, 1, 4])
@pytest.mark.parametrize("num_copies", [1, 3, 100])
def test_a_segment_is_a_stretch_of_one_episode(length, num_copies):
    emitter = make(num_copies, segment_length=length, window=200, every=4, queries=4)
    answers = Comparisons.concatenate(run(emitter, num_copies, steps=150, ends=0.04))
    bank = answers.segments
    for features, obs, action, mask in zip(
        bank.features, bank.obs, bank.action, bank.mask, strict=True
    ):
        steps = features[mask]
        assert len(np.unique(steps[:, :2], axis=0)) == 1  # one copy, one episode
        assert (np.diff(steps[:, 2]) == 1).all()
        assert steps[0, 2] % (length or 10**9) == 0
        np.testing.assert_array_equal(obs[mask], steps)
        np.testing.assert_array_equal(action[mask], steps[:, 2])
        assert not features[~mask].any()
    assert bank.mask.sum(axis=1).max() <= (length or 10**9)
    # whole episodes outgrow the first ring
    assert length or num_copies < 100 or bank.length > 64
    assert bank.features[:, :, 0].max() <= 63  # at most 64 copies are watched


@pytest.mark.parametrize("length", [None, 3])
def test_one_copy_gives_the_same_by_either_door(length):
    batched, single = make(segment_length=length), make(segment_length=length)
    for obs, action, features, done in world(1, 200):
        one = batched.record(obs, action, features, done)
        other = single.record_one(obs[0], action[0], features[0], bool(done[0]))
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one.label, other.label)
            np.testing.assert_array_equal(one.segments.features, other.segments.features)
            assert one.segments.obs.dtype == other.segments.obs.dtype


def test_the_same_seed_gives_the_same_answers_and_another_seed_others():
    labels = [
        np.concatenate([a.label for a in run(make(4, seed=seed, segment_length=2), 4)])
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(labels[0], labels[1])
    assert not np.array_equal(labels[0], labels[2])


@pytest.mark.parametrize(("every", "queries"), [(1, 1), (5, 2), (40, 7)])
def test_schedule(every, queries):
    emitter = make(4, segment_length=1, every=every, queries=queries)
    total = sum(len(answers) for answers in run(emitter, 4, steps=60))
    assert total == (4 * 60 // every) * queries == emitter.answers


@pytest.mark.parametrize("budget", [1, 10, 33])
def test_budget_is_kept_to_the_answer(budget):
    emitter = make(4, segment_length=1, budget=budget)
    assert sum(len(answers) for answers in run(emitter, 4)) == budget
    assert emitter.exhausted
    assert emitter.record_one(np.zeros(3), 0, np.zeros(3), True) is None


def test_a_skip_is_no_answer():
    silent = Population(np.ones((3, 1)), choice=BradleyTerryLuce(skip_margin=1e9))
    emitter = make(4, people=silent, segment_length=1, budget=5)
    assert run(emitter, 4) == []
    assert not emitter.exhausted


def test_pairs_are_taken_across_copies_and_over_time():
    many = Comparisons.concatenate(run(make(8, segment_length=2), 8))
    copies = many.segments.features[:, 0, 0]
    assert (copies[many.first] != copies[many.second]).mean() > 0.5
    one = Comparisons.concatenate(run(make(segment_length=2)))
    episodes = one.segments.features[:, 0, 1]
    assert (episodes[one.first] != episodes[one.second]).mean() > 0.5


def test_only_the_latest_segments_are_shown():
    emitter = make(segment_length=1, window=5)
    for time, step in enumerate(world(1, 100, ends=0.0)):
        answers = emitter.record(*step)
        if answers is not None:
            assert answers.segments.features[:, 0, 2].min() > time - 5


@pytest.mark.parametrize("people", [1, 3, 7])
def test_balanced_assignment_asks_everybody_equally_often(people):
    emitter = make(4, people=Population(np.ones((3, people))), segment_length=1, queries=5)
    counts = sum(answers.counts for answers in run(emitter, 4))
    assert counts.max() - counts.min() <= 1


def test_assignment_by_share():
    share = np.array([0.7, 0.25, 0.05])
    people = Population(np.ones((3, 3)), share=share)
    emitter = make(4, people=people, segment_length=1, assignment="share")
    counts = sum(answers.counts for answers in run(emitter, 4, steps=2000))
    assert chisquare(counts, counts.sum() * share).pvalue > 1e-3


@pytest.mark.parametrize(
    ("identity", "num_parties", "names"),
    [("party", 3, ("a", "b", "c")), ("cluster", 2, None), ("none", 1, None)],
)
def test_identity(identity, num_parties, names):
    people = Population(np.ones((3, 3)), cluster=[0, 1, 1], names=("a", "b", "c"))
    answers = Comparisons.concatenate(
        run(make(4, people=people, segment_length=1, identity=identity), 4)
    )
    assert (answers.num_parties, answers.names) == (num_parties, names)
    heard = Counter(answers.party.tolist())
    expected = {"party": [1, 1, 1], "cluster": [1, 2], "none": [3]}[identity]
    np.testing.assert_allclose(
        [heard[i] / len(answers) for i in range(num_parties)], np.array(expected) / 3, atol=0.01
    )


def test_scale_is_asked_for_once_and_only_when_needed():
    calls = []

    def scale():
        calls.append(1)
        return np.ones(3)

    emitter = make(2, scale=scale, segment_length=1, every=10)
    steps = list(world(2, 20))
    for step in steps[:4]:
        emitter.record(*step)
    assert calls == []
    for step in steps[4:]:
        emitter.record(*step)
    assert calls == [1]


@pytest.mark.parametrize("scale", [np.ones(2), np.array([1.0, -1.0, 1.0]), np.full(3, np.nan)])
def test_bad_scale(scale):
    with pytest.raises(ValueError, match="scale should"):
        run(make(scale=scale, segment_length=1))


def test_a_reset_in_mid_episode_drops_what_was_begun():
    emitter = make(2, segment_length=3, every=1)
    steps = list(world(2, 6, ends=0.0))
    for step in steps[:2]:
        emitter.record(*step)
    emitter.forget(np.array([True, False]))
    out = [emitter.record(*step) for step in steps[2:]]
    shown = [answers.segments.features[:, :, [0, 2]].tolist() for answers in out if answers]
    # copy 1 finishes steps 0 to 2; copy 0 began anew at step 2
    assert [[1, 0], [1, 1], [1, 2]] in shown[0]
    assert [[0, 2], [0, 3], [0, 4]] in shown[0]


@pytest.mark.parametrize("door", ["record", "record_one"])
def test_forget_all(door):
    emitter = make(segment_length=None, every=1)
    for obs, action, features, _ in world(1, 5, ends=0.0):
        if door == "record":
            emitter.record(obs, action, features, np.zeros(1, dtype=bool))
        else:
            emitter.record_one(obs[0], action[0], features[0], False)
    emitter.forget()
    answers = run(emitter, ends=1.0, steps=4)
    assert all(a.segments.length == 1 for a in answers)


def test_callers_may_reuse_their_arrays():
    emitter = make(2, segment_length=2, every=2)
    buffer = np.zeros((2, 3))
    out = []
    for step in range(4):
        buffer[:] = step
        out.append(emitter.record(buffer, np.zeros(2, int), buffer, np.zeros(2, dtype=bool)))
    assert sorted(set(out[1].segments.features[:, :, 0].ravel())) == [0.0, 1.0]


def test_fatigue_counts_over_rounds():
    seen = []

    class Spy(ChoiceModel):
        """Writes down who is asked after how many answers."""

        additive = True

        def check(self, num_parties):
            pass

        def from_rewards(self, *args, **kwargs):
            raise AssertionError

        def probabilities(self, population, first, second, party, scale, *, answered=None):
            seen.extend(zip(party.tolist(), answered.tolist(), strict=True))
            return np.tile([1.0, 0.0, 0.0, 0.0], (len(party), 1))

    people = Population(np.ones((3, 3)), choice=Spy())
    run(make(2, people=people, segment_length=1, queries=5), 2, steps=40)
    for party in range(3):
        counts = [before for who, before in seen if who == party]
        assert counts == list(range(len(counts)))


@pytest.mark.parametrize("pairs", ["disagreement", "information"])
def test_an_ensemble_chooses_the_pairs(pairs):
    def predict(segments):
        # two members that agree on all but segments whose place in the episode is 7
        odd = segments.features[:, 0, 2] == 7
        return np.stack([odd * 5.0, odd * -5.0])[:, :, None]

    shares = []
    for guide in (False, True):
        emitter = make(1, segment_length=1, pairs=pairs, every=32, queries=32)
        if guide:
            emitter.guide(predict)
        answers = Comparisons.concatenate(run(emitter, ends=0.08, steps=2000))
        place = answers.segments.features[:, 0, 2]
        shares.append(((place[answers.first] == 7) | (place[answers.second] == 7)).mean())
    assert shares[1] > 4 * shares[0]


def test_predictions_must_be_about_the_segments_shown():
    emitter = make(segment_length=1, pairs="information")
    emitter.guide(lambda segments: np.zeros((2, 3)))
    with pytest.raises(ValueError, match="predictions should have shape"):
        run(emitter)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"segment_length": 0}, ValueError, "segment_length should be 1 or more, is 0"),
        ({"segment_length": 2.5}, TypeError, "segment_length should be a whole number"),
        ({"budget": -1}, ValueError, "budget should be 1 or more"),
        ({"every": 0}, ValueError, "every should be 1 or more"),
        ({"queries": 0}, ValueError, "queries should be 1 or more"),
        ({"window": 1}, ValueError, "window should be 2 or more"),
        ({"watched": 0}, ValueError, "watched should be 1 or more"),
        ({"assignment": "equal"}, ValueError, "assignment should be one of balanced, share"),
        ({"identity": "name"}, ValueError, "identity should be one of cluster, none, party"),
        ({"pairs": "uniformly"}, ValueError, "Did you mean 'uniform'"),
        ({"segmentlength": 3}, ValueError, "Did you mean 'segment_length'"),
        ("often", TypeError, "feedback should be Feedback or a mapping, is 'often'"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        Feedback.of(settings)


def test_settings_as_a_mapping():
    assert Feedback.of({"budget": 5}) == Feedback(budget=5)
    assert Feedback.of(Feedback(every=3)) == Feedback(every=3)


@pytest.mark.parametrize("copies", [0, -1])
def test_bad_number_of_copies(copies):
    with pytest.raises(ValueError, match="num_copies should be 1 or more"):
        make(copies)
