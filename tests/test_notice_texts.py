"""The mails themselves: every kind, on every kind of tap, with every outcome, keeps the rules of the lint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    BACKGROUND,
    DECISION,
    RELEASE,
    SUM_DECISION,
    SUM_VERDICT,
    TAP,
    TARGETS,
    VERDICT,
    VERIFIED,
    VM,
    T,
    notices,
)

from edgeguard.clock import HOUR, SECOND
from edgeguard.grace import Disposition, Exemption, Grace, Rate
from edgeguard.letters import Facts, Past, Proof
from edgeguard.model import Act, CameBack, Decision, Happened, Scope, Subject, TapKind, Target
from edgeguard.notice import lint
from edgeguard.notice.acknowledged import acknowledgement
from edgeguard.notice.kinds import Kind
from edgeguard.notice.layout import fill
from edgeguard.notice.render import render
from edgeguard.notice.ruling import Ruling, ruled
from edgeguard.notice.values import compose, values
from edgeguard.notice.wording import SHIPPED, Texts, wording
from edgeguard.notice.words import clean, cleaned, listing

WRITTEN = T + 2 * SECOND
INBOUND = replace(VERDICT, rule="syn-in", targets=(), foreign=None)

OBSERVED = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None, enforced=False)
UNDELIVERED = {
    "refused_at": T,
    "notice": "notice-1",
    "kind_refused": "narrow",
    "contact_refused": "ops@example.net",
    "error": "mail server mx.example.net:25 refuses the recipient: 550 no such user",
}

ENDED = replace(RELEASE, at=T)

FAULT = Grace(Disposition.OUR_FAULT, Rate(50_012, 16_003_840), ("syn",))
ALONE = Exemption(
    *("exemption-1", "vm-100", 6, ip_network("203.0.113.5/32"), 80, Rate(75_018, 24_005_760)),
    *(T, T + 30 * 24 * HOUR, "alex", "it is a load test"),
)
WIDER = replace(ALONE, target=ip_network("2001:db8::/64"), port=None, protocol=17, ceiling=Rate(None, 10**9))
EXEMPT = Grace(Disposition.EXEMPT, Rate(50_012, 16_003_840), ("syn",), (ALONE, WIDER))
RULING = Ruling(T, ("alex", "kim"), "the program still runs", T + 14 * 24 * HOUR, ("it is named", "x"), 24 * HOUR)
BEFORE = (replace(DECISION, id="decision-0", at=T - HOUR, targets=TARGETS[1:]),)
PAST = (
    Past(
        "EG-1", T - 9 * HOUR, "narrow", "syn", "flood", measured=60_000, window=SECOND, targets=TARGETS, ended=T - HOUR
    ),
    Past("EG-2", T - 99 * HOUR, "full", "udp", "spray", "bits", 10**9, SECOND, (), T - 98 * HOUR, "fixed"),
    Past("EG-3", T - 199 * HOUR, "own-only"),
)

# Each kind with the decisions it is made for.
DECISIONS: dict[str, tuple[Decision, ...]] = {
    "warning": (replace(OBSERVED, scope=Scope.WARN),),
    "narrow": (DECISION, replace(DECISION, enforced=False), replace(DECISION, by="on-call", verdict=None)),
    "own-only": (
        replace(DECISION, scope=Scope.OWN_ONLY, targets=()),
        replace(DECISION, scope=Scope.OWN_ONLY, targets=(), enforced=False),
        replace(DECISION, scope=Scope.OWN_ONLY, targets=(), by="on-call", verdict=None),
    ),
    "full": (replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.FULL, by="on-call", verdict=None)),
    "moved": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.OWN_ONLY, targets=())),
    "goes-on": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.OWN_ONLY, targets=())),
    "repeat": (
        replace(DECISION, repeat=2),
        replace(DECISION, repeat=3),
        replace(DECISION, repeat=3, scope=Scope.FULL),
        replace(DECISION, repeat=2, scope=Scope.OWN_ONLY, targets=()),
    ),
    "our-fault": (replace(ENDED, by="alex", grace=FAULT),),
    "exempted": (replace(ENDED, by="alex", grace=EXEMPT), replace(ENDED, by="alex", grace=FAULT)),
    "proved": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.OWN_ONLY, targets=())),
    "held": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, by="on-call", verdict=None)),
    "upheld": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, by="on-call", verdict=None)),
    "appeal-decided": (DECISION, replace(DECISION, scope=Scope.FULL), replace(ENDED, by="alex", grace=FAULT)),
    "failed": (DECISION, replace(DECISION, scope=Scope.FULL), replace(DECISION, scope=Scope.OWN_ONLY, targets=())),
    "released": (ENDED,),
    "released-by-person": (replace(ENDED, by="on-call", reason="traffic was a load test"),),
    "acknowledged": (DECISION,),
    "desk-observe": (OBSERVED,),
    "desk-inbound": (OBSERVED,),
    "desk-customer": (SUM_DECISION,),
    "desk-null-route": (
        DECISION,
        replace(DECISION, scope=Scope.FULL),
        replace(DECISION, scope=Scope.OWN_ONLY, targets=()),
        replace(DECISION, by="on-call", verdict=None),
    ),
    "desk-released": (ENDED,),
    "desk-undelivered": (DECISION,),
}


def slots(kind: str, decision: Decision, **changes: Any) -> dict[str, Any]:
    """The values of a notice of that kind; a person's decision has no verdict."""
    if kind == Kind.ACKNOWLEDGED:
        return acknowledgement("reply-1", decision.case, decision.id, "ops@example.net", received=T, name="web1").values
    if kind == Kind.DESK_CUSTOMER:
        return values(decision, changes.get("verdict", SUM_VERDICT), None, BACKGROUND)
    if kind in (Kind.HELD, Kind.UPHELD, Kind.APPEAL_DECIDED):
        held = kind == Kind.HELD
        ruling = replace(
            RULING, hold=held, appeal=kind == Kind.APPEAL_DECIDED, until=None if decision.releases else RULING.until
        )
        about = changes.get("verdict", VERDICT if decision.verdict else None)
        return ruled(ruling, (decision,), about, changes.get("vm", VM), BACKGROUND)[0].values
    measured = INBOUND if kind == Kind.DESK_INBOUND else VERDICT
    verdict = measured if decision.verdict else None
    made = values(decision, changes.get("verdict", verdict), changes.get("vm", VM), BACKGROUND, (DECISION,))
    if kind in (Kind.MOVED, Kind.GOES_ON):
        told = replace(decision, by="automation")
        shown = changes.get("vm", VM)
        shown = shown if shown.contact else replace(shown, contact="ops@example.net")
        return compose(told, changes.get("verdict", VERDICT), shown, BACKGROUND, before=BEFORE)[0].values
    return {**made, **UNDELIVERED} if kind == Kind.DESK_UNDELIVERED else made


def every() -> Iterator[tuple[str, Decision]]:
    for kind, decisions in DECISIONS.items():
        for decision in decisions:
            for tap in (TapKind.ROUTED, TapKind.BRIDGED):
                yield kind, replace(decision, tap=replace(TAP, kind=tap))


def test_every_kind_is_tested() -> None:
    """No kind of notice is left out of these tests, and each has its template."""
    assert set(DECISIONS) == set(Kind)
    assert {path.stem for path in SHIPPED.glob("[a-z]*.txt")} == set(Kind)


@pytest.mark.parametrize(("kind", "decision"), list(every()))
@pytest.mark.parametrize("proof", Proof)
def test_every_mail_keeps_the_rules(kind: str, decision: Decision, proof: Proof) -> None:
    """Each kind renders from its template and has no finding, whatever is known of the outcome by then."""
    facts = Facts(proof, acted=T + 1 if proof is not Proof.FAILED else None, proved=T + SECOND, history=PAST)
    made = slots(kind, decision)
    assert render(kind, made, facts, WRITTEN).fallback is None
    assert lint.check(kind, made, facts, WRITTEN) == []


@pytest.mark.parametrize(("kind", "decision"), list(every()))
def test_every_mail_without_what_may_be_unknown(kind: str, decision: Decision) -> None:
    """Unknown addresses, directions, targets, places and contacts are told as such and break no rule."""
    verdict = replace(
        VERDICT, came_back=CameBack(None), foreign=None, targets=(), subject=Subject(None, None, None), at_least=10
    )
    vm = replace(VM, addresses=(), contact=None, customer=None, place=None, name="")
    made = {**slots(kind, decision, verdict=verdict, vm=vm), "place": "", "host": "", "reply": False, "reason": ""}
    assert lint.check(kind, made, Facts(Proof.NOT_YET), WRITTEN) == []


def test_the_builtin_text_keeps_the_rules() -> None:
    """The text for when a template fails has no finding for any kind, with all values and with none."""
    for kind in Kind:
        assert lint.builtin_findings(slots(kind, DECISION), VERIFIED, WRITTEN) == []
    assert lint.builtin_findings({"case": "x"}, Facts(), WRITTEN) == []


def test_the_texts_are_checked_at_start(tmp_path: Path) -> None:
    """What ships has nothing to be said about; a damaged template is named with its fault before it is needed."""
    assert lint.at_start() == lint.Start((), (), frozenset())
    damaged = Path(shutil.copytree(SHIPPED, tmp_path / "texts"))
    (damaged / "full.txt").write_text("Subject: x\n\n{{ colour }}\n")
    found = lint.at_start(Texts(wording(damaged)))
    said = found.texts
    assert found.unfit == {"full"} and not found.built_in
    assert said and all(line.startswith("notice text full: ") for line in said) and "colour" in said[0]


def narrow(proof: Facts = VERIFIED, tap: TapKind = TapKind.ROUTED, **changes: Any) -> str:
    decision = replace(DECISION, tap=replace(TAP, kind=tap))
    return " ".join(render("narrow", {**slots("narrow", decision), **changes}, proof, WRITTEN).text.split())


def test_narrow_says_everything_that_was_measured() -> None:
    """Times, targets, rates, limit, arithmetic, return traffic and place stand in the mail as the verdict has them."""
    text = narrow()
    for said in (
        "First seen: 2026-01-01 00:04:02 UTC",
        "Over the limit: 2026-01-01 00:04:05 UTC",
        "Acted: 2026-01-01 00:04:05 UTC",
        "Written: 2026-01-01 00:04:07 UTC",
        "203.0.113.5:80 (tcp), at least 94 % of these packets",
        "[2001:db8::99]:443 (tcp), at least 6 % of these packets",
        "31,000 packets a second x 40 bytes = 9.92 Mbit/s, over 3 s",
        "50,012 packets a second x 40 bytes = 16 Mbit/s",
        "Limit: 50,000 SYN packets in a window of 1 s (rule 'syn', limit 'hard'",
        "(50,012 - 50,000 = 12 packets above the limit)",
        "Came back: 3 packets from the same targets in the same time (0 SYN-ACKs, 3 resets)",
        "Counted at: the server's own port (tap100)",
        "Forged: none",
        "web1 (id vm-100)",
        "Falkenstein, rack 12, host hv1.example.net",
        "at the latest at 2026-01-01 04:04:05 UTC",
        "for 15 min no window of 1 s in which this server tries to send 1,000 such packets",
    ):
        assert said in text


def test_narrow_says_what_its_tap_really_drops() -> None:
    """On a routed tap everything to the address is dropped; on a bridged one only protocol and port."""
    routed, bridged = narrow(), narrow(tap=TapKind.BRIDGED)
    assert "everything to 203.0.113.5" in routed and "any port of that address" in routed
    assert "tcp to 203.0.113.5, port 80" in bridged and "other ports of the same address" in bridged
    assert "everything to" not in bridged
    one = {"address": "203.0.113.5", "version": 4, "protocol": "tcp", "port": None, "share": 1.0}
    any_port = narrow(tap=TapKind.BRIDGED, dropped_targets=[one])
    assert "other protocols to the same address" in any_port and "other ports" not in any_port
    whole = narrow(tap=TapKind.BRIDGED, dropped_targets=[{**one, "protocol": "any"}])
    assert "everything to 203.0.113.5" in whole and "any port of that address" in whole
    assert "same address" not in whole and "fragments" not in whole


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (VERIFIED, "Verified: yes, at 2026-01-01 00:04:06 UTC"),
        (Facts(Proof.NOT_YET), "Verified: not yet when this mail was written"),
        (Facts(Proof.NO_ATTEMPTS, proved=T), "Verified: not yet; the server sent none of these packets"),
        (
            Facts(Proof.NOT_STOPPED, proved=T, leaving=True),
            "Verified: no; at 2026-01-01 00:04:05 UTC",
        ),
        (
            Facts(Proof.NOT_STOPPED, proved=T),
            "Verified: not proved yet; what was looked at until 2026-01-01",
        ),
        (Facts(Proof.NOTHING), "nothing was put in place (a replay or a dry run)"),
        (replace(VERIFIED, ended=T + 9 * SECOND), "it has ended already, at 2026-01-01 00:04:14 UTC"),
        (Facts(Proof.NOT_YET), "ordered; not confirmed when this was written"),
    ],
)
def test_narrow_claims_no_more_than_is_known(facts: Facts, said: str) -> None:
    """What is verified is said to be, what is not is said not to be, and a late mail says what ended meanwhile."""
    text = narrow(facts)
    assert said in text
    assert ("Verified: yes" in text) is (facts.proof is Proof.VERIFIED)
    assert ("still seen leaving" in text) is facts.leaving


def test_a_null_route_that_failed_is_not_told_as_one() -> None:
    """When the host refused the null route, the customer reads that nothing is in force."""
    for kind in (Kind.NARROW, Kind.FULL):
        rendered = render(kind, slots(kind, DECISION), Facts(Proof.FAILED, proved=T), WRITTEN)
        assert "not put in place" in rendered.subject
        assert "nothing is in force" in rendered.text and "Now null-routed" not in rendered.text


@pytest.mark.parametrize(
    ("proof", "subject", "said"),
    [
        (Proof.RELEASED, "has ended", "Nothing of this server is"),
        (Proof.NOT_YET, "is being ended", "had not"),
        (Proof.FAILED, "could not be ended", "still dropped"),
        (Proof.NOTHING, "has ended", "Nothing of this server is"),
    ],
)
def test_a_release_claims_no_more_than_is_known(proof: Proof, subject: str, said: str) -> None:
    """Ended, ordered and refused are three different mails."""
    rendered = render("released", slots("released", RELEASE), Facts(proof, T, T, dropped=5), WRITTEN)
    assert subject in rendered.subject and said in rendered.text and "5 frames while it stood" in rendered.text


def test_answers_are_invited_only_where_somebody_reads_them() -> None:
    """Without a configured reply address or desk the mail does not promise that anybody reads the answer."""
    assert "the answer reaches our desk" in narrow()
    assert "eply to this mail" not in narrow(reply=False)
    for kind in ("warning", "full", "released"):
        made = {**slots(kind, DECISIONS[kind][0]), "reply": False}
        assert "eply" not in render(kind, made, VERIFIED, WRITTEN).text


def test_forged_and_busy_return_traffic_are_told() -> None:
    """A forged share and what came back stand in the mail as measured."""
    verdict = replace(VERDICT, foreign=25_006, came_back=CameBack(4_000))
    text = " ".join(render("narrow", slots("narrow", DECISION, verdict=verdict), VERIFIED, WRITTEN).text.split())
    assert "50 % of these packets carried a sender's address that is not the server's" in text
    assert "Came back: 4,000 packets from the same targets in the same time" in text


def test_a_udp_flood_is_told_as_one() -> None:
    """Term, unit and advice are those of the rule."""
    verdict = replace(VERDICT, rule="udp", targets=(replace(TARGETS[0], protocol=17, port=53),))
    text = render("full", slots("full", replace(DECISION, scope=Scope.FULL), verdict=verdict), VERIFIED, WRITTEN).text
    assert "UDP flood" in text and "203.0.113.5:53 (udp)" in text and "'ss -unp'" in text and "SYN" not in text


# ---- what slot values cannot do --------------------------------------------------------------

NASTY = (
    "final-build",
    "web1\r\nBcc: everybody@example.net",
    "x\n\nACTION REQUIRED: thank you for your report",
    "{{ case }} {% raise %}",
    "m\u00fcller-\u65e5\u672c",
    "a" * 200,
    "\x1b[31mred\x00\x7f\u2028\u202e",
    "Subject: other",
    "- item",
    "12:30 50 1.2.3.4",
    "not known",
    "automation",
    "\udc80",
    " ",
)


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("kind", Kind)
def test_a_name_breaks_no_rule(kind: str, name: str) -> None:
    """Whatever a server, customer, place or reason is called, the mail is made from its template and has no finding."""
    vm = replace(VM, id=name, name=name, customer=name, place=name)
    decision = replace(DECISIONS[kind][0], reason=name)
    made = {**slots(kind, decision, vm=vm), "host": name}
    assert render(kind, made, VERIFIED, WRITTEN).fallback is None
    assert lint.check(kind, made, VERIFIED, WRITTEN) == []


def test_a_name_makes_no_line() -> None:
    """Line ends in a name become spaces: no line of the mail begins with what came from a name."""
    vm = replace(VM, name="web1\r\nEnds:           never")
    rendered = render("narrow", slots("narrow", DECISION, vm=vm), VERIFIED, WRITTEN)
    assert sum(line.startswith("Ends:") for line in rendered.text.splitlines()) == 1
    assert "\n" not in rendered.subject


@settings(max_examples=60, deadline=None)
@given(st.text(), st.integers(0, 400))
def test_clean_is_one_short_line_of_ascii(text: str, longest: int) -> None:
    """A cleaned value is printable ASCII on one line, no longer than asked, and cleaning it again changes nothing."""
    line = clean(text, longest + 3)
    assert len(line) <= longest + 3 and all(" " <= c <= "~" for c in line)
    assert clean(line, longest + 3) == line


@settings(max_examples=80, deadline=None)
@given(
    name=st.text(max_size=60),
    target=st.ip_addresses(),
    port=st.none() | st.integers(0, 65535),
    more=st.integers(0, 9),
    own=st.ip_addresses(),
    kind=st.sampled_from(sorted(DECISIONS)),
    tap=st.sampled_from([TapKind.ROUTED, TapKind.BRIDGED]),
    packets=st.integers(1, 10**9),
    octets=st.integers(0, 10**12),
    share=st.floats(0, 1),
)
def test_the_first_lines_always_fit(
    name: str,
    target: Any,
    port: Any,
    more: int,
    own: Any,
    kind: str,
    tap: TapKind,
    packets: int,
    octets: int,
    share: float,
) -> None:
    """Long names, IPv6 targets, many of them, any rate: no finding, twelve lines say it all, the subject is whole."""
    targets = tuple(Target(ip_address(int(target) ^ i << 1), 17, port, share / 10) for i in range(more + 1))
    verdict = replace(VERDICT, measured=packets, at_least=packets, peak=packets, bytes=octets, targets=targets)
    vm = replace(VM, name=name, addresses=(ip_network(own), ip_network("192.0.2.1/32")))
    decision = replace(DECISIONS[kind][0], targets=targets, tap=replace(TAP, kind=tap))
    made = slots(kind, decision, verdict=verdict if decision.verdict else None, vm=vm)
    assert lint.check(kind, made, VERIFIED, WRITTEN) == []
    assert not render(kind, made, VERIFIED, WRITTEN).subject.endswith("...")


# ---- the fall back ---------------------------------------------------------------------------


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A copy of the templates, to be broken."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "texts"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("narrow.txt", "Subject: x\n\n{{ nothing_of_that_name }}\n"),
        ("narrow.txt", "Subject: x\n\n{% if %}\n"),
        ("narrow.txt", "no subject\n"),
        ("narrow.txt", ""),
        ("_measured.txt", "{{ flood.colour }}\n"),
        ("_ends.txt", "{{ until|no_such_filter }}\n"),
        ("_what.txt", "{{ 1 / 0 }}\n"),
    ],
)
def test_a_broken_template_falls_back(texts: Path, name: str, content: str) -> None:
    """An unset slot, a syntax error, a failing expression: the customer gets the built-in text, and why is known."""
    (texts / name).write_text(content)
    rendered = render("narrow", slots("narrow", DECISION), VERIFIED, WRITTEN, Texts(wording(texts)))
    assert rendered.fallback and "narrow.txt failed" in rendered.fallback
    text = " ".join(rendered.text.split())
    for said in (
        DECISION.case,
        "web1",
        "203.0.113.5:80 (tcp)",
        "null-routed",
        "2026-01-01 04:04:05 UTC",
        "Verified: yes",
    ):
        assert said in text or said in rendered.subject
    assert lint.check(
        "narrow", slots("narrow", DECISION), VERIFIED, WRITTEN, Texts(wording(texts))
    )  # and the lint tells it


def test_a_missing_template_falls_back(texts: Path) -> None:
    """A template that is not in the folder is the shipped one; one that is nowhere is no reason for silence."""
    (texts / "full.txt").unlink()
    made = slots("full", replace(DECISION, scope=Scope.FULL))
    assert render("full", made, VERIFIED, WRITTEN, Texts(wording(texts))) == render("full", made, VERIFIED, WRITTEN)
    unknown = render("fuller", made, VERIFIED, WRITTEN)
    assert unknown.fallback and "fuller.txt" in unknown.fallback and "web1" in unknown.text


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("made", [{}, {"flood": 7, "server": None, "until": "x"}, {"case": "c", "server": {}}])
def test_the_builtin_text_never_fails(kind: str, made: dict[str, Any]) -> None:
    """Values of an older version, half-empty or of wrong types still make a mail, which says what is not known."""
    rendered = render(kind, made, Facts(), WRITTEN)
    assert rendered.fallback and "not known" in rendered.text


# ---- the lint finds ---------------------------------------------------------------------------

# With the names masked: words and numbers in them are not ours.
GOOD = render("narrow", lint.mask(slots("narrow", DECISION)), VERIFIED, WRITTEN)


def rules(subject: str = GOOD.subject, text: str = GOOD.text, **more: Any) -> set[str]:
    bad = replace(GOOD, subject=subject, text=text)
    return {finding.rule for finding in lint.inspect(bad, bad, DECISION.case, **more)}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("This mail says", "This mail, which is much longer than it should be, and goes on and on, says", "width"),
        ("name,", "n\u00e9me,", "ascii"),
        ("name,", "name\t,", "ascii"),
        ("00:04:07 UTC", "00:04:07", "utc"),
        ("00:04:07 UTC", "00:04:07 CET", "utc"),
        ("for 15 min no", "for 15 no", "unit"),
        ("3 packets from", "3 from", "unit"),
        ("1,000 such packets", "1,000 things", "unit"),
        ("9.92 Mbit/s", "9.02 Mbit/s", "numbers"),
        ("16 Mbit/s", "16 kbit/s", "numbers"),
        ("x 40 bytes", "x 44 bytes", "numbers"),
        ("Not affected:", "Other traffic:", "top"),
        ("Ends:  ", "Later: ", "top"),
        ("This mail says", "This is our final word; it says", "banned"),
        ("This mail says", "Thank you for your submission. It says", "banned"),
        ("This mail says", "Your server is unmanaged. It says", "banned"),
        ("This mail says", "It is your responsibility. It says", "banned"),
        ("This mail says", "We answer as soon as possible. It says", "banned"),
        ("This mail says", "Do not reply. It says", "banned"),
        ("This mail says", "We cannot disclose more. It says", "banned"),
        ("This mail says", "ACTION REQUIRED. It says", "banned"),
        ("This mail says", "You attacked others. It says", "banned"),
        ("This mail says", "Your attack was seen. It says", "banned"),
        ("This mail says", "We come back to you shortly. It says", "banned"),
    ],
)
def test_the_lint_finds(old: str, new: str, rule: str) -> None:
    """Each rule, broken in an otherwise good mail, is found, and the good mail has no finding."""
    assert rules() == set()
    assert old in GOOD.text
    assert rule in rules(text=GOOD.text.replace(old, new, 1))


def test_the_lint_finds_unexplained_words() -> None:
    """A mail that says null-routed and nowhere what that is, is found."""
    assert "words" in rules(text=GOOD.text.replace("at our edge", "").replace("our edge", ""))


@pytest.mark.parametrize(
    ("subject", "rule"),
    [("x" * 79 + DECISION.case, "subject"), ("no case", "subject"), (GOOD.subject + "\nBcc: x", "ascii")],
)
def test_the_lint_finds_in_the_subject(subject: str, rule: str) -> None:
    """A subject that is too long, without the case or of two lines is found."""
    assert rule in rules(subject=subject)


def test_the_lint_finds_a_head_that_is_too_long() -> None:
    """What the first twelve lines must say may not begin there and end below."""
    assert "top" in rules(text=GOOD.text.replace("Not affected:", "Not affected:   x\n" * 8 + "Not affected:", 1))


# ---- layout ----------------------------------------------------------------------------------


def test_fill() -> None:
    """Items hang under their labels, bullets and numbers; headings stand alone; blocks are one blank line apart."""
    text = fill(
        "\n\nLabel:   a\n  b\n- " + "word " * 20 + "\n1. one\ntwo\n\n\n\nHEADING\nplain line\nand another\n\n   \nend\n"
    )
    assert text == (
        "Label:   a b\n"
        "- word word word word word word word word word word word word word word\n"
        "  word word word word word word\n"
        "1. one two\n\n"
        "HEADING\nplain line and another\n\n"
        "end\n"
    )


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126) | st.just("\n")))
def test_fill_keeps_every_word_and_the_width(text: str) -> None:
    """Filling loses no letter and makes no line too long."""
    filled = fill(text)
    assert all(len(line) <= 72 for line in filled.splitlines())
    assert "".join(filled.split()) == "".join(text.split())


def test_listing() -> None:
    """A list is told whole while it is short, and counted beyond."""
    assert [listing(list("abcde"[:n])) for n in range(5)] == ["none", "a", "a and b", "a, b and c", "a, b and 2 more"]


def test_cleaned_goes_deep() -> None:
    """Every text in nested values is cleaned, and nothing else is changed."""
    assert cleaned({"a": ["x\ny", 1, None], "name": "n" * 99})["a"] == ["x y", 1, None]
    assert len(cleaned({"name": "n" * 99})["name"]) == 40


def test_the_samples_are_what_the_outbox_gets() -> None:
    """The notices of the samples are of the kinds these tests render."""
    assert {n.kind for n in notices()} | {n.kind for n in notices(RELEASE)} <= set(DECISIONS)
    assert Happened.VERIFIED == Proof.VERIFIED  # the words of outcomes and proofs are the same
