"""Each welfare function against all axioms: it keeps those it claims and breaks the others."""

import numpy as np
import pytest

from multiparty_envs.welfare import (
    AXIOMS,
    GeneralizedGini,
    GeneralizedMean,
    Isoelastic,
    Leximin,
    MaxMin,
    Nash,
    Utilitarian,
)

WEIGHTED = (0.1, 0.2, 0.3, 0.4)
ALL = [
    Utilitarian(),
    Utilitarian(party_weights=WEIGHTED),
    Nash(),
    Nash(reference=0.2),
    Nash(reference=(0.0, 0.1, 0.2, 0.3)),
    Nash(party_weights=WEIGHTED),
    MaxMin(),
    Leximin(),
    GeneralizedGini(),
    GeneralizedGini(rank_weights=(2, 2, 1, 1)),
    GeneralizedMean(p=1.0),
    GeneralizedMean(p=0.5),
    GeneralizedMean(p=0.0),
    GeneralizedMean(p=-2.0),
    Isoelastic(alpha=0.5),
    Isoelastic(alpha=0.0),
    Isoelastic(alpha=-2.0, party_weights=WEIGHTED),
]
CASES = [(welfare, axiom) for welfare in ALL for axiom in AXIOMS]


@pytest.fixture(scope="module")
def profiles():
    """Random profiles, and beside each one that differs from it in two parties only."""
    rng = np.random.default_rng(3)
    some = rng.uniform(0.5, 2.0, (300, 4))
    near = some.copy()
    near[:, :2] = rng.uniform(0.5, 2.0, (300, 2))
    equal_worst = some.copy()
    equal_worst[:, 0] = equal_worst[:, 1] = 0.5
    return np.concatenate([np.stack([some, near], axis=1).reshape(-1, 4), equal_worst])


def _id(value):
    return value.name if value in AXIOMS else str(value)


@pytest.mark.parametrize(
    ("welfare", "axiom"), [(w, a) for w, a in CASES if a in w.satisfies], ids=_id
)
def test_keeps_what_it_claims(welfare, axiom, profiles):
    assert not axiom.violations(welfare, profiles)


@pytest.mark.parametrize(
    ("welfare", "axiom"), [(w, a) for w, a in CASES if a not in w.satisfies], ids=_id
)
def test_breaks_what_it_does_not_claim(welfare, axiom, profiles):
    assert axiom.violations(welfare, profiles)


@pytest.mark.parametrize(
    "axiom", [a for a in AXIOMS if all(a in w.satisfies for w in ALL)], ids=_id
)
def test_what_all_keep_can_be_broken(axiom, profiles):
    class Backwards:
        """The less there is, the better."""

        def value(self, u):
            return -np.prod(u, axis=-1)

        def compare(self, u, v):
            return np.sign(self.value(u) - self.value(v))

    assert axiom.violations(Backwards(), profiles)


def test_axioms_are_told_apart():
    assert len({axiom.name for axiom in AXIOMS}) == len(AXIOMS)
    assert all(axiom.statement.endswith(".") for axiom in AXIOMS)
