"""What a notice's text must keep, checked on the rendered text.

    findings = check(kind, values, facts, written_at)   # empty: good

Our sentences are judged with slot values masked, so that a server named 'final-build' fails
nothing. `at_start` is for the daemon: templates, and the text that must never fail, are checked
before they are needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeguard.clock import SECOND
from edgeguard.letters import Facts, Proof
from edgeguard.notice import builtin, sample, words
from edgeguard.notice.kinds import Kind
from edgeguard.notice.layout import WIDTH
from edgeguard.notice.render import SUBJECT_WIDTH, TEXTS, Rendered, render, slots_of

TOP = 12  # lines that alone say what matters

BANNED = (
    r"thank(s| you)[^.]{0,40}\b(submission|report)",
    r"\bunmanaged\b",
    r"\byour responsibility\b",
    r"\bas soon as possible\b|\basap\b",
    r"\bdo not reply\b|\bno-?reply\b",
    r"\bfinal\b",
    r"\bcannot disclose\b",
    r"\baction required\b",
    r"\b(soon|shortly)\b",  # a promise without a clock
    # Sentences are about what the server sent, never about what the customer did.
    r"\byou(r server)? (have )?(attack|abus|violat)",
    r"\b(attacker|victim|guilty|illegal|abusive|malicious)\b",
    r"\byour? (attack|abuse|violation)\b",
)

# What stands in the first lines, by label, whatever the kind.
ON_TOP = ("Server", "Time", "What happened", "Not affected", "Ends")

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
_RATE = re.compile(r"([\d,]+) packets? a second x ([\d,.]+) bytes = ([\d.]+) ([kMGT]?)bit/s")
_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

# Mandatory slots of NOTICE.md for the kinds that say that something was seen or done.
SLOTS: dict[str, str] = {
    "1 case, server and place": r"(?s)Server: +\S.*Place: +\S.*Case: +\S",
    "2 four times": rf"(?s)First seen: +(?:{_STAMP}|not measured).*Over the limit: +(?:{_STAMP}|not measured)"
    rf".*Acted: +{_STAMP}.*Written: +{_STAMP}",
    "3 what was sent": r"(?s)What: +\S.*Target: +\S.*Other targets: +\S"
    r".*Rate, mean: +\d.*Rate, peak: +\d.*Duration: +\d",
    "4 limit, rule, window": r"(?s)Limit: +[\d,.]+ .* in a window of .*rule .*Counted: +[\d,.]+ ",
    "5 what came back": r"Came back: +\S",
    "6 where it was counted": r"(?s)Counted at: +\S.*Forged: +\S",
    "7 what it means": r"(?s)Most often .*\scan\s+also\s.*cannot\s+see",
    "9 what was done": r"(?s)Done: +\S.*Verified: +\S",
    "10 what still works": r"Works: +\S",
    "13 until when": r"UNTIL WHEN\n\S",
}
_MEASURED = ("3", "4", "5", "6", "7")
_SLOTTED = (Kind.WARNING, Kind.NARROW, Kind.OWN_ONLY, Kind.FULL, Kind.FAILED)

# A number is followed by one of these; ports, addresses, stamps, versions and ids are taken out first.
_UNITS = re.compile(
    r"\s?(?:(?:SYN|UDP|ICMP|TCP|such|other|more) )?(?:packets?|fragments?|handshakes?|bytes?"
    r"|frames?|targets?|servers?|ports?|address(?:es)?|SYN-ACKs?"
    r"|resets?|more|%|s|ms|min|h|d|[kMGT]?bit/s)(?![\w])"
)
# Versions, ports, numbered steps, quoted commands, and the terms of a sum whose result has the unit.
_NO_QUANTITY = re.compile(r"EdgeGuard [\w.]+|ports? \d+|^\d\. |(?<!\w)'[^'\n]*'|\([\d,]+ - [\d,]+ =", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a text does not keep."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def check(kind: str, values: Mapping[str, Any], facts: Facts, written_at: int, texts: Path = TEXTS) -> list[Finding]:
    """Findings of a kind's template with these values."""
    rendered = render(kind, values, facts, written_at, texts)
    masked = render(kind, mask(values), facts, written_at, texts)
    found = [Finding("renders", rendered.fallback)] if rendered.fallback else []
    slots = slots_for(kind, values)
    return found + inspect(rendered, masked, case=words.clean(str(values.get("case"))), slots=slots)


def builtin_findings(
    values: Mapping[str, Any], facts: Facts, written_at: int, kinds: Iterable[Kind] = Kind
) -> list[Finding]:
    """Findings of the built-in text: layout, words and the first lines."""
    found = []
    for kind in kinds:
        real = Rendered(*builtin.text(kind, slots_of(values, facts, written_at)))
        masked = Rendered(*builtin.text(kind, slots_of(mask(values), facts, written_at)))
        found += inspect(real, masked, case=words.clean(str(values.get("case"))))
    return found


def at_start(texts: Path = TEXTS) -> list[str]:
    """What the daemon says of its texts before it needs them: every template and the built-in text, on a sample."""
    facts = Facts(Proof.VERIFIED, acted=sample.AT, proved=sample.AT + SECOND)
    said = []
    for kind in Kind:
        slots, written = sample.slots(kind), sample.AT + 2 * SECOND
        said += [f"notice text {kind}: {finding}" for finding in check(kind, slots, facts, written, texts)]
        built_in = builtin_findings(slots, facts, written, (kind,))
        said += [f"built-in notice text {kind}: {finding}" for finding in built_in]
    return said


def slots_for(kind: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """The mandatory slots of a kind; what was not measured, because a person decided, has no numbers."""
    if kind not in _SLOTTED:
        return ()
    measured = values.get("flood") is not None
    return tuple(name for name in SLOTS if measured or name.split()[0] not in _MEASURED)


def inspect(rendered: Rendered, masked: Rendered, case: str, slots: tuple[str, ...] = ()) -> list[Finding]:
    """Findings of a text; `masked` is the same text with slot values that are not ours replaced."""
    plain = unfold(masked.text, case)
    return [
        *_layout(rendered, case),
        *_top(rendered.text),
        *_banned(masked),
        *_times(plain),
        *_units(plain),
        *_rates(unfold(rendered.text, case)),
        *(Finding("slot", f"{name} is missing") for name in slots if not re.search(SLOTS[name], rendered.text)),
    ]


def mask(values: Any, key: str = "") -> Any:
    """Values whose words are not ours replaced by a neutral one."""
    if isinstance(values, Mapping):
        return {name: mask(value, name) for name, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [mask(value, key) for value in values]
    # `by` tells automation from a person: the texts ask for it.
    if isinstance(values, str) and key in words.FREE and values != "automation":
        return "name"
    return values


def unfold(text: str, case: str = "") -> str:
    """The text with its hanging lines joined and the case id taken out: words of a sentence side by side."""
    joined = re.sub(r"\n(?=[ ]{2,}\S)|\n(?=[a-z(])", " ", text)
    # A stamp may be parted by a line end of a paragraph.
    joined = re.sub(r"(\d{4}-\d\d-\d\d|:\d\d)\n", r"\1 ", joined)
    return re.sub(r" {2,}", " ", joined.replace(case, "") if case else joined)


def _layout(rendered: Rendered, case: str) -> Iterator[Finding]:
    if len(rendered.subject) > SUBJECT_WIDTH:
        yield Finding("subject", f"{len(rendered.subject)} characters, at most {SUBJECT_WIDTH}")
    if case and case not in rendered.subject:
        yield Finding("subject", f"does not carry {case}")
    for number, line in enumerate(rendered.text.splitlines(), 1):
        if len(line) > WIDTH:
            yield Finding("width", f"line {number}: {len(line)} columns, at most {WIDTH}")
        if not all(" " <= c <= "~" for c in line):
            yield Finding("ascii", f"line {number}: holds more than printable ASCII")
    if not rendered.subject.isascii() or "\n" in rendered.subject or "\r" in rendered.subject:
        yield Finding("ascii", "the subject holds more than one line of ASCII")


def _top(text: str) -> Iterator[Finding]:
    lines = text.splitlines()
    first = "\n".join(lines[:TOP])
    for label in ON_TOP:
        if not re.search(rf"^{label}: +\S", first, re.MULTILINE):
            yield Finding("top", f"the first {TOP} lines do not say {label!r}")
    # The last of them must be over by then, not only begun.
    block = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    if block > TOP:
        yield Finding("top", f"the first block has {block} lines, at most {TOP}")
    if "null-routed" in text and "dropped at our edge" not in " ".join(text.split()):
        yield Finding("words", "'null-routed' is not explained")


def _banned(masked: Rendered) -> Iterator[Finding]:
    prose = " ".join(f"{masked.subject}\n{masked.text}".split())
    for pattern in BANNED:
        if found := re.search(pattern, prose, re.IGNORECASE):
            yield Finding("banned", f"{found[0]!r}")


def _times(plain: str) -> Iterator[Finding]:
    for found in re.finditer(r"\b\d{1,2}:\d\d(?::\d\d)?\b(?! UTC)(?!:)", _without_addresses(plain)):
        yield Finding("utc", f"{found[0]!r} does not say UTC")


def _without_addresses(plain: str) -> str:
    plain = re.sub(r"\[[0-9a-f:.]+\]:\d+", "", plain)
    plain = re.sub(r"(?<![\w:])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:/\d+)?", _keep_time, plain)
    return re.sub(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+|/\d+)?", "", plain)


def _keep_time(found: re.Match[str]) -> str:
    return found[0] if re.fullmatch(r"\d\d:\d\d:\d\d", found[0]) else ""


def _units(plain: str) -> Iterator[Finding]:
    """Every number of our sentences has a unit."""
    rest = _without_addresses(re.sub(_STAMP, "", plain))
    rest = _NO_QUANTITY.sub("", rest)
    for found in re.finditer(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)", rest):
        if not _UNITS.match(rest, found.end()):
            around = rest[max(0, found.start() - 20) : found.end() + 20].replace("\n", " ")
            yield Finding("unit", f"{found[0]} in {around!r} has none")


def _rates(plain: str) -> Iterator[Finding]:
    """Rate x length = bits, to the three digits that are shown."""
    for found in _RATE.finditer(plain):
        rate, length = float(found[1].replace(",", "")), float(found[2].replace(",", ""))
        bits = float(found[3]) * _PREFIX[found[4]]
        if not math.isclose(rate * length * 8, bits, rel_tol=0.006, abs_tol=1):
            yield Finding("numbers", f"{found[0]!r}: the product is {rate * length * 8:,.0f} bit/s")
