"""A small probabilistic grammar of sentences about films, so that text needs no download."""

from __future__ import annotations

from collections.abc import Iterator

from multiparty_envs.streams import Streams
from multiparty_envs.text import words

SHORTEST, LONGEST = 3, 24
"""Words of a sentence."""
STEEPNESS = 1.6
"""A place u^STEEPNESS along a list, u uniform: the first words are used most, as in language."""
MOODS = (0.04, 0.2, 0.5, 0.8, 0.96)
"""Chance that a word of opinion is praise; a sentence has one mood throughout."""
FERVOURS = (0.35, 0.6, 0.85)
"""Chance that a word that could be an opinion is one."""

# left of a bar: how often, compared with the others; capitals are rules or word lists
RULES = {
    "S": """4|CLAUSE 3|CLAUSE AND CLAUSE 2|CLAUSE BUT CLAUSE 1|CLAUSE because CLAUSE
        1|CLAUSE while CLAUSE 2|a ADJ NOUN 1|ADJ and ADJ 1|ADJ but ADJ 2|a ADJ NOUN PLACE
        1|a ADJ NOUN with PLURALS and a ADJ NOUN 1|what a ADJ NOUN 1|one of the ADJ PLURAL PLACE
        1|i think CLAUSE 1|PEOPLE will find THE NOUN ADJ 1|a NOUN that ACTS HOW
        1|a NOUN that DOES A NOUN and ACTS 1|despite THE NOUN CLAUSE 1|if you like PLURALS CLAUSE
        1|ADJ PLURAL and ADJ PLURAL 1|more ADJ than ADJ 1|too ADJ to be ADJ
        1|there is a ADJ NOUN in this NOUN 1|as a NOUN it is DEGREE ADJ
        1|CLAUSE AND CLAUSE AND CLAUSE 1|it is a ADJ and ADJ NOUN about PLURALS""",
    "CLAUSE": """5|THING VERB 1|the PLURAL are DEGREE ADJ 1|the PLURAL of THE NOUN are ADJ
        1|PEOPLE will remember THE NOUN 1|it is DEGREE ADJ 1|it is A NOUN 1|THING is not ADJ""",
    "THING": """4|the NOUN 2|this NOUN 2|the ADJ NOUN 1|the NOUN of this NOUN 1|it
        1|the NOUN by a ADJ NOUN 1|this DEGREE ADJ NOUN 1|her NOUN 1|his NOUN""",
    "VERB": """4|is ADJ 2|is DEGREE ADJ 1|is ADJ and ADJ 2|ACTS 1|ACTS HOW 2|DOES THE NOUN
        1|DOES THE NOUN PLACE 1|feels ADJ 1|looks ADJ 1|seems ADJ 1|is A NOUN 1|DOES the PLURAL
        1|is a ADJ NOUN""",
    "A": "1|a 2|a ADJ 1|a DEGREE ADJ",
    "THE": "2|the 1|the ADJ 1|its 1|its ADJ 1|his 1|her",
    "PLURALS": "2|PLURAL 2|ADJ PLURAL 1|PLURAL and PLURAL",
    "DEGREE": "5|LOUDER 3|SOFTER 2|as",
    "PLACE": """2|of the year 1|in the city 1|about a NOUN 1|for the family 1|from the NOUN
        1|with a ADJ NOUN 1|on the stage 1|in the end 1|at the beginning 1|after the war 1|at last
        1|by the sea 1|of the season 1|under the camera 1|for an hour""",
    "PEOPLE": """3|you 2|audiences 2|viewers 1|fans 1|critics 1|children 1|everyone 1|adults
        1|families 1|few 1|many 1|most 1|parents""",
    "AND": "4|and 1|then 1|so 1|or",
    "BUT": "4|but 1|yet 1|although 1|though 1|even if",
}

Choices = list[tuple[str, ...]]


def write(count: int) -> list[list[str]]:
    """Return `count` sentences; the first ones are the same whatever `count` is."""
    return _Writer().write(count)


class _Writer:
    """Expands the grammar, one random number after the other."""

    def __init__(self) -> None:
        self._rng = Streams(0).numpy("grammar")
        self._numbers = self._fresh()
        self._rules = {name: _alternatives(text) for name, text in RULES.items()}
        self._words = {name: _sides(lists) for name, lists in words.LISTS.items()}
        self._words["LOUDER"] = (words.LOUDER.split(),) * 3
        self._words["SOFTER"] = (words.SOFTER.split(),) * 3

    def write(self, count: int) -> list[list[str]]:
        made: list[list[str]] = []
        while len(made) < count:
            mood, fervour = self._one_of(MOODS), self._one_of(FERVOURS)
            sentence = list(self._expand("S", mood, fervour))
            if SHORTEST <= len(sentence) <= LONGEST:
                made.append(sentence)
        return made

    def _fresh(self) -> Iterator[float]:
        while True:
            yield from self._rng.random(4096).tolist()

    def _one_of(self, options: tuple[float, ...]) -> float:
        return options[int(next(self._numbers) * len(options))]

    def _expand(self, symbol: str, mood: float, fervour: float) -> Iterator[str]:
        if symbol in self._rules:
            choices = self._rules[symbol]
            for part in choices[int(next(self._numbers) * len(choices))]:
                yield from self._expand(part, mood, fervour)
        elif symbol in self._words:
            opinion = next(self._numbers) < fervour
            side = 0 if not opinion else 1 if next(self._numbers) < mood else -1
            options = self._words[symbol][side]
            yield options[int(next(self._numbers) ** STEEPNESS * len(options))]
        else:
            yield symbol


def _alternatives(text: str) -> Choices:
    """Return the right sides of a rule, each as often as its number says."""
    parts = text.replace("|", " | ").split()
    places = [place for place, part in enumerate(parts) if part == "|"]
    ends = [*(place - 1 for place in places[1:]), len(parts)]
    return [
        tuple(parts[place + 1 : end])
        for place, end in zip(places, ends, strict=True)
        for _ in range(int(parts[place - 1]))
    ]


def _sides(lists: words.Lists) -> tuple[list[str], ...]:
    """Return words that only tell, praise and blame, so that side -1 is blame.

    Weaker words come first: they are used more.
    """
    praise = [word for valence in sorted(v for v in lists if v > 0) for word in lists[valence].split()]
    blame = [
        word for valence in sorted((v for v in lists if v < 0), reverse=True)
        for word in lists[valence].split()
    ]
    return lists[0.0].split(), praise, blame
