"""Bytes to text by a character set that the mail names, rightly or wrongly."""

from __future__ import annotations

import codecs
import re

# Sets that only map bytes to letters. Python knows more names: some unpack (zip), some take quadratic time
# (punycode), and UTF-7 hides signs from whoever looks at the bytes.
_KNOWN = re.compile(
    r"us-ascii|ascii|utf-?8|utf-?16(?:-?[bl]e)?|iso-?8859-?\d{1,2}|latin-?\d{1,2}|windows-?\d{3,4}|cp-?\d{3,4}"
    r"|koi8-?[ru]|mac-?roman|tis-?620|gb2312|gbk|gb18030|big5(?:-hkscs)?|euc-?(?:jp|kr)|shift[_-]?jis|iso-2022-jp",
    re.IGNORECASE,
)


def decoded(raw: bytes, charset: str | None) -> str:
    """The text; UTF-8 or Western European where the mail names no set, a wrong one, or one that is not known here."""
    for name in (charset or "", "utf-8"):
        if _is_known(name):
            try:
                return raw.decode(name)
            except (UnicodeError, LookupError):
                continue
    return raw.decode("cp1252", "replace")


def _is_known(name: str) -> bool:
    if not _KNOWN.fullmatch(name):
        return False
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True
