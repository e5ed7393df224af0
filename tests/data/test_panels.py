"""Recorded choices: facts about the shipped panels, and panels of one's own."""

import hashlib

import numpy as np
import pandas
import pytest

from multiparty_envs.data import ChoicePanel, convert, load, read_columns, write_columns
from multiparty_envs.data.sources import FOLDER
from multiparty_envs.feedback import Comparisons, Rankings

# people, tasks, alternatives, features, fewest and most tasks of a person
FACTS = {
    "train": (235, 2929, 2, ("price", "time", "changes", "comfort"), 5, 19),
    "electricity": (
        361,
        4308,
        4,
        ("price", "contract", "local", "known", "time_of_day", "seasonal"),
        8,
        12,
    ),
}
# of the unpacked text, which no version of zlib changes
HASHES = {"train": "1484e845985808f8", "electricity": "6f8d7f181a27f879"}

OWN = {
    "person": ["Bo", "Bo", "Bo", "Al", "Al", "Bo", "Bo"],
    "task": [1, 1, 1, 1, 1, 2, 2],
    "alternative": ["tram", "bus", "car", "bus", "car", "car", "tram"],
    "chosen": [0, 1, 0, 0, 1, 1, 0],
    "price": [2.0, 1.0, 5.0, 1.5, 4.0, 6.0, 2.5],
    "minutes": [30, 60, 15, 60, 30, 15, 45],
}


@pytest.mark.parametrize("name", FACTS)
def test_shipped_panels_are_what_the_page_says(name):
    people, tasks, alternatives, features, fewest, most = FACTS[name]
    panel = load(name)
    assert (panel.num_people, len(panel)) == (people, tasks)
    assert panel.features.shape == (tasks, alternatives, len(features))
    assert panel.feature_names == features
    assert panel.available.all()
    counts = np.bincount(panel.person)
    assert (len(counts), counts.min(), counts.max()) == (people, fewest, most)


@pytest.mark.parametrize("name", HASHES)
def test_shipped_files_are_the_converted_ones(name):
    columns = read_columns(FOLDER / f"{name}.csv.gz")
    text = "\n".join(",".join(row) for row in zip(*columns.values(), strict=True))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == HASHES[name]


def test_units_of_the_first_journeys():
    np.testing.assert_allclose(load("train").features[0], [[2.4, 2.5, 0, 1], [4.0, 2.5, 0, 1]])
    np.testing.assert_allclose(load("electricity").features[0, 0], [0.7, 5, 0, 1, 0, 0])


def test_train_gives_comparisons_with_person_ids():
    answers = Comparisons.from_choices(load("train"))
    assert (len(answers), answers.num_parties, answers.num_features) == (2929, 235, 4)
    assert answers.names == load("train").people
    # the first alternative comes first, so the label is 1 where it was chosen
    assert answers.label.sum() == 1474
    np.testing.assert_allclose(answers.differences()[0], [-1.6, 0, 0, 0])


def test_electricity_gives_best_of_four():
    panel = load("electricity")
    answers = Rankings.from_choices(panel)
    assert (len(answers), answers.num_parties) == (4308, 361)
    assert (answers.depth == 1).all()
    np.testing.assert_allclose(answers.option_sums()[0, 0], panel.features[0, panel.chosen[0]])


def test_four_alternatives_are_no_comparison():
    with pytest.raises(ValueError, match="every task should have two alternatives"):
        Comparisons.from_choices(load("electricity"))


@pytest.mark.parametrize("name", ["trains", ""])
def test_unknown_panel(name):
    with pytest.raises(ValueError, match="panel should be one of electricity, train"):
        load(name)


@pytest.mark.parametrize("table", [dict, pandas.DataFrame])
def test_own_panel_with_unavailable_alternatives(table):
    panel = ChoicePanel.from_table(table(OWN), units={"minutes": 60})
    assert panel.people == ("Bo", "Al")
    assert panel.feature_names == ("price", "minutes")
    np.testing.assert_array_equal(panel.person, [0, 1, 0])
    np.testing.assert_array_equal(panel.available, [[1, 1, 1], [0, 1, 1], [1, 0, 1]])
    np.testing.assert_array_equal(panel.chosen, [1, 2, 2])
    np.testing.assert_allclose(panel.features[1], [[0, 0], [1.5, 1.0], [4.0, 0.5]])
    ranked = Rankings.from_choices(panel)
    np.testing.assert_array_equal(ranked.ordered[1] >= 0, [True, True, False])
    np.testing.assert_allclose(ranked.option_sums()[2], [[6.0, 0.25], [2.5, 0.75], [0, 0]])


def test_tables_are_written_and_read_the_same(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_columns(tmp_path / name, OWN)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    again = ChoicePanel.from_table(read_columns(tmp_path / "a.csv.gz"))
    np.testing.assert_array_equal(again.features, ChoicePanel.from_table(OWN).features)
    (tmp_path / "plain.csv").write_text("a,b\n1,x\n")
    assert read_columns(tmp_path / "plain.csv")["b"].tolist() == ["x"]


def test_conversion_keeps_every_number():
    raw = {
        "id": np.array(["7"]),
        "choiceid": np.array(["3"]),
        "choice": np.array(["choice2"]),
        **{f"{name}{j}": np.array([f"{name}{j}"]) for name in ("price", "time") for j in (1, 2)},
        **{f"{name}{j}": np.array(["0"]) for name in ("change", "comfort") for j in (1, 2)},
    }
    columns = convert.train(raw)
    assert columns["price"].tolist() == ["price1", "price2"]
    assert columns["chosen"].tolist() == [0, 1]
    assert columns["person"].tolist() == ["7", "7"]


def changed(**columns):
    return {name: cells for name, cells in {**OWN, **columns}.items() if cells is not None}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (changed(task=None), r"lacks \['task'\]"),
        (changed(price=None, minutes=None), "a column for each feature, has none"),
        (changed(price=[1.0]), "columns should be equally long"),
        ({name: [] for name in OWN}, "not empty"),
        (changed(price=[*"123456", "dear"]), "column 'price' should hold numbers"),
        (changed(price=[np.nan] * 7), "features should be finite"),
        (changed(chosen=[1, 1, 0, 0, 1, 1, 0]), "every task should have one choice, task 0 has 2"),
        (changed(chosen=[0, 1, 0, 0, 1, 0, 0]), "every task should have one choice, task 2 has 0"),
        (changed(chosen=["yes"] * 7), "chosen should be one of"),
        (
            changed(task=[1, 1, 1, 1, 2, 2, 2], chosen=[0, 1, 0, 1, 1, 1, 0]),
            "task 1 should offer two alternatives or more",
        ),
        (changed(alternative=["bus"] * 7), "an alternative should come once in a task"),
    ],
)
def test_bad_tables(table, message):
    with pytest.raises(ValueError, match=message):
        ChoicePanel.from_table(table)


def test_unit_of_a_feature_that_is_not_there():
    with pytest.raises(ValueError, match="unit's feature should be one of minutes, price"):
        ChoicePanel.from_table(OWN, units={"hours": 1.0})


PANEL = {
    "person": np.array([0, 1]),
    "features": np.ones((2, 2, 1)),
    "available": np.ones((2, 2), dtype=bool),
    "chosen": np.array([0, 1]),
    "people": ("a", "b"),
    "feature_names": ("x",),
    "source": "own",
}


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("person", np.array([0, 2]), ValueError, "person should be in 0..1, is 2 in task 1"),
        ("person", np.array([0.0, 1.0]), TypeError, "person should hold whole numbers"),
        ("features", np.ones((2, 2, 2)), ValueError, "features should have shape"),
        ("features", np.full((2, 2, 1), np.inf), ValueError, "features should be finite"),
        ("available", np.ones((2, 2)), TypeError, "available should be bool"),
        ("available", np.array([[True, True], [True, False]]), ValueError, "task 1 should offer"),
        ("chosen", np.array([0, 2]), ValueError, "chosen should be in 0..1"),
    ],
)
def test_bad_panels(field, value, error, message):
    with pytest.raises(error, match=message):
        ChoicePanel(**{**PANEL, field: value})


def test_the_chosen_must_be_on_offer():
    available = np.array([[True, True, False]] * 2)
    with pytest.raises(ValueError, match="chosen should be on offer, is 2 in task 0"):
        ChoicePanel(
            **{**PANEL, "features": np.ones((2, 3, 1)), "available": available}
            | {"chosen": np.array([2, 1])}
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "should begin with a line of column names, is empty"),
        (b"a,b\n1\n", "should have 2 cells in line 2"),
        (b"a\n\xff\xfe\n", "is not a whole text table"),
    ],
)
def test_bad_files(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_columns(tmp_path / "x.csv")


def test_truncated_archive(tmp_path):
    whole = (FOLDER / "train.csv.gz").read_bytes()
    (tmp_path / "half.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is not a whole text table"):
        read_columns(tmp_path / "half.csv.gz")
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "none.csv.gz")
