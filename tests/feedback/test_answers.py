"""Comparisons and rankings: validated, joined, split, stored."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from multiparty_envs.feedback import Comparisons, Rankings, Segments


def make_bank(count=6, length=3, features=2, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.arange(length) < rng.integers(1, length + 1, size=count)[:, None]
    return Segments(
        obs=rng.random((count, length, 4), dtype=np.float32),
        action=rng.integers(3, size=(count, length)),
        features=rng.normal(size=(count, length, features)),
        mask=mask,
    )


def make_comparisons(count=40, parties=3, bank=None, seed=0):
    rng = np.random.default_rng(seed)
    bank = bank or make_bank()
    first, second = rng.integers(bank.num_segments, size=(2, count))
    return Comparisons(
        segments=bank,
        first=first,
        second=second,
        party=rng.integers(parties, size=count),
        label=rng.choice([0.0, 0.5, 1.0], size=count),
        num_parties=parties,
        names=tuple(f"p{i}" for i in range(parties)),
    )


def make_rankings(count=40, parties=3, bank=None, seed=0):
    rng = np.random.default_rng(seed)
    bank = bank or make_bank()
    ordered = rng.integers(bank.num_segments, size=(count, 4))
    ordered[:5, 3] = -1
    return Rankings(
        segments=bank,
        ordered=ordered,
        depth=rng.integers(1, 4, size=count),
        party=rng.integers(parties, size=count),
        num_parties=parties,
    )


BOTH = pytest.mark.parametrize("make", [make_comparisons, make_rankings])


def assert_equal(one, other):
    assert (one.num_parties, one.names) == (other.num_parties, other.names)
    for name in one.ROWS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
        assert getattr(one, name).dtype == getattr(other, name).dtype
    for name in ("obs", "action", "features", "mask"):
        have, want = getattr(one.segments, name), getattr(other.segments, name)
        np.testing.assert_array_equal(have, want)
        assert have.dtype == want.dtype


def test_differences_sum_real_steps_only():
    answers = make_comparisons()
    bank, row = answers.segments, 7
    sums = [
        bank.features[place][bank.mask[place]].sum(axis=0)
        for place in (answers.first[row], answers.second[row])
    ]
    np.testing.assert_allclose(answers.differences()[row], sums[0] - sums[1])


def test_option_sums_are_zero_where_absent():
    answers = make_rankings()
    sums = answers.option_sums()
    np.testing.assert_array_equal(sums[0, 3], 0.0)
    np.testing.assert_allclose(sums[9, 2], answers.segments.feature_sums()[answers.ordered[9, 2]])


@BOTH
def test_arrays_are_read_only_and_the_repr_is_short(make):
    answers = make()
    with pytest.raises(ValueError, match="read-only"):
        answers.party[0] = 1
    assert repr(answers).endswith("40 answers of 3 parties about 6 segments, 2 features)")


@BOTH
def test_one_party(make):
    answers = make()
    mine = answers.of_party(1)
    assert len(mine) == answers.counts[1] == (answers.party == 1).sum()
    assert (mine.party == 1).all()
    assert mine.num_parties == 3
    with pytest.raises(ValueError, match=r"party should be in 0..2, is 3"):
        answers.of_party(3)


@BOTH
@pytest.mark.parametrize("share_bank", [True, False])
def test_extend_keeps_every_answer(make, share_bank):
    one = make(seed=1)
    other = make(seed=2, bank=one.segments if share_bank else make_bank(4, length=5, seed=9))
    both = one.extend(other)
    assert both.segments.num_segments == (6 if share_bank else 10)
    for part, rows in ((one, slice(0, 40)), (other, slice(40, 80))):
        kept = both.subset(rows)
        np.testing.assert_array_equal(kept.party, part.party)
        content = "differences" if make is make_comparisons else "option_sums"
        np.testing.assert_allclose(getattr(kept, content)(), getattr(part, content)())


@BOTH
def test_absent_alternatives_stay_absent_when_joined(make):
    joined = make().extend(make(bank=make_bank(seed=5)))
    for name in joined.POINTERS:
        one = getattr(make(), name)
        np.testing.assert_array_equal(getattr(joined, name)[40:] < 0, one < 0)


@BOTH
@pytest.mark.parametrize("fraction", [0.2, 1 / 3, 0.9])
@pytest.mark.parametrize("by_party", [True, False])
def test_split_holds_out_the_fraction(make, fraction, by_party):
    answers = make(200)
    train, test = answers.split(fraction, np.random.default_rng(0), by_party)
    assert len(train) + len(test) == 200
    if by_party:
        np.testing.assert_array_equal(test.counts, np.rint(fraction * answers.counts))
    else:
        assert len(test) == round(200 * fraction)
    np.testing.assert_array_equal(train.counts + test.counts, answers.counts)


def test_split_parts_are_disjoint_random_and_repeatable():
    answers = make_comparisons(300)
    # a label of its own marks each row
    marked = Comparisons(
        answers.segments, answers.first, answers.second, answers.party, np.arange(300) / 300, 3
    )
    parts = [marked.split(0.5, np.random.default_rng(seed))[1].label for seed in (0, 0, 1)]
    rest = marked.split(0.5, np.random.default_rng(0))[0].label
    assert not set(parts[0]) & set(rest)
    np.testing.assert_array_equal(parts[0], parts[1])
    assert set(parts[0]) != set(parts[2])
    assert (np.diff(parts[0]) > 0).all()  # in their old order


@BOTH
@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, np.nan])
def test_bad_fraction(make, fraction):
    with pytest.raises(ValueError, match="fraction should be in"):
        make().split(fraction, np.random.default_rng(0))


@BOTH
def test_save_and_load(make, tmp_path):
    answers = make()
    answers.save(tmp_path / "a.safetensors")
    assert_equal(type(answers).load(tmp_path / "a.safetensors"), answers)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@BOTH
def test_nothing_asked_yet(make, tmp_path):
    empty = make().subset(slice(0, 0))
    assert len(empty) == 0
    np.testing.assert_array_equal(empty.counts, 0)
    empty.save(tmp_path / "empty.safetensors")
    assert_equal(type(empty).load(tmp_path / "empty.safetensors"), empty)


def test_files_of_the_other_kind(tmp_path):
    make_rankings().save(tmp_path / "r.safetensors")
    with pytest.raises(
        ValueError, match="should hold the format 'multiparty-comparisons', holds 'multiparty-rank"
    ):
        Comparisons.load(tmp_path / "r.safetensors")


def test_foreign_file(tmp_path):
    save_file({"weights": np.ones(3)}, tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="holds None"):
        Comparisons.load(tmp_path / "net.safetensors")
    (tmp_path / "text.safetensors").write_text("first,second\n")
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        Comparisons.load(tmp_path / "text.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        Comparisons.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, 0.99])
def test_truncated_file(tmp_path, kept):
    path = tmp_path / "a.safetensors"
    make_comparisons().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        Comparisons.load(path)


def rewrite(path, arrays=None, **metadata):
    """Write a file like ours with some of its parts replaced."""
    make_comparisons().save(path)
    before = {
        "format": "multiparty-comparisons",
        "version": "1",
        "num_parties": "3",
        "names": json.dumps(["a", "b", "c"]),
    }
    save_file(
        {k: v for k, v in {**load_file(path), **(arrays or {})}.items() if v is not None},
        path,
        {k: v for k, v in {**before, **metadata}.items() if v is not None},
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2"}, "has version 2 of multiparty-comparisons; this reads 1 to 1"),
        ({"version": "x"}, "has metadata that cannot be read"),
        ({"num_parties": None}, "has metadata that cannot be read"),
        ({"names": "__import__('os')"}, "has metadata that cannot be read"),
        ({"num_parties": "2"}, "party should be in 0..1, is 2"),
        ({"arrays": {"label": None}}, "lacks the arrays label"),
        ({"arrays": {"first": np.full(40, 6)}}, "first should be in 0..5, is 6 in row 0"),
    ],
)
def test_files_that_do_not_fit(tmp_path, change, message):
    path = tmp_path / "a.safetensors"
    rewrite(path, **change)
    with pytest.raises(ValueError, match=message):
        Comparisons.load(path)


def test_unwritable_folder_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        make_comparisons().save(tmp_path / "missing" / "a.safetensors")
    assert not list(tmp_path.iterdir())


@BOTH
def test_pandas_round_trip(make):
    answers = make()
    frame = answers.to_pandas()
    assert len(frame) == 40
    assert_equal(type(answers).from_pandas(frame, answers.segments, 3, answers.names), answers)


def test_pandas_columns_must_be_there():
    answers = make_comparisons()
    with pytest.raises(ValueError, match="the table should have a column 'label'"):
        Comparisons.from_pandas(
            answers.to_pandas().drop(columns="label"), answers.segments, num_parties=3
        )


ROW = {
    "first": [0, 1],
    "second": [1, 5],
    "party": [0, 2],
    "label": [1.0, 0.5],
    "num_parties": 3,
}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"first": [0, 6]}, ValueError, r"first should be in 0..5, is 6 in row 1"),
        ({"second": [-1, 0]}, ValueError, r"second should be in 0..5, is -1 in row 0"),
        ({"party": [0, 3]}, ValueError, r"party should be in 0..2, is 3 in row 1"),
        ({"party": [0.0, 1.0]}, TypeError, "party should hold whole numbers"),
        ({"label": [0.0, 1.5]}, ValueError, r"label should be in \[0, 1\], is 1.5 in row 1"),
        ({"label": [0.0, np.nan]}, ValueError, "label should be finite, holds nan"),
        ({"label": [0.0]}, ValueError, "label should have shape"),
        ({"first": [0]}, ValueError, "first should have shape"),
        ({"num_parties": 0}, ValueError, "num_parties should be 1 or more"),
        ({"names": ("a",)}, ValueError, r"names should be 3 \(num_parties\), are 1"),
    ],
)
def test_bad_comparisons(change, error, message):
    with pytest.raises(error, match=message):
        Comparisons(segments=make_bank(), **{**ROW, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ordered": [[0, 6], [1, 2]]}, r"ordered should be in -1..5, is 6 in row 0"),
        ({"ordered": [[0, 1, 2], [0, -1, 1]]}, "should have its absent alternatives"),
        ({"ordered": [[0, 1], [0, -1]]}, "should hold two segments or more, row 1 has 1"),
        ({"ordered": [0, 1]}, "ordered should have shape"),
        ({"depth": [1, 3]}, r"depth should be in 1..2, is 3 in row 1"),
        ({"depth": [0, 1]}, "depth should be 1 or more, is 0 in row 0"),
        ({"party": [0, 9]}, r"party should be in 0..2, is 9"),
    ],
)
def test_bad_rankings(change, message):
    fields = {"ordered": [[0, 1], [2, 3]], "depth": [1, 2], "party": [0, 1], "num_parties": 3}
    with pytest.raises(ValueError, match=message):
        Rankings(segments=make_bank(), **{**fields, **change})


@pytest.mark.parametrize("parties", [2, 4])
def test_different_parties_are_not_joined(parties):
    with pytest.raises(ValueError, match="parts should have the same parties"):
        make_comparisons().extend(make_comparisons(parties=parties))


def test_nothing_to_join():
    with pytest.raises(ValueError, match="parts should hold something"):
        Comparisons.concatenate([])


SEGMENT = {
    "obs": np.zeros((2, 3, 1)),
    "action": np.zeros((2, 3)),
    "features": np.zeros((2, 3, 2)),
    "mask": np.ones((2, 3), dtype=bool),
}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": np.full((2, 3, 2), np.nan)}, ValueError, "features should be finite"),
        ({"features": np.zeros((2, 3))}, ValueError, "features should have shape"),
        ({"obs": np.zeros((2, 4, 1))}, ValueError, r"obs should begin with shape \(2, 3\)"),
        ({"action": np.zeros((1, 3))}, ValueError, "action should begin with shape"),
        ({"mask": np.ones((2, 3))}, TypeError, "mask should be bool"),
        ({"mask": np.ones((2, 3, 1), dtype=bool)}, ValueError, "mask should begin with"),
        ({"mask": np.eye(2, 3) > 1}, ValueError, "segment 0 should have a step"),
    ],
)
def test_bad_segments(change, error, message):
    with pytest.raises(error, match=message):
        Segments(**{**SEGMENT, **change})


def test_banks_of_different_worlds_are_not_joined():
    with pytest.raises(ValueError, match="features of a step should have shape"):
        make_bank().extend(make_bank(features=3))


def test_a_million_rows(tmp_path):
    answers = make_comparisons(10**6, parties=50)
    train, test = answers.split(1 / 3, np.random.default_rng(0))
    np.testing.assert_array_equal(train.counts + test.counts, answers.counts)
    answers.save(tmp_path / "a.safetensors")
    again = Comparisons.load(tmp_path / "a.safetensors")
    # four numbers of eight bytes a row and a small bank
    assert (tmp_path / "a.safetensors").stat().st_size < 33 * 10**6
    np.testing.assert_array_equal(again.differences()[-1], answers.differences()[-1])
