"""The command line, as a user runs it: in a process of its own, with tiny settings."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from baselines.cli import COMMANDS, main
from baselines.studies import STUDIES

TINY = ("--seeds", "1", "--steps", "64", "--workers", "1", "--methods", "random", "single-reward")


def multiparty(*arguments, cwd, ok=True):
    """Run `multiparty` and return its standard output (standard error of a failure)."""
    code = "import sys; from baselines.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    return done.stdout if ok else done.stderr


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """A trained agent's folder."""
    cwd = tmp_path_factory.mktemp("agent")
    said = multiparty("train", "Delivery-v0", "--steps", 2000, "--labels", 40, cwd=cwd)
    return cwd / said.splitlines()[-1]


def test_help_fits_a_screen_and_is_quick(tmp_path):
    said = multiparty("--help", cwd=tmp_path)
    assert len(said.splitlines()) <= 40
    assert all(command.__name__ in said for command in COMMANDS)


@pytest.mark.parametrize("command", [command.__name__ for command in COMMANDS])
def test_help_of_a_command_fits_a_screen(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 0
    # a terminal of 100 columns folds longer lines
    assert 5 <= sum(-(-len(line.rstrip()) // 100) or 1 for line in lines) <= 40


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from baselines.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'scipy', 'matplotlib', 'stable_baselines3'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_envs_lists_every_environment(tmp_path):
    from multiparty_envs.registration import ENVS

    said = multiparty("envs", cwd=tmp_path)
    assert all(f"multiparty/{name}" in said for name in ENVS)


def test_compare_goes_from_nothing_to_a_report_and_repeats_nothing(tmp_path):
    first = multiparty("compare", "Delivery-v0", *TINY, cwd=tmp_path)
    report = tmp_path / first.splitlines()[-1]
    assert report.name == "report.html"
    assert report.stat().st_size > 10_000
    assert "0 of them already" in first
    rows = (report.parent / "rows.jsonl").read_bytes()
    again = multiparty("compare", "Delivery-v0", *TINY, cwd=tmp_path)
    assert "7 of them already" in again
    assert again.splitlines()[-1] == first.splitlines()[-1]
    assert (report.parent / "rows.jsonl").read_bytes() == rows
    rebuilt = multiparty("report", report.parent, cwd=tmp_path)
    assert rebuilt.splitlines()[-1] == first.splitlines()[-1]


@pytest.mark.parametrize(("given", "kept"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")])
def test_the_command_line_computes_with_one_thread_unless_told_otherwise(given, kept):
    rest = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    # NumPy reads the variable when it is loaded
    code = (
        "import sys; import baselines.one_thread; assert 'numpy' not in sys.modules; "
        "import baselines.cli, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**rest, **given},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [kept], done.stderr


def test_help_names_every_study(capsys):
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"STR {', '.join(STUDIES)}." in said


def test_help_names_every_kind_of_method(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    said = capsys.readouterr().out
    assert all(kind in said for kind in ("oracle+WELFARE", "LEARNER+WELFARE", "neural-shared"))


@pytest.mark.slow
def test_both_optimisers_stand_in_one_table(tmp_path):
    said = multiparty("compare", "Delivery-v0", *TINY, "--optimiser", "both", cwd=tmp_path)
    manifest = next(tmp_path.glob("runs/*/manifest.json"))
    assert json.loads(manifest.read_text())["config"]["optimisers"] == ["ppo", "exact"]
    table = (manifest.parent / "table.md").read_text()
    assert "| single-reward | ppo |" in table
    assert "| single-reward | exact |" in table
    assert said


def test_an_agent_is_whole_and_remembers_its_training(agent):
    manifest = json.loads((agent / "manifest.json").read_text())
    assert manifest["cell"]["method"] == "hierarchical+max-min"
    assert manifest["command"].startswith("multiparty train Delivery-v0")
    assert (agent / "policy").is_dir()


def test_evaluate_shows_each_party(agent):
    said = multiparty("evaluate", agent, "--episodes", 20, cwd=agent)
    assert all(f"{side} 1" in said for side in ("west", "east"))
    assert "max-min" in said


def test_render_writes_a_moving_picture(agent):
    from PIL import Image

    said = multiparty("render", agent, cwd=agent)
    with Image.open(agent / said.splitlines()[-1]) as picture:
        assert picture.format == "GIF"
        assert picture.n_frames > 2


def test_render_prints_text(agent):
    assert "time left" in multiparty("render", agent, "--ansi", cwd=agent)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "Delivry-v0"], "Did you mean 'Delivery-v0'"),
        (["compare", "--methods", "hierarchical+nsh"], "Did you mean 'nash'"),
        (["compare", "--seeds", "0"], "seeds should be 1 or more"),
        (["study", "delivry-conflict"], "Did you mean 'delivery-conflict'"),
        (["train", "Delivery-v0", "--method", "pooled"], "method should be one of"),
        (["train", "Nowhere-v0"], "environment id should be one of"),
        (["evaluate", "no-such-run"], "no-such-run holds no trained agent"),
        (["render", "no-such-run"], "no-such-run holds no trained agent"),
        (["report", "no-such-run"], "no-such-run is not a folder of results"),
        (["bench", "--repeats", "0"], "repeats should be 1 or more"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())  # nothing half-written


@pytest.mark.parametrize("command", [["compare"], ["study", "labels"], ["train", "Delivery-v0"]])
def test_an_unwritable_folder_is_told_before_any_work(command, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main([*command, "--out", str(tmp_path / "file" / "run")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_a_trained_agent_is_not_overwritten(agent, capsys):
    assert main(["train", "Delivery-v0", "--out", str(agent)]) == 2
    assert "holds an agent already" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "{}", '{"cell": {"env": 1}}'])
def test_a_damaged_agent_is_named(text, capsys, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tyro", None)
    assert main(["envs"]) == 2
    assert "pip install 'multiparty-envs[baselines]'" in capsys.readouterr().err


def test_interrupting_is_no_failure_of_ours(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("baselines.listing.environments", interrupt)
    assert main(["envs"]) == 130
    assert "give the same command to go on" in capsys.readouterr().err
