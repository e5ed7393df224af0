"""The words of the built-in corpus, by what they do in a sentence and how they are meant.

The number of a list is the valence of its words, in the units of [Hutto2014]: 0 for words that
only tell, up to 3 for the strongest praise, below zero for blame. The first words of a list are
used most.
"""

from __future__ import annotations

Lists = dict[float, str]

ADJECTIVES: Lists = {
    3.0: "brilliant wonderful superb outstanding magnificent marvelous masterful glorious",
    2.0: """great beautiful excellent charming moving funny delightful touching hilarious stunning
        gripping memorable captivating elegant thrilling dazzling inspired enchanting radiant""",
    1.0: """good fine fresh clever warm smart engaging honest lively likeable pleasant sharp tender
        graceful witty sincere playful polished solid amusing heartfelt intriguing gentle rich""",
    0.0: """long new old short big little quiet dark early late modern foreign simple familiar small
        young whole first last second british french american russian italian japanese animated
        silent loud ordinary recent strange serious historical musical political domestic rural
        urban narrow wide slow brief final usual minor large german spanish indian southern
        northern famous public private distant winding electric golden wooden western ancient
        independent central annual green blue red black white daily""",
    -1.0: """weak flat thin uneven clumsy shallow stale bland tired muddled forced routine sloppy
        messy cold predictable contrived vague stiff noisy crude plodding sluggish dated""",
    -2.0: """bad boring dull poor lifeless tedious silly ugly pointless annoying unfunny hollow
        lazy pretentious ridiculous dreary confused joyless witless""",
    -3.0: "terrible awful horrible dreadful unbearable disastrous abysmal worthless",
}
TOPICS: Lists = {
    0.0: """film movie story picture plot script cast director ending dialogue comedy drama
        performance scene camera music score screenplay tale thriller documentary romance sequel
        premise character setting tone style cinema adaptation remake feature soundtrack humor
        mystery musical book novel role actor actress hero villain production photography editing
        design narrator opening finale trilogy series chapter animation biography portrait fable
        satire melodrama debut footage lighting costume montage voiceover choreography"""
}
SUBJECTS: Lists = {
    0.0: """history family city village town country house street road river sea war summer winter
        night morning evening day year childhood marriage wedding school teacher student doctor
        lawyer soldier sailor painter singer writer poet dancer farmer king queen prince thief
        detective journalist mother father daughter son brother sister friend stranger neighbor
        couple crowd letter photograph dream memory secret journey game race match theater festival
        season kitchen garden island desert mountain forest train ship bridge hotel market factory
        hospital prison church museum library office restaurant castle border harbor circus
        orchestra election trial strike heist voyage funeral reunion holiday
        storm drought harvest"""
}
OPINIONS: Lists = {
    2.0: "masterpiece triumph joy delight treasure gem pleasure marvel wonder treat",
    1.0: "success charmer keeper surprise winner",
    0.0: "film movie picture story comedy drama thriller debut sequel feature remake adaptation",
    -1.0: "cliche mess letdown misfire gimmick muddle imitation",
    -2.0: "failure disaster waste disappointment embarrassment chore travesty fiasco insult",
}
PLURALS: Lists = {
    0.0: """scenes actors characters images songs jokes lines performances effects moments dialogues
        themes ideas details landscapes costumes dances fights chases twists conversations players
        colors sounds words episodes stories faces dreams letters memories streets horses trains
        soldiers robots ghosts lovers strangers sisters brothers cousins gangsters cowboys pirates
        spies wizards monsters aliens""",
    2.0: "joys delights pleasures wonders",
    -2.0: "failures disappointments blunders cliches",
}
ACTS: Lists = {  # what a film does
    2.0: "shines soars triumphs enchants sparkles succeeds dazzles",
    1.0: "works charms delivers entertains pleases amuses improves",
    0.0: """begins ends moves continues unfolds opens closes wanders waits arrives returns changes
        grows stops starts turns runs""",
    -1.0: "drags stumbles falters limps wobbles meanders sags",
    -2.0: "fails disappoints bores collapses flounders suffers irritates",
}
DOES: Lists = {  # what a film does with something
    2.0: "celebrates honors elevates",
    1.0: "enjoys captures rewards respects",
    0.0: """tells follows shows has uses takes gives makes remembers describes explains watches
        finds brings leaves needs explores examines repeats mixes crosses borrows reveals
        contains imagines recalls visits records portrays presents studies invents""",
    -1.0: "overplays misses forgets confuses",
    -2.0: "ruins wastes spoils betrays",
}
HOW: Lists = {
    2.0: "beautifully wonderfully brilliantly",
    1.0: "nicely cleverly warmly neatly gracefully",
    0.0: """slowly quickly quietly often again together sometimes always never mostly simply early
        late twice abroad outside""",
    -1.0: "clumsily awkwardly weakly",
    -2.0: "badly poorly terribly",
}
LOUDER = """very so really truly extremely utterly absolutely completely deeply incredibly
    remarkably wildly thoroughly entirely particularly especially"""
SOFTER = "rather somewhat slightly fairly mildly almost partly nearly"
NEGATIONS = "not never hardly rarely cannot without despite no nothing neither"

LISTS: dict[str, Lists] = {
    "ADJ": ADJECTIVES,
    "TOPIC": TOPICS,
    "SUBJECT": SUBJECTS,
    "OPINION": OPINIONS,
    "PLURAL": PLURALS,
    "ACTS": ACTS,
    "DOES": DOES,
    "HOW": HOW,
    "LOUDER": {0.0: LOUDER},
    "SOFTER": {0.0: SOFTER},
}
"""By the name that they have in the grammar."""


def valences() -> dict[str, float]:
    """Return the valence of every word of opinion."""
    return {
        word: valence
        for lists in LISTS.values()
        for valence, text in lists.items()
        if valence
        for word in text.split()
    }
