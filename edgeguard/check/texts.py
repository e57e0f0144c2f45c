"""The operator's own notice texts: each as the daemon would take it over."""

from __future__ import annotations

from collections.abc import Iterator

from edgeguard.check.finding import Finding, ok, wrong
from edgeguard.config import NoticeSettings


def texts(settings: NoticeSettings) -> Iterator[Finding]:
    if not settings.texts:
        return
    from edgeguard.notice.adopted import adopt  # noqa: PLC0415 - only who has texts of his own waits for it

    found = adopt(settings.texts).findings
    if not found:
        yield ok("mail", "texts", f"{settings.texts}: every text keeps the rules")
    for finding in found:
        yield wrong("mail", "texts", finding)
