"""The parts of a mail: the text, the same as HTML, one JSON that machines read, and frames only where configured."""

from __future__ import annotations

import email
import email.policy
import json
import re
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.xarf import demanded
from samples import BACKGROUND, BY_PERSON, DECISION, RELEASE, VERDICT, VERIFIED, VM, T

from edgeguard.config import build
from edgeguard.evidence import bundle, place
from edgeguard.evidence.manifest import Manifest
from edgeguard.evidence.place import Place
from edgeguard.handing import LARGEST_ENCLOSED, proofs
from edgeguard.letters import Notice, Queued
from edgeguard.model import Act, Decision, Kind, Scope, Verdict, Vm
from edgeguard.notice import hypertext
from edgeguard.notice.enclosure import Proofs
from edgeguard.notice.layout import fill
from edgeguard.notice.message import write
from edgeguard.notice.values import compose
from edgeguard.xarf import Reporter

REPORTING = replace(BACKGROUND, reporter=Reporter("hv1.example.net", "abuse@example.net", "example.net"))
WARNED = replace(DECISION, act=Act.NONE, scope=Scope.WARN, until=None, enforced=False)
MAIL = {"server": "mail.example.net:25", "from": "EdgeGuard <abuse@example.net>", "desk": "desk@example.net"}
FRAMES = b"\xd4\xc3\xb2\xa1 a savefile"
PROOFS = Proofs("20260101-000405-decision-1", "ab" * 32, {"before.pcap": "cd" * 32}, FRAMES)


def noticed(decision: Decision = DECISION, verdict: Verdict | None = VERDICT, vm: Vm | None = VM) -> Notice:
    return compose(decision, verdict, vm, REPORTING, (DECISION,) if decision.releases else ())[0]


def sent(notice: Notice, found: Proofs | None = None, **changes: Any) -> EmailMessage:
    """The mail as the other side parses it."""
    mail = build({"mail": {**MAIL, **changes}}).mail
    written, _ = write(Queued(notice, VERIFIED, 0), mail, T, evidence=lambda case, decision: found)
    parsed = email.message_from_bytes(written.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def part(mail: EmailMessage, kind: str) -> Any:
    body = mail.get_body((kind,))
    assert body is not None
    return body.get_content()


def enclosed(mail: EmailMessage) -> dict[str, Any]:
    (one,) = mail.iter_attachments()
    assert one.get_content_type() == "application/json"
    document: dict[str, Any] = json.loads(one.get_content())
    return document


class Page(HTMLParser):
    """What is shown of a page, and with which tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str | None]] = {}
        self._hidden = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden = self._hidden or tag in ("head", "h1")
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = self._hidden and tag not in ("head", "h1")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.shown += data.split()


def words(text: str) -> list[str]:
    """Without the marks of lists, which a page draws itself."""
    return re.sub(r"^(- |\d\. )", "", text, flags=re.MULTILINE).split()


# ---- the structure ------------------------------------------------------------------------------


def test_the_structure() -> None:
    """multipart/mixed holds the alternatives, the plain text first, and exactly one JSON, named after the case."""
    mail = sent(noticed())
    assert mail.get_content_type() == "multipart/mixed"
    alternatives, document = mail.iter_parts()
    assert [part.get_content_type() for part in alternatives.iter_parts()] == ["text/plain", "text/html"]
    assert document.get_content_type() == "application/json"
    assert document.get_filename() == f"{DECISION.case}.json" and document.is_attachment()
    kept = write(Queued(noticed(), VERIFIED, 0), build({"mail": MAIL}).mail, T)[1]
    assert part(mail, "plain").replace("\r\n", "\n") == kept.text


def test_the_desk_gets_no_enclosure() -> None:
    """What the desk is sent is text and HTML: the whole record is where the desk is."""
    mail = sent(noticed(vm=replace(VM, contact=None)))
    assert mail.get_content_type() == "multipart/alternative" and mail["To"] == "desk@example.net"


def test_a_row_of_an_earlier_version_leaves_without() -> None:
    """A notice that waited over an upgrade has no document and is sent all the same."""
    old = noticed()
    del old.values["enclosure"]
    assert sent(old, PROOFS, pcap=True).get_content_type() == "multipart/alternative"


# ---- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", [DECISION, WARNED, replace(DECISION, scope=Scope.FULL), RELEASE, BY_PERSON])
def test_the_page_says_what_the_text_says(decision: Decision) -> None:
    """Word for word, in the same order; headings are headings, steps a list, labels a table."""
    mail = sent(noticed(decision))
    page = Page(part(mail, "html"))
    assert page.shown == words(part(mail, "plain"))
    assert {"h1", "h2", "table", "th", "td", "p"} <= page.tags


def test_the_page_loads_nothing() -> None:
    """No picture, script, link, form or address to fetch: opening the mail tells nobody anything."""
    html = part(sent(noticed()), "html")
    page = Page(html)
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "main", "div"),
        *("h1", "h2", "p", "table", "tr", "th", "td", "ul", "ol", "li"),
    }
    assert page.attributes.keys() <= {"lang", "charset", "name", "content", "class", "value"}
    assert not re.search(r"https?:|url\(|@import", html)


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=60) | st.sampled_from(["</td><script>x", "&lt;b&gt;", '"><img src=x>', "<!--", "]]>"]))
def test_a_name_is_no_markup(name: str) -> None:
    """Whatever a server is called, the page has our tags alone and shows the text's words."""
    mail = sent(noticed(replace(DECISION, reason=name), vm=replace(VM, name=name, customer=name)))
    page = Page(part(mail, "html"))
    assert page.shown == words(part(mail, "plain"))
    assert not page.tags & {"script", "img", "b", "a"}


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="ab :-.1<&\n AZ", max_size=200))
def test_any_text_becomes_a_page(text: str) -> None:
    """No text of the layout loses a word on its way into the page."""
    filled = fill(text) if text.strip() else "x\n"
    assert Page(hypertext.page("s", filled)).shown == words(filled)


# ---- the JSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["syn", "udp", "icmp", "tcp"])
@pytest.mark.parametrize("decision", [DECISION, WARNED, replace(DECISION, scope=Scope.FULL, targets=())])
def test_the_document_is_a_report(decision: Decision, rule: str) -> None:
    """It keeps the published schema, with our record under our key, and says what the text says."""
    document = enclosed(sent(noticed(decision, replace(VERDICT, rule=rule))))
    demanded(document)
    ours = document["edgeguard"]
    assert (ours["case"], ours["decision"]) == (DECISION.case, DECISION.id)
    assert ours["flood"]["limit"] == VERDICT.limit and ours["flood"]["seen"] == "2026-01-01T00:04:02.123Z"
    assert ours["until"] == (None if decision is WARNED else "2026-01-01T04:04:05.123Z")
    assert document["source_identifier"] == "192.0.2.10" and document["peak_pps"] == 50_012


@pytest.mark.parametrize("decision", [RELEASE, BY_PERSON])
def test_a_release_reports_no_flood(decision: Decision) -> None:
    """The end of a null route is no denial of service: its document has our record alone."""
    assert enclosed(sent(noticed(decision, None))).keys() == {"edgeguard"}


@pytest.mark.parametrize("kind", [Kind.SCAN, Kind.BUSY])
def test_no_scan_is_reported_as_a_flood(kind: Kind) -> None:
    """What XARF calls otherwise is told in our record only."""
    document = enclosed(sent(noticed(WARNED, replace(VERDICT, kind=kind))))
    assert document.keys() == {"edgeguard"} and document["edgeguard"]["flood"]["kind"] == str(kind)


def test_it_is_made_when_the_decision_is() -> None:
    """Later changes, of the VM's name or of the program, do not reach a document that waits to be sent."""
    first, later = enclosed(sent(noticed())), enclosed(sent(noticed()))
    assert first == later
    assert first["report_id"] != enclosed(sent(noticed(replace(DECISION, id="decision-9"))))["report_id"]


def test_the_customer_learns_no_persons_name_and_no_estimate() -> None:
    """Who decided is a person, not which; neither contacts, estimates nor the safeties' reasons are in it."""
    by_hand = replace(DECISION, by="alex", verdict=None)
    text = json.dumps(enclosed(sent(noticed(by_hand, None))))
    assert '"person"' in text and "alex" not in text
    ours = enclosed(sent(noticed()))["edgeguard"]
    assert not {"spread", "readings", "baseline"} & ours.keys() and "contact" not in ours["server"]
    assert ours["safeties"] == [{"name": "enforce", "answer": "pass"}]


@pytest.mark.parametrize("name", ["web1\r\nBcc: all@example.net", "\udc80", "\u2028", '"}', "x" * 5_000])
def test_a_name_breaks_no_document(name: str) -> None:
    """Names are values of the JSON, whatever they are; the mail's headers and parts stay the same."""
    case = f"EG-1\r\nX: {name}"
    mail = sent(noticed(replace(DECISION, case=case), vm=replace(VM, name=name)))
    assert enclosed(mail)["edgeguard"]["server"]["name"] == name
    assert set(mail.keys()) == set(sent(noticed()).keys())
    (document,) = mail.iter_attachments()
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.json", document.get_filename() or "")


# ---- evidence -----------------------------------------------------------------------------------


def test_the_evidence_is_named_and_not_sent() -> None:
    """The document has the hashes of the bundle; frames are in the mail only where [mail] pcap says so."""
    mail = sent(noticed(), PROOFS)
    named = {"bundle": PROOFS.bundle, "manifest_sha256": "ab" * 32, "sha256": {"before.pcap": "cd" * 32}}
    assert enclosed(mail)["edgeguard"]["evidence"] == named
    assert "evidence" not in enclosed(sent(noticed()))["edgeguard"]
    both = sent(noticed(), PROOFS, pcap=True)
    document, savefile = both.iter_attachments()
    assert document.get_content_type() == "application/json"
    assert savefile.get_content_type() == "application/vnd.tcpdump.pcap" and savefile.get_content() == FRAMES
    assert enclosed(sent(noticed(), replace(PROOFS, frames=None), pcap=True))


def written(root: Path, files: dict[str, bytes]) -> bundle.Bundle:
    empty = Manifest(DECISION.case, DECISION.id, T, T, "hv1", "vm-100", "web1", "tap100", "syn", "narrow", {})
    return bundle.write(root, place.name(T, DECISION.id), empty.adding(files, {}, T), files)


def test_the_hash_is_that_of_the_bundle_on_the_disk(tmp_path: Path) -> None:
    """sha256sum of its files is what the mail says; without a bundle, or with a changed one, nothing is claimed."""
    import hashlib  # noqa: PLC0415

    where = Place(tmp_path)
    assert proofs(where, DECISION.case, DECISION.id) is None
    made = written(tmp_path, {"before.pcap": FRAMES})
    found = proofs(where, DECISION.case, DECISION.id)
    manifest, frames = (
        hashlib.sha256((made.path / name).read_bytes()).hexdigest() for name in ("manifest.json", "before.pcap")
    )
    assert found == Proofs(made.name, manifest, {"before.pcap": frames}, FRAMES)
    assert proofs(where, DECISION.case, "decision-2") is None
    (made.path / "before.pcap").write_bytes(b"changed")
    assert proofs(where, DECISION.case, DECISION.id) is None


def test_a_large_savefile_stays_on_the_host(tmp_path: Path) -> None:
    """What a mail server might mind is named by its hash alone."""
    written(tmp_path, {"before.pcap": bytes(LARGEST_ENCLOSED + 1)})
    found = proofs(Place(tmp_path), DECISION.case, DECISION.id)
    assert found is not None and found.frames is None and found.manifest
