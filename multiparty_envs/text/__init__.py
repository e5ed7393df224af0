"""Text as a world: corpora, vocabularies, lexicons, and what can be counted of a sentence."""

from multiparty_envs.text.corpus import CORPORA as CORPORA
from multiparty_envs.text.corpus import sentences as sentences
from multiparty_envs.text.fluency import bigrams as bigrams
from multiparty_envs.text.lexicon import LEXICONS as LEXICONS
from multiparty_envs.text.lexicon import Lexicon as Lexicon
from multiparty_envs.text.traits import TRAITS as TRAITS
from multiparty_envs.text.traits import Scorer as Scorer
from multiparty_envs.text.traits import Tally as Tally
from multiparty_envs.text.vocabulary import BOS as BOS
from multiparty_envs.text.vocabulary import EOS as EOS
from multiparty_envs.text.vocabulary import PAD as PAD
from multiparty_envs.text.vocabulary import UNK as UNK
from multiparty_envs.text.vocabulary import Vocabulary as Vocabulary
