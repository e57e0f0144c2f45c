"""The incidents that happened to others, played in virtual time: each must end here as the story says."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from ipaddress import ip_address

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from samples import ORDER

from edgeguard.cli import main
from edgeguard.clock import SECOND, SLOT
from edgeguard.lab.account import Account
from edgeguard.lab.incidents import told
from edgeguard.lab.incidents.catalogue import INCIDENTS
from edgeguard.lab.incidents.incident import Expectation, Played
from edgeguard.lab.incidents.kernel import Kernel
from edgeguard.lab.incidents.people import Answer
from edgeguard.lab.incidents.stage import BEGIN, play
from edgeguard.lab.incidents.streams import Stream, records
from edgeguard.model import Act, Happened, Scope
from edgeguard.record import NOBODY, address

OF_NO_STORY = (  # asked of what a standing may hold; test_incidents_removed.py makes it fail
    "no standing can rest on shared_ssh_key, payment_history, account_age",
)
EIGHT = [
    "ten-workers",
    "networking-disabled",
    "second-udp-flood",
    "mass-false-positive",
    "forged-neighbour",
    "victim",
    "six-accounts",
    "cut-return-path",
]


@functools.cache
def played(name: str) -> Played:
    return play(INCIDENTS[name])


@pytest.mark.parametrize("name", EIGHT)
def test_the_incident_ends_otherwise(name: str) -> None:
    """Every expectation of the story holds, with the real engine, database and mail."""
    incident = INCIDENTS[name]
    result = told.judge(incident, played(name))
    assert result.wrong == ()
    assert len(result.values["expectations"]) >= 5


def test_there_are_eight() -> None:
    """Those of the design, and no other."""
    assert list(INCIDENTS) == EIGHT


def test_a_story_is_the_same_in_every_run() -> None:
    """Virtual time: two runs give the same lines, to the nanosecond."""
    lines = [play(INCIDENTS["forged-neighbour"]).lines for _ in range(2)]
    assert lines[0] == lines[1] != ()


def test_what_is_not_so_is_said() -> None:
    """An expectation that does not hold, and an act that cannot be done, are named; the exit code says so."""
    never = Expectation("the sky falls", lambda played: "it stays up")
    story = INCIDENTS["victim"]
    bad = replace(story, expected=(*story.expected, never), acts=(Answer(20 * SECOND, 0, "MINE"),))
    result = told.judge(bad, play(bad))
    assert result.wrong == ("the sky falls: it stays up", "owner0@example.net has no mail to answer")
    assert not result.values["ok"]
    lines: list[str] = []
    told.tell(bad, result, lambda style, text: lines.append(text))
    assert "NOT OK: the sky falls; it stays up" in lines and lines[-1] == "victim: NOT OK"


def in_full(one: Played) -> Played:
    """The same, with every decision about the whole VM."""
    accounts = (
        replace(account, decisions=tuple(replace(decision, scope=Scope.FULL) for decision in account.decisions))
        for account in one.accounts
    )
    return replace(one, accounts=tuple(accounts))


@pytest.mark.long
@pytest.mark.parametrize("name", EIGHT)
def test_every_expectation_can_fail(name: str) -> None:
    """What holds in its own story does not in another, nor where nothing happened, all was done in full, or no mail
    came."""
    nothing = Played(BEGIN, (Account(),), {}, {}, (), ())
    others = (nothing, in_full(played(name)), replace(played(name), mails=()))
    for one in INCIDENTS[name].expected:
        if one.text in OF_NO_STORY:
            continue
        assert any(one.wrong(other) for other in (*others, *map(played, EIGHT))), one.text


# ---- by command ----------------------------------------------------------------------------------------


def test_the_command_prints_both_timelines() -> None:
    """People read then beside here, in the order of time, and the figures; programs one object."""
    done = CliRunner().invoke(main, ["lab", "incident", "networking-disabled"])
    assert done.exit_code == 0, done.output
    assert "then  a mail: thanks for a submission" in done.stdout
    assert "here  null-route narrow to 203.0.113.99" in done.stdout
    assert "cut off until the owner is told why: then 12 h, here 1.0" in done.stdout
    done = CliRunner().invoke(main, ["lab", "incident", "networking-disabled", "--json"])
    found = json.loads(done.stdout)
    assert (found["incident"], found["ok"], found["real"]) == ("networking-disabled", True, None)
    assert {one["ok"] for one in found["expectations"]} == {True}
    here = [line["at_ns"] for line in found["here"]]
    assert here == sorted(here) and len(here) >= 5


@pytest.mark.long
def test_all_of_them_are_one_line_of_json_each() -> None:
    """`--all --json`, in the order they are told; the exit code is that of all."""
    done = CliRunner().invoke(main, ["lab", "incident", "--all", "--json"])
    assert done.exit_code == 0
    assert [json.loads(line)["incident"] for line in done.stdout.splitlines()] == EIGHT


@pytest.mark.parametrize(
    ("words", "told_"),
    [
        (["incident"], "name one, or give --all; known are ten-workers"),
        (["incident", "ten-workers", "--all"], "name one, or give --all"),
        (["incident", "eleven-workers"], "there is no incident 'eleven-workers'; known are ten-workers"),
        (["incident", "victim", "six-accounts"], "one at a time, not victim six-accounts"),
        (["incident", "six-accounts", "--real"], "virtual time only; --real knows networking-disabled, forged-neigh"),
        (["syn-flood", "--all"], "--all and --real are of 'edgeguard lab incident'"),
    ],
)
def test_wrong_use_is_one_line(words: list[str], told_: str) -> None:
    """What was asked, why it cannot be, what can; exit code 2."""
    done = CliRunner().invoke(main, ["lab", *words])
    assert done.exit_code == 2
    assert told_ in done.stderr and done.stderr.count("\n") == 1


def test_the_listing_names_every_incident() -> None:
    """People and programs get all eight, and which can be played in real time."""
    text = CliRunner().invoke(main, ["lab", "incident", "--list"])
    assert [line.split()[0] for line in text.stdout.splitlines()] == EIGHT
    rows = CliRunner().invoke(main, ["lab", "incident", "--list", "--json"])
    found = [json.loads(line) for line in rows.stdout.splitlines()]
    assert [row["incident"] for row in found if row["real"]] == ["networking-disabled", "forged-neighbour", "victim"]


# ---- the parts -----------------------------------------------------------------------------------------

streams = st.builds(
    Stream,
    what=st.sampled_from(["syn", "udp", "syn-ack", "connections"]),
    rate=st.integers(1, 400),
    span=st.tuples(st.integers(0, 20), st.integers(0, 40)).map(lambda s: (s[0] * SLOT, s[1] * SLOT)),
    into=st.just(False),
)


@given(streams, st.lists(st.integers(1, 12), max_size=6))
def test_however_it_is_cut_a_stream_is_the_same(stream: Stream, cuts: list[int]) -> None:
    """Slot by slot come the same packets as at once: each at its computed moment, within the span, once."""
    whole = records(stream, "192.0.2.10", 0, 50 * SLOT, BEGIN)
    parts, since = [], 0
    for slots in [*cuts, 50]:
        until = min(50 * SLOT, since + slots * SLOT)
        parts += records(stream, "192.0.2.10", since, until, BEGIN)["ts"].tolist()
        since = until
    assert parts == whole["ts"].tolist() == sorted(parts)
    begins = [BEGIN + stream.span[0] + n * SECOND // stream.rate for n in range(20 * 400)]
    expected = [at for at in begins if at < BEGIN + stream.span[1]]
    each = 3 if stream.what == "connections" else 1
    assert whole["ts"].tolist()[::each] == expected and len(whole) == each * len(expected)


def test_a_connection_is_a_handshake() -> None:
    """SYN out, SYN-ACK in, ACK out, between the same two ends."""
    syn, answer, ack = records(Stream("connections", 1, (0, SECOND)), "192.0.2.10", 0, SECOND, BEGIN)
    ends = [(str(address(4, r["src_hi"], r["src_lo"])), int(r["src_port"])) for r in (syn, answer, ack)]
    assert ends == [("192.0.2.10", 1_024), ("203.0.113.80", 443), ("192.0.2.10", 1_024)]
    assert [int(r["out_of"]) for r in (syn, answer, ack)] == [0, NOBODY, 0]
    assert str(ip_address(int(answer["dst_lo"]))) == "192.0.2.10" and int(answer["dst_port"]) == 1_024


def test_a_null_route_that_ends_before_its_proof_is_not_proved() -> None:
    """The played kernel says nothing of what does not stand any more."""
    kernel = Kernel()
    kernel.take(ORDER, 0)
    assert [one.happened for one in kernel.outcomes(SECOND // 2)] == [Happened.ACKNOWLEDGED]
    kernel.take(replace(ORDER, act=Act.RELEASE), SECOND // 2)
    assert [one.happened for one in kernel.outcomes(9 * SECOND)] == [Happened.RELEASED]
    assert kernel.next is None


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (1_010_000_000, "1.01 s"),
        (25 * 60 * SECOND + 3 * SECOND, "25 m 03 s"),
        ((12 * 60 + 6) * 60 * SECOND, "12 h 06 m"),
        (11 * 24 * 3600 * SECOND, "11 d 00 h"),
    ],
)
def test_lengths_are_told_as_people_do(ns: int, text: str) -> None:
    """The two largest units, as the history has them."""
    assert told.length(ns) == text
