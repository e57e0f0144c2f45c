"""HTML to lines of text: what a mail shows, and what of it is quoted."""

from __future__ import annotations

from html.parser import HTMLParser

_BREAKS = frozenset(("br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "hr", "table", "ul", "ol", "pre"))
_UNSEEN = frozenset(("style", "script", "head", "title", "template"))
_VOID = frozenset(("br", "hr", "img", "meta", "link", "input", "area", "base", "col", "wbr"))
_QUOTES = ("gmail_quote", "moz-cite-prefix", "yahoo_quoted", "divrplyfwdmsg", "appendonsend", "protonmail_quote")
LONGEST = 200_000  # characters of HTML that are read


def text(html: str) -> str:
    """The shown text; lines of a quotation begin with '> '."""
    shown = _Shown()
    shown.feed(html[:LONGEST])
    shown.close()
    return "".join(shown.pieces)


class _Shown(HTMLParser):
    """Collects text. `quoted` and `unseen` count the elements of that kind that are open."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0
        self._depth = 0  # of elements inside the outermost quotation; 0: outside

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN:
            self._unseen += 1
        if tag in _VOID:
            self._break(tag)
            return
        if self._depth or tag == "blockquote" or _is_quote(attrs):
            self._depth += 1
        self._break(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        if tag in _VOID:
            return
        self._depth = max(0, self._depth - 1)
        self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            # A line end in HTML is a blank.
            self.pieces.append(" ".join(data.split("\n")))

    def _break(self, tag: str) -> None:
        if tag in _BREAKS or tag == "blockquote":
            self.pieces.append("\n> " if self._depth else "\n")


def _is_quote(attrs: list[tuple[str, str | None]]) -> bool:
    """What mail programs mark the mail with that they answer."""
    marks = " ".join((value or "")[:100] for name, value in attrs if name in ("class", "id")).lower()
    return any(mark in marks for mark in _QUOTES)
