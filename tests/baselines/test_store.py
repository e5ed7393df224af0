"""Rows survive interruptions; damage and other configurations are refused."""

import dataclasses
import json
import math

import pytest

from baselines.rows import Cell, Finding, Row
from baselines.store import RunFolder, config_hash

CONFIG = {"envs": ["Delivery-v0"], "seeds": 2}


def make_row(seed: int = 0, method: str = "single-reward", **changes) -> Row:
    cell = Cell("Delivery-v0", method, "exact", seed, knobs=(("conflict", 0.5),), labels=10)
    row = Row(
        cell=cell,
        labels=10,
        utilitarian=0.5,
        nash=0.4,
        nash_floors=1,
        worst=-0.1,
        regret=0.2,
        regrets={"utilitarian": 0.2, "nash": math.nan},
        accuracy_majority=0.75,
        accuracy_minority=math.nan,
        returns=(0.5, -0.1),
        accuracy=(0.75, math.nan),
        minority=(False, True),
        seconds=0.1,
    )
    return dataclasses.replace(row, **changes)


def same(one: Row, other: Row) -> bool:
    return one.to_json() == other.to_json()  # NaN is not equal to itself


def test_a_row_survives_its_line():
    row = make_row()
    back = Row.from_json(row.to_json())
    assert same(row, back)
    assert back.cell == row.cell
    assert math.isnan(back.accuracy[1])


def test_rows_survive_the_folder(tmp_path):
    folder = RunFolder.open(tmp_path / "new" / "run", CONFIG, {"command": "x"})
    rows = [make_row(seed) for seed in range(3)]
    for row in rows:
        folder.append(row)
    again = RunFolder.load(tmp_path / "new" / "run")
    assert all(same(one, other) for one, other in zip(again.rows, rows, strict=True))
    assert rows[1].cell in again
    assert dataclasses.replace(rows[1].cell, seed=9) not in again
    assert again.manifest["command"] == "x"


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_a_line_cut_off_is_dropped_and_written_again(tmp_path, kept):
    folder = RunFolder.open(tmp_path, CONFIG, {})
    folder.append(make_row(0))
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write(make_row(1).to_json()[:kept])
    again = RunFolder.open(tmp_path, CONFIG, {})
    assert len(again.rows) == 1
    again.append(make_row(1))
    assert len(RunFolder.load(tmp_path).rows) == 2


@pytest.mark.parametrize("line", ["not json", "{}", '{"cell": {}}', "[1, 2]", "\xff", ""])
def test_a_damaged_line_is_named(tmp_path, line):
    RunFolder.open(tmp_path, CONFIG, {}).append(make_row())
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(ValueError, match="line 2, is damaged"):
        RunFolder.load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99, "hash": "", "config": {}}']
)
def test_a_damaged_manifest_is_named(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json"):
        RunFolder.load(tmp_path)


def test_another_configuration_is_refused_and_named(tmp_path):
    RunFolder.open(tmp_path, CONFIG, {})
    with pytest.raises(ValueError, match="seeds 2 there, 3 here"):
        RunFolder.open(tmp_path, {**CONFIG, "seeds": 3}, {})


def test_tuples_and_lists_are_the_same_configuration(tmp_path):
    RunFolder.open(tmp_path, CONFIG, {})
    RunFolder.open(tmp_path, {**CONFIG, "envs": ("Delivery-v0",)}, {})


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write results to"):
        RunFolder.open(tmp_path / "file" / "run", CONFIG, {})


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json"):
        RunFolder.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"env": "Timetable-v0"},
        {"method": "random"},
        {"optimiser": "ppo"},
        {"seed": 1},
        {"knobs": ()},
        {"labels": 0},
        {"steps": 1},
    ],
)
def test_every_field_of_a_cell_is_in_its_key(change):
    cell = make_row().cell
    assert dataclasses.replace(cell, **change).key != cell.key


def test_the_hash_ignores_the_order_of_keys():
    assert config_hash({"a": 1, "b": 2}) == config_hash({"b": 2, "a": 1}) != config_hash({"a": 1})


def test_the_manifest_is_json_for_people(tmp_path):
    RunFolder.open(tmp_path, CONFIG, {"versions": {"numpy": "2"}})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["config"] == CONFIG
    assert manifest["hash"] == config_hash(CONFIG)


def test_findings_come_back_from_the_folder_as_they_were(tmp_path):
    folder = RunFolder.open(tmp_path, CONFIG, {})
    cell = Cell("here", "all", "none", 3, knobs=(("n", 50), ("rho", 0.25)))
    finding = Finding(cell, {"error": 0.5, "ratio": float("nan")}, 0.1)
    folder.append(finding)
    (again,) = RunFolder.load(tmp_path).rows
    assert again.cell == cell
    assert again.values["error"] == 0.5
    assert math.isnan(again.values["ratio"])
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"values": {}, "other": 1}\n')
    with pytest.raises(ValueError, match=r"line 2, is damaged: .* fields of a finding"):
        RunFolder.load(tmp_path)
