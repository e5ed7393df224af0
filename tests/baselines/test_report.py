"""The report: whole without a network, all its tables and pictures in one file."""

import re
from html.parser import HTMLParser

import pytest

from baselines import plots
from baselines.compare import CURVE_METHODS, Settings
from baselines.facts import facts, remember
from baselines.jobs import rebuild
from baselines.methods import DEFAULT_METHODS, SINGLE
from baselines.store import RunFolder

SETTINGS = {
    "envs": ["Timetable-v0", "Delivery-v0"],
    "methods": list(DEFAULT_METHODS),
    "seeds": 3,
    "optimisers": ["ppo"],
    "steps": 100_000,
    "labels": 0,
}


class Page(HTMLParser):
    """Collects what a browser would load, and checks that elements are closed."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.counts, self.open = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.loads += [v for k, v in attrs if k in ("src", "href", "data", "srcset", "action")]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def path(tmp_path_factory, make_rows):
    remember(["compare", "--seeds", "3", "<x>"])
    made = RunFolder.open(tmp_path_factory.mktemp("run"), SETTINGS, facts())
    rows = make_rows()
    for labels in (10, 40, 160):
        rows += make_rows(labels=labels, methods=CURVE_METHODS, optimiser="exact")
    for row in rows:
        made.append(row)
    return rebuild(made.path)


@pytest.fixture(scope="module")
def text(path):
    return path.read_text(encoding="utf-8")


def test_the_report_needs_no_other_server(text):
    assert not re.search(r"https?:|url\((?!#)|@import|<script|<link", text)
    assert all(target.startswith("#") for target in Page(text).loads)


def test_the_report_holds_every_table_and_picture(text):
    page = Page(text)
    assert page.open == []
    assert page.counts["svg"] == 6
    assert page.counts["table"] == 4
    assert all(method in text for method in DEFAULT_METHODS)
    assert "multiparty compare --seeds 3 &#39;&lt;x&gt;&#39;" in text


def test_the_finding_names_both_sides(text):
    found = re.findall(
        r"<strong>\w+-v0: the worst-off party&#39;s return is [^<]*exact optimum", text
    )
    assert len(found) == 2


def test_the_table_is_there_in_markdown_too(path):
    assert (path.parent / "table.md").read_text(encoding="utf-8").count("| single-reward |") == 2


@pytest.mark.parametrize("kept", [("random",), ("random", SINGLE), ("mixture+nash",)])
def test_a_part_of_the_rows_has_a_report(tmp_path, make_rows, kept):
    made = RunFolder.open(tmp_path, SETTINGS, facts())
    for row in make_rows(1, methods=kept):
        made.append(row)
    assert "no comparison with single-reward" in rebuild(tmp_path).read_text(encoding="utf-8")


def test_a_report_of_nothing_is_refused(tmp_path):
    RunFolder.open(tmp_path, SETTINGS, facts())
    with pytest.raises(ValueError, match="no rows yet"):
        rebuild(tmp_path)


def test_a_report_of_something_else_is_refused(tmp_path):
    RunFolder.open(tmp_path, {"other": 1}, facts())
    with pytest.raises(ValueError, match="not the settings of a comparison"):
        rebuild(tmp_path)


@pytest.mark.parametrize("env", SETTINGS["envs"])
def test_pictures_are_the_same_every_time(make_rows, env):
    rows = [row for row in make_rows() if row.cell.env == env]
    one, other = (plots.svg(plots.party_returns(rows), "x") for _ in range(2))
    assert one == other


def test_every_party_is_a_dot(make_rows):
    rows = [row for row in make_rows(methods=(SINGLE, "random")) if row.cell.env == "Delivery-v0"]
    axis = plots.party_returns(rows).axes[0]
    dots = sum(len(drawn.get_offsets()) for drawn in axis.collections)
    assert dots == 2 * 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"envs": ("Delivry-v0",)}, "Did you mean 'Delivery-v0'"),
        ({"envs": ()}, "envs should not be empty"),
        ({"methods": ("hierarchical+nsh",)}, "Did you mean 'nash'"),
        ({"optimisers": ("sgd",)}, "optimiser should be one of"),
        ({"seeds": 0}, "seeds should be 1 or more"),
        ({"steps": 0}, "steps should be 1 or more"),
        ({"labels": -1}, "labels should be 0 or more"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        Settings(**change)


def test_settings_survive_the_manifest():
    assert Settings.of(SETTINGS) == Settings()
    assert Settings(envs=("multiparty/Delivery-v0", "Delivery-v0")).envs == ("Delivery-v0",)
