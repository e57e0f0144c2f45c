"""`edgeguard next` and `edgeguard why`: what a tired person, and one on the phone, are shown; over a real database."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import (
    BACKGROUND,
    BY_PERSON,
    CASE,
    DECISION,
    ORDER,
    RELEASE_ORDER,
    TAP,
    VERDICT,
    VERIFIED,
    VM,
    notices,
)
from test_dispositions import EXEMPTION
from test_outbox import settings as mail_settings

from edgeguard import clock, config
from edgeguard.cases.case import Case
from edgeguard.cases.store import Store
from edgeguard.cli import main
from edgeguard.cli.offer import offer
from edgeguard.clock import HOUR, MINUTE
from edgeguard.grace import Disposition, Grace
from edgeguard.incoming import Keyword, Reply, Sort
from edgeguard.intake import Intake
from edgeguard.model import Happened, Outcome, Scope, Tap, TapKind
from edgeguard.notice.kinds import Kind
from edgeguard.notice.render import render
from edgeguard.notice.values import values
from edgeguard.urgent import urgent
from edgeguard.word import OWNER, Said, Word

INVENTORY = """
[[vm]]
id = "vm-100"
name = "web1"
customer = "Example Ltd"
contact = "ops@example.net"
taps = ["tap100"]
addresses = ["192.0.2.10", "2001:db8:1::/64"]
[[vm]]
id = "vm-200"
taps = ["tap200"]
addresses = ["192.0.2.20"]
"""


class Desk:
    """A host's files, and what is asked of them."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "cases.sqlite")
        self.file = folder / "edgeguard.toml"
        (folder / "inventory.toml").write_text(INVENTORY)
        self.file.write_text(
            f'[paths]\ndatabase = "{folder}/cases.sqlite"\nsocket = "{folder}/none.sock"\n'
            f'[inventory]\nfile = "{folder}/inventory.toml"\n'
        )
        self.now = clock.now()
        self.settings = config.build({})

    def null_routed(
        self,
        number: int = 0,
        scope: Scope = Scope.NARROW,
        since: int = 0,
        at: Tap = TAP,
        lasts: int = 4 * HOUR,
        **changes: Any,
    ) -> Case:
        case = replace(CASE, id=f"EG-20260101-{number:012x}", vm=f"vm-{100 + number}", state=scope, opened=self.now)
        case = replace(case, **{"customer": f"Example {number} Ltd", **changes})
        made = replace(DECISION, id=f"d-{number}", case=case.id, at=self.now - since, scope=scope)
        made = replace(made, until=self.now + lasts, verdict=f"v-{number}", tap=at)
        order = replace(ORDER, decision=made.id, scope=scope, until=made.until, vm=case.vm, tap=at)
        written = [
            replace(one, id=f"n-{number}-{n}", case=case.id, decision=made.id) for n, one in enumerate(notices())
        ]
        self.store.record(case, replace(VERDICT, id=f"v-{number}"), made, written, order)
        return case

    def ask(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "-c", str(self.file)])

    def first(self) -> str:
        return urgent(self.store, self.settings, self.now)[0].case.id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def test_one_screen_with_the_evidence_first(desk: Desk) -> None:
    """80 columns, 24 rows with the line that asks; who, what was measured, what was done, then the choices, and when
    the clock frees it."""
    case = desk.null_routed()
    Intake(desk.store, mail_settings(25), desk.settings.roster).take(
        Reply("r", Sort.REPLY, "ops@example.net", (case.id,), Keyword.CLEANED, text="CLEANED a miner\nmore"), desk.now
    )
    shown = desk.ask("next")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    order = [case.id, "web1", "measured", "50,012", "came back", "done", "waits for", "CLEANED a miner", "1  release"]
    order += ["2  hold to the next shift", "3  ask the desk", "Enter does nothing", "quiet for 15 min"]
    at = -1
    for word in order:
        found = shown.stdout.find(word, at + 1)
        assert found > at, word
        at = found


def test_the_longest_of_everything_fits(desk: Desk) -> None:
    """Many null routes, the longest names and 40 open cases push neither the choices nor the end off the screen."""
    case = desk.null_routed(0, vm_name="w" * 200, customer="c" * 200, tap="t" * 15)
    for number in range(1, 5):
        made = replace(DECISION, id=f"e-{number}", case=case.id, at=desk.now, until=desk.now + HOUR, verdict=None)
        desk.store.record(case, None, made, (), replace(ORDER, decision=made.id, until=desk.now + HOUR))
    for number in range(10, 50):
        other = replace(CASE, id=f"EG-20260101-{number:012x}", state="warned", customer=f"Example {number} Ltd")
        desk.store.put_case(other)
    lines = desk.ask("next").stdout.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert lines[-1] == "40 more: edgeguard case list --open" and "and 4 more" in "\n".join(lines)
    assert any(line.startswith("Enter does nothing: of 5 the first (narrow by automation) ends") for line in lines)
    assert " ".join(lines).count("UTC") >= 3 and not any(line.endswith("...") for line in lines[2:])


def test_what_is_null_routed_comes_first(desk: Desk) -> None:
    """The whole of a VM before a part, a broken clock before one that runs, an appeal before none."""
    desk.store.put_case(replace(CASE, id="EG-w", state="suspect-data"))
    assert desk.first() == "EG-w"
    narrow = desk.null_routed(1)
    assert desk.first() == narrow.id
    earlier = desk.null_routed(2, since=HOUR)
    assert desk.first() == earlier.id
    appealed = desk.null_routed(3)
    word = Word(appealed.id, Said.APPEAL, desk.now, OWNER, "x", covers=("d-3",))
    desk.store.say(replace(appealed, state="appealed"), word)
    assert desk.first() == appealed.id
    full = desk.null_routed(4, Scope.FULL)
    assert desk.first() == full.id
    broken = desk.null_routed(5, since=5 * HOUR)
    assert desk.first() == broken.id
    assert desk.ask("next", "--json").stdout.count("\n") == 1
    document = json.loads(desk.ask("next", "--json").stdout)
    assert document["priority"] == 65 and "a clock of people is broken" in document["why"] and document["open"] == 6


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.integers(0, 300), st.sampled_from("abc")), min_size=1, max_size=5
    )
)
def test_the_priority_is_bounded_and_says_of_what(
    tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[bool, bool, int, str]]
) -> None:
    """Between 0 and 100, with words for it; whoever is null-routed comes before all who are not, whatever else; each
    customer once, as urgent as the most urgent of its cases."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    alone = Desk(tmp_path_factory.mktemp("alone"))
    alone.now = desk.now
    for number, (stands, whole, minutes, customer) in enumerate(cases):
        for one, known_as in ((desk, customer), (alone, f"{customer} {number}")):
            if stands:
                scope = Scope.FULL if whole else Scope.NARROW
                one.null_routed(number, scope, minutes * MINUTE, customer=known_as, opened=desk.now)
            else:
                case = replace(CASE, id=f"EG-20260101-{number:012x}", state="warned", opened=desk.now)
                one.store.put_case(replace(case, customer=known_as))
    found, each = (urgent(one.store, one.settings, desk.now) for one in (desk, alone))
    assert all(0 <= one.priority <= 100 and one.why for one in found) and len(each) == len(cases)
    standing = [bool(one.standing) for one in found]
    assert standing == sorted(standing, reverse=True)
    priorities = {customer: 0 for *_, customer in cases}
    for one in each:
        customer = str(one.case.customer)[0]
        priorities[customer] = max(priorities[customer], one.priority)
    assert {one.case.customer: one.priority for one in found} == priorities
    assert sum(len(one.cases) for one in found) == len(cases)
    assert sum(len(one.standing) for one in found) == sum(stands for stands, *_ in cases)
    desk.store.close()
    alone.store.close()


def ten(desk: Desk, full: int = 7) -> list[Case]:
    """One customer's; the one in the middle is the most urgent."""
    return [
        desk.null_routed(number, Scope.FULL if number == full else Scope.NARROW, customer="Example Batch")
        for number in range(10)
    ]


def test_ten_of_one_customer_are_one(desk: Desk) -> None:
    """One entry under the leader's id, with how many VMs, all that is null-routed, whoever answered, and when the last
    of it ends; the most urgent one's evidence."""
    cases = ten(desk)
    other = desk.null_routed(20)
    Intake(desk.store, mail_settings(25), desk.settings.roster).take(
        Reply("r", Sort.REPLY, "ops@example.net", (cases[4].id,), Keyword.MINE, text="MINE our queue"), desk.now
    )
    shown = desk.ask("next").stdout
    lines = shown.splitlines()
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    assert lines[0].startswith(f"{cases[0].id}  priority 60: the whole VM is null-routed")
    assert lines[1] == "10 VMs of customer Example Batch; most urgent: web1 (vm-107) at tap100"
    for word in (
        "null-routed at 10 of 10 VMs (1 full, 9 narrow): 203.0.113.5\n",
        "proof: 10 not yet",
        "owner says ops@example.net: MINE our queue",
        "all 10 end by themselves when it was quiet for 15 min, at the latest",
        "1 more: edgeguard case list --open",
    ):
        assert word in shown or word in " ".join(lines), word
    assert shown.count("a person decides by") == 1, "the clock that breaks first, not one for each"
    document = json.loads(desk.ask("next", "--json").stdout)
    assert (document["leader"], document["open"]) == (cases[0].id, 2)
    assert {*document["cases"]} == {case.id for case in cases} and document["case"]["id"] == cases[7].id
    assert len(document["null_routes"]) == 10 and other.id not in str(document)


def test_a_stranger_is_nobodys_owner(desk: Desk) -> None:
    """What came back undelivered, what a program answered and what cannot be read is no answer; who wrote is named, and
    whom the case never wrote to is told apart and hides no owner's word. An acknowledgement makes him no contact."""
    case = desk.null_routed()
    intake = Intake(desk.store, mail_settings(25), desk.settings.roster)
    mails = [
        Reply("a", Sort.REPLY, "Ops@Example.net", (case.id,), Keyword.CLEANED, text="CLEANED a miner", answerable=True),
        Reply("b", Sort.REPLY, "evil@attacker.example", (case.id,), None, text="drop it all", answerable=True),
        Reply("c", Sort.REPLY, "x" * 90 + "@attacker.example", (case.id,), None, text="lift it", answerable=True),
        Reply("d", Sort.UNREADABLE, "ops@example.net", (case.id,), defect="20 MB are too much"),
        Reply("e", Sort.AUTOMATIC, "ops@example.net", (case.id,), text="out of office"),
        Reply("f", Sort.BOUNCE, "mailer-daemon@example.net", (case.id,), text="x", status="5.1.1"),
    ]
    for number, mail in enumerate(mails):
        intake.take(mail, desk.now + number)
    acknowledged = [letter for letter in desk.store.letters(case.id) if letter.kind == "acknowledged"]
    assert len(acknowledged) == 3
    shown, on_the_phone = desk.ask("next").stdout, desk.ask("why", "web1").stdout
    said = [line for line in shown.splitlines() if line.startswith(("owner says", "answered"))]
    stranger = "answered   (unknown sender) " + "x" * 37 + "...: lift it"
    assert said == ["owner says Ops@Example.net: CLEANED a miner", stranger]
    said = [line for line in on_the_phone.splitlines() if line.startswith(("Answered", "Told"))]
    assert said[0] == "Told: ops@example.net (narrow, waiting)." and len(said) == 3
    assert said[1] == f"Answered {clock.utc(desk.now)}: Ops@Example.net: CLEANED a miner"
    assert said[2].startswith(f"Answered {clock.utc(desk.now)}: (unknown sender) xxx")


def by_hand(desk: Desk, case: Case, id: str, scope: Scope, lasts: int) -> None:
    until = desk.now + lasts
    made = replace(DECISION, id=id, case=case.id, at=desk.now, until=until, verdict=None, scope=scope, by="root")
    desk.store.record(case, None, made, (), replace(ORDER, decision=id, scope=scope, until=until, vm=case.vm))


def held(desk: Desk, case: Case, at: int, until: int, *covers: str) -> None:
    desk.store.say(case, Word(case.id, Said.HOLD, at, "root", "he restores it", until, covers))


def test_each_null_route_has_an_end_of_its_own(desk: Desk) -> None:
    """One that is held, one that a person made for ten minutes and one of automation made after the hold: none of them
    is told the end of another, on the phone or at the desk; and a hold that is over keeps nothing."""
    case = desk.null_routed(0, since=HOUR)
    held(desk, case, desk.now - HOUR, desk.now + 3 * HOUR, "d-0")
    by_hand(desk, case, "hand", Scope.NARROW, 10 * MINUTE)
    late = replace(DECISION, id="late", case=case.id, at=desk.now, until=desk.now + 5 * HOUR, verdict="v-l", repeat=2)
    desk.store.record(
        case, replace(VERDICT, id="v-l"), late, (), replace(ORDER, decision="late", until=late.until, vm=case.vm)
    )
    by_itself = "Until when: it ends by itself "
    ends = [line for line in desk.ask("why", "web1").stdout.splitlines() if line.startswith("Until when")]
    utc = clock.utc
    assert ends == [
        f"{by_itself}when the hold is over at {utc(desk.now + 3 * HOUR)} and it was quiet, at the latest "
        f"{utc(desk.now + 4 * HOUR)}.",
        f"{by_itself}at the latest {utc(desk.now + 10 * MINUTE)}.",
        f"{by_itself}when it was quiet for 1 h, at the latest {utc(desk.now + 5 * HOUR)}.",
    ]
    frees = json.loads(desk.ask("next", "--json").stdout)["frees"]
    first, last = f"at the latest {utc(desk.now + 10 * MINUTE)}", f"at the latest {utc(desk.now + 5 * HOUR)}"
    assert frees == (
        f"of 3 the first (narrow by root) ends by itself {first}; "
        f"the last (narrow by automation) when it was quiet for 1 h, {last}"
    )
    other = desk.null_routed(1, vm="vm-200", since=4 * HOUR)
    held(desk, other, desk.now - 4 * HOUR, desk.now - HOUR, "d-1")
    over = desk.ask("why", "vm-200").stdout
    assert f"{by_itself}when it was quiet for 15 min, at the latest {utc(desk.now + 4 * HOUR)}." in over


def test_an_appeal_that_nobody_decides_is_an_end(desk: Desk) -> None:
    """It comes before the last one of what two people keep."""
    case = desk.null_routed(0, Scope.FULL, lasts=14 * 24 * HOUR)
    desk.store.say(replace(case, state="appealed"), Word(case.id, Said.APPEAL, desk.now, OWNER, "x", covers=("d-0",)))
    shown = desk.ask("why", "web1").stdout
    assert f"at the latest {clock.utc(desk.now + 4 * HOUR)} where nobody decides the appeal" in shown


def test_the_evidence_is_of_what_is_shown(desk: Desk) -> None:
    """Of three null routes the widest is shown with its proof, and that which the numbers are of beside it."""
    case = desk.null_routed(0, since=2 * MINUTE)
    by_hand(desk, case, "hand", Scope.NARROW, HOUR)
    assert "by automation" in desk.ask("next").stdout and "by root" in desk.ask("next").stdout
    by_hand(desk, case, "whole", Scope.FULL, HOUR)
    shown = desk.ask("next").stdout
    done = shown[shown.index("done ") :]
    assert "50,012" in shown and done.index("full for 1 s by root") < done.index("narrow for 2 min by automation")
    assert done.count("proof: not yet") == 2 and "and 1 more: edgeguard nullroute list" in done


def test_nothing_of_the_clocks_is_cut(desk: Desk) -> None:
    """All that the priority is made of, and what runs until when: wrapped, whatever else is told. The end of an
    exemption is of the desk's mail: it takes no room of the proof of what is null-routed."""
    case = desk.null_routed(0, Scope.FULL, since=5 * HOUR)
    word = Word(case.id, Said.APPEAL, desk.now, OWNER, "x", covers=("d-0",))
    desk.store.say(replace(case, state="appealed"), word)
    for number in range(3):
        one = replace(EXEMPTION, id=f"x-{number}", vm="vm-100", case=case.id, port=1000 + number)
        desk.store.exempt(replace(one, since=desk.now - HOUR, until=desk.now + HOUR))
    lines = desk.ask("next").stdout.splitlines()
    text = " ".join(" ".join(lines).split())
    assert len(lines) <= 23 and max(map(len, lines)) <= 80
    for told in (
        "the whole VM is null-routed, a clock of people is broken, its owner has appealed",
        f"a person decides by {clock.utc(desk.now - HOUR)}; after that it ends as soon as it was quiet",
        f"a third person upholds or releases it by {clock.utc(desk.now + 4 * HOUR)}, else it ends then",
        "proof: not yet",
    ):
        assert told in text, told
    assert "exempted" not in text
    assert {wait["kind"] for wait in json.loads(desk.ask("next", "--json").stdout)["waits"]} == {"decision", "appeal"}


def test_nothing_to_do_is_said(desk: Desk) -> None:
    """Without an open case there is one line; a case that nobody is null-routed by offers nothing to release."""
    assert desk.ask("next").stdout == "no case is open\n"
    desk.store.put_case(replace(CASE, state="warned"))
    shown = desk.ask("next").stdout
    assert "nothing is null-routed" in shown and "1  release" not in shown


def test_a_full_screen_loads_nothing_heavy(desk: Desk) -> None:
    """Who waits at night waits for no compiler, no check of a whole configuration and no protocol; with a null route
    and an answer, too."""
    case = desk.null_routed()
    mail = Reply("r", Sort.REPLY, "ops@example.net", (case.id,), Keyword.CLEANED, text="CLEANED a miner")
    Intake(desk.store, mail_settings(25), desk.settings.roster).take(mail, desk.now)
    script = (
        "import sys\nfrom edgeguard.cli import main\n"
        "try: main(['next', '-c', sys.argv[1]])\nexcept SystemExit: pass\n"
        "heavy = {'numba', 'scapy', 'pyroute2', 'numpy', 'pydantic', 'edgeguard.cases.protocol', 'edgeguard._native'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, str(desk.file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "owner says ops@example.net: CLEANED a miner" in done.stdout and done.stdout.endswith("\n[]\n")


def in_a_terminal(desk: Desk, typed: bytes) -> str:
    """`edgeguard next` in a real terminal of 80 columns."""
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "edgeguard", "next", "-c", str(desk.file)]
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "COLUMNS": "80"})
    os.close(slave)
    said, deadline, sent = b"", time.monotonic() + 60, False
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.2)[0]:
            try:
                said += os.read(master, 4096)
            except OSError:
                break
        if b"Choice" in said and not sent:
            os.write(master, typed)
            sent = True
    process.wait(10)
    os.close(master)
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("typed", [b"\n", b"x\n"])
def test_enter_does_nothing_and_says_when_the_clock_frees_it(desk: Desk, typed: bytes) -> None:
    """Nor does anything that is no choice: the database is as before."""
    case = desk.null_routed()
    before = [entry.text for entry in desk.store.timeline(case.id)]
    said = in_a_terminal(desk, typed)
    assert "nothing was done; it ends by itself when it was quiet for 15 min, at the latest" in said.replace("\n", " ")
    assert [entry.text for entry in desk.store.timeline(case.id)] == before


def test_who_calls_by_the_id_in_his_subject_is_answered(desk: Desk) -> None:
    """It is the leader's, maybe of a sum over his VMs, or of one that is free: those that are null-routed are named."""
    leader = replace(CASE, id="EG-20260101-aaaaaaaaaaaa", vm=None, tap=None, opened=desk.now, customer="Example Batch")
    desk.store.put_case(replace(leader, state="observed"))
    cases = ten(desk)
    shown = desk.ask("why", leader.id)
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "all VMs of customer Example Batch, customer Example Batch"
    assert lines[1].startswith("Not this one: nothing is null-routed here")
    assert lines[2].startswith("Null-routed of the same customer, with it: web1 (vm-100) at tap100, ")
    assert lines[2].endswith(f" and 7 more: edgeguard case show {leader.id}")
    assert json.loads(desk.ask("why", leader.id, "--json").stdout)["with"] == [case.id for case in cases]
    one = desk.ask("why", cases[3].id).stdout
    assert "Null-routed since" in one and "and 6 more: edgeguard case show" in one


def test_a_choice_is_of_what_is_shown(desk: Desk) -> None:
    """Of all, by the id of the first of them; where the others are settled, the first too, of the one that is left."""
    first, left, *others = ten(desk)
    said = in_a_terminal(desk, b"1\nexempt\n")
    assert "It ends 10 null routes (1 full, 9 narrow) of 10 VMs. What was found:" in said
    assert f"case release {first.id} --together --as exempt --consent 'who agreed' --why" in said
    for case in (first, *others):
        desk.store.outcome(Outcome(f"d-{int(case.id[-12:], 16)}", desk.now, Happened.RELEASED, ""))
        desk.store.close_case(case.id, desk.now, "released")
    said = in_a_terminal(desk, b"1\n5\n")
    assert said.startswith(f"{first.id}  priority") and f"case release {left.id} --as exempt" in said
    assert "It ends 1 null route (narrow" not in said and "It ends 1 null route (1 narrow) of 1 VM." in said
    assert "  vm-101 to 203.0.113.5:80/tcp, up to 70,516 packets a second, until " in said
    assert "nothing was done; it ends by itself" in said


@pytest.mark.parametrize("typed", [b"1\n\n", b"1\nnonsense\n", b"1\n1\n\n", b"2\n\n", b"3\n\n"])
def test_enter_leaves_at_every_question(desk: Desk, typed: bytes) -> None:
    """Who went one step too far goes back by the same key; nothing is asked of the daemon, which is not there."""
    desk.null_routed()
    said = in_a_terminal(desk, typed)
    assert "nothing was done; it ends by itself" in said and "no daemon answers" not in said


def test_a_hold_says_until_when_before_it_is_said(desk: Desk) -> None:
    """To the next shift where there is a roster, else the longest; and what was held, or is upheld, offers none."""
    case = desk.null_routed()
    assert "2  hold to the next shift" in desk.ask("next").stdout
    assert "12 h, the longest that one person may hold it" in in_a_terminal(desk, b"2\n\n")
    shift = {"name": "alex", "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "mail": "alex@example.net"}
    duty = config.build(
        {
            "roster": {
                "zone": "UTC",
                "shift": [{**shift, "from": f"{n:02}:00"} | {"to": f"{n + 6:02}:00"} for n in (0, 6, 12, 18)],
            }
        }
    )
    (one,) = urgent(desk.store, duty, desk.now)
    offered = offer(one, desk.store, duty, "", desk.now)
    six = 6 * HOUR
    assert (offered.held_until, offered.why_then) == ((desk.now // six + 1) * six, "the next shift begins then")
    held(desk, case, desk.now, desk.now + HOUR, "d-0")
    assert "2  no hold any more" in desk.ask("next").stdout
    said = in_a_terminal(desk, b"2\n")
    assert f"root has held it once, until {clock.utc(desk.now + HOUR)}; to keep it takes two" in said
    upheld = desk.null_routed(1, state="upheld", customer="Example Other")
    (kept,) = [one for one in urgent(desk.store, duty, desk.now) if one.case.id == upheld.id]
    assert offer(kept, desk.store, duty, "", desk.now).no_hold.startswith("it is upheld: ")


# ---- why -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", ["192.0.2.20", "vm-200", "tap200"])
def test_not_us(desk: Desk, term: str) -> None:
    """Where nothing is null-routed it says so first; what it sends is not known without a daemon, and that is said."""
    shown = desk.ask("why", term)
    assert shown.exit_code == 0, shown.output
    assert "Not us: nothing is null-routed here; what it sends now is not known, as no daemon answers" in shown.stdout
    assert "There is no case about it." in shown.stdout


def released(desk: Desk, case: Case, at: int, **changes: Any) -> None:
    """Ordered, and not in the kernel yet."""
    of = f"d-{int(case.id[-12:], 16)}"
    made = replace(BY_PERSON, id=f"r-{case.id}", case=case.id, at=at, by="root", releases=(of,), **changes)
    desk.store.record(replace(case, state="probation"), None, made, (), replace(RELEASE_ORDER, decision=of))


def test_it_was_us_until_now(desk: Desk) -> None:
    """While it is released, and for a day afterwards, nobody is told that it is not us: from when to when, by whom, as
    what. The last ones first; what never stood is none."""
    case = desk.null_routed(0, since=3 * MINUTE)
    desk.store.outcome(Outcome("d-0", desk.now - 3 * MINUTE, Happened.ACKNOWLEDGED, ""))
    released(desk, case, desk.now, reason="we were wrong", grace=Grace(Disposition.OUR_FAULT))
    shown = desk.ask("why", "web1").stdout
    assert "Being released: that its null route is gone is not proved yet; what it sends now is not known" in shown
    desk.store.outcome(Outcome("d-0", desk.now, Happened.RELEASED, ""))
    desk.store.close_case(case.id, desk.now, "released")
    failed = desk.null_routed(1, vm="vm-100")
    desk.store.outcome(Outcome("d-1", desk.now, Happened.FAILED, "no such device"))
    desk.store.outcome(Outcome("d-1", desk.now, Happened.LINK_GONE, ""))
    lines = desk.ask("why", "web1").stdout.splitlines()
    assert lines[1].startswith("Not any more: nothing is null-routed here now; ")
    span = f"from {clock.utc(desk.now - 3 * MINUTE)} to {clock.utc(desk.now)}"
    how = "released by root as our-fault: we were wrong"
    assert lines[2] == f"It was null-routed {span}, narrow, by automation; {how}."
    assert f"Case {failed.id}" in lines[3]
    document = json.loads(desk.ask("why", "web1", "--json").stdout)
    assert document["ended"] == [{"decision": "d-0", "at": desk.now, "how": how}]


def test_a_day_later_it_is_not_us(desk: Desk) -> None:
    """What ended before that is told as an earlier case alone."""
    case = desk.null_routed(0, since=26 * HOUR)
    desk.store.outcome(Outcome("d-0", desk.now - 26 * HOUR, Happened.ACKNOWLEDGED, ""))
    released(desk, case, desk.now - 25 * HOUR, reason="quiet")
    desk.store.outcome(Outcome("d-0", desk.now - 24 * HOUR, Happened.RELEASED, ""))
    assert "Not us: nothing is null-routed here; " in desk.ask("why", "web1").stdout


def test_who_was_told_where_nobody_could_be(desk: Desk) -> None:
    """A VM without contact: nobody, and that the desk was; and what is not known of it is one sentence."""
    case = replace(CASE, id="EG-20260101-cccccccccccc", vm="vm-200", vm_name=None, tap="tap200", opened=desk.now)
    made = replace(DECISION, id="d-c", case=case.id, at=desk.now, verdict="v-c", until=desk.now + HOUR)
    to_desk = replace(notices()[-1], id="n-c", case=case.id, decision="d-c", to=None, kind="desk-null-route")
    order = replace(ORDER, decision="d-c", vm="vm-200", until=made.until)
    desk.store.record(case, replace(VERDICT, id="v-c"), made, [to_desk], order)
    shown = desk.ask("why", "vm-200").stdout
    assert "Told: nobody, as the inventory has no contact of it; the desk was (desk-null-route, waiting)." in shown
    assert "\nWhat it sends now is not known, as no daemon answers for it.\n" in shown


@pytest.mark.parametrize("term", ["192.0.2.10", "2001:db8:1::7", "web1", "tap100", "EG-20260101-000000000000"])
def test_us(desk: Desk, term: str) -> None:
    """What is dropped and what works, since when, why, until when, who was told: by whatever is at hand."""
    case = desk.null_routed()
    shown = desk.ask("why", term)
    assert shown.exit_code == 0, shown.output
    for word in (
        f"Null-routed since {clock.utc(desk.now)} by automation: dropped is everything to 203.0.113.5; ",
        "; everything else works (proof: not yet)",
        "What it sends now is not known, as no daemon answers for it.",
        "Why: syn hard: 50,012 packets",
        f"at the latest {clock.utc(desk.now + 4 * HOUR)}",
        f"edgeguard case release {case.id} --as DISPOSITION --why ",
        "Told: ops@example.net (narrow, waiting)",
    ):
        assert word in shown.stdout, word
    assert json.loads(desk.ask("why", term, "--json").stdout)["null_routed"] is True


DROPPED = [
    (TapKind.ROUTED, Scope.NARROW, "everything to 203.0.113.5", "everything to 203.0.113.5", "203.0.113.5"),
    (TapKind.BRIDGED, Scope.NARROW, "tcp to 203.0.113.5, port 80", "what goes to 203.0.113.5:80/tcp", ":80/tcp"),
    (TapKind.ROUTED, Scope.FULL, "all traffic of this one server, in and out", "all traffic, in and out", "everything"),
]


@pytest.mark.parametrize(("kind", "scope", "mailed", "told", "listed"), DROPPED)
def test_the_phone_and_the_mail_say_the_same(
    desk: Desk, kind: TapKind, scope: Scope, mailed: str, told: str, listed: str
) -> None:
    """What is dropped goes by the tap: a route knows no port, so that nobody is told on the phone that the rest of an
    address works when it does not; and a full null route is none of the targets that it was made for."""
    desk.null_routed(0, scope, at=replace(TAP, kind=kind))
    made = replace(DECISION, scope=scope, tap=replace(TAP, kind=kind))
    mail = render(Kind.DESK_NULL_ROUTE, values(made, VERDICT, VM, BACKGROUND), VERIFIED, made.at)
    assert mail.fallback is None and mailed in " ".join(mail.text.partition("WHAT WAS DONE")[2].split())
    assert f"dropped is {told}; " in desk.ask("why", "web1").stdout
    assert f"by automation: {told}\n" in desk.ask("next").stdout
    heads, row = (line.split("  ") for line in desk.ask("nullroute", "list").stdout.splitlines())
    cells = [[cell.strip() for cell in line if cell.strip()] for line in (heads, row)]
    assert cells[1][cells[0].index("targets")].endswith(listed)
    assert (":80" in cells[1][cells[0].index("targets")]) is (":80" in listed)


def test_of_nobody_it_is_said_where_he_may_be(desk: Desk) -> None:
    """One line, exit 1; without a database the inventory is enough to answer."""
    shown = desk.ask("why", "198.51.100.99")
    assert shown.exit_code == 1 and "it may be on another host" in shown.stderr and shown.stderr.count("\n") == 1
    desk.store.close()
    for file in desk.file.parent.glob("cases.sqlite*"):
        file.unlink()
    assert "Not us" in desk.ask("why", "192.0.2.10").stdout


def test_a_vm_that_is_not_in_the_inventory_any_more(desk: Desk) -> None:
    """Its case is enough."""
    gone = desk.null_routed(7, vm="vm-gone", vm_name="old7", tap="tap7", addresses=(ip_network("198.51.100.77/32"),))
    shown = desk.ask("why", "198.51.100.77").stdout
    assert "not in the inventory now" in shown and "Null-routed since" in shown and gone.id in shown
    assert TAP.name not in shown
