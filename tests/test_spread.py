"""Where the distinct counts of a verdict are shown: to operators as estimates, to customers never."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from oracles import counting as plain
from oracles.counting import SECOND, SLOT, Packet
from samples import BACKGROUND, DECISION, VERDICT, VM, T

from edgeguard import config, jsonl
from edgeguard.cases import codec
from edgeguard.cli import arithmetic
from edgeguard.counting.distinct import Distinct
from edgeguard.counting.shards import Shards
from edgeguard.counting.window import Counting
from edgeguard.detection import syn
from edgeguard.glance import lines
from edgeguard.inventory import configured
from edgeguard.letters import Facts, Notice
from edgeguard.model import Act, Decision, Scope, Spread, Subject, Verdict
from edgeguard.notice.render import render
from edgeguard.notice.values import compose
from edgeguard.replay import Found, Replay

WITH = replace(VERDICT, spread=Spread(1_203, 4, 17))
START = 1_767_225_600 * SECOND


def mails(decision: Decision, verdict: Verdict, known: bool = True) -> dict[str, str]:
    """The texts of a decision's notices, by who gets them."""
    notices = compose(decision, verdict, VM if known else replace(VM, contact=None), BACKGROUND)
    return {notice.to or "desk": render(notice.kind, notice.values, Facts(), T).text for notice in notices}


def test_the_desk_is_told_and_customers_are_not() -> None:
    """The desk's mails name the estimates as such; a customer's mail is the same with them and without."""
    observed = replace(DECISION, act=Act.NONE, scope=Scope.OBSERVE, until=None)
    for decision in (observed, replace(DECISION, by="on-call"), DECISION):
        told = mails(decision, WITH, known=False)["desk"]
        assert "About:          1,203 targets; 4 addresses as sender, not the server's\n" in told
        assert "(estimates; for the desk only)" in told
        assert "About:" not in mails(decision, VERDICT, known=False)["desk"]
    warned = replace(DECISION, act=Act.NONE, scope=Scope.WARN, until=None)
    for decision in (DECISION, warned, replace(DECISION, scope=Scope.FULL)):
        mine = mails(decision, WITH)[VM.contact or ""]
        assert mine == mails(decision, VERDICT)[VM.contact or ""]
        assert "1,203" not in mine


def test_no_estimate_is_within_reach_of_a_customers_text() -> None:
    """The values that a customer's notice is rendered from hold no estimate: a text of one's own cannot show it."""
    notices = compose(DECISION, WITH, VM, BACKGROUND)
    assert {notice.to: notice.values["spread"] for notice in notices if notice.to} == {VM.contact: None}


def test_the_arithmetic_names_estimates() -> None:
    """`explain` and `replay` show them on a line of their own, by what the VM's addresses are known to be."""
    rows = dict(arithmetic.of_verdict(WITH))
    assert rows["about"] == (
        "1,203 targets, 4 sources that are not the VM's, 17 sources into it: estimates, for operators only"
    )
    assert "4 sources, " in dict(arithmetic.of_verdict(replace(WITH, foreign=None)))["about"]
    assert "about" not in dict(arithmetic.of_verdict(VERDICT))


def test_a_verdict_is_stored_with_its_spread() -> None:
    """What the database gives back is what was put in; verdicts of before, without a spread, are read too."""
    assert codec.loads(Verdict, codec.dumps(WITH)) == WITH
    before = codec.dumps(VERDICT).replace(',"spread":null', "")
    assert '"spread"' not in before
    assert codec.loads(Verdict, before) == VERDICT


def test_json_lines_carry_it() -> None:
    """`replay --json` has the three numbers, or null."""
    assert jsonl.line(WITH)["spread"] == {"targets": 1_203, "sources_out": 4, "sources_in": 17}
    assert jsonl.line(VERDICT)["spread"] is None


def test_a_verdict_has_the_targets_of_its_own_rule() -> None:
    """A SYN flood to three targets beside UDP to many is told as three."""
    settings = config.load(None)
    made = Counting(0, by_source=False, points=1, distinct=Distinct((1, 2), 1))
    made.assign(0, Subject("vm-0", "tap0", None), VM.addresses)
    sent = [Packet(START, packets=99_999, dst=f"203.0.113.{n}", src="192.0.2.10", out_of=0) for n in range(3)]
    sent += [Packet(START, "udp", dst=f"198.51.100.{n}", src="192.0.2.10", out_of=0) for n in range(200)]
    made.add(plain.rows(sent), 0)
    _, verdict = syn.judge(made.reading(0, START + SLOT), settings.limits.syn, settings.judging, None)
    assert verdict is not None
    assert verdict.spread == Spread(3, 0, 0)


def test_shards_are_told_as_one() -> None:
    """Dealt to three shards, packets have the spread and the seconds of one counter fed with all."""
    one = Counting(0, by_source=False, points=1, distinct=Distinct((1, 2), 1))
    made = Shards(3, points=1, distinct=Distinct((1, 2), 1))
    for each in (one, made):
        each.assign(0, Subject("vm-0", "tap0", None), ())
    sent = [Packet(START + n, dst=f"203.0.113.{n % 90}", out_of=0, into=0) for n in range(300)]
    one.add(plain.rows(sent), 0)
    made.tick(START)  # shards stop at every slot, the first one too
    for n, shard in enumerate(made.of):
        assert shard.add(plain.rows(sent[n::3]), 0) == 100
    at = START + SLOT
    assert made.reading(0, at).spread == one.reading(0, at).spread
    for seconds in (1, 5, 64):
        assert made.within(0, "syn", seconds) == one.within(0, "syn", seconds) == 300


def test_a_replay_tells_the_same_every_time(tmp_path: Path) -> None:
    """A savefile's verdict has its spread, and two replays give the same: the key of the hash is fixed there."""
    file, written = tmp_path / "flood.pcap", tmp_path / "flood.toml"
    sent = [Packet(START + n * 1_000, dst=f"203.0.113.{n % 150}", src="192.0.2.10") for n in range(60_000)]
    file.write_bytes(plain.savefile(sent))
    written.write_text(
        '[[inventory.vm]]\nid = "vm-100"\nname = "web1"\nmacs = ["02:00:00:00:00:02"]\naddresses = ["192.0.2.10"]\n'
    )
    settings = config.load(written)
    found: list[list[Found]] = []
    for _ in range(2):
        told: list[Found] = []
        Replay(file, settings, configured(settings.inventory), told.append).run()
        found.append(told)
    assert found[0] == found[1]
    verdict = next(one for one in found[0] if isinstance(one, Verdict))
    assert verdict.spread is not None
    assert verdict.spread.sources_out == 0
    assert abs(verdict.spread.targets - 150) < 45
    assert all(notice.values["spread"] is None for notice in found[0] if isinstance(notice, Notice) and notice.to)


def test_status_shows_who_is_loud() -> None:
    """A line for each rule of a loud VM: packets of 1, 5 and 60 s, and about how many targets."""
    spans = {"syn": {"1": 50_012, "5": 210_000, "60": 1_000_000}, "udp": {"1": 0, "5": 0, "60": 0}}
    one = {"tap": "tap100", "vm": "vm-100", "packets": spans, "about_targets": {"syn": 1_203, "udp": 0}}
    assert lines.loud([one]) == [
        "loud: vm-100 at tap100: syn packets 50,012 in 1 s, 210,000 in 5 s, 1,000,000 in 60 s, to about 1,203 targets"
    ]
    assert lines.loud([{**one, "vm": None, "about_targets": {}}])[0].startswith("loud: unknown VM at tap100")
    assert lines.loud([]) == []
