"""The lint: each point of a mail is missed where it is missing, numbers and promises are reckoned again."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import BACKGROUND, DECISION, VERDICT, VERIFIED, VM, T

from edgeguard.clock import SECOND
from edgeguard.config import build
from edgeguard.letters import Queued
from edgeguard.model import Act, Scope
from edgeguard.notice import lint, promises
from edgeguard.notice.kinds import MEASURED
from edgeguard.notice.message import write
from edgeguard.notice.promises import ENDS, LASTS
from edgeguard.notice.render import Rendered, render, slots_of
from edgeguard.notice.values import compose, values
from edgeguard.notice.vocabulary import ENGLISH, NAME, VocabularyError, read
from edgeguard.notice.wording import SHIPPED, shipped
from edgeguard.states import TABLE

WRITTEN = T + 2 * SECOND
READS = build({"mail": {"read_within": "30m"}})
PROMISING = replace(BACKGROUND, config=READS, ground="section 5.2 of the terms")
SLOTS = values(DECISION, VERDICT, VM, PROMISING)
MASKED = lint.mask(SLOTS)
GOOD = render("narrow", MASKED, VERIFIED, WRITTEN)
POINTS = tuple(shipped().words.slots)
PROMISED = promises.promises(slots_of(SLOTS, VERIFIED, WRITTEN), WRITTEN)


def found(text: str, subject: str = GOOD.subject, slots: tuple[str, ...] = POINTS) -> list[lint.Finding]:
    bad = replace(GOOD, subject=subject, text=text)
    return lint.inspect(bad, bad, DECISION.case, slots=slots, promised=PROMISED)


# ---- the fifteen points --------------------------------------------------------------------------

# What is taken out of a good mail so that a point is missing.
TAKEN = {
    1: ("Place:",),
    2: ("Over the limit:",),
    3: ("Other targets:",),
    4: ("Limit:",),
    5: ("Came back:",),
    6: ("Forged:",),
    7: ("Most often", "cannot see"),
    8: ("Measured by:",),
    9: ("Verified:",),
    10: ("Works:",),
    11: ("WHAT YOU CAN DO NOW", "\n2. "),
    12: ("- APPEAL", "- CLEANED", "HOW TO ANSWER"),
    13: ("UNTIL WHEN",),
    14: ("If you disagree", "this mail is real", "Kept with"),
    15: ("Decided:", "Ground:"),
}


def test_there_are_fifteen() -> None:
    """Each point of a notice has a pattern, in order, and a good mail of each measured kind carries all of them."""
    assert [int(name.split()[0]) for name in POINTS] == list(range(1, 16))
    assert found(GOOD.text) == []
    assert all(lint.slots_for(kind, SLOTS) == POINTS for kind in MEASURED)


@pytest.mark.parametrize(("number", "part"), [(number, part) for number, parts in TAKEN.items() for part in parts])
def test_each_point_is_missed(number: int, part: str) -> None:
    """With one part of a point taken out, that point is missing, and no other."""
    assert part in GOOD.text
    missing = [one.text for one in found(GOOD.text.replace(part, "X" * 4)) if one.rule == "slot"]
    assert [int(text.split()[0]) for text in missing] == [number]


def test_what_cannot_be_told_is_not_asked_for() -> None:
    """What a person decided without a measurement has no numbers; where nobody reads answers, none is asked for."""
    by_hand = lint.slots_for("narrow", {**SLOTS, "flood": None, "reply": False})
    assert [int(name.split()[0]) for name in by_hand] == [1, 2, 8, 9, 10, 11, 13, 14, 15]


# In our own words, with what is public of them, the two mails of the 2017 incident: a wrong template that thanks
# the customer for a report he never made, and, half a day later, one line that names no target.
OLD_MAILS = {
    "first": "Dear customer,\n\nThank you for your submission. We have disabled networking on your server\n"
    "pending investigation. This server is unmanaged and its security is your\nresponsibility.\n",
    "12 h later": "Hello,\n\nYour server was sending an outgoing SYN flood. We will look at it as soon as possible.\n",
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("mail", OLD_MAILS)
def test_the_mails_of_2017_miss_every_point(mail: str, point: str) -> None:
    """Neither of the mails that began this product says one of the things that a customer must be told."""
    told = [one for one in found(OLD_MAILS[mail], "Networking disabled") if one.rule == "slot"]
    assert f"{point} is missing" in [one.text for one in told]


@pytest.mark.parametrize("label", shipped().words.top)
@pytest.mark.parametrize("mail", OLD_MAILS)
def test_the_mails_of_2017_say_nothing_on_top(mail: str, label: str) -> None:
    """Their first lines name no server, no time, nothing of what happened, what is left and when it ends."""
    assert any(repr(label) in one.text for one in found(OLD_MAILS[mail]) if one.rule == "top")


def test_the_mails_of_2017_hold_banned_words() -> None:
    """Their thanks, 'unmanaged', 'your responsibility' and 'as soon as possible' are found; so is the subject."""
    for mail, words in (("first", ("Thank you for your submission",)), ("12 h later", ("as soon as possible",))):
        told = found(OLD_MAILS[mail], "Networking disabled")
        assert {"banned", "subject"} <= {one.rule for one in told}
        assert all(any(word in one.text for one in told) for word in words)
    told = found(OLD_MAILS["first"])
    assert all(any(word in one.text for one in told) for word in ("unmanaged", "your responsibility"))


# ---- numbers and promises ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("50,012 - 50,000 = 12", "50,012 - 50,000 = 13", "numbers"),
        ("31,000 packets a second x 40 bytes =\n                9.92 Mbit/s", "Q", "slot"),
        ("Rate, mean:     31,000", "Rate, mean:     61,000", "numbers"),
        ("First seen:     2026-01-01 00:04:02", "First seen:     2026-01-01 00:05:02", "numbers"),
        ("Written:        2026-01-01 00:04:07", "Written:        2026-01-01 00:04:01", "numbers"),
        ("at the latest at 2026-01-01 04:04:05", "at the latest at 2026-01-01 05:04:05", "promise"),
        ("sent at once by 2026-01-01 00:34:05 UTC", "sent at once within 20 min", "promise"),
        ("by 2026-01-01 00:34:05 UTC", "by 2026-01-01 00:31:05 UTC", "promise"),
        ("for 15 min no", "for 25 min no", "promise"),
        ("This mail says", "A person answers this. It says", "promise"),
        ("This mail says", "We will answer in time. It says", "banned"),
        ("This mail says", "In due course more. It says", "banned"),
    ],
)
def test_the_lint_reckons_again(old: str, new: str, rule: str) -> None:
    """A number that does not follow from the others, and a promise that no clock keeps, is found."""
    flat = GOOD.text
    assert " ".join(old.split()) in " ".join(flat.split())
    pattern = r"\s+".join(map(re.escape, old.split()))
    assert rule in {one.rule for one in found(re.sub(pattern, new, flat, count=1))}


def test_every_clock_is_one() -> None:
    """What keeps a promise is a clock of the table of states, a key of the configuration, or a module."""
    config = build({})
    for keeper in {*ENDS.values(), *LASTS.values()}:
        if keeper in TABLE.clocks or keeper.startswith("edgeguard."):
            continue
        section, _, key = keeper.partition(".")
        assert hasattr(getattr(config, section), key), keeper


def test_nobody_is_promised_a_reader_where_nobody_promised_to_read() -> None:
    """Without a roster or [mail] read_within no time is told, and the mail says so."""
    text = " ".join(render("narrow", values(DECISION, VERDICT, VM, BACKGROUND), VERIFIED, WRITTEN).text.split())
    assert "No time is promised" in text and "A person reads" not in text
    assert "A person reads an answer that is sent at once by 2026-01-01 00:34:05 UTC" in " ".join(GOOD.text.split())


def test_the_ground_is_the_operators() -> None:
    """The configured clause stands in the mail; without one the limit does."""
    text = render("narrow", SLOTS, VERIFIED, WRITTEN).text
    assert "Ground:         section 5.2 of the terms" in text
    assert (
        "the limit that this traffic passed"
        in render("narrow", values(DECISION, VERDICT, VM, BACKGROUND), VERIFIED, T).text
    )


# ---- names that hold our banned words ------------------------------------------------------------

WORDS = (
    *("thanks for your report", "Thank you for your submission", "unmanaged", "your responsibility"),
    *("as soon as possible", "asap", "do not reply", "no-reply", "final", "cannot disclose", "ACTION REQUIRED"),
    *("soon", "shortly", "in due course", "we will answer", "you attacked", "attacker", "malicious", "your abuse"),
)


def test_each_banned_word_is_one() -> None:
    """Every pattern of the words file finds one of the words below, so that none is left untried."""
    for pattern in shipped().words.banned:
        assert any(pattern.search(word) for word in WORDS), pattern.pattern


@settings(max_examples=150, deadline=None)
@given(
    word=st.sampled_from(WORDS),
    before=st.sampled_from(["", "web-", "A person reads ", "12:30 ", "the "]),
    after=st.sampled_from(["", "-build", ".", "1", " 50"]),
    shout=st.booleans(),
    scope=st.sampled_from([Scope.WARN, Scope.NARROW, Scope.OWN_ONLY, Scope.FULL]),
)
def test_a_vm_named_so_gets_its_notice(word: str, before: str, after: str, shout: bool, scope: Scope) -> None:
    """Whatever banned word a VM is named after, its mail is the template's, has no finding, and goes to its owner."""
    name = before + (word.upper() if shout else word) + after
    warned: dict[str, Any] = {"act": Act.NONE, "until": None, "enforced": False} if scope is Scope.WARN else {}
    (notice,) = compose(replace(DECISION, scope=scope, **warned), VERDICT, replace(VM, id=name, name=name), PROMISING)
    mail = build({"mail": {"server": "mail.example.net:25", "from": "abuse@example.net"}}).mail
    message, kept = write(Queued(notice, VERIFIED, 0), mail, WRITTEN)
    assert kept.fallback is None and message["To"] == "ops@example.net"
    assert name[:40].split()[0] in kept.text
    assert lint.check(notice.kind, notice.values, VERIFIED, WRITTEN) == []


# ---- the words file ------------------------------------------------------------------------------


def test_the_words_of_the_code_are_those_of_the_file() -> None:
    """The text that no file can break uses the same words as the shipped file."""
    assert shipped().words.phrases == ENGLISH


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('and = "and"', 'and = "and', "no TOML"),
        ('and = "and"', "and = 7", "and: is missing, or not one line"),
        ('and = "and"', 'und = "und"', "phrases.und: unknown key"),
        ('language = "en"', "", "language: is missing"),
        ("[lint.slots]", "[lint.points]", "lint.points: unknown key"),
        (r"'''\bfinal\b'''", "'''('''", "is no regular expression"),
        ("mean = '''Rate, mean: +([\\d,]+) '''", "mean = '''Rate'''", "has 0 groups, needs 1"),
    ],
)
def test_a_wrong_words_file_is_told_in_one_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    """File, key and reason, before any mail needs it."""
    whole = (SHIPPED / NAME).read_text()
    assert old in whole and tomllib.loads(whole)
    (tmp_path / NAME).write_text(whole.replace(old, new, 1))
    with pytest.raises(VocabularyError) as refused:
        read(tmp_path / NAME)
    assert said in str(refused.value) and str(tmp_path / NAME) in str(refused.value) and "\n" not in str(refused.value)


def test_an_unset_slot_is_an_error() -> None:
    """A template with a slot that no value fills is found by its name."""
    made = dict(SLOTS)
    del made["quiet"]
    (said,) = [one.text for one in lint.check("narrow", made, VERIFIED, WRITTEN) if one.rule == "renders"]
    assert "'quiet' is undefined" in said
    assert isinstance(GOOD, Rendered)
