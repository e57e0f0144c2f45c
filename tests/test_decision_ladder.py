"""The ladder: carpets, own-only, scans and busy clients, victims, doubt; and what must hold of any question at all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import BY_PERSON, TAP, VERDICT, VM, T
from test_decision import ACT, GOOD, HARD, WARN, persons, question, target

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.decision import forged, reach, safeties
from edgeguard.decision.answer import is_in_doubt, refusals
from edgeguard.decision.decide import decide, release
from edgeguard.decision.question import KernelCount, Question, Window
from edgeguard.model import Act, Band, CameBack, Decision, Kind, Network, SafetyAnswer, Scope, Target, Verdict, identity
from edgeguard.reading import INTO, OUT, Circumstances

ALL: dict[str, Any] = {"enforce": ["all.act", "all.hard"]}
DOUBT = Circumstances(in_doubt="the host's other VMs stopped completing connections")
FORGED = replace(HARD, kind=Kind.FORGED, forging=True, targets=(), foreign=49_000)


def prefix(text: str, protocol: int = 17, port: int | None = None, share: float = 0.97) -> Target:
    net = ip_network(text)
    return Target(net.network_address, protocol, port, share, 48_000, length=net.prefixlen)


def answer(asked: Question, name: str) -> SafetyAnswer:
    return next(one for one in safeties.ask(asked) if one.name == name)


# ---- carpets -------------------------------------------------------------------------------------

CARPET = replace(HARD, kind=Kind.CARPET, targets=(prefix("203.0.113.0/24"),))


@pytest.mark.parametrize("place", ["203.0.113.0/24", "203.0.113.128/25", "2001:db8:1::/48", "2001:db8:1:2::/64"])
def test_a_carpets_prefix_is_null_routed(place: str) -> None:
    """A prefix of at most a /24 or a /48 is a target like any other."""
    decision = decide(question(verdict=replace(CARPET, targets=(prefix(place),))))
    assert (decision.scope, [t.place for t in decision.targets]) == (Scope.NARROW, [place])


@pytest.mark.parametrize("place", ["203.0.112.0/23", "0.0.0.0/0", "2001:db8::/47", "::/0"])
def test_a_wider_prefix_is_not(place: str) -> None:
    """More than that is never named by a null route; what else the verdict names is."""
    wide = prefix(place, share=0.5)
    assert decide(question(verdict=replace(CARPET, targets=(wide,)))).act is Act.NONE
    decision = decide(question(verdict=replace(CARPET, targets=(wide, target("198.51.100.9")))))
    assert [t.place for t in decision.targets] == ["198.51.100.9"]


@pytest.mark.parametrize("held", ["203.0.113.1", "203.0.113.0/25", "203.0.112.0/20", "203.0.113.0/24"])
def test_a_prefix_that_touches_something_protected_is_left_out(held: str) -> None:
    """Whether it holds a protected address, lies in a protected prefix, or is one: never null-routed."""
    over = {"protected": {"targets": [held]}}
    assert decide(question(over, verdict=CARPET)).act is Act.NONE
    both = replace(CARPET, targets=(*CARPET.targets, prefix("198.51.100.0/24")))
    assert [t.place for t in decide(question(over, verdict=both)).targets] == ["198.51.100.0/24"]


@pytest.mark.parametrize(
    ("standing", "now", "left"),
    [
        ("203.0.113.0/24", target("203.0.113.9", protocol=17), False),
        ("203.0.113.0/24", target("203.0.113.9", protocol=6), True),
        ("203.0.113.0/24", target("203.0.112.9", protocol=17), True),
        ("203.0.113.0/24", prefix("203.0.113.0/25"), False),
        ("203.0.113.0/25", prefix("203.0.113.0/24"), True),
        ("2001:db8::/48", target("203.0.113.9", protocol=17), True),
    ],
)
def test_a_prefix_covers_what_lies_in_it(standing: str, now: Target, left: bool) -> None:
    """A host inside a null-routed prefix is covered, of the same protocol; a wider prefix is not."""
    decision = decide(question(verdict=replace(HARD, targets=(now,)), standing=(prefix(standing),)))
    assert (decision.act is Act.NULL_ROUTE) is left
    assert decision.silent is not left


def test_what_a_person_released_is_in_no_prefix() -> None:
    """A carpet that holds a released target is left alone; a released carpet frees its hosts."""
    host = target("203.0.113.9", protocol=17, port=None)
    used = frozenset({BY_PERSON.id})
    assert decide(question(verdict=CARPET, released=persons((host,)), against=used)).act is Act.NONE
    one = replace(HARD, targets=(host,))
    assert decide(question(verdict=one, released=persons(CARPET.targets), against=used)).act is Act.NONE


def test_hosts_of_a_null_routed_prefix_do_not_make_a_flood_move() -> None:
    """A carpet and hosts in it are one place; three prefixes are three."""
    inside = tuple(target(f"203.0.113.{n}", protocol=6) for n in (5, 6))
    asked = question(verdict=replace(HARD, targets=inside), null_routed=CARPET.targets)
    assert decide(asked).scope is Scope.NARROW
    three = tuple(prefix(f"198.51.{n}.0/24") for n in (1, 2, 3))
    asked = question(verdict=replace(HARD, targets=three[2:]), null_routed=three[:2])
    assert decide(asked).scope is Scope.FULL
    assert reach.places((*CARPET.targets, *inside, *three)) == 4


# ---- own-only ------------------------------------------------------------------------------------


def test_forged_packets_alone_are_dropped_where_no_target_stands_out() -> None:
    """Own-only names no target, is enforced, and has an end."""
    decision = decide(question(verdict=FORGED))
    assert (decision.act, decision.scope, decision.targets) == (Act.NULL_ROUTE, Scope.OWN_ONLY, ())
    assert decision.enforced and decision.until is not None and decision.until > decision.at


def test_a_forged_flood_at_a_target_is_narrow() -> None:
    """Where targets have half of it or more, they are null-routed; below that own-only is what stops it."""
    at = lambda share: replace(FORGED, targets=(replace(target("203.0.113.5"), share=share),))  # noqa: E731
    assert decide(question(verdict=at(0.5))).scope is Scope.NARROW
    assert decide(question(verdict=at(0.49))).scope is Scope.OWN_ONLY


def test_own_only_needs_the_vms_addresses() -> None:
    """Unknown addresses refuse it in words; targets that are named are null-routed all the same."""
    bare = replace(VM, addresses=())
    decision = decide(question(verdict=FORGED, vm=bare))
    assert (decision.scope, decision.act) == (Scope.OBSERVE, Act.NONE)
    assert "addresses are not known" in answer(question(verdict=FORGED, vm=bare), "target share").reason
    some = replace(FORGED, targets=(replace(target("203.0.113.5"), share=0.2),))
    assert decide(question(verdict=some, vm=bare)).scope is Scope.NARROW


def test_a_protected_target_is_no_shield_for_forged_packets() -> None:
    """A forged flood that goes to the gateway as well is stopped by its senders, and the gateway stays reachable."""
    over = {"protected": {"targets": ["203.0.113.5"]}}
    mixed = replace(FORGED, targets=(replace(target("203.0.113.5"), share=0.9),))
    decision = decide(question(over, verdict=mixed))
    assert (decision.scope, decision.targets) == (Scope.OWN_ONLY, ())
    assert decide(question(over, verdict=replace(mixed, forging=False))).act is Act.NONE


def test_nothing_new_while_own_only_stops_the_flood() -> None:
    """Own-only stands: silent while the VM's own part is below the limit; its own flood at a target is narrow."""
    done = decide(question(verdict=FORGED, own_only=True))
    assert (done.scope, done.silent) == (Scope.OBSERVE, True)
    assert "1,012 packets with its own addresses are below the limit" in done.reason
    on = replace(FORGED, measured=120_000, targets=(replace(target("203.0.113.5"), share=0.4),))
    assert decide(question(verdict=on, own_only=True)).scope is Scope.NARROW
    spray = decide(question(verdict=replace(on, targets=()), own_only=True))
    assert (spray.scope, spray.silent) == (Scope.OBSERVE, False)


def test_full_covers_own_only() -> None:
    """Nothing comes on top of a full null route, whatever is forged."""
    decision = decide(question(verdict=FORGED, full=True))
    assert (decision.scope, decision.silent) == (Scope.OBSERVE, True)


def test_what_a_person_released_stays_released_as_wide_as_it_was() -> None:
    """After a person's release, gone against once, nothing is own-only or full again; other targets are narrow."""
    used = frozenset({BY_PERSON.id})
    for scope in (Scope.OWN_ONLY, Scope.FULL):
        release = (replace(BY_PERSON, at=T - SECOND, targets=(), scope=scope),)
        assert decide(question(verdict=FORGED, released=release, against=used)).act is Act.NONE
    moving = tuple(target(f"203.0.113.{n}") for n in (1, 2, 3))
    asked = question(verdict=replace(HARD, targets=moving[2:]), null_routed=moving[:2])
    assert decide(asked).scope is Scope.FULL
    assert decide(replace(asked, released=persons(moving[:1], Scope.FULL))).scope is Scope.NARROW


def test_a_release_is_as_wide_as_the_widest() -> None:
    """Narrow, own-only and full in one release: its scope is the widest, and it names all targets."""
    narrow, own_only = decide(question()), decide(question(verdict=FORGED))
    assert release((narrow, own_only), HARD.at, "quiet").scope is Scope.OWN_ONLY
    assert release((narrow, own_only), HARD.at, "quiet").targets == HARD.targets
    full = replace(own_only, id="d-full", scope=Scope.FULL)
    assert release((own_only, full, narrow), HARD.at, "quiet").scope is Scope.FULL


# ---- no floods -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.SCAN, Kind.BUSY])
@pytest.mark.parametrize("band", [Band.ACT, Band.HARD])
def test_a_scan_and_a_busy_client_are_told(kind: Kind, band: Band) -> None:
    """With all enforced they are a warning, said to be one; the verdict keeps its band."""
    verdict = replace(HARD, kind=kind, band=band)
    decision = decide(question(ALL, verdict=verdict))
    assert (decision.scope, decision.act, decision.silent) == (Scope.WARN, Act.NONE, False)
    assert kind in decision.reason
    assert answer(question(ALL, verdict=verdict), "enforce").answer == safeties.REFUSE


def test_a_scan_is_null_routed_only_by_its_own_name_and_never_in_full() -> None:
    """`scan.hard` acts where there is a target; without one it is told; it never moves."""
    over = {"enforce": ["scan.hard"]}
    moving = tuple(target(f"203.0.113.{n}") for n in (1, 2, 3))
    scan = replace(HARD, kind=Kind.SCAN, targets=moving[2:])
    assert decide(question(over, verdict=scan)).scope is Scope.NARROW
    assert decide(question(over, verdict=scan, null_routed=moving[:2])).scope is Scope.NARROW
    assert decide(question(over, verdict=replace(scan, targets=()))).scope is Scope.WARN
    assert decide(question(over, verdict=replace(scan, band=Band.ACT))).scope is Scope.WARN
    assert decide(question(over, verdict=replace(scan, kind=Kind.FLOOD))).scope is Scope.OBSERVE


COMPLETED = CameBack(9_000, 9_000, 0, third_acks=9_000)


@pytest.mark.parametrize(
    ("rule", "kind", "band", "back", "expected"),
    [
        ("syn", Kind.FLOOD, Band.ACT, COMPLETED, safeties.PASS),  # elsewhere: act measures half-open SYNs alone
        ("syn", Kind.CONNECTIONS, Band.ACT, COMPLETED, safeties.REFUSE),
        ("syn", Kind.CONNECTIONS, Band.HARD, COMPLETED, safeties.PASS),
        ("syn", Kind.FLOOD, Band.HARD, CameBack(0, 0, 0, 0), safeties.PASS),
        ("syn", Kind.FLOOD, Band.HARD, CameBack(0, 0, 0), safeties.UNKNOWN),
        ("udp", Kind.FLOOD, Band.ACT, CameBack(1_562), safeties.PASS),
        ("udp", Kind.FLOOD, Band.ACT, CameBack(1_563), safeties.REFUSE),
        ("udp", Kind.FLOOD, Band.HARD, CameBack(1_563), safeties.PASS),
        ("udp", Kind.REFLECTION, Band.ACT, CameBack(50_000), safeties.PASS),
        ("udp", Kind.FLOOD, Band.ACT, CameBack(None), safeties.UNKNOWN),
        ("icmp", Kind.FLOOD, Band.ACT, CameBack(50_000), safeties.PASS),
    ],
)
def test_completed(rule: str, kind: Kind, band: Band, back: CameBack, expected: str) -> None:
    """What is completed softens below hard only, and only what was measured; a reflection's requests never do."""
    asked = question(ALL, verdict=replace(HARD, rule=rule, kind=kind, band=band, came_back=back))
    assert answer(asked, "completed").answer == expected
    decision = decide(asked)
    if expected == safeties.REFUSE:
        assert decision.scope is Scope.WARN


def test_a_scan_that_only_rises_is_no_further_mail() -> None:
    """Told in a lower band of the same episode: recorded, and nobody is written to again; a flood is."""
    for kind in (Kind.SCAN, Kind.BUSY):
        scan = question(ALL, verdict=replace(ACT, kind=kind))
        assert not decide(scan).silent
        again = decide(replace(scan, warned=True))
        assert (again.scope, again.silent) == (Scope.WARN, True)
    assert not decide(question({"enforce": []}, verdict=replace(ACT, kind=Kind.FLOOD), warned=True)).silent


# ---- doubt, harm ---------------------------------------------------------------------------------


def test_no_customer_is_warned_while_what_came_back_is_unknown() -> None:
    """A scan or a warning in doubt goes to the desk: a cut way back makes any busy client look like it."""
    for verdict in (replace(ACT, kind=Kind.SCAN), replace(HARD, kind=Kind.SCAN), replace(ACT, band=Band.WARN)):
        assert decide(question(ALL, verdict=verdict)).scope is Scope.WARN
        decision = decide(question(ALL, verdict=verdict, around=DOUBT))
        assert decision.scope is Scope.OBSERVE
        assert "return path refuses" in decision.reason


def test_a_target_below_its_share_is_told_as_what_it_is() -> None:
    """One that reaches act by itself may be less than a tenth of the window, and the safety says so."""
    small = replace(HARD, targets=(replace(target("203.0.113.1"), share=0.04),))
    assert answer(question(verdict=small), "target share").reason == (
        "each target got at least 10 % of the window, or as much as act by itself, exactly counted"
    )
    large = replace(HARD, targets=(target("203.0.113.1"),))
    assert "or as much" not in answer(question(verdict=large), "target share").reason


def test_unknown_return_traffic_supports_nothing() -> None:
    """In doubt: below hard nothing is done and it is asked again; hard is narrow, or own-only, and never full."""
    for around, back in ((DOUBT, HARD.came_back), (Circumstances(), CameBack(None))):
        act = decide(question(ALL, verdict=replace(ACT, came_back=back), around=around))
        assert (act.scope, act.act) == (Scope.OBSERVE, Act.NONE)
        assert is_in_doubt(act)
        hard = question(ALL, verdict=replace(HARD, came_back=back), around=around)
        assert decide(hard).scope is Scope.NARROW
        assert answer(hard, "return path").answer == safeties.UNKNOWN
        assert decide(replace(hard, verdict=replace(FORGED, came_back=back))).scope is Scope.OWN_ONLY
        moved = tuple(target(f"203.0.113.{n}") for n in (1, 2, 3))
        assert decide(replace(hard, null_routed=moved)).scope is Scope.NARROW
    assert decide(question(ALL, null_routed=moved)).scope is Scope.FULL


# ---- what reaches a VM ---------------------------------------------------------------------------


@pytest.mark.parametrize("rule", INTO)
@pytest.mark.parametrize("band", Band)
def test_what_reaches_a_vm_is_observed_for_ever(rule: str, band: Band) -> None:
    """Whatever is enforced: recorded, nobody but the desk told, from hard on, and never for want of anything."""
    over = {"enforce": ["all.act", "all.hard", "scan.act", "scan.hard"]}
    decision = decide(question(over, verdict=replace(HARD, rule=rule, band=band, forging=True)))
    assert (decision.scope, decision.act, decision.until) == (Scope.OBSERVE, Act.NONE, None)
    assert decision.silent is (band is not Band.HARD)
    assert not is_in_doubt(decision)
    assert "no ground against the VM" in decision.reason


# ---- any question at all -------------------------------------------------------------------------

HOSTS = st.integers(0, 40).map(lambda n: ip_address("203.0.113.0") + n)
PREFIXES = st.builds(
    lambda address, length: ip_network((address, length), strict=False),
    HOSTS,
    st.sampled_from([20, 22, 24, 28, 30, 32]),
)
SHARES = st.sampled_from([0.05, 0.2, 0.5, 0.9])


def _target(net: IPv4Network, protocol: int, port: int | None, share: float) -> Target:
    length = None if net.prefixlen == 32 else net.prefixlen
    return Target(IPv4Address(net.network_address), protocol, port, share, 1_000, length)


TARGETS = st.lists(
    st.builds(_target, PREFIXES, st.sampled_from([6, 17]), st.sampled_from([None, 53, 80]), SHARES), max_size=4
).map(tuple)
BACK = st.builds(CameBack, st.none() | st.integers(0, 60_000), st.none(), st.none(), st.none() | st.integers(0, 60_000))


KINDS = st.sampled_from(Kind)


@st.composite
def verdicts(
    draw: st.DrawFn,
    rules: tuple[str, ...] = (*OUT, *INTO),
    bands: tuple[Band, ...] = tuple(Band),
) -> Verdict:
    foreign = draw(st.none() | st.integers(0, 50_012))
    targets, rule, band, kind = draw(TARGETS), draw(st.sampled_from(rules)), draw(st.sampled_from(bands)), draw(KINDS)
    return replace(
        HARD, id=identity("v", rule, band, kind, targets, foreign), rule=rule, band=band, kind=kind, targets=targets,
        came_back=draw(BACK), foreign=foreign, forging=foreign is not None and draw(st.booleans()),
        unit=draw(st.sampled_from(["packets", "bits"])), harm=draw(st.none() | st.just("uplink eth0 drops")),
    )  # fmt: skip


NAMES = [f"{rule}.{band}" for rule in (*OUT, "all", "scan") for band in ("act", "hard")]
CONFIGS = st.builds(
    lambda names, held: config.build({"enforce": names, "protected": {"targets": held}}),
    st.lists(st.sampled_from(NAMES), unique=True) | st.just(NAMES),
    st.lists(PREFIXES.filter(lambda net: net.prefixlen >= 28).map(str), max_size=2),
)
ANYTHING: dict[str, st.SearchStrategy[Any]] = {
    "verdict": verdicts(),
    "case": st.just("EG-1"),
    "config": CONFIGS,
    "vm": st.sampled_from([VM, None, replace(VM, addresses=()), replace(VM, customer=None)]),
    "tap": st.sampled_from([TAP, None]),
    "window": st.sampled_from([GOOD, None, replace(GOOD, lost=5_000), Window(0, 9, 3 * SECOND, False)]),
    "kernel": st.sampled_from([KernelCount(1000, 1000), None, KernelCount(1000, 10)]),
    "replayed": st.booleans(),
    "null_routed": TARGETS,
    "standing": TARGETS,
    "released": TARGETS.map(persons),
    "against": st.sampled_from([frozenset(), frozenset({BY_PERSON.id})]),
    "full": st.booleans(),
    "own_only": st.booleans(),
    "around": st.sampled_from([Circumstances(), DOUBT]),
}
# Nothing speaks against acting but the verdict's own kind, targets and what stands: most of these act.
WELL = ANYTHING | {
    "verdict": verdicts(OUT, (Band.ACT, Band.HARD)),
    "config": st.just(config.build({"enforce": NAMES, "protected": {"targets": ["203.0.113.7/32"]}})),
    "vm": st.just(VM),
    "tap": st.just(TAP),
    "window": st.just(GOOD),
    "kernel": st.just(KernelCount(1000, 1000)),
    "full": st.just(False),
    "own_only": st.sampled_from([False, False, True]),
    "around": st.just(Circumstances()),
}
QUESTIONS = st.builds(Question, **WELL) | st.builds(Question, **ANYTHING)


def _targets_of(decision: Decision) -> tuple[Network, ...]:
    return tuple(t.network for t in decision.targets)


@settings(max_examples=300, deadline=None)
@given(QUESTIONS)
def test_any_decision_keeps_the_invariants(asked: Question) -> None:
    """An end for every null route, nothing protected or too wide in it, own-only with known addresses, only what is
    enforced by name, nothing against a victim, and warn below act."""
    decision, verdict = decide(asked), asked.verdict
    acts = decision.act is Act.NULL_ROUTE
    assert acts == (decision.scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)) == (decision.until is not None)
    assert decision.enforced == (acts and not asked.replayed)
    assert decision == decide(asked)
    if not acts:
        return
    assert decision.until is not None and decision.until > decision.at
    assert verdict.band is not Band.WARN and verdict.rule in OUT
    assert refusals(decision.safeties) == ()
    held = asked.config.protected.targets
    for net in _targets_of(decision):
        assert not any(net.version == other.version and net.overlaps(other) for other in held)
        assert net.prefixlen >= reach.WIDEST[net.version]
    if decision.scope is Scope.OWN_ONLY:
        assert asked.vm is not None and asked.vm.addresses and verdict.forging and not decision.targets
    else:
        assert decision.targets
    names = set(asked.config.enforce)
    if verdict.kind in safeties.NO_FLOODS:
        assert f"scan.{verdict.band}" in names and decision.scope is not Scope.FULL
    else:
        assert {f"{verdict.rule}.{verdict.band}", f"all.{verdict.band}"} & names
    assert not asked.full
    assert decision.scope is not Scope.FULL or asked.around.in_doubt is None


def _own_dropped(decision: Decision, address: IPv4Address) -> bool:
    """Whether anything of the VM's own, with its own sender, is dropped on its way to an address."""
    if decision.scope is Scope.FULL:
        return True
    return decision.scope is Scope.NARROW and any(address in net for net in _targets_of(decision))


WIDTH = {Scope.OBSERVE: 0, Scope.WARN: 0, Scope.NARROW: 1, Scope.OWN_ONLY: 1, Scope.FULL: 2}


@settings(max_examples=300, deadline=None)
@given(QUESTIONS, st.data())
def test_adding_a_shield_never_widens(asked: Question, data: st.DataObject) -> None:
    """Whatever protects more (a protected target, a protected subject, a released target or scope, a band that is no
    longer enforced, doubt), no more of the VM's own packets is dropped to any address, and the scope is no wider:
    at most forged packets are dropped instead."""
    over = {"enforce": list(asked.config.enforce)}
    held = [str(net) for net in asked.config.protected.targets]
    extra = data.draw(TARGETS)
    shields = {
        "target": replace(
            asked,
            config=config.build({**over, "protected": {"targets": held + [str(t.network) for t in extra]}}),
        ),
        "subject": replace(
            asked, config=config.build({**over, "protected": {"subjects": ["vm-100"], "targets": held}})
        ),
        "released": replace(asked, released=(*asked.released, *persons(extra))),
        "enforce": replace(
            asked, config=config.build({"enforce": over["enforce"][1:], "protected": {"targets": held}})
        ),
        "doubt": replace(asked, around=DOUBT),
    }
    before = decide(asked)
    addresses = [IPv4Address("203.0.113.0") + n for n in range(0, 64, 3)] + [IPv4Address("198.51.100.1")]
    for name, shielded in shields.items():
        after = decide(shielded)
        assert WIDTH[after.scope] <= WIDTH[before.scope] or after.scope is Scope.OWN_ONLY, name
        for address in addresses:
            assert _own_dropped(before, address) or not _own_dropped(after, address), name


def test_warn_is_what_it_was() -> None:
    """The warn band of any kind is a warning."""
    for kind in Kind:
        assert decide(question(ALL, verdict=replace(WARN, kind=kind))).scope is Scope.WARN


def test_the_rest_beside_forged_packets() -> None:
    """What carries the VM's own addresses is the difference; in bits by the share of packets; else unknown."""
    assert forged.rest(question(verdict=replace(VERDICT, foreign=40_000))) == 10_012
    assert forged.rest(question(verdict=replace(VERDICT, foreign=60_000))) == 0
    assert forged.rest(question(verdict=replace(VERDICT, foreign=None))) is None
    bits = replace(VERDICT, unit="bits", measured=1_000, foreign=25, longer=((1, 100), (5, 300)))
    assert forged.rest(question(verdict=bits)) == 750
    assert forged.rest(question(verdict=replace(bits, longer=()))) is None
