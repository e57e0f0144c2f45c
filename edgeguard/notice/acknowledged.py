"""The acknowledgement: a customer's answer is here. It tells what was read of it, and repeats nothing of it.

The sender of an answer may be forged, so somebody who is none of the case's contacts is told nothing of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgeguard import clock
from edgeguard.letters import Notice
from edgeguard.model import identity
from edgeguard.notice import layout
from edgeguard.notice.kinds import AUTOMATION, Kind


def acknowledgement(
    reply: str,
    case: str,
    decision: str,
    to: str,
    *,
    received: int,
    keyword: str | None = None,
    name: str | None = None,
    until: int | None = None,
    read_by: int | None = None,
    answers: str = "",
) -> Notice:
    """The notice. name: the server's; None: `to` is no contact of the case. answers: the reply's Message-ID.

    until: when the last null route ends at the latest; None: nothing is null-routed. read_by: None: not promised.
    """
    values = {
        "case": case,
        "decision": decision,
        "server": {"name": name},
        "received": received,
        "keyword": keyword,
        "until": until,
        "read_by": read_by,
        "answers": answers,
        "by": AUTOMATION,
    }
    return Notice(identity("notice", reply, Kind.ACKNOWLEDGED), case, decision, Kind.ACKNOWLEDGED, to, values)


def headers(values: Mapping[str, Any]) -> dict[str, str]:
    """RFC 3834: an answer to an answer, written by a program."""
    return {"Auto-Submitted": "auto-replied", "Precedence": "bulk", "In-Reply-To": str(values.get("answers") or "")}


def plain(slots: Mapping[str, Any]) -> tuple[str, str]:
    """(subject, text) for when the template cannot: nothing in it has to be set."""
    case, received = slots.get("case") or "not known", slots.get("received")
    at = clock.utc(received) if isinstance(received, int) else "not known"
    text = (
        f"Server:         named in the mail you answered\nTime:           {at}\n"
        "What happened:  your answer came in and is kept with this case.\n"
        "Not affected:   what is in force, and until when: an answer changes neither.\n"
        "Ends:           as the mail you answered says.\n\n"
        f"This text is the short one; the whole record is kept as {case}."
    )
    return f"[{slots.get('matter') or case}] your answer is here", layout.fill(text)
