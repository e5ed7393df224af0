"""A small probabilistic grammar of sentences about films, so that text needs no download."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from multiparty_envs.streams import Streams
from multiparty_envs.text import words

SHORTEST, LONGEST = 3, 24
"""Words of a sentence."""
STEEPNESS = 1.6
"""A place u^STEEPNESS along a list, u uniform: the first words are used most, as in language."""
MOODS = (0.04, 0.2, 0.5, 0.8, 0.96)
"""Chance that a word of opinion is praise; a sentence has one mood throughout."""
FERVOURS = (0.35, 0.65, 0.95)
"""Chance that a word that could be an opinion is one."""

# left of a bar: how often, compared with the others; capitals are rules or word lists
RULES = {
    "S": """5|CLAUSE 5|CLAUSE AND CLAUSE 4|CLAUSE BUT CLAUSE 2|CLAUSE because CLAUSE
        2|CLAUSE while CLAUSE 2|CLAUSE AND CLAUSE BUT CLAUSE 2|a ADJ TOPIC 1|ADJ and ADJ
        1|ADJ but ADJ 2|a ADJ TOPIC PLACE 1|a ADJ OPINION WITH and a ADJ TOPIC 1|what a ADJ OPINION
        1|one of the ADJ PLURAL PLACE 2|i think CLAUSE 1|PEOPLE will find THE TOPIC ADJ
        2|a TOPIC that ACTS HOW 2|a ADJ TOPIC that DOES SOMETHING AND ACTS
        2|despite THE TOPIC CLAUSE 2|if you like PLURALS CLAUSE 1|ADJ PLURAL and ADJ PLURAL
        1|more ADJ than ADJ 1|too ADJ to be ADJ 1|there is a ADJ OPINION in this TOPIC
        1|as a TOPIC it is DEGREE ADJ 2|it is a ADJ and ADJ TOPIC about PLURALS
        1|when a ADJ SUBJECT ACTS CLAUSE 1|ADJ ADJ and ADJ 2|for PEOPLE CLAUSE""",
    "CLAUSE": """6|THING VERB 1|the PLURAL are DEGREE ADJ 1|the PLURAL of THE TOPIC are ADJ
        1|PEOPLE will remember THE TOPIC 1|it is DEGREE ADJ 1|it is OPINIONS 1|THING is not ADJ
        1|THE SUBJECT DOES SOMETHING 1|there are PLURALS PLACE""",
    "THING": """5|the TOPIC 3|this TOPIC 2|the ADJ TOPIC 1|the TOPIC of this TOPIC 1|it
        1|the TOPIC by a ADJ SUBJECT 1|this DEGREE ADJ TOPIC 1|her TOPIC 1|his TOPIC
        1|the TOPIC about SOMETHING""",
    "VERB": """4|is ADJ 2|is DEGREE ADJ 2|is ADJ and ADJ 2|ACTS 1|ACTS HOW 2|DOES SOMETHING
        1|DOES SOMETHING PLACE 1|feels ADJ 1|looks ADJ 1|seems DEGREE ADJ 2|is OPINIONS
        1|DOES the PLURAL 1|is OPINIONS WITH 1|ACTS and ACTS""",
    "OPINIONS": "2|a OPINION 3|a ADJ OPINION 1|a DEGREE ADJ OPINION",
    "SOMETHING": "2|a SUBJECT 2|the SUBJECT 1|a ADJ SUBJECT 1|the ADJ TOPIC 1|its TOPIC",
    "THE": "2|the 1|the ADJ 1|its 1|its ADJ 1|his 1|her",
    "PLURALS": "2|PLURAL 2|ADJ PLURAL 1|PLURAL and PLURAL",
    "WITH": "2|with PLURALS 1|with a ADJ TOPIC 1|without a ADJ TOPIC",
    "DEGREE": "5|LOUDER 3|SOFTER",
    "PLACE": """2|of the year 1|in the city 2|about a SUBJECT 1|for the family 2|from the SUBJECT
        1|with a ADJ TOPIC 1|on the stage 1|in the end 1|at the beginning 1|after the war 1|at last
        1|by the sea 1|of the season 1|under the camera 1|at length 1|in a ADJ SUBJECT""",
    "PEOPLE": """3|you 2|audiences 2|viewers 1|fans 1|critics 1|children 1|everyone 1|adults
        1|families 1|few 1|many 1|most 1|parents""",
    "AND": "4|and 1|then 1|so 1|or",
    "BUT": "4|but 1|yet 1|although 1|though 1|even if",
}
VOWELS = tuple("aeiou")


def write(count: int) -> list[list[str]]:
    """Return `count` sentences; the first ones are the same whatever `count` is."""
    writer, made = _Writer(), []
    while len(made) < count:
        sentence = writer.sentence()
        if SHORTEST <= len(sentence) <= LONGEST:
            made.append(sentence)
    return made


class _Writer:
    """Expands the grammar, one random number after the other."""

    def __init__(self) -> None:
        self._rng = Streams(0).numpy("grammar")
        self._numbers = self._endless()

    def sentence(self) -> list[str]:
        """Return the next sentence, however long it is."""
        mood, fervour = self._one_of(MOODS), self._one_of(FERVOURS)
        return _with_articles(list(self._expand("S", mood, fervour)))

    def _endless(self) -> Iterator[float]:
        while True:
            yield from self._rng.random(4096).tolist()  # one at a time would take longer

    def _one_of(self, options: tuple[float, ...]) -> float:
        return options[int(next(self._numbers) * len(options))]

    def _expand(self, symbol: str, mood: float, fervour: float) -> Iterator[str]:
        if symbol in RULES:
            choices = _alternatives(symbol)
            for part in choices[int(next(self._numbers) * len(choices))]:
                yield from self._expand(part, mood, fervour)
        elif symbol in words.LISTS:
            yield self._word(symbol, mood, fervour)
        else:
            yield symbol

    def _word(self, symbol: str, mood: float, fervour: float) -> str:
        tells, praises, blames = _sides(symbol)
        opinion = next(self._numbers) < fervour and bool(praises)
        options = (praises if next(self._numbers) < mood else blames) if opinion else tells
        return options[int(next(self._numbers) ** STEEPNESS * len(options))]


@cache
def _alternatives(rule: str) -> list[list[str]]:
    """Return the right sides of a rule, each as often as the number before its bar says."""
    weight, *parts = RULES[rule].replace("|", " | ").split(" | ")
    found = []
    for part in parts[:-1]:
        *symbols, following = part.split()
        found += [symbols] * int(weight)
        weight = following
    return [*found, *[parts[-1].split()] * int(weight)]


@cache
def _sides(name: str) -> tuple[list[str], list[str], list[str]]:
    """Return the words of a list that only tell, that praise and that blame, mild ones first."""
    lists = words.LISTS[name]
    praises = sorted(valence for valence in lists if valence > 0.0)
    blames = sorted((valence for valence in lists if valence < 0.0), reverse=True)
    tells, praise, blame = (
        [word for valence in side for word in lists[valence].split()]
        for side in ([0.0], praises, blames)
    )
    return tells, praise, blame


def _with_articles(sentence: list[str]) -> list[str]:
    """Return the sentence with "an" before vowels."""
    return [
        "an" if word == "a" and following.startswith(VOWELS) else word
        for word, following in zip(sentence, [*sentence[1:], ""], strict=True)
    ]
