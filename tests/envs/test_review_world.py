"""Review: what a text is worth, step by step and as a whole, and what does not win."""

import re

import gymnasium as gym
import numpy as np
import pytest

from multiparty_envs import checks
from multiparty_envs.envs.review import review
from multiparty_envs.faces import collect
from multiparty_envs.faces.acting import actor
from multiparty_envs.faces.scale import segment_scale
from multiparty_envs.feedback import Comparisons
from multiparty_envs.rewards import Independent
from multiparty_envs.streams import Draw, Streams
from multiparty_envs.text import BOS, EOS, PAD, UNK

VARIANTS = [
    {"prompt": 3},
    {"groups": "shared", "num_parties": 2, "minority_share": 0.5},
    {"vocabulary": 200, "length": 10, "num_parties": 20, "minority_share": 0.01},
    {"length": 2, "shortest": 1, "minority_share": 0.0},
]
variants = pytest.mark.parametrize("knobs", VARIANTS, ids=str)


@pytest.fixture(scope="module")
def world():
    return review()


def written(world, count, act=None):
    """Return the pages of finished texts, of the behaviour policy unless another is given."""
    draw = Draw.seeded(range(count))
    state = world.initial(count, draw)
    act = act or actor(world, Streams(0).numpy("behaviour"))
    for _ in range(world.horizon):
        state = world.transition(state, act(state), draw)
    return state


def encoded(world, *texts):
    return world.vocabulary.encode([text.split() for text in texts], world.length)


def shuffled(world, count):
    """Return sentences of the corpus, their words in any order."""
    rng, tokens = Streams(0).numpy("shuffle"), world.corpus_tokens[:count].copy()
    for row in tokens:
        words = int((row >= UNK).sum())
        row[1 : words + 1] = rng.permutation(row[1 : words + 1])
    return tokens


def any_token(world):
    rng = Streams(1).numpy("uniform")
    return lambda state: rng.integers(world.vocabulary.size, size=len(state.last))


@variants
def test_checks_are_silent(knobs):
    checks.check_dynamics(review(**knobs))
    checks.check_vector(
        lambda count: gym.make_vec("multiparty/Review-v0", num_envs=count, **knobs),
        lambda: gym.make("multiparty/Review-v0", **knobs),
        num_envs=3,
        episodes=2,
    )


@pytest.mark.parametrize("prompt", [0, 4])
@pytest.mark.parametrize("policy", ["behaviour", "any token"])
def test_a_running_tally_comes_to_what_the_whole_text_is_worth(prompt, policy):
    world = review(prompt=prompt)
    state = written(world, 500, any_token(world) if policy == "any token" else None)
    assert world.scorer.traits(state.tally) == pytest.approx(world.traits(state.tokens))


def test_rewards_come_once_and_at_the_end(world):
    draw, act = Draw.seeded(range(300)), actor(world, Streams(0).numpy("behaviour"))
    state, total, paid = world.initial(300, draw), 0.0, 0
    for _ in range(world.horizon):
        action = act(state)
        after = world.transition(state, action, draw)
        features = world.features(state, action, after)
        finished = world.terminated(after) & ~world.terminated(state)
        assert (features[~finished] == 0.0).all()
        total, paid, state = total + features, paid + finished, after
    assert (paid == 1).all()
    assert total == pytest.approx(world.traits(state.tokens))
    assert world.party_rewards(state, action, state) == pytest.approx(np.zeros((300, 5)))


def test_texts_read_as_they_were_written(world):
    state = written(world, 200)
    tokens, words = state.tokens, (state.tokens >= UNK).sum(axis=1)
    assert (tokens[:, 0] == BOS).all()
    assert (tokens[words < 24, words[words < 24] + 1] == EOS).all()
    assert ((tokens == PAD).sum(axis=1) == np.maximum(23 - words, 0)).all()
    assert (state.time == np.minimum(words + 1, 24)).all()
    assert (state.tally.words == words).all()
    seen = world.observe(state)
    assert seen.dtype == np.float32
    assert (seen == tokens).all()


def test_after_the_end_nothing_is_written(world):
    state = written(world, 1, lambda state: np.array([EOS]))
    assert state.tokens[0].tolist() == [BOS, EOS] + [PAD] * 23
    assert state.time.tolist() == [1]


@pytest.mark.parametrize("mark", [PAD, BOS, UNK])
def test_marks_write_unknown_words(world, mark):
    state = written(world, 1, lambda state: np.array([mark]))
    assert state.tokens[0].tolist() == [BOS] + [UNK] * 24


GARBAGE = {
    "empty": "",
    "one word": "brilliant",
    "three words": "brilliant and moving",
    "a word again and again": "moving moving moving moving moving moving",
    "two words by turns": "brilliant and brilliant and brilliant and brilliant",
    "shuffled": "is story the a moving film that and",
    "no end": "the film is a brilliant and the",
    "unknown words": "qqq qqq1 qqq2 qqq3 qqq4",
    "a list": "brilliant wonderful superb outstanding magnificent",
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_not_concise(world, text):
    assert world.traits(encoded(world, text))[0, 1] == 0.0


@pytest.mark.parametrize(
    "text", ["the film is moving", "a brilliant and moving film", "this story is not dull"]
)
def test_a_short_sentence_is_concise(world, text):
    number = len(text.split())
    assert world.traits(encoded(world, text))[0, 1] == pytest.approx(1.0 - number / 24)


def test_a_text_without_an_end_is_not_concise(world):
    tokens = encoded(world, "the film is moving")
    tokens[tokens == EOS] = PAD
    assert world.traits(tokens)[0, 1] == 0.0


def test_what_stands_after_the_end_does_not_count(world):
    tokens = encoded(world, "the film is moving")
    longer = tokens.copy()
    longer[:, 8:] = world.vocabulary.tokens["brilliant"]
    assert (world.traits(longer) == world.traits(tokens)).all()
    assert world.traits(tokens[None, 0]).tolist() == [world.traits(tokens[0]).tolist()]


def test_any_token_after_any_other_is_hardly_ever_concise(world):
    assert (world.traits(written(world, 4096, any_token(world)).tokens)[:, 1] > 0.0).mean() < 0.001


def test_shuffled_sentences_are_hardly_ever_concise(world):
    assert (world.traits(shuffled(world, 4000))[:, 1] > 0.0).mean() < 0.05
    assert (world.traits(world.corpus_tokens)[:, 1] > 0.0).mean() > 0.85


def test_traits_run_on_torch(world):
    torch = pytest.importorskip("torch")
    tokens = written(world, 100).tokens
    moved = world.to("cpu").traits(torch.as_tensor(tokens))
    assert np.asarray(moved) == pytest.approx(world.traits(tokens))
    assert world.to("meta").traits(torch.as_tensor(tokens).to("meta")).shape == (100, 2)


def test_the_groups_conflict(world):
    """What is best for the majority is bad for the minority, and there is something between."""
    traits = world.traits(written(world, 20_000).tokens)
    for_praise = traits[np.argsort(traits[:, 0])[-200:]].mean(axis=0)
    for_both = traits[np.argsort(traits.min(axis=1))[-200:]].mean(axis=0)
    assert for_praise[1] < 0.4
    assert for_both.min() > for_praise.min() + 0.3
    # among texts of praise the more is said, the less concise it is
    praise = traits[(traits[:, 0] > 0.5) & (traits[:, 1] > 0.0)]
    assert np.corrcoef(praise.T)[0, 1] < -0.15


def test_stated_returns_are_what_policies_reach(world):
    stated = re.findall(
        r"mean party (\d\.\d+), worst party (\d\.\d+)", " ".join(review.__doc__.split())
    )
    written_ = world.traits(written(world, 20_000).tokens)
    best = [np.argsort(by)[-200:] for by in (written_[:, 0], written_.min(axis=1))]
    found = [
        world.traits(written(world, 4096, any_token(world)).tokens),
        written_,
        world.traits(world.corpus_tokens),
        *(written_[rows] for rows in best),
    ]
    assert len(stated) == len(found)
    for traits, (mean, worst) in zip(found, stated, strict=True):
        returns = (traits @ world.population.theta).mean(axis=0)
        assert returns.mean() == pytest.approx(float(mean), abs=0.01)
        assert returns.min() == pytest.approx(float(worst), abs=0.015)


@pytest.mark.parametrize(
    ("groups", "majority", "minority"),
    [("conflict", [1.0, 0.0], [0.0, 1.0]), ("shared", [0.0, 1.0], [0.7, 0.3])],
)
@pytest.mark.parametrize("share", [0.01, 0.2, 0.5])
def test_two_groups_judge(groups, majority, minority, share):
    people = review(groups=groups, minority_share=share, num_parties=10).population
    few = people.cluster == 1
    assert few.sum() == max(1, round(10 * share))
    assert people.share[few].sum() == pytest.approx(share)
    assert (people.theta[:, ~few] == np.array(majority)[:, None]).all()
    assert (people.theta[:, few] == np.array(minority)[:, None]).all()
    assert len(set(people.names)) == 10


def test_default_size_is_as_told(world):
    assert world.action_space.n == world.vocabulary.size == 645
    assert world.observation_space.shape == (25,)
    assert "V is 645" in review.__doc__


def test_worlds_on_one_corpus_share_its_tables(world):
    other = review(groups="shared", minority_share=0.5)
    assert other.scorer.likelihood is world.scorer.likelihood
    assert other.corpus_tokens is world.corpus_tokens
    assert not world.corpus_tokens.flags.writeable


def test_a_prompt_begins_a_sentence_of_the_corpus():
    world = review(prompt=5)
    state = world.initial(200, Draw.seeded(range(200)))
    begun = {tuple(row) for row in world.corpus_tokens[:, :6].tolist()}
    assert {tuple(row) for row in state.tokens[:, :6].tolist()} <= begun
    assert (state.tokens[:, 1:6] >= UNK).all()
    assert (state.tokens[:, 6:] == PAD).all()
    assert len({tuple(row) for row in state.tokens.tolist()}) > 150
    assert world.horizon == 19
    assert (written(world, 50).tokens[:, :6] == state.tokens[:50, :6]).all()


def test_behaviour_writes_pairs_of_the_corpus(world):
    tokens = written(world, 2000).tokens
    before, after = tokens[:, :-1], tokens[:, 1:]
    real = after != PAD
    assert not np.isin(after[real], [BOS, UNK]).any()
    # add-k smoothing leaves little for pairs that were never seen
    seen = set(zip(world.corpus_tokens[:, :-1].flat, world.corpus_tokens[:, 1:].flat, strict=True))
    pairs = list(zip(before[real], after[real], strict=True))
    assert np.mean([pair in seen for pair in pairs]) > 0.9


def test_people_compare_texts(world):
    assert (segment_scale(world) > 0.05).all()
    env = gym.make("multiparty/Review-v0", feedback={"budget": 30})
    env.action_space.seed(0)
    heard = []
    for episode in range(40):
        env.reset(seed=0 if episode == 0 else None)
        ended = False
        while not ended:
            *_, ended, _, info = env.step(env.action_space.sample())
            heard += [info["comparisons"]] if "comparisons" in info else []
    answers = Comparisons.concatenate(heard)
    assert len(answers) == 30
    assert answers.num_parties == 5


def test_wishes_are_learned_from_answers_about_texts(world):
    answers = collect(world, {}, 2500, seed=0)
    theta = Independent().fit(answers).theta_
    # the unit in which answers see returns is each party's own
    direction = theta / np.linalg.norm(theta, axis=0)
    assert (direction[0, :4] > 0.95).all()
    assert direction[1, 4] > 0.95


def test_the_picture_colours_praise_and_blame(world):
    from multiparty_envs.dynamics.arrays import take_rows
    from multiparty_envs.envs.drawing import EAST, GOOD

    def page(text):
        tokens = encoded(world, text)[0].tolist()
        state = written(world, 1, lambda state: np.array([tokens[int(state.time[0]) + 1]]))
        return take_rows(state, 0)

    def shows(text, colour):
        frame = world.view.frame(page(text))[:160]  # above the bars
        return bool((frame == colour).all(axis=2).any())

    assert shows("the film is moving", GOOD)
    assert not shows("the film is dull", GOOD)
    assert shows("the film is dull", EAST)
    text = world.view.text(page("the film is moving"))
    assert text.startswith("the film is moving\nsentiment 0.")
    assert "conciseness 0.83" in text


@pytest.fixture(scope="module")
def critics():
    try:
        return review(corpus="reviews", lexicon="vader")
    except ModuleNotFoundError as missing:
        pytest.skip(str(missing))


def test_critics_are_read_where_they_are_installed(critics):
    assert critics.vocabulary.size == critics.action_space.n == 2048
    tokens = critics.corpus_tokens
    assert len(tokens) > 5000
    words = (tokens >= UNK).sum()
    assert 0.05 < (tokens == UNK).sum() / words < 0.1
    assert 11.0 < words / len(tokens) < 13.0
    checks.check_dynamics(critics)


def test_groups_conflict_about_critics_too(critics):
    traits = critics.traits(written(critics, 10_000).tokens)
    for_praise = traits[np.argsort(traits[:, 0])[-100:]].mean(axis=0)
    for_both = traits[np.argsort(traits.min(axis=1))[-100:]].mean(axis=0)
    assert for_praise[1] < 0.3
    assert for_both.min() > 0.65


def test_garbage_is_hardly_ever_concise_to_critics(critics):
    found = critics.traits(written(critics, 4096, any_token(critics)).tokens)
    assert (found[:, 1] > 0.0).mean() < 0.001
    assert (critics.traits(shuffled(critics, 4000))[:, 1] > 0.0).mean() < 0.25
    assert (critics.traits(critics.corpus_tokens)[:, 1] > 0.0).mean() > 0.85


BAD = [
    ({"corpus": "grammer"}, "Did you mean 'grammar'"),
    ({"lexicon": "none"}, "lexicon should be one of"),
    ({"vocabulary": 4}, "vocabulary should be in 5..4096"),
    ({"vocabulary": 5}, "vocabulary should be larger"),
    ({"length": 1}, "length should be 2 or more"),
    ({"prompt": 24}, "prompt should be in"),
    ({"prompt": 23, "vocabulary": 60}, "prompt should be less than a sentence"),
    ({"groups": "three"}, "groups should be one of"),
    ({"num_parties": 1}, "num_parties"),
    ({"minority_share": 0.6}, "minority_share"),
    ({"shortest": 25}, "shortest"),
    ({"saturation": 0.0}, "saturation"),
    ({"beta": -1.0}, "beta"),
]


@pytest.mark.parametrize(("knobs", "text"), BAD, ids=str)
def test_knobs_out_of_range_are_refused(knobs, text):
    with pytest.raises(ValueError, match=text):
        review(**knobs)
