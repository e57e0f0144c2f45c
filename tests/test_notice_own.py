"""An operator's own texts: taken over kind by kind, refused with file, line and reason, told to the desk."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mailserver import PATIENCE_S, Sink, serving, text_of, until
from samples import BACKGROUND, CASE, DECISION, ORDER, VERDICT, VERIFIED, VM, T, happened, notices

from edgeguard.cases.store import Store
from edgeguard.check.finding import Grade
from edgeguard.check.texts import texts as checked
from edgeguard.clock import HOUR, SECOND
from edgeguard.config import Config, build
from edgeguard.decision.writing import Writing
from edgeguard.letters import Channel
from edgeguard.model import Happened
from edgeguard.notice import lint
from edgeguard.notice.adopted import adopt
from edgeguard.notice.kinds import Kind
from edgeguard.notice.outbox import Outbox
from edgeguard.notice.render import render
from edgeguard.notice.values import values
from edgeguard.notice.wording import SHIPPED, Texts, wording
from edgeguard.wordbook import Wordbook, writable

WRITTEN = T + 2 * SECOND
SLOTS = values(DECISION, VERDICT, VM, BACKGROUND)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An empty folder for texts."""
    folder = tmp_path / "texts"
    folder.mkdir()
    return folder


def changed(folder: Path, name: str, old: str, new: str) -> Path:
    """A shipped file in the folder, with one change."""
    text = (SHIPPED / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))
    return folder / name


def shown(texts: Texts, kind: str = "narrow") -> str:
    rendered = render(kind, SLOTS, VERIFIED, WRITTEN, texts)
    assert rendered.fallback is None
    return " ".join(f"{rendered.subject} {rendered.text}".split())


def test_nothing_is_adopted_from_nowhere() -> None:
    """Without a folder what ships is used, and there is nothing to say."""
    assert adopt("") == adopt("") and adopt("").findings == () and adopt("").texts.own is None


def test_one_file_replaces_one_text(own: Path) -> None:
    """A file in the folder replaces the shipped one of its name, in every mail that includes it; the rest ships."""
    changed(own, "_record.txt", "No content of packets.", "Nothing of what the packets hold.")
    adopted = adopt(str(own))
    assert adopted.findings == () and adopted.texts.refused == frozenset()
    for kind in ("narrow", "repeat"):
        assert "Nothing of what the packets hold." in shown(adopted.texts, kind)
    assert shown(adopted.texts).replace("Nothing of what the packets hold.", "No content of packets.") == shown(Texts())


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "said"),
    [
        ("full.txt", '{% include "_done.txt" %}', "{{ colour }}", "{{ colour", "'colour' is undefined"),
        ("full.txt", '{% include "_done.txt" %}', "{% if %}", "{% if %}", "Expected an expression"),
        ("full.txt", '{% include "_done.txt" %}', "{% include 'no.txt' %}", "", "no.txt"),
        ("full.txt", "This mail says what was done", "This is final. It says", "This mail", "banned: 'final'"),
        ("full.txt", "Not affected:   its", "Unharmed:       its", "Server: ", "do not say 'Not affected'"),
        ("full.txt", '{% include "_record.txt" %}', "", "", "14 what is kept"),
        ("full.txt", "any action of yours.", "your action, for 7 h.", "", "no clock keeps that"),
        ("full.txt", '{% include "_record.txt" %}', '{% include "_safeties.txt" %}', "", "which is for the desk"),
        ("full.txt", "Subject: ", "Betreff: ", "", "the first line is no 'Subject: ...'"),
    ],
)
def test_a_text_is_refused_with_its_place(own: Path, name: str, old: str, new: str, line: str, said: str) -> None:
    """File, line and reason of an unset slot, a syntax error, a broken rule; that kind is told as shipped."""
    file = changed(own, name, old, new)
    changed(own, "warning.txt", "nothing was dropped.", "nothing at all was dropped.")
    adopted = adopt(str(own))
    assert adopted.texts.refused == {"full"}
    (finding,) = adopted.findings
    assert said in finding and finding.endswith("the shipped text is used for 'full'") and "\n" not in finding
    assert finding.startswith(str(own))
    if new.startswith("{{") or new == "{% if %}":
        number = 1 + file.read_text().splitlines().index(new)
        assert finding.startswith(f"{file}:{number}: ")
    assert shown(adopted.texts, "full") == shown(Texts(), "full")
    assert "nothing at all was dropped" in shown(adopted.texts, "warning")


ENDLESS = {
    "full": "{% for one in range(10 ** 12) %}{% endfor %}",
    "narrow": "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}" + "{% endfor %}" * 3,
    "own-only": "{% macro m() %}{% for a in range(9999) %}{{ m() }}{% endfor %}{% endmacro %}{{ m() }}",
    "moved": "{{ range(10 ** 12) | list | length }}",
    "goes-on": "{% for a in 'x' * 9999 recursive %}{{ loop('x' * 9999) }}{% endfor %}",
}


def test_a_text_that_goes_round_for_ever_is_refused(own: Path) -> None:
    """Loops without an end, or inside each other, over whatever: `check` comes back, and names file and line. As a
    process of its own, which can be ended."""
    for kind, text in ENDLESS.items():
        changed(own, f"{kind}.txt", '{% include "_record.txt" %}', text)
    program = "import sys; from edgeguard.notice.adopted import adopt; print(*adopt(sys.argv[1]).findings, sep='\\n')"
    told = subprocess.run(
        [sys.executable, "-c", program, str(own)], check=True, capture_output=True, text=True, timeout=PATIENCE_S
    )
    findings = told.stdout.splitlines()
    assert len(findings) == len(ENDLESS)
    for kind, text in ENDLESS.items():
        (line,) = [one for one in findings if one.endswith(f"the shipped text is used for '{kind}'")]
        file = own / f"{kind}.txt"
        number = 1 + file.read_text().splitlines().index(text)
        assert line.startswith(f"{file}:{number}: ")
    assert sum("its loops take more than 10,000 turns" in one for one in findings) >= 3


def test_a_long_mail_is_none_that_goes_round_for_ever(own: Path) -> None:
    """Each mail has its turns anew; some thousands are no fault, and a loop keeps all that jinja2 gives it."""
    loop = "{% for n in range(3000) %}{% if loop.last %}{{ loop.length }} packets{% endif %}{% else %}none{% endfor %}"
    changed(own, "full.txt", "any action of yours.", f"any action of yours. {loop}")
    adopted = adopt(str(own))
    assert adopted.findings == ()
    for _ in range(5):
        assert "3000 packets" in shown(adopted.texts, "full")


def test_an_include_is_refused_for_each_kind_that_uses_it(own: Path) -> None:
    """A broken part takes out the texts it stands in, and no other."""
    changed(own, "_until.txt", "UNTIL WHEN", "{{ nowhere }}")
    adopted = adopt(str(own))
    assert {"narrow", "own-only", "full", "moved", "goes-on", "repeat"} == set(adopted.texts.refused)
    assert all("_until.txt" in one and "'nowhere' is undefined" in one for one in adopted.findings)


def test_what_cannot_be_read_is_told(own: Path) -> None:
    """A folder that is not there, a wrong words file, a text of no kind: one line each, and what ships is used."""
    (gone,) = adopt(str(own / "gone")).findings
    assert "cannot be read: No such file or directory; the shipped texts are used" in gone
    (own / "warnung.txt").write_text("Subject: x\n")
    (strange,) = adopt(str(own)).findings
    assert f"{own / 'warnung.txt'}: is the text of no kind" in strange
    (own / "words.toml").write_text("language = 'de'\n")
    wrong = adopt(str(own))
    assert wrong.texts.own is None and "words.toml: lint: is missing" in wrong.findings[0]


# ---- a translation -------------------------------------------------------------------------------

GERMAN = {
    "released.txt": (
        "Subject: [{{ case }}] {{ server.name|brief }}: Sperre beendet\n\n"
        "Server:         {{ server.name }}\nZeit:           {{ decided|utc }}\n"
        "Geschehen:      {{ 'die Sperre ist beendet' if proof == 'released' else 'das Ende ist veranlasst' }}.\n"
        "Bestand:        {{ ended[0].targets|map('target')|list|listing }}\nBleibt:         alles.\n"
    ),
}


def test_a_translation_needs_no_code(own: Path) -> None:
    """With texts and words of another language the lint asks in that language, and the page says which it is."""
    words = (SHIPPED / "words.toml").read_text()
    words = words.replace('language = "en"', 'language = "de"').replace(
        'any_port = "any port"', 'any_port = "jeder Port"'
    )
    words = words.replace(
        'top = ["Server", "Time", "What happened", "Not affected", "Ends"]', 'top = ["Server", "Zeit", "Bleibt"]'
    )
    head, _, slots = words.partition("[lint.slots]")
    (own / "words.toml").write_text(head + "[lint.slots]\n\"1 Zeit\" = '''Zeit: +STAMP'''\n")
    for name, text in GERMAN.items():
        (own / name).write_text(text)
    adopted = adopt(str(own))
    assert str(Kind.RELEASED) not in adopted.texts.refused
    ended = [{"decided": T, "scope": "narrow", "targets": [{**SLOTS["dropped_targets"][0], "port": None}]}]
    made = {**SLOTS, "ended": ended}
    rendered = render("released", made, VERIFIED, WRITTEN, adopted.texts)
    assert rendered.language == "de" and "(tcp, jeder Port)" in rendered.text
    assert lint.check("released", made, VERIFIED, WRITTEN, adopted.texts) == []
    # What was not translated is judged in that language, refused, and told as it ships, with the shipped words.
    assert (
        "narrow" in adopted.texts.refused and render("narrow", made, VERIFIED, WRITTEN, adopted.texts).language == "en"
    )
    assert slots


# ---- in the daemon -------------------------------------------------------------------------------


def settings(folder: Path, port: int = 25, **more: Any) -> Config:
    mail = {"server": f"127.0.0.1:{port}", "tls": "none", "from": "abuse@example.net", "desk": "desk@example.net"}
    return build({"mail": mail, "notice": {"texts": str(folder), **more}})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "cases.sqlite") as opened:
        yield opened


def test_the_desk_is_told_once(store: Store, own: Path) -> None:
    """What is refused is one mail to the desk with every finding, however often it starts; what is new is another."""
    changed(own, "full.txt", "This mail says", "This final mail says")
    woken: list[int] = []
    fared: list[Writing] = []
    for _ in range(2):
        outbox = Outbox(store.box(), settings(own).mail)
        Wordbook(store, outbox, "hv1", lambda: woken.append(1), fared.append).read(settings(own))
    (one,) = store.tray().due((Channel.DESK,), 2**62)
    assert "full.txt" in one.delivery.body and "banned: 'final'" in one.delivery.body and woken
    changed(own, "narrow.txt", "This mail says", "This final mail says")
    Wordbook(store, Outbox(store.box(), settings(own).mail), "hv1", lambda: None, fared.append).read(settings(own))
    assert len(store.tray().due((Channel.DESK,), 2**62)) == 2
    assert [one.lost for one in fared] == [""] * 3
    assert [one.replaced[:10] for one in fared] == ["1 findings", "1 findings", "2 findings"]


def test_a_shipped_text_that_is_damaged_is_told_with_the_built_in_one(own: Path) -> None:
    """A decision knows it; where the built-in one fails as well nobody could be told, and it knows that."""
    damaged = Path(shutil.copytree(SHIPPED, own / "shipped"))
    changed(damaged, "narrow.txt", "This mail says", "This final mail says")
    start = lint.at_start(Texts(wording(damaged)))
    assert start.unfit == {"narrow"} and not start.built_in
    assert writable(start, ()) == Writing(replaced="1 texts as they ship fail their lint: the built-in one is used")
    mail = render("narrow", SLOTS, VERIFIED, WRITTEN, Texts(plain=start.unfit))
    assert mail.fallback is not None and "it fails its lint" in mail.fallback and "final" not in mail.text
    assert render("full", SLOTS, VERIFIED, WRITTEN, Texts(plain=start.unfit)).fallback is None
    lost = writable(replace(start, built_in=("built-in notice text narrow: banned: 'final'",)), ())
    assert "banned" in lost.lost and not lost.replaced
    assert writable(lint.at_start(), ()) == Writing()


def test_a_reload_changes_the_next_mail(store: Store, own: Path) -> None:
    """Texts are read anew beside the loop; the mail after that has them, the one before had not."""
    sink = Sink()
    with serving(sink) as port:
        config = settings(own, port)
        outbox = Outbox(store.box(), config.mail)
        wordbook = Wordbook(store, outbox, "hv1", lambda: None, lambda writing: None)
        wordbook.read(config)
        outbox.start()
        store.record(CASE, VERDICT, DECISION, notices(), ORDER)
        store.outcome(happened(Happened.VERIFIED))
        outbox.wake()
        until(lambda: len(sink.mails) == 1, "the first mail")
        changed(own, "narrow.txt", "This mail says", "This letter says")
        before = outbox._write
        wordbook.read_beside(config)
        until(lambda: outbox._write is not before, "the texts are read")
        other = replace(DECISION, id="decision-7", at=DECISION.at + HOUR)
        store.record(CASE, VERDICT, other, notices(other), replace(ORDER, decision=other.id))
        store.outcome(happened(Happened.VERIFIED, decision=other.id))
        outbox.wake()
        until(lambda: len(sink.mails) == 2, "the second mail")
        outbox.stop()
    assert ["This letter says" in text_of(mail) for mail in sink.mails] == [False, True]


def test_check_names_what_the_daemon_would_refuse(own: Path) -> None:
    """`edgeguard check` finds it before a start does."""
    assert list(checked(build({}).notice)) == []
    changed(own, "full.txt", "This mail says", "This letter says")
    assert [one.grade for one in checked(settings(own).notice)] == [Grade.OK]
    changed(own, "full.txt", "This mail says", "This final mail says")
    (found,) = checked(settings(own).notice)
    assert found.grade is Grade.WRONG and f"{own / 'full.txt'}:" in found.text


def test_all_that_ships_may_be_taken_as_a_start(own: Path) -> None:
    """Whoever copies the shipped texts to change them begins with texts that are right."""
    shutil.copytree(SHIPPED, own, dirs_exist_ok=True)
    adopted = adopt(str(own))
    assert adopted.findings == () and adopted.texts.own is not None
