"""The rules besides SYN: UDP, ICMP, fragments, TCP, everything, and what reaches a VM. By the shipped limits."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from readings import OTHER, TARGET, T, beside, reading, to

from edgeguard import config
from edgeguard.clock import SECOND
from edgeguard.config.limits import UplinkLimits
from edgeguard.detection import rules, total, udp
from edgeguard.model import Band, Kind, Spread, Verdict
from edgeguard.reading import INTO, OUT, Circumstances, Flow, Reading

SETTINGS = config.build({})
LIMITS, JUDGING = SETTINGS.limits.by_rule(), SETTINGS.judging
CALM = Circumstances()


def first(
    rule: str, window: Reading, around: Circumstances = CALM, limits: config.Limits | None = None
) -> Verdict | None:
    """The first verdict when this window comes again every second."""
    episode = None
    for n in range(1, 7):
        again = replace(window, at=T + n * SECOND)
        episode, verdict = rules.JUDGES[rule](again, limits or LIMITS[rule], JUDGING, episode, around)
        if verdict is not None:
            return verdict
    return None


def told(rule: str, window: Reading, **more: Any) -> tuple[Band, Kind, list[str]]:
    verdict = first(rule, window, **more)
    assert verdict is not None
    return verdict.band, verdict.kind, [target.place for target in verdict.targets]


def why(verdict: Verdict | None, kind: str) -> tuple[bool, str]:
    assert verdict is not None
    (found,) = [other for other in verdict.alternatives if other.kind == kind]
    return found.holds, found.why


def datagrams(sent: int, one_way: int, *flows: Flow, **more: Any) -> Reading:
    return reading(T, udp=sent, one_way=one_way, flows=flows, **more)


def of(address: str, packets: int, **more: Any) -> Flow:
    return to(address, packets, "udp", **more)


# ---- UDP -----------------------------------------------------------------------------------------


def test_a_reflection_is_one_over_a_prefix_too() -> None:
    """Forged requests from a whole /24: no address gets a tenth, all together get many times what they asked."""
    prefix = of("198.51.100.0/24", 60_000, back=60_000, bytes=84_000_000, back_bytes=3_600_000)
    hosts = [of(f"198.51.100.{n}", 240, back=240, bytes=336_000, back_bytes=14_400) for n in range(15)]
    window = datagrams(60_000, 0, prefix, *hosts, service=60_000, size={"udp": 84_000_000})
    assert told("udp", window) == (Band.ACT, Kind.REFLECTION, ["198.51.100.0/24"])
    assert "198.51.100.0/24 got 84,000,000 bytes" in why(first("udp", window), "reflection")[1]
    asked = replace(prefix, back_bytes=28_000_000)
    assert first("udp", datagrams(60_000, 0, asked, *hosts, service=60_000)) is None


def test_only_one_way_udp_counts() -> None:
    """Answered UDP is not measured, however much; mixed counts by its part, and its foreign packets are no more."""
    assert udp.measure(datagrams(1_000_000, 0), JUDGING).packets == 0
    mixed = datagrams(400_000, 300_000, foreign={"udp": 350_000}, one_way_back=4)
    amount = udp.measure(mixed, JUDGING)
    assert (amount.packets, amount.bytes, amount.certain) == (300_000, 30_000_000, 28 * 300_000)
    verdict = first("udp", mixed)
    assert verdict is not None
    assert (verdict.foreign, verdict.came_back.packets) == (300_000, 4)
    assert first("udp", datagrams(1_000_000, 9_999)) is None


def test_an_answered_target_is_not_named() -> None:
    """Of a mixed flood only the targets that do not answer are targets; another rule's flow is none either."""
    silent = of(TARGET, 300_000, back=9_374)
    busy = of(OTHER, 300_000, back=9_375)
    window = datagrams(600_000, 300_000, silent, busy, to("198.51.100.3", 300_000))
    assert told("udp", window) == (Band.HARD, Kind.FLOOD, [TARGET])
    assert "300,000 of 600,000 UDP packets went to targets that answer" in why(first("udp", window), "answered")[1]
    assert why(first("udp", window), "one-way stream")[0]


def test_bytes_are_those_of_the_targets_that_were_counted() -> None:
    """Exact for them, by the mean of all others for the rest; for certain are the headers of the rest."""
    silent = of(TARGET, 60_000, bytes=84_000_000)
    busy = of(OTHER, 30_000, back=30_000, bytes=3_000_000)
    window = datagrams(100_000, 65_000, silent, busy, size={"udp": 88_000_000})
    amount = udp.measure(window, JUDGING)
    assert (amount.packets, amount.bytes, amount.certain) == (65_000, 84_500_000, 84_000_000 + 28 * 5_000)


def answers(packets: int, asked: int, size: int, service: int | None = None) -> Reading:
    """Answers of a service, to requests of 60 bytes that came in from one address."""
    flow = of(TARGET, packets, back=asked, bytes=size * packets, back_bytes=60 * asked)
    one_way = packets if asked * 32 < packets else 0
    served = packets if service is None else service
    return datagrams(packets, one_way, flow, service=served, size={"udp": size * packets})


@pytest.mark.parametrize("asked", [75_000, 750])
def test_reflection_is_found_whether_or_not_requests_come_back(asked: int) -> None:
    """Each answer many times its request, from a service's port, to one target: a flood that is answered."""
    window = answers(75_000, asked, 1_400)
    assert told("udp", window) == (Band.ACT, Kind.REFLECTION, [TARGET])
    holds, said = why(first("udp", window), "reflection")
    assert holds
    assert f"{TARGET} got 105,000,000 bytes for {60 * asked:,} asked" in said


@pytest.mark.parametrize(
    "window",
    [
        answers(75_000, 75_000, 299),  # less than five times
        answers(75_000, 75_000, 1_400, service=37_499),  # not from a service's port
        datagrams(  # a resolver's many clients: none of them stands out
            75_000,
            0,
            *(of(f"192.0.2.{n}", 7_000, back=7_000, bytes=9_800_000, back_bytes=420_000) for n in range(1, 11)),
            service=75_000,
        ),
    ],
)
def test_a_servers_answers_are_no_reflection(window: Reading) -> None:
    """Small answers, another port, or many clients: healthy, whatever the rate."""
    assert first("udp", window) is None


def test_nobody_asked_is_no_reflection() -> None:
    """A flood with a service's source port is a flood: a reflector has been asked."""
    assert told("udp", answers(75_000, 0, 1_400)) == (Band.ACT, Kind.FLOOD, [TARGET])


def test_spray_carpet_and_forged() -> None:
    """Nowhere in particular, a prefix, and nowhere with forged senders."""
    spread = {"udp": Spread(50_000, 40_000, 0)}
    assert told("udp", datagrams(75_000, 75_000, of(OTHER, 40))) == (Band.ACT, Kind.SPRAY, [])
    carpet = datagrams(75_000, 75_000, of("2001:db8::/48", 75_000), spread=spread)
    assert told("udp", carpet) == (Band.ACT, Kind.CARPET, ["2001:db8::/48"])
    forged = datagrams(75_000, 75_000, foreign={"udp": 75_000}, spread=spread)
    assert told("udp", forged) == (Band.ACT, Kind.FORGED, [])


# ---- bits ----------------------------------------------------------------------------------------

UPLINK = LIMITS["udp"].model_copy(update={"bits": UplinkLimits(warn=100_000_000, hard=500_000_000)})
PUSH = datagrams(45_000, 45_000, of(TARGET, 45_000, bytes=63_000_000), size={"udp": 63_000_000})  # 504 Mbit/s


def test_half_of_the_uplink_is_hard_only_while_others_suffer() -> None:
    """By itself it is a warning, of a tenth of the uplink; with harm it is hard, and the verdict says why."""
    verdict = first("udp", PUSH, limits=UPLINK)
    assert verdict is not None
    assert (verdict.band, verdict.unit, verdict.limit, verdict.harm) == (Band.WARN, "packets", 20_000, None)
    small = datagrams(9_000, 9_000, of(TARGET, 9_000, bytes=12_600_000), size={"udp": 12_600_000})
    verdict = first("udp", small, limits=UPLINK)
    assert verdict is not None
    assert (verdict.band, verdict.unit, verdict.measured) == (Band.WARN, "bits", 100_800_000)
    verdict = first("udp", PUSH, Circumstances(harm="the uplink drops"), UPLINK)
    assert verdict is not None
    assert (verdict.band, verdict.unit, verdict.limit, verdict.harm) == (
        Band.HARD, "bits", 500_000_000, "the uplink drops",
    )  # fmt: skip
    assert (verdict.at, verdict.crossed, verdict.sustain) == (T + SECOND, T + SECOND, "at once")


def test_plain_limits_in_bits_need_no_harm() -> None:
    """An operator's own limit in bits holds at any time, by what is certain."""
    own = LIMITS["udp"].model_copy(update={"bits": config.BitLimits(hard=500_000_000)})
    assert told("udp", PUSH, limits=own)[0] is Band.HARD
    unsure = datagrams(45_000, 45_000, size={"udp": 63_000_000})
    verdict = first("udp", unsure, limits=own)
    assert verdict is not None
    assert (verdict.band, verdict.unit) == (Band.WARN, "packets")


# ---- ICMP, fragments, TCP ------------------------------------------------------------------------


def test_icmp_that_answers_does_not_count() -> None:
    """Echo replies and errors are left out, but no more of them than packets came in."""
    assert first("icmp", reading(T, icmp=9_000, icmp_answers=9_000, total_in=9_000)) is None
    window = reading(T, icmp=9_000, icmp_answers=9_000, total_in=1_000, flows=(to(TARGET, 9_000, "icmp"),))
    assert told("icmp", window) == (Band.ACT, Kind.FLOOD, [TARGET])
    assert "1,000 of 9,000 ICMP packets answer what came in" in why(first("icmp", window), "victim")[1]


def test_pings_that_are_replied_to_are_monitoring_where_each_target_gets_few() -> None:
    """One reply takes one request away; a target that gets many is flooded, replies or not."""
    swept = reading(T, icmp=9_000, icmp_in=8_200, flows=tuple(to(f"192.0.2.{n}", 1, "icmp") for n in range(9)))
    assert rules.measured("icmp", swept, JUDGING) == 800
    assert first("icmp", swept) is None
    pinged = reading(T, icmp=9_000, icmp_in=9_000, flows=(to(TARGET, 9_000, "icmp", back=9_000),))
    assert told("icmp", pinged) == (Band.ACT, Kind.FLOOD, [TARGET])
    assert told("icmp", beside(pinged, swept)) == (Band.ACT, Kind.FLOOD, [TARGET])
    asked = reading(T, icmp=9_000, icmp_in=9_000, icmp_answers=9_000, total_in=100)
    assert rules.measured("icmp", asked, JUDGING) == 8_900, "what came in are requests, and no replies"


def test_a_download_excuses_no_echo_replies_that_nobody_asked_for() -> None:
    """Answers to a host that stands out are those to its own ICMP; whatever else comes in is no shield of them."""
    download = {"icmp_answers": 60_000, "total_in": 90_000}
    window = reading(T, icmp=60_000, **download, flows=(to(TARGET, 60_000, "icmp", back=0),))
    assert told("icmp", window) == (Band.HARD, Kind.FLOOD, [TARGET])
    victim = reading(T, icmp=60_000, icmp_in=60_000, **download, flows=(to(TARGET, 60_000, "icmp", back=59_900),))
    assert first("icmp", victim) is None


@pytest.mark.parametrize(("rule", "field"), [("fragments", "one_way_fragments"), ("tcp", "one_way_tcp")])
def test_what_is_answered_does_not_count(rule: str, field: str) -> None:
    """Targets that answer once per hundred are left out of the count and of the targets."""
    busy = to(OTHER, 600_000, rule, back=6_000)
    healthy = reading(T, **{rule: 600_000, field: 0}, flows=(busy,))
    assert first(rule, healthy) is None
    flood = reading(T, **{rule: 300_000, field: 300_000}, flows=(to(TARGET, 300_000, rule, back=2_999),))
    assert told(rule, beside(flood, healthy)) == (Band.HARD, Kind.FLOOD, [TARGET])
    verdict = first(rule, beside(flood, healthy))
    assert verdict is not None
    assert (verdict.measured, verdict.came_back.packets) == (300_000, 2_999)


@pytest.mark.parametrize(("sources", "kind"), [(16, Kind.FORGED), (15, Kind.SPRAY)])
def test_forged_senders_of_other_packets(sources: int, kind: Kind) -> None:
    """Forged senders are counted of all packets: enough of them are forging, whatever the rule, fewer a mismatch."""
    spread = {"syn": Spread(0, sources, 0)}
    window = reading(T, icmp=9_000, foreign={"icmp": 9_000}, spread=spread)
    assert told("icmp", window) == (Band.ACT, kind, [])
    verdict = first("icmp", window)
    assert verdict is not None
    assert verdict.forging == (kind is Kind.FORGED)
    assert ("mismatch" in {other.kind for other in verdict.alternatives}) == (not verdict.forging)


# ---- everything ----------------------------------------------------------------------------------


def test_everything_counts_but_answers() -> None:
    """SYN-ACKs and resets answer TCP that came in, no more of them than that."""
    assert rules.measured("total", reading(T, total=3_000_000, answers=2_000_000, syn_in=2_000_000), JUDGING) == 10**6
    assert rules.measured("total", reading(T, total=3_000_000, answers=2_000_000, tcp_in=1_000), JUDGING) == 2_999_000


def test_a_mixed_flood_is_one_of_everything() -> None:
    """Each of its parts below its own limit; a target of several protocols is one for any of them."""
    window = reading(
        T, total=5_000_000, syn=2_000_000, half_open=2_000_000, udp=3_000_000, one_way=3_000_000,
        flows=(of(TARGET, 3_000_000, port=53), to(TARGET, 2_000_000)),
    )  # fmt: skip
    verdict = first("total", window)
    assert verdict is not None
    (target,) = verdict.targets
    assert (verdict.band, verdict.kind, target.address) == (Band.HARD, Kind.FLOOD, ip_address(TARGET))
    assert (target.protocol, target.port, target.packets, target.share) == (0, None, 5_000_000, 1.0)


def test_a_transfer_beside_a_flood_is_not_aimed_at() -> None:
    """What nobody answers is half or reaches act by itself: only that is named; else the limit is of everything."""
    upload = to(OTHER, 3_000_000, "tcp", back=80_000)
    healthy = reading(T, total=3_000_000, tcp=3_000_000, flows=(upload,))
    assert told("total", healthy) == (Band.ACT, Kind.FLOOD, [OTHER])
    assert why(first("total", healthy), "transfer")[0]
    flood = reading(T, total=2_000_000, udp=2_000_000, one_way=2_000_000, flows=(of(TARGET, 2_000_000),))
    assert told("total", beside(healthy, flood)) == (Band.HARD, Kind.FLOOD, [TARGET])


def test_a_transfer_is_not_aimed_at_for_packets_whose_targets_nobody_counts() -> None:
    """Half of it or more is of other protocols: the desk is told, and the answered half is no target."""
    upload = to(OTHER, 1_000_000, "tcp", back=80_000)
    assert told("total", reading(T, total=2_200_000, tcp=1_000_000, flows=(upload,))) == (Band.ACT, Kind.SPRAY, [])
    answers = reading(T, total=2_200_000, tcp=1_000_000, syn_in=1_200_000, flows=(to(OTHER, 1_000_000, "tcp", back=9),))
    assert total.unnamed(answers) == 0


# ---- into a VM -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", INTO)
def test_what_floods_a_vm_is_told_by_its_limits(rule: str) -> None:
    """In the band of its limits, a flood without targets, with about how many senders there are of SYNs and UDP."""
    counted = rule in ("syn-in", "udp-in")
    name = rule.replace("-", "_")
    spread = {"syn": Spread(3, 4, 9_000), "udp": Spread(2, 4, 9_000)}
    verdict = first(rule, reading(T, **{name: LIMITS[rule].hard}, spread=spread))
    assert verdict is not None
    assert (verdict.rule, verdict.band, verdict.kind, verdict.targets) == (rule, Band.HARD, Kind.FLOOD, ())
    assert (verdict.measured, verdict.foreign, verdict.spread) == (
        LIMITS[rule].hard, None, Spread(0, 4, 9_000) if counted else None,
    )  # fmt: skip
    assert ("from about 9,000 addresses" in verdict.alternatives[-1].why) == counted
    assert first(rule, reading(T, **{name: LIMITS[rule].warn - 1})) is None


@pytest.mark.parametrize(
    ("rule", "window"),
    [
        ("syn-in", {"syn_in": 300_000, "tcp_in": 600_000}),  # a web server's visitors
        ("udp-in", {"udp_in": 600_000, "udp": 30_000}),  # a download over QUIC
        ("icmp-in", {"icmp_in": 200_000, "icmp": 200_000}),  # replies to the VM's own pings
        ("icmp-in", {"icmp_in": 200_000, "unreachable": 200_000, "total": 200_000}),  # errors
        ("fragments-in", {"fragments_in": 600_000, "udp": 6_000}),  # a file server over UDP
        ("tcp-in", {"tcp_in": 600_000, "tcp": 6_000}),  # a download
        ("tcp-in", {"tcp_in": 600_000, "syn_in": 600_000, "answers": 600_000}),  # resets of those who were forged
        ("total-in", {"total_in": 9_000_000, "syn_acks": 9_000_000, "syn": 9_000_000}),
    ],
)
def test_what_a_vm_answers_or_asked_for_floods_nobody(rule: str, window: dict[str, Any]) -> None:
    """The same arithmetic as out of a VM, the other way round."""
    assert first(rule, reading(T, **window)) is None


def test_a_victims_resets_acknowledge_nothing() -> None:
    """An ACK flood that the VM answers with resets is one all the same; and so is a ping flood that it answers."""
    assert told("tcp-in", reading(T, tcp_in=600_000, tcp=600_000, answers=600_000))[0] is Band.HARD
    window = reading(T, icmp_in=200_000, icmp=200_000, icmp_answers=200_000, total_in=200_000, total=200_000)
    assert told("icmp-in", window)[0] is Band.HARD


@pytest.mark.parametrize("rule", [*OUT, *INTO])
def test_a_quiet_look_costs_nothing(rule: str) -> None:
    """Below half of warn no rule begins an episode; at half it does."""
    name = rule.replace("-", "_")
    parts = {"udp": "one_way", "fragments": "one_way_fragments", "tcp": "one_way_tcp"}
    half = LIMITS[rule].warn // 2
    for packets, begins in ((half - 1, False), (half, True)):
        more: dict[str, Any] = {parts[rule]: packets} if rule in parts else {}
        episode, verdict = rules.JUDGES[rule](reading(T, **{name: packets}, **more), LIMITS[rule], JUDGING, None, CALM)
        assert (episode is not None, verdict) == (begins, None)
