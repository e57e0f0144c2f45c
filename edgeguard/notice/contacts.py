"""Who is written to next where a mail to a customer did not arrive."""

from __future__ import annotations

from edgeguard.letters import Notice
from edgeguard.model import identity


def next_contact(notice: Notice) -> str | None:
    """The contact of the inventory that follows the one it went to; None: there is no further one."""
    server = notice.values.get("server")
    further = server.get("contacts") if isinstance(server, dict) else None
    if notice.to is None or not isinstance(further, list):
        return None
    left = further[further.index(notice.to) + 1 :] if notice.to in further else further
    return str(left[0]) if left else None


def again(notice: Notice, to: str | None) -> Notice:
    """The same mail to somebody else; None: to the desk. Its id is that of the mail that it stands for."""
    id = identity("notice", notice.id, "next contact")
    return Notice(id, notice.case, notice.decision, notice.kind, to, notice.values)
