"""What this stage needs of the mail configuration; config.Mail has it."""

from __future__ import annotations

from typing import Protocol


class MailSettings(Protocol):
    """Read only. Times are ns."""

    @property
    def server(self) -> str: ...  # host:port; empty: nothing is sent
    @property
    def sender(self) -> str: ...  # 'EdgeGuard <abuse@example.net>'
    @property
    def reply_to(self) -> str: ...  # may hold {case}; empty: the desk, or the sender without one
    @property
    def desk(self) -> str: ...
    @property
    def desk_copy(self) -> str: ...  # Cc of each mail to a customer; may hold {case}; empty: nobody
    @property
    def pcap(self) -> bool: ...  # a customer's mail carries the headers of his frames, where evidence has them
    @property
    def tls(self) -> str: ...  # starttls, tls, none
    @property
    def user(self) -> str: ...  # empty: no log-in
    @property
    def password_file(self) -> str: ...
    @property
    def timeout(self) -> int: ...
    @property
    def retry(self) -> int: ...  # first pause after a failure
