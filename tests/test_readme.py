"""Every Python block of the README runs as it stands."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block-{i}" for i in range(len(BLOCKS))])
def test_block_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_all_six_blocks_are_found():
    assert len(BLOCKS) == 6


def test_the_example_has_twelve_lines():
    lines = [
        line for line in BLOCKS[0].splitlines() if line and not line.startswith(("import", "from"))
    ]
    assert len(lines) == 12
