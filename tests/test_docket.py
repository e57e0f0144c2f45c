"""The docket: episodes by point and rule, one case per VM and episode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from samples import CASE, DECISION, RELEASE, SUBJECT, TAP, VERDICT, VM, T

from edgeguard.cases.case import host_digits
from edgeguard.clock import MINUTE, SECOND
from edgeguard.detection.episode import Episode
from edgeguard.docket import Docket
from edgeguard.model import Act, Scope, Subject, Verdict

NULL_ROUTES = (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)


def verdict(subject: Subject = SUBJECT, point: int = 1, **changes: Any) -> Verdict:
    return replace(VERDICT, subject=subject, point=point, **changes)


def loud(at: int = T) -> Episode:
    return Episode(since=at, last_loud=at)


def decision(scope: Scope) -> Any:
    return replace(DECISION, scope=scope, act=Act.NULL_ROUTE if scope in NULL_ROUTES else Act.NONE)


# ---- episodes ------------------------------------------------------------------------------------


def test_an_episode_is_of_one_point_and_rule() -> None:
    """Rules and points do not share an episode; None ends it; ending what is not there is nothing."""
    docket = Docket("host")
    docket.keep(1, "syn", loud())
    assert docket.episode(1, "syn") == loud()
    assert docket.episode(1, "udp") is None
    assert docket.episode(2, "syn") is None
    assert docket.busy
    docket.keep(1, "syn", None)
    docket.keep(1, "syn", None)
    assert not docket.busy


def test_quiet_is_counted_from_the_last_loud_window() -> None:
    """An episode is quiet when its last loud window is that long ago, to the nanosecond."""
    docket = Docket("host")
    docket.keep(1, "syn", loud(T))
    docket.keep(2, "udp", loud(T + SECOND))
    assert docket.quiet(T + MINUTE - 1, MINUTE) == []
    assert docket.quiet(T + MINUTE, MINUTE) == [(1, "syn")]


def test_forgetting_is_of_what_was_told() -> None:
    """What was reported of an episode is reported again; its history stays. Nothing is made up where none is."""
    docket = Docket("host")
    docket.keep(1, "syn", loud().told(VERDICT.band, VERDICT.targets))
    docket.forget(1, "syn")
    docket.forget(2, "syn")
    assert docket.episode(1, "syn") == loud()
    assert docket.episode(2, "syn") is None


# ---- cases ---------------------------------------------------------------------------------------


def test_one_vm_has_one_case() -> None:
    """All taps, rules and targets of a VM come into its one open case; another VM has its own."""
    docket = Docket("host")
    case = docket.case(verdict(), VM, TAP)
    assert docket.case(verdict(Subject("vm-100", "tap101", None), 2, rule="udp"), VM, TAP) is case
    other = docket.case(verdict(Subject("vm-7", "tap7", None), 3), replace(VM, id="vm-7"), TAP)
    assert other.id != case.id


def test_a_case_says_whom_it_is_about() -> None:
    """VM, tap, ifindex, MAC, customer and addresses are what was known when it was opened."""
    case = Docket("host").case(verdict(since=T - 2 * SECOND), VM, TAP)
    assert (case.vm, case.vm_name, case.customer) == ("vm-100", "web1", "Example Ltd")
    assert (case.tap, case.ifindex, case.mac) == ("tap100", 7, TAP.mac)
    assert (case.opened, case.state, case.addresses) == (T - 2 * SECOND, "observed", VM.addresses)
    assert case.id.startswith("EG-20260101-")


def test_a_case_id_tells_its_host() -> None:
    """The same four digits are in all cases of a host, and others in another's; the rest differs by case."""

    def digits(host: str, at: int) -> tuple[str, str]:
        last = Docket(host).case(verdict(at=at), VM, TAP).id.rpartition("-")[2]
        assert len(last) == 12
        return last[:4], last[4:]

    first, later, other = digits("hv1", T), digits("hv1", T + SECOND), digits("hv2", T)
    assert first[0] == later[0] == host_digits("hv1") != other[0]
    assert len({first[1], later[1], other[1]}) == 3


def test_who_is_unknown_stands_for_itself() -> None:
    """A tap without an inventory entry, and a source of a savefile, have cases of their own."""
    docket = Docket("host")
    tap = docket.case(verdict(Subject(None, "tap100", None), 2), None, TAP)
    source = docket.case(verdict(Subject(None, None, "192.0.2.1"), 3), None, None)
    vm = docket.case(verdict(), VM, TAP)
    assert len({tap.id, source.id, vm.id}) == 3
    assert (tap.vm, tap.customer, tap.addresses) == (None, None, ())
    assert (source.source, source.tap) == ("192.0.2.1", None)


def test_a_case_id_is_its_contents() -> None:
    """Host, subject and time make the id: the same in every run, another on another host or at another time."""
    one, same = (Docket("host").case(verdict(), VM, TAP) for _ in range(2))
    assert one.id == same.id
    assert Docket("other").case(verdict(), VM, TAP).id != one.id
    assert Docket("host").case(verdict(at=T + SECOND), VM, TAP).id != one.id


def test_a_state_only_rises_until_the_release() -> None:
    """Observed, warned, narrow, full: a lower decision leaves the state; after a release it may rise again."""
    docket = Docket("host")
    case = docket.case(verdict(), VM, TAP)
    seen = []
    for scope in (Scope.WARN, Scope.OBSERVE, Scope.NARROW, Scope.OWN_ONLY, Scope.FULL, Scope.OWN_ONLY):
        case = docket.decided(case, decision(scope))
        docket.put(case)
        seen.append(case.state)
    assert seen == ["warned", "warned", "narrow", "own-only", "full", "full"]
    assert docket.case(verdict(), VM, TAP).state == "full"
    release = replace(RELEASE, case=case.id)
    assert docket.released(release, "end", still=True).state == "full"
    freed = docket.released(release, "end", still=False)
    assert freed.state == "probation"
    assert docket.case(verdict(), VM, TAP).state == "full"
    docket.put(freed)
    assert docket.decided(docket.case(verdict(), VM, TAP), decision(Scope.NARROW)).state == "narrow"


def test_a_case_is_settled_once_and_only_when_nothing_holds_it() -> None:
    """An episode of any of its points, or a standing null route, keeps a case open; then it is given once."""
    docket = Docket("host")
    case = docket.case(verdict(), VM, TAP)
    docket.keep(1, "syn", loud())
    assert list(docket.settled({case.id})) == []
    assert list(docket.settled(set())) == []
    docket.keep(1, "syn", None)
    assert list(docket.settled({case.id})) == []
    assert list(docket.settled(set())) == [case]
    assert list(docket.settled(set())) == []
    assert not docket.busy
    assert docket.case(verdict(at=VERDICT.at + MINUTE), VM, TAP).id != case.id


def test_what_goes_on_after_a_person_closed_its_case_has_another() -> None:
    """The episode began before the case was closed; what is decided now is never written into the closed one."""
    docket = Docket("host")
    closed = docket.case(verdict(), VM, TAP)
    docket.drop(closed.id)
    later = docket.case(verdict(at=VERDICT.at + SECOND), VM, TAP)
    assert later.id != closed.id
    assert later.opened == closed.opened == VERDICT.since


def test_an_episode_that_opened_no_case_holds_none() -> None:
    """An episode below every limit does not keep another's case open."""
    docket = Docket("host")
    case = docket.case(verdict(), VM, TAP)
    docket.keep(5, "udp", loud())
    assert list(docket.settled(set())) == [case]


def test_a_case_goes_on_after_a_restart() -> None:
    """A case of the database is the one its VM's next verdict comes into."""
    docket = Docket("host")
    docket.resume(CASE)
    assert docket.case(verdict(), VM, TAP) is CASE
    assert docket.by_person(SUBJECT, T, VM, TAP) is CASE


def test_a_persons_case_is_the_vms() -> None:
    """A person who acts on a VM opens its case; automation comes into the same one."""
    docket = Docket("host")
    case = docket.by_person(SUBJECT, T, VM, TAP)
    assert docket.case(verdict(), VM, TAP) is case


def test_a_customers_sum_has_a_case_of_its_own() -> None:
    """A sum is no VM's case, two customers' are not one, and a restart takes up the very same."""
    docket = Docket("host")
    both = [verdict(Subject(None, None, None, name), point=-n) for n, name in ((1, "Example Ltd"), (2, "Other Ltd"))]
    first, other = (docket.case(one, None, None) for one in both)
    of_vm = docket.case(verdict(), VM, TAP)
    assert len({first.id, other.id, of_vm.id}) == 3
    assert (first.vm, first.tap, first.source, first.customer) == (None, None, None, "Example Ltd")
    after = Docket("host")
    for case in (of_vm, first, other):
        after.resume(case)
    assert [after.case(one, None, None) for one in both] == [first, other]
    assert after.case(verdict(), VM, TAP) == of_vm


# ---- what reaches a VM ---------------------------------------------------------------------------


def test_what_reaches_a_vm_has_a_case_of_its_own() -> None:
    """Out of a VM and into it are two cases; nothing that is decided changes the victim's state."""
    docket = Docket("host")
    docket.keep(1, "syn", loud())
    docket.keep(1, "syn-in", loud())
    sent, received = docket.case(verdict(), VM, TAP), docket.case(verdict(rule="syn-in"), VM, TAP)
    assert (sent.state, received.state) == ("observed", "victim")
    assert sent.id != received.id and (sent.vm, sent.customer) == (received.vm, received.customer)
    for scope in Scope:
        assert docket.decided(received, decision(scope)).state == "victim"
    docket.put(replace(sent, state="narrow"))
    assert docket.case(verdict(rule="udp-in"), VM, TAP) == received
    assert docket.case(verdict(rule="udp"), VM, TAP).state == "narrow"
    assert docket.by_person(SUBJECT, T, VM, TAP).id == sent.id
    docket.lost(1)
    assert (docket.case(verdict(), VM, TAP).state, docket.case(verdict(rule="syn-in"), VM, TAP).state) == (
        "probation",
        "victim",
    )


def test_a_victims_case_settles_by_itself() -> None:
    """Each of the two is over when its own episodes are, and both are found again after a restart."""
    docket = Docket("host")
    docket.keep(1, "syn", loud())
    docket.keep(1, "total-in", loud())
    sent, received = docket.case(verdict(), VM, TAP), docket.case(verdict(rule="total-in"), VM, TAP)
    again = Docket("host")
    for case in (sent, received):
        again.resume(case)
    assert again.case(verdict(), VM, TAP) == sent and again.case(verdict(rule="icmp-in"), VM, TAP) == received
    assert list(docket.settled(set())) == []
    docket.keep(1, "total-in", None)
    assert list(docket.settled(set())) == [received]
    docket.keep(1, "syn", None)
    assert list(docket.settled(set())) == [sent]


def test_a_case_whose_tap_went_while_nobody_looked_is_settled_as_that() -> None:
    """After a restart nothing of it is null-routed any more, and no release said so."""
    docket = Docket("host")
    docket.resume(replace(CASE, state="narrow"))
    assert list(docket.settled({CASE.id})) == []
    (case,) = docket.settled(set())
    assert (case.id, case.state, docket.outcome(case)) == (CASE.id, "probation", "tap gone")
    assert list(docket.settled(set())) == []
