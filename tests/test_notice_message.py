"""The Internet message of a notice: headers that thread, that name the case, that nobody can inject into."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from mailserver import text_of
from samples import DECISION, RELEASE, VERIFIED, VM, T, notices

from edgeguard.config import Mail as Settings
from edgeguard.config import build
from edgeguard.errors import ConfigError
from edgeguard.letters import Notice, Queued
from edgeguard.notice.message import copies, recipients, write
from edgeguard.notice.refusal import Refusal

MAIL = {"server": "mail.example.net:25", "from": "EdgeGuard <abuse@example.net>", "desk": "desk@example.net"}
SETTINGS = build({"mail": MAIL}).mail
NOTICE = notices()[0]


def settings(**changes: Any) -> Settings:
    return build({"mail": {**MAIL, **changes}}).mail


def message(notice: Notice = NOTICE, settings: Settings = SETTINGS, earlier: tuple[str, ...] = ()) -> EmailMessage:
    """The message as it reaches the other side: written, flattened, parsed."""
    written, _ = write(Queued(notice, VERIFIED, 0, earlier), settings, T)
    parsed = email.message_from_bytes(written.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_headers() -> None:
    """The headers say from whom, to whom, when, about which case, and that a program wrote it."""
    made = message()
    assert made["From"] == "EdgeGuard <abuse@example.net>"
    assert made["To"] == "ops@example.net"
    assert made["Reply-To"] == "desk@example.net"
    assert made["Subject"] == f"[{DECISION.case}] web1: SYN flood null-routed (narrow)"
    assert made["Date"] == "Thu, 01 Jan 2026 00:04:05 +0000"
    assert made["Message-ID"] == f"<{NOTICE.id}@example.net>"
    assert made["Auto-Submitted"] == "auto-generated"
    assert made["X-EdgeGuard-Case"] == DECISION.case
    assert made["In-Reply-To"] is None and made["References"] is None
    assert made.get_content_type() == "multipart/mixed"


def test_the_text_arrives_as_it_was_rendered() -> None:
    """Seven-bit text, unencoded, line by line what is kept in the case."""
    written, kept = write(Queued(NOTICE, VERIFIED, 0), SETTINGS, T)
    assert text_of(message()).replace("\r\n", "\n") == kept.text
    assert written.get_body(("plain",))["Content-Transfer-Encoding"] == "7bit"  # type: ignore[index]
    assert dict(kept.headers)["Subject"] == kept.subject and kept.message_id == written["Message-ID"]


def test_the_case_stands_in_reply_to() -> None:
    """{case} in the reply address becomes the case id; without a reply address the desk answers, then the sender."""
    with_case = settings(reply_to="abuse+{case}@example.net")
    assert message(settings=with_case)["Reply-To"] == f"abuse+{DECISION.case}@example.net"
    assert message(settings=settings(desk=""))["Reply-To"] == "EdgeGuard <abuse@example.net>"


def test_one_thread_a_case() -> None:
    """Later mails refer to the earlier ones of their case; long threads keep the first and the youngest."""
    (release,) = notices(RELEASE)
    made = message(release, earlier=(NOTICE.id,))
    assert made["In-Reply-To"] == made["References"] == f"<{NOTICE.id}@example.net>"
    many = message(release, earlier=tuple(f"notice-{n:012x}" for n in range(40)))
    ids = many["References"].split()
    assert len(ids) == 10 and ids[0] == "<notice-000000000000@example.net>" and ids[-1] == many["In-Reply-To"]


@pytest.mark.parametrize("to", [None, "ops@example.net"])
def test_the_desk_copy_is_of_what_customers_get(to: str | None) -> None:
    """A mail to the desk and an acknowledgement have no copy; a mail to a customer has one, never a recipient twice."""
    with_copy = settings(desk_copy="ops@example.net")
    assert message(replace(NOTICE, to=to), with_copy)["Cc"] == (to and "ops@example.net")
    assert message(replace(NOTICE, kind="acknowledged"), with_copy)["Cc"] is None
    assert copies(message(settings=with_copy)) == []
    assert copies(message(replace(NOTICE, to="noc@example.net"), with_copy)) == ["ops@example.net"]


@pytest.mark.parametrize("wrong", ["desk", "a@example.net, b@example.net", "<a@example.net>", "a@b\nBcc: c@d", "a b@c"])
def test_a_wrong_copy_is_refused_when_it_is_read(wrong: str) -> None:
    """An address that no copy can reach is found at the start, not by a ticket that is missing."""
    with pytest.raises(ConfigError, match="desk_copy"):
        settings(desk_copy=wrong)


def test_the_message_id_is_stable() -> None:
    """Written again later, after more attempts, the mail has the same Message-ID."""
    first, _ = write(Queued(NOTICE, VERIFIED, 0), SETTINGS, T)
    second, _ = write(Queued(NOTICE, VERIFIED, 7), SETTINGS, T + 10**12)
    assert first["Message-ID"] == second["Message-ID"] and first["Date"] != second["Date"]


def test_a_persons_act_is_not_auto_generated() -> None:
    """Auto-Submitted stands on automatic mails only."""
    (release,) = notices(replace(RELEASE, by="on-call"))
    assert message(release)["Auto-Submitted"] is None


def test_the_desk_is_addressed_by_configuration() -> None:
    """A notice without a recipient goes to the desk; without a desk it waits with the reason."""
    (notice,) = notices(vm=replace(VM, contact=None))
    assert message(notice)["To"] == "desk@example.net"
    with pytest.raises(Refusal, match="set \\[mail\\] desk") as refusal:
        message(notice, settings(desk=""))
    assert not refusal.value.permanent and not refusal.value.everyone


def test_a_wrong_desk_can_be_put_right() -> None:
    """A desk that is no address does not end the row: the configuration can be corrected."""
    (notice,) = notices(vm=replace(VM, contact=None))
    with pytest.raises(Refusal, match="correct \\[mail\\] desk") as refusal:
        message(notice, settings(desk="the desk"))
    assert not refusal.value.permanent


def test_no_sender_is_everybodys_matter() -> None:
    """Without a configured sender no mail can leave, and none is lost."""
    with pytest.raises(Refusal, match="set \\[mail\\] from") as refusal:
        message(settings=settings(**{"from": ""}))
    assert refusal.value.everyone and not refusal.value.permanent


@pytest.mark.parametrize(
    "contact",
    [
        "ops@example.net\r\nBcc: all@example.net",
        "ops@example.net\nX: y",
        "not an address",
        "@example.net",
        "a@b c",
        "m\u00fcller@example.net",
        "<>",
        ",",
        "\udc80@example.net",
    ],
)
def test_a_wrong_contact_is_refused_for_good(contact: str) -> None:
    """A contact that is no mail address, or tries to add headers, never reaches the server."""
    with pytest.raises(Refusal, match="is no mail address") as refusal:
        message(replace(NOTICE, to=contact))
    assert refusal.value.permanent and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        ("ops@example.net", ["ops@example.net"]),
        ("Operations <ops@example.net>", ["ops@example.net"]),
        ("ops@example.net, noc@example.net", ["ops@example.net", "noc@example.net"]),
        ("root", ["root"]),
    ],
)
def test_contacts_as_people_write_them(contact: str, expected: list[str]) -> None:
    """Plain, with a name, several, or a mailbox of the mail server's own host."""
    written, _ = write(Queued(replace(NOTICE, to=contact), VERIFIED, 0), SETTINGS, T)
    assert recipients(written) == expected


@pytest.mark.parametrize("name", ["web1\r\nBcc: all@example.net", "x\ny", "\u2028Bcc: a@example.net", "final-build"])
def test_a_name_injects_nothing(name: str) -> None:
    """Line ends in names, cases and reasons add no header and no line."""
    (notice,) = notices(replace(DECISION, case=f"EG-1\r\nX: {name}", reason=name), replace(VM, name=name))
    made = message(notice)
    assert made["Bcc"] is None and made["X"] is None
    assert set(made.keys()) == set(message().keys())
    assert not any(line.startswith(("Bcc", "X:")) for line in text_of(made).splitlines())
