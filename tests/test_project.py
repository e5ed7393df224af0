"""What holds for the project as a whole: one way of the data, one bibliography."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("multiparty_envs", "agents", "baselines")

# Folder -> what it may import of ours. Data flows one way:
# world -> parties -> feedback -> rewards -> welfare -> agents -> baselines.
NEUTRAL = {"multiparty_envs.expect", "multiparty_envs.files"}
STREAMS = "multiparty_envs.streams"
PARTIES, FEEDBACK, DATA = (f"multiparty_envs.{p}" for p in ("parties", "feedback", "data"))
DYNAMICS, ENVS, FACES = (f"multiparty_envs.{p}" for p in ("dynamics", "envs", "faces"))
REWARDS, WELFARE, WRAPPERS = (f"multiparty_envs.{p}" for p in ("rewards", "welfare", "wrappers"))
TEXT = "multiparty_envs.text"
REGISTRATION = "multiparty_envs.registration"
MAY_IMPORT = {
    STREAMS: set(),
    TEXT: {STREAMS},
    WELFARE: set(),
    DATA: set(),
    PARTIES: {STREAMS},
    DYNAMICS: {STREAMS, PARTIES},
    ENVS: {STREAMS, PARTIES, DYNAMICS, DATA, TEXT},
    FEEDBACK: {STREAMS, PARTIES, DATA},
    FACES: {STREAMS, PARTIES, DYNAMICS, FEEDBACK, REGISTRATION},
    REWARDS: {STREAMS, FEEDBACK, DATA},
    WRAPPERS: {STREAMS, PARTIES, DYNAMICS, FEEDBACK, FACES, REWARDS, WELFARE},
    "agents": {"multiparty_envs"},
    "baselines": {"multiparty_envs", "agents"},
}


def _files(folder: str) -> list[Path]:
    path = ROOT / folder.replace(".", "/")
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _imports(path: Path) -> set[str]:
    """Every module of ours that a file names in an import, wherever in the file it stands."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in OURS}


def _inside(name: str, folders: set[str]) -> bool:
    return any(name == folder or name.startswith(folder + ".") for folder in folders)


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_follow_the_way_of_the_data(folder):
    files = _files(folder)
    assert files, f"{folder} is gone; mend this test's table"
    allowed = MAY_IMPORT[folder] | NEUTRAL | {folder}
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name in _imports(path)
        if not _inside(name, allowed)
    }
    assert not wrong


def test_package_does_not_import_agents_or_baselines():
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in _files("multiparty_envs")
        for name in _imports(path)
        if _inside(name, {"agents", "baselines"})
    }
    # The packages' own checks may be asked to plan; nothing else may.
    assert not wrong


def test_every_citation_key_is_in_the_bibliography():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^- \*\*\[(\w+\d{4})\]\*\*", readme, flags=re.MULTILINE))
    cited = {
        (key, str(path.relative_to(ROOT)))
        for package in OURS
        for path in _files(package)
        for key in re.findall(r"\[([A-Z]\w*\d{4})\]", path.read_text(encoding="utf-8"))
    }
    assert cited, "no citation found: the pattern no longer fits"
    assert {(key, path) for key, path in cited if key not in known} == set()


@pytest.mark.parametrize("package", OURS)
def test_no_source_reads_a_pickle(package):
    reads = re.compile(
        r"import pickle|pickle\.load|torch\.load\(|allow_pickle\s*=\s*True|joblib\.load\(|\beval\("
    )
    wrong = [p for p in _files(package) if reads.search(p.read_text(encoding="utf-8"))]
    assert not wrong
