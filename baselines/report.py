"""The report: one HTML file with tables, plots and the command that made it; nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, final

from baselines import plots
from baselines.compare import Settings
from baselines.extras import require
from baselines.methods import SINGLE, parse_method
from baselines.rows import Row
from baselines.store import RunFolder
from baselines.summary import Line, Table, better_table, main_tables, summarise
from multiparty_envs.files import write_text

FLOW = """\
people ── watch what an agent does and answer "which of these two do you prefer?"
   │
answers ── the only thing that methods see; equally many for every method
   │            single-reward: one reward for everybody     others: one reward per party
learned rewards
   │            welfare function: utilitarian (mean) · Nash (product of gains) · max-min (worst-off)
one number ── PPO, or exact planning ── policy ── what each party truly gets"""

GLOSSARY = (
    (
        "normalised return",
        "A party's true expected return, computed exactly: 0 is what the reference policy (the "
        "one that was watched for answers) gives it, 1 the most that any policy could give it.",
    ),
    (
        "utilitarian, Nash, worst party",
        "Mean, geometric mean (returns below 1e-8 count as 1e-8) and minimum of the normalised "
        "returns over the parties.",
    ),
    (
        "regret",
        "The exact optimum of the method's own welfare function, less what was reached, in the "
        "unit of the three columns before.",
    ),
    (
        "acc. majority, acc. minority",
        "Held-out answers predicted right. Simulated parties: the largest cluster, and all "
        "others. Recorded people: everybody, and the tenth of the people whose training answers "
        "one common reward explains worst. What the oracle takes for the truth about recorded "
        "people was estimated from all their answers, the held-out ones too.",
    ),
    (
        "max-min that stays at 0",
        "Where some learned rewards pull in opposite directions, no policy is better for all of "
        "these people than the reference policy, and max-min keeps to it. Among 235 noisy "
        "estimates in four dimensions there are always some: independent fits show it.",
    ),
    (
        "intervals",
        "95 %, over seeds: new answers (recorded people: another split) and a new agent. Student's "
        "t below 20 seeds, since a bootstrap of a few seeds claims too much; BCa bootstrap from 20 "
        "on. With three seeds they are wide, and no width is hidden.",
    ),
    (
        f"P(better than {SINGLE})",
        "Chance that a run of the method gives its worst-off party more than a run of "
        "single-reward does, ties counting half, with Newcombe's interval for the Mann-Whitney "
        "statistic. With three seeds even “always better” only shows that it is at least about "
        "one half.",
    ),
)


@final
@dataclass(frozen=True)
class Picture:
    """A figure as SVG, with its caption."""

    svg: str
    caption: str


@final
@dataclass(frozen=True)
class Section:
    """Tables and pictures about one environment."""

    title: str
    tables: Sequence[Table]
    pictures: Sequence[Picture]


def write_report(folder: RunFolder) -> Path:
    """Write `report.html` and `table.md` into a comparison's folder and return the report's path.

    Raises:
        ValueError: when the folder holds no rows, or rows of something else.
    """
    settings = Settings.of(folder.manifest["config"])
    rows = settings.main(folder.rows)
    if not rows:
        raise ValueError(f"{folder.path} holds no rows yet")
    lines = summarise(rows)
    tables = main_tables(lines)
    markdown = "\n\n".join(f"**{table.title}**\n\n{table.markdown()}" for table in tables)
    # the same numbers for a README or a paper
    write_text(folder.path / "table.md", markdown + "\n")
    sections = [
        _section(env, rows, settings.curve(folder.rows), [x for x in lines if x.env == env])
        for env in settings.envs
        if any(row.cell.env == env for row in rows)
    ]
    page = _render(
        title="Single-reward against multi-party alignment",
        question="Who gains and who loses when one reward is fitted to everybody's answers?",
        findings=[_finding(section.title, lines) for section in sections],
        sections=sections,
        manifest=folder.manifest,
    )
    path = folder.path / "report.html"
    write_text(path, page)
    return path


def write_page(folder: RunFolder, study: ModuleType, rows: Sequence[Any]) -> Path:
    """Write a study's page (Markdown) and figure beside its rows and return the page's path.

    Raises:
        ValueError: when there are no rows yet.
    """
    if not rows:
        raise ValueError(f"{folder.path} holds no rows yet")
    manifest = folder.manifest
    plots.save(study.figure(rows), folder.path / "figure.svg")
    tables = "\n\n".join(f"**{table.title}**\n\n{table.markdown()}" for table in study.tables(rows))
    page = (
        f"# {manifest['config']['study']}\n\n{study.QUESTION}\n\n{study.verdict(rows)}\n\n"
        f"![{study.QUESTION}](figure.svg)\n\n{tables}\n\n"
        f"Intervals: 95 %, over seeds.\n\n"
        f"```\n{manifest['command']}\n```\n\n{_made_with(manifest)}\n"
    )
    path = folder.path / "README.md"
    write_text(path, page)
    return path


def _made_with(manifest: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in manifest["versions"].items())
    made = f"{manifest['started']} · Python {manifest['python']} · {versions}"
    return made + (f" · commit {manifest['commit'][:12]}" if manifest["commit"] else "")


def _render(*, manifest: dict[str, Any], **parts: Any) -> str:
    jinja2 = require("jinja2")
    # escaped: a command line may hold anything
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("report.html").render(
        flow=FLOW,
        glossary=GLOSSARY,
        command=manifest["command"],
        facts=_made_with(manifest),
        **parts,
    )


def _section(env: str, rows: Sequence[Row], curve: Sequence[Row], lines: Sequence[Line]) -> Section:
    rows = [row for row in rows if row.cell.env == env]
    curve = [row for row in curve if row.cell.env == env]
    # a picture of everything that was run: bounds, learned, every optimiser
    pictures = [
        Picture(
            plots.svg(plots.party_returns(rows), f"Return of each party, {env}"),
            "What each party gets: one dot a party, mean over seeds.",
        )
    ]
    if any(parse_method(row.cell.method).kind == "learned" for row in rows):
        pictures.append(
            Picture(
                plots.svg(plots.accuracy_by_person(rows), f"Accuracy by person, {env}"),
                "Held-out answers predicted for each person, mean over seeds; people are sorted "
                "for each learner by itself. Dotted: guessing.",
            )
        )
    if curve:
        # what any row reached plus what it missed is the optimum
        optimum = {
            "utilitarian": curve[0].utilitarian + curve[0].regrets["utilitarian"],
            "worst": curve[0].worst + curve[0].regrets["max-min"],
        }
        pictures.append(
            Picture(
                plots.svg(plots.welfare_by_labels(curve, optimum), f"Welfare by labels, {env}"),
                "Welfare against the number of labels, exact planning on the learned rewards "
                "(no PPO). Dashed: the exact optimum. Bars: 95 % intervals over seeds, which may "
                "run out of the picture.",
            )
        )
    return Section(env, [*main_tables(lines), better_table(lines)], pictures)


def _finding(env: str, lines: Sequence[Line]) -> str:
    """One sentence about the worst-off party; the best method is named as chosen afterwards."""
    of_env = [line for line in lines if line.env == env]
    learned = [line for line in of_env if parse_method(line.method).kind == "learned"]
    single = [line for line in learned if line.method == SINGLE]
    others = [line for line in learned if line.method != SINGLE]
    if not single or not others:
        return f"{env}: no comparison with {SINGLE} was asked for."
    # the largest of many is flattered by chance, which the sentence says
    best = max(others, key=lambda line: line.estimates["worst"].value)
    bound = [line for line in of_env if line.method == "oracle+max-min"]
    text = (
        f"{env}: the worst-off party's return is {single[0].estimates['worst']} under {SINGLE} "
        f"(0: reference policy, 1: its own best) and {best.estimates['worst']} under "
        f"{best.method}, the best of {len(others)} multi-party lines (chosen after the fact)"
    )
    return text + (
        f"; the exact optimum is {bound[0].estimates['worst'].value:.2f}." if bound else "."
    )
