"""Atomic files: whole or absent, and the old one survives a failure."""

import pytest

from multiparty_envs.files import replacing, write_text


def test_write_replaces_and_leaves_nothing_beside(tmp_path):
    target = tmp_path / "rows.txt"
    write_text(target, "old")
    write_text(target, "new")
    assert target.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["rows.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interruption_keeps_the_old_file(tmp_path, error):
    target = tmp_path / "rows.txt"
    write_text(target, "old")

    def interrupted():
        with replacing(target) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["rows.txt"]


def test_a_folder_is_not_written_over(tmp_path):
    (tmp_path / "rows").mkdir()
    with pytest.raises(IsADirectoryError, match="rows is a folder"):
        write_text(tmp_path / "rows", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_text(tmp_path / "nowhere" / "rows.txt", "x")
