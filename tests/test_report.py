"""`edgeguard report`: text of 80 columns, one JSON object, one page that fetches nothing and escapes everything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from test_measures import DAY, Story, write

from edgeguard.cases.measures import OUTCOMES, TIMES, Day, Measures, Ruling, Took
from edgeguard.cases.month import Month
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.clock import SECOND
from edgeguard.grace import Disposition
from edgeguard.model import Scope
from edgeguard.report import page, plots, text, words
from edgeguard.report.document import document

MONTH = Month(2026, 11)
NOW = MONTH.end + 5 * SECOND
HOSTILE = "<script src=//example.net/x>&\"'\x1b[2J"
HUGE = Measures(
    MONTH, 10**7, 10**6, 10**7, 10**7, 3 * 10**6,
    scopes={"narrow": 10**6, "own-only": 10**6, "full": 10**6}, by_people=10**6, refused=10**6,
    rulings=(Ruling(HOSTILE, HOSTILE, 900_000, dict.fromkeys(OUTCOMES, 300_000)),),
    times={key: Took((0.0004, 3e7), 10**6) for key in TIMES},
    days=tuple(Day(day, 10**6, day) for day in range(1, 31)),
)  # fmt: skip

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command line beside a database of some stories."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n[host]\nname = "hv1.example.net"\n')
    stories = [
        Story(DAY, Scope.WARN, mail=1),
        Story(2 * DAY, mail=2, end=900, judged="confirmed"),
        Story(3 * DAY, Scope.FULL, "udp", mail=3, person=1800, end=3600, by=Disposition.OUR_FAULT),
    ]
    with Store(tmp_path / "cases.sqlite") as store:
        for number, story in enumerate(stories):
            write(store, number, story)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(main, ["report", *words, "-c", str(file)], prog_name="edgeguard")

    return invoke


def test_the_text_tells_the_month(run: Run) -> None:
    """Counts, the overturned share of each rule and version, and each time must stand in it."""
    told = run("--month", "2026-11").stdout
    lines = {" ".join(line.split()) for line in told.splitlines()}
    assert told.startswith("EdgeGuard on hv1.example.net, 2026-11 (UTC)\n")
    assert {
        "cases 3 opened; 2 of them are open still",
        "null routes 2 narrow 1, full 1",
        "syn 0.1.0 2 1 1 0 0 0.0 %",
        "udp 0.1.0 1 1 0 0 1 100.0 %",
        "null route to notice 2 2.0 s 3.0 s 3.0 s",
        "null route to a person 2 30.0 min 20.0 d 20.0 d",
        "ended by a person 1 1.0 h 1.0 h 1.0 h",
    } <= lines
    assert max(map(len, told.splitlines())) <= 80


def test_json_is_one_object_of_the_same(run: Run) -> None:
    """Programs must get seconds and nanoseconds, and null where nothing is known."""
    (line,) = run("--month", "2026-11", "--json").stdout.splitlines()
    told = json.loads(line)
    assert (told["month"], told["host"], told["empty"], told["first"]) == (
        "2026-11", "hv1.example.net", False, MONTH.first,
    )  # fmt: skip
    assert told["null_routes"] == {"number": 2, "narrow": 1, "own_only": 0, "full": 1, "by_people": 0, "refused": 0}
    assert told["times"]["notice"] == {"n": 2, "p50": 2.0, "p95": 3.0, "longest": 3.0, "without": 0}
    assert told["times"]["reply"] == {"n": 0, "p50": None, "p95": None, "longest": None, "without": 0}
    assert told["rules"][1]["overturned_share"] == 1.0
    assert len(told["days"]) == 30


def test_an_empty_month_is_said(run: Run, tmp_path: Path) -> None:
    """In all three forms, with exit 0: nothing happened is an answer."""
    file = tmp_path / "page.html"
    told = run("--month", "2026-02", "--html", str(file))
    assert told.exit_code == 0
    sentence = "nothing in 2026-02: no case, no warning and no null route is recorded"
    assert told.stdout.splitlines()[-1] == sentence
    assert sentence in file.read_text() and "<svg" not in file.read_text()
    assert json.loads(run("--month", "2026-02", "--json").stdout)["empty"] is True


@pytest.mark.parametrize("month", ["2026-13", "november", "2026-11-01"])
def test_what_is_no_month_is_wrong_use(run: Run, month: str) -> None:
    """One sentence that shows what is accepted, and exit 2."""
    told = run("--month", month)
    assert told.exit_code == 2
    assert f"'{month}' is no month: write year and month, like 2026-11" in told.output


def test_the_month_that_runs_is_the_default(run: Run) -> None:
    """Without --month the report must be of today's."""
    told = json.loads(run("--json").stdout)
    assert Month.of(told["at"]) == Month.read(told["month"])


@pytest.mark.parametrize("place", ["none/page.html", "file/page.html"])
def test_a_page_that_cannot_be_written_is_one_line(run: Run, tmp_path: Path, place: str) -> None:
    """What, where and why; nothing is left behind."""
    (tmp_path / "file").write_text("")
    run()  # a reader leaves the files of the write-ahead log
    before = sorted(tmp_path.iterdir())
    told = run("--month", "2026-11", "--html", str(tmp_path / place))
    assert told.exit_code == 1
    assert re.fullmatch(
        rf"edgeguard: {tmp_path}/{place}: cannot write the page: [^\n]+; check the folder\n", told.output
    )
    assert sorted(tmp_path.iterdir()) == before


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    """One line, exit 1, and no database is made by looking."""
    file = tmp_path / "edgeguard.toml"
    file.write_text(f'[paths]\ndatabase = "{tmp_path}/cases.sqlite"\n')
    told = CliRunner().invoke(main, ["report", "-c", str(file)], prog_name="edgeguard")
    assert (told.exit_code, told.output.count("\n")) == (1, 1)
    assert "there is no case database" in told.output
    assert not (tmp_path / "cases.sqlite").exists()


# ---- whatever the figures are -----------------------------------------------------------------------


class Walk(HTMLParser):
    """Every element with its attributes, and all text that is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def walk(html: str) -> Walk:
    parser = Walk()
    parser.feed(html)
    parser.close()
    return parser


def pictures(html: str) -> list[ElementTree.Element]:
    """Parsed as XML, which forgives nothing."""
    return [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def test_the_largest_month_fits_80_columns() -> None:
    """Whatever the numbers and names, no line of the text may be wider than a terminal."""
    lines = text.text(HUGE, "h" * 200, NOW).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.endswith(" 33.3 %")], "the share is the last of its row"
    assert "\x1b" not in "".join(lines)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    """No script, no link, no address to load from; and a policy that forbids it to whoever renders it."""
    parser = walk(page.page(HUGE, HOSTILE, NOW))
    names = {name for name, _ in parser.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "image", "use", "a", "foreignobject"}
    attributes = {key for _, attributes in parser.elements for key in attributes}
    assert not [key for key in attributes if key.startswith("on") or key in ("src", "href", "xlink:href", "style")]
    assert "url(" not in page.STYLE and "@import" not in page.STYLE
    policy = next(a["content"] for name, a in parser.elements if name == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_hostile_names_are_text() -> None:
    """What a database may hold must be shown as it is, and never be an element."""
    parser = walk(page.page(HUGE, HOSTILE, NOW))
    assert [shown for shown in parser.shown if HOSTILE.replace("\x1b", "?") in shown]
    assert "\x1b" not in page.page(HUGE, HOSTILE, NOW)


def test_every_picture_is_whole_and_named() -> None:
    """Each plot must be well-formed, have a title for those who do not see it, and keep within its frame."""
    found = pictures(page.page(HUGE, "hv1", NOW))
    assert len(found) == 3
    for picture in found:
        _, _, width, height = map(float, picture.attrib["viewBox"].split())
        assert picture.findtext("title") == picture.attrib["aria-label"]
        for bar in picture.iter("rect"):
            x, y, wide, tall = (float(bar.attrib[key]) for key in ("x", "y", "width", "height"))
            assert min(x, y) >= -0.5 and x + wide <= width + 0.5 and y + tall <= height + 0.5


def test_a_days_bars_are_as_tall_as_its_counts() -> None:
    """Twice as many must be twice as tall; a day without any has no height."""
    month = Measures(MONTH, 1, days=(Day(1, 2, 0), Day(2, 4, 1)))
    bars = [float(bar.attrib["height"]) for bar in pictures(plots.by_day(month))[0].iter("rect")]
    assert bars[1] == 0
    assert bars[2] == pytest.approx(2 * bars[0], abs=0.2) == pytest.approx(4 * bars[3], abs=0.4)


def test_a_rules_bar_is_divided_as_people_judged() -> None:
    """The parts of a bar must be in proportion to the cases."""
    month = Measures(MONTH, rulings=(Ruling("syn", "1", 10, {"confirmed": 4, "undetermined": 2, "overturned": 1}),))
    bars = {bar.attrib["class"]: float(bar.attrib["width"]) for bar in pictures(plots.by_rule(month))[0].iter("rect")}
    tenth = sum(bars.values()) / 10
    expected = {"confirmed": 4, "undetermined": 2, "overturned": 1, "not-judged": 3}
    assert {name: round(width / tenth) for name, width in bars.items()} == expected


@given(seconds=st.lists(st.floats(0, 1e9), max_size=30))
def test_every_time_falls_into_one_bin(seconds: list[float]) -> None:
    """However short or long, each must be drawn once."""
    assert sum(plots.binned(seconds)) == len(seconds)


@given(number=st.integers(0, 10**9))
def test_an_axis_ends_above_its_largest_count(number: int) -> None:
    """And not so far above that the bars are lost."""
    top = plots.ceiling(number)
    assert max(1, number) <= top <= max(1, 2.5 * number)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0.0, "0 ms"), (0.85, "850 ms"), (1.4, "1.4 s"), (59.94, "59.9 s"), (59.96, "1.0 min"),
     (0.9996, "1.0 s"), (3599.0, "1.0 h"), (750, "12.5 min"), (14_400, "4.0 h"), (200_000, "2.3 d")],
)  # fmt: skip
def test_a_span_is_as_fine_as_it_matters(seconds: float | None, told: str) -> None:
    """With its unit, and never 60.0 of the smaller one."""
    assert words.span(seconds) == told


def test_the_manual_names_every_key() -> None:
    """docs/report.md must say what each key of the JSON means."""
    manual = (Path(__file__).parents[1] / "docs" / "report.md").read_text()
    told = document(HUGE, "hv1", NOW)
    keys = {*told, *told["cases"], *told["null_routes"], *told["rules"][0], *told["times"], *told["times"]["notice"]}
    assert [key for key in sorted({*keys, *told["days"][0]}) if f"`{key}`" not in manual] == []
