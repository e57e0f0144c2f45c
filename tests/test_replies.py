"""Mails that come in: what they say, which case they may belong to, and that no bytes are too bad to be read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.replies import body, lines, mail, names
from edgeguard.replies.mail import Own, read
from edgeguard.replies.quoting import new_lines

MAILS = Path(__file__).with_name("mails")
CASE = "EG-20260101-1a2b3c4d5e6f"
OWN = Own("Abuse <abuse+{case}@example.org>", ("abuse@example.org", "desk@example.org"))


def told(name: str) -> Reply:
    return read((MAILS / f"{name}.eml").read_bytes(), OWN)


@pytest.mark.parametrize(
    ("name", "keyword", "first", "last"),
    [
        ("plain", "CLEANED", "CLEANED - found a miner", "yesterday's snapshot."),
        ("multipart", "MINE", "mine, das ist unser Lasttest für 300 € im Monat.", "Bitte bis morgen laufen lassen."),
        ("outlook", "WRONG", "Wrong!", "We send no such packets."),
        ("original", "APPEAL", "appeal", "appeal"),
        ("html", "HELP", "Help — I cannot log in to web1 any more.", "any more."),
        ("lying-charset", "CLEANED", "Cleaned, café server, ", "5"),
        ("utf7", None, "+AEMATABFAEEATgBFAEQ-", "+ADw-b+AD4-"),
        ("no-token", "HELP", "HELP what happened", "our server?"),
    ],
)
def test_an_answer_is_its_new_lines(name: str, keyword: str | None, first: str, last: str) -> None:
    """Of each kind of mail only what its writer added is kept, and the keyword is the first word of that."""
    reply = told(name)
    assert reply.sort is Sort.REPLY and reply.sender == "ops@example.net" and reply.answerable
    assert reply.keyword == (Keyword(keyword) if keyword else None)
    assert reply.text.startswith(first) and reply.text.endswith(last), reply.text
    assert not any(word in reply.text for word in ("Server:", "wrote", "schrieb", "Example Ltd", "EdgeGuard"))


@pytest.mark.parametrize(
    ("name", "carried"),
    [
        ("plain", (CASE, "notice-0123456789ab")),
        ("multipart", (CASE,)),
        ("html", (CASE,)),
        ("no-token", ()),
        ("bounce", ("notice-0123456789ab",)),
        ("bounce-headers", ("notice-0123456789ab",)),
    ],
)
def test_it_carries_the_names_of_its_case(name: str, carried: tuple[str, ...]) -> None:
    """The address it was sent to, its subject and its thread are searched, and no mail that it passes on."""
    assert told(name).names == carried


def test_a_mail_that_is_passed_on_is_not_the_answer() -> None:
    """What an attached mail says was written by somebody else: neither text nor keyword nor case is taken of it."""
    head = b"From: ops@example.net\nContent-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n"
    reply = read(head + b"Subject: EG-20260101-ffffffffffff\nContent-Type: text/plain\n\nAPPEAL now\n--a--\n", OWN)
    assert (reply.sort, reply.text, reply.keyword, reply.names) == (Sort.REPLY, "", None, ())


def test_the_address_is_believed_first() -> None:
    """Then the mail of ours that is answered, as the subject has the id of all that go together; then the thread."""
    raw = (
        (MAILS / "plain.eml").read_bytes().replace(b"Re: [EG-20260101-1a2b3c4d5e6f]", b"Re: [EG-20260101-ffffffffffff]")
    )
    assert read(raw, OWN).names == (CASE, "notice-0123456789ab", "EG-20260101-ffffffffffff")
    assert read(raw, Own("abuse@example.org")).names == ("notice-0123456789ab", "EG-20260101-ffffffffffff")
    assert b"In-Reply-To" in raw
    threaded = raw.replace(b"In-Reply-To", b"References")
    assert read(threaded, OWN).names == (CASE, "EG-20260101-ffffffffffff", "notice-0123456789ab")


@pytest.mark.parametrize("name", ["bounce", "bounce-headers"])
def test_a_bounce_says_which_mail_and_why(name: str) -> None:
    """A report of failed delivery is a bounce with its status, whatever words stand in it, and is never answered."""
    reply = told(name)
    assert (reply.sort, reply.status, reply.keyword, reply.answerable) == (Sort.BOUNCE, "5.1.1", None, False)


@pytest.mark.parametrize("name", ["delayed", "vacation", "auto-submitted"])
def test_a_program_is_not_answered(name: str) -> None:
    """What a program wrote is automatic: its words are no keyword, and no answer goes out."""
    reply = told(name)
    assert (reply.sort, reply.keyword, reply.answerable, reply.status) == (Sort.AUTOMATIC, None, False, None)


@pytest.mark.parametrize(
    "header",
    [
        "Auto-Submitted: auto-generated",
        "Precedence: list",
        "Return-Path: <>",
        "List-Id: <ops.example.net>",
        "X-Autoreply: yes",
        "X-Auto-Response-Suppress: All",
    ],
)
def test_every_sign_of_a_program_stops_the_answer(header: str) -> None:
    """Any one of the headers that programs set is enough to send no acknowledgement."""
    raw = (MAILS / "no-token.eml").read_bytes()
    assert read(raw, OWN).answerable
    assert not read(header.encode() + b"\n" + raw, OWN).answerable


@pytest.mark.parametrize(
    "sender", ["abuse@example.org", "Desk <DESK@example.org>", f"abuse+{CASE}@example.org", "no-reply@example.net", ""]
)
def test_our_own_mail_is_not_answered(sender: str) -> None:
    """A mail from one of our own addresses, from an address that reads nothing, or from nobody gets no answer."""
    raw = (MAILS / "no-token.eml").read_bytes().replace(b"From: ops@example.net", f"From: {sender}".encode())
    assert not read(raw, OWN).answerable


def test_a_mail_without_end_is_refused_early() -> None:
    """20 MB are not parsed: the reply is unreadable, says so in a line, and still names sender and case."""
    raw = (MAILS / "plain.eml").read_bytes() + b"x" * 20_000_000
    began = time.process_time()
    reply = read(raw, OWN)
    assert time.process_time() - began < 5
    assert reply.sort is Sort.UNREADABLE and "larger than 10 MiB" in reply.defect
    assert (reply.sender, reply.names[0], reply.text, reply.answerable) == ("ops@example.net", CASE, "", False)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\r\n\r\n",
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=a\n\n" + b"--a\nContent-Type: multipart/mixed; "
        b"boundary=a\n\n" * 3_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2_000)),
        b"Subject: " + b"(" * 900_000,
        b"Content-Type: text/plain; " + b'a="' * 300_000,
        b"Content-Type: text/plain" + b';\n "a' * 200_000,
        b"To: " + b"a@b.example,\n " * 70_000,
        b"Subject: " + b"=?utf-8?q?a?=\n " * 70_000,
        b"Content-Type: text/html\n\n" + b"<blockquote><div" * 60_000,
        b"Content-Type: text/html\n\n" + b"<!" * 500_000,
        b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 500_000,
        b"Content-Type: text/plain; charset=zip\n\nx",
        b"Content-Type: text/plain\n\n" + b"On " + b"a " * 300_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_hostile_mail_takes_no_time(raw: bytes) -> None:
    """A mail that was made to keep a parser busy is read, or given up, within seconds of the processor."""
    began = time.process_time()
    reply = read(raw, OWN)
    assert time.process_time() - began < 20
    assert len(reply.text) <= body.LONGEST and len(reply.names) <= names.MOST


HEADERS = st.sampled_from(
    (
        *(b"Subject: ", b"From: ", b"To: abuse+EG-20260101-", b"Content-Type: multipart/mixed; boundary=", b"--"),
        *(b"Return-Path: <", b"Content-Type: text/html; charset=", b"Content-Transfer-Encoding: base64\n", b"\n\n"),
        *(b"Content-Type: message/delivery-status\n\nAction: failed\nStatus: ", b"Content-Type: message/rfc822\n\n"),
        *(b"=?utf-8?b?", b"\n", b"On Thu, wrote:\n", b"-----Original Message-----\n", b"In-Reply-To: <notice-"),
        *(b"\r\n", b"> ", b"<br>"),
    )
)


@given(st.lists(HEADERS | st.binary(max_size=30), max_size=30).map(b"".join) | st.binary(max_size=500))
def test_no_bytes_are_too_bad(raw: bytes) -> None:
    """Whatever comes in is read without an error, within its bounds, and as text that steers no terminal."""
    reply = read(raw, OWN)
    assert len(reply.text) <= body.LONGEST and reply.text.count("\n") < body.LINES
    assert len(reply.subject) <= 200 and len(reply.names) <= names.MOST
    assert len(reply.sender or "") <= mail.ADDRESS and len(reply.message_id) <= 410
    shown = f"{reply.subject}{reply.text}{reply.sender}{''.join(reply.names)}{reply.message_id}{reply.defect}"
    assert shown.replace("\n", "").isprintable()
    assert reply.answerable <= (reply.sort is Sort.REPLY and reply.sender is not None)
    assert (reply.status is not None) == (reply.sort is Sort.BOUNCE)
    assert read(raw, OWN) == reply


@given(
    st.lists(st.sampled_from([b"a" * 30, b" b", b"\tc", b"", b"d: e"]), max_size=60), st.sampled_from([b"\n", b"\r\n"])
)
def test_no_header_is_longer_than_its_bounds(rows: list[bytes], end: bytes) -> None:
    """Neither a line nor a run of indented ones passes its bound, and nothing else of a mail is left out."""
    kept = lines.bounded(end.join(rows), 10, 3).split(b"\n")
    runs = "".join("i" if row[:1] in (b" ", b"\t") else "." for row in kept)
    assert all(len(row) <= 10 for row in kept) and "iiii" not in runs
    assert b"".join(kept).replace(b" b", b"").replace(b"\tc", b"") == b"".join(
        row for row in rows if row[:1] not in (b" ", b"\t")
    )


WORDS = st.text(st.sampled_from("abc :<>-_@\n"), max_size=60)


@given(WORDS, WORDS)
def test_what_is_quoted_is_left_out(new: str, old: str) -> None:
    """Lines behind a '>' are never taken for new ones."""
    quoted = "".join(f"> OLD{line}\n" for line in old.splitlines())
    kept = new_lines(f"{new}\nOn Thu, 1 Jan 2026, EdgeGuard wrote:\n{quoted}")
    assert not any("OLD" in line for line in kept)
    assert not any(line.lstrip().startswith(">") for line in kept)
