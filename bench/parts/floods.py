"""Invented floods of many VMs, each with its own names, addresses and figures, as the daemon describes them.

Names differ from case to case, or packing would look better than it is. The same number gives the same flood.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv4Address, ip_network

from edgeguard.cases.case import Case, case_id
from edgeguard.clock import HOUR, MINUTE, SECOND
from edgeguard.model import (
    Act,
    Alternative,
    Band,
    CameBack,
    Decision,
    Order,
    SafetyAnswer,
    Scope,
    Share,
    Spread,
    Subject,
    Tap,
    TapKind,
    Target,
    Verdict,
    Vm,
    identity,
)
from edgeguard.model import Kind as VerdictKind

HOST = "hv17.example.net"
WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron",
    "inlet", "juniper", "kestrel", "lagoon", "maple", "nettle", "otter", "plover",
)  # fmt: skip
TARGETS = (1, 1, 1, 2, 3, 5)  # how many stand out
LIMITS = {"syn": {Band.WARN: 2_000, Band.ACT: 5_000, Band.HARD: 50_000}}
LIMITS["udp"] = {Band.WARN: 20_000, Band.ACT: 50_000, Band.HARD: 250_000}


@dataclass(frozen=True)
class Flood:
    """One VM's episode that began at `at`."""

    number: int
    at: int

    @cached_property
    def dice(self) -> random.Random:
        return random.Random(self.number)

    @cached_property
    def vm(self) -> Vm:
        """Of 3,000 VMs, so most have several cases."""
        dice = random.Random(self.number % 3_000)
        own = f"{dice.choice(WORDS)}-{dice.choice(WORDS)}{self.number % 3_000}"
        first = ip_network((int(IPv4Address("198.18.0.0")) + self.number % 3_000 * 4, 32))
        six = ip_network(f"2001:db8:{self.number % 3_000:x}::/64")
        customer = f"C-{dice.randrange(10**6):06}"
        mac = f"02:00:5e:10:{self.number % 3_000 // 256:02x}:{self.number % 256:02x}"
        id = f"{dice.getrandbits(128):032x}"
        id = f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"  # as libvirt and Nova name them
        contact = f"ops@{own}.example.net"
        return Vm(id, own, customer, contact, (f"tap{id[:11]}",), (mac,), (first, six), "hall 2, rack 12")

    @cached_property
    def tap(self) -> Tap:
        return Tap(100 + self.number % 3_000, self.vm.taps[0], self.vm.macs[0], TapKind.BRIDGED, "bridge vmbr0")

    @cached_property
    def subject(self) -> Subject:
        return Subject(self.vm.id, self.tap.name, None)

    @cached_property
    def case(self) -> Case:
        vm, tap = self.vm, self.tap
        id = case_id(self.at, HOST, vm.id, self.at)
        names = (vm.id, vm.name, tap.name, tap.ifindex, tap.mac, vm.customer)
        return Case(id, *names, self.at, "observed", addresses=vm.addresses)

    @cached_property
    def rule(self) -> str:
        return self.dice.choice(["syn", "syn", "udp"])

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        protocol, port = (
            (6, self.dice.choice([80, 443, 22])) if self.rule == "syn" else (17, self.dice.choice([53, 123]))
        )
        addresses = [IPv4Address(int(IPv4Address("203.0.113.0")) + self.dice.randrange(256)) for _ in range(6)]
        number = self.dice.choice(TARGETS)
        return tuple(
            Target(address, protocol, port, round(0.94 / number, 4), self.dice.randrange(4_000, 40_000))
            for address in addresses[:number]
        )

    def verdict(self, band: Band, at: int, targets: tuple[Target, ...] = ()) -> Verdict:
        """With every reading that was tried, as the rules write them."""
        limit = LIMITS[self.rule][band]
        packets = int(limit * self.dice.uniform(1.01, 1.6))
        back = self.dice.randrange(packets // 50)
        return Verdict(
            id=identity("v", HOST, self.number, band, at, *(target.key() for target in targets)),
            at=at,
            rule=self.rule,
            band=band,
            subject=self.subject,
            point=self.number % 1_000,
            window_s=1,
            measured=packets,
            at_least=packets,
            limit=limit,
            since=self.at,
            crossed=at - self.dice.randrange(5_000_000),
            targets=targets or self.targets,
            target_error=self.dice.randrange(40),
            came_back=CameBack(back, back // 3, back // 2, self.dice.randrange(9), 0),
            bytes=packets * self.dice.randrange(44, 900),
            peak=packets,
            mean=round(packets * self.dice.uniform(0.4, 0.99), 1),
            foreign=self.dice.choice([0, 0, 0, packets // 3]),
            sustain="at once" if band is Band.HARD else "5 of the last 60 seconds",
            longer=((5, 4 * packets), (60, 9 * packets)),
            spread=Spread(len(self.targets), 1, self.dice.randrange(300)),
            alternatives=tuple(self._readings(packets)),
            baseline=f"{self.dice.randrange(20, 900)} times the most of its last 7 days, {packets // 300:,} a second",
            shares=(Share(self.vm.id, self.tap.name, packets),) if self.number % 50 == 0 else (),
        )

    def _readings(self, packets: int) -> list[Alternative]:
        few, what = self.dice.randrange(100), "half-open SYNs" if self.rule == "syn" else "one-way UDP packets"
        told = {
            VerdictKind.BUSY: f"{few} of {packets:,} went to targets that complete 20 % of the handshakes or more;"
            f" {few} third ACKs in all; from 5,000 on a busy client is told",
            VerdictKind.CONNECTIONS: f"{few} of {packets:,} went to targets that complete 20 % of the handshakes; all"
            " from 50,000 on are hard, completed or not; they are not what passed the limit",
            VerdictKind.FLOOD: f"the largest target: {self.targets[0].address} got {self.targets[0].packets:,} of"
            f" {packets:,} {what} (94 %); a target stands out from 10 % or 5,000 on",
            VerdictKind.CARPET: "no prefix (/24, /48) stands out beside the targets",
            VerdictKind.SCAN: f"{packets:,} {what} to about {len(self.targets)} targets, {packets / 3:.1f} each; a scan"
            " sends fewer than 8, and no target stands out",
            VerdictKind.SPRAY: "something stands out, or it is a scan, forged, or completed",
            VerdictKind.FORGED: f"{few} of {packets:,} {what} (0 %) carry a sender that is not the VM's, about 1"
            " different; forged from 50 % or 5,000 on, and from 16 addresses on",
        }
        readings = [Alternative(kind, kind is VerdictKind.FLOOD, why) for kind, why in told.items()]
        return [*readings, Alternative("victim", False, f"{few} SYN-ACKs and resets out answer what came in")]

    def decision(self, verdict: Verdict, scope: Scope, at: int | None = None, refuses: str = "") -> Decision:
        """What automation made of a verdict, with the answers of all safeties."""
        acts = scope in (Scope.NARROW, Scope.OWN_ONLY, Scope.FULL)
        return Decision(
            id=identity("d", verdict.id, scope),
            case=self.case.id,
            verdict=verdict.id,
            at=at or verdict.at,
            act=Act.NULL_ROUTE if acts else Act.NONE,
            scope=scope,
            subject=self.subject,
            tap=self.tap,
            targets=verdict.targets,
            until=verdict.at + 4 * HOUR if acts else None,
            enforced=acts,
            safeties=tuple(self._answers(refuses)),
            reason=f"{verdict.band} band: " + ("its targets are null-routed" if acts else "the owner is told"),
        )

    def _answers(self, refuses: str) -> list[SafetyAnswer]:
        frames = self.dice.randrange(10_000, 400_000)
        told = {
            "enforce": f"the configuration enforces {self.rule}.hard",
            "kill file": "there is none",
            "protected subject": "the subject is not protected",
            "protected target": "no target is protected",
            "capture health": f"lost {self.dice.randrange(9)} of {frames:,} frames in a second",
            "independent count": f"the tap's kernel counter shows {frames:,} frames, we counted {frames - 12:,}",
            "attribution": f"VM {self.vm.id} of customer {self.vm.customer}, by its attachment point",
            "exemption": "nothing of this VM is exempted",
            "probation": "no person released it",
            "standing": f"customer {self.vm.customer} is unknown: nobody was asked",
            "return path": "nothing puts in doubt what came back",
            "completed": f"{self.dice.randrange(40)} handshakes were completed in this second; enough is 20 %",
            "harm": "the band is that of its own limit; harm to others made no difference",
            "enforceable": f"tap {self.tap.name} is bridged",
            "target share": "each target got at least 10 % of the window, exactly counted",
            "breaker": f"closed: {self.dice.randrange(1, 5)} with this one, allowed are 5 customers in 10 min",
            "pace": f"{self.dice.randrange(20)} of 64 taps are null-routed; 0 of 3 full in 10 min",
            "fleet permit": "the fleet allows it, asked 3 s ago",
            "reachable": "the owner has a contact",
        }
        return [SafetyAnswer(name, "refuse" if name == refuses else "pass", why) for name, why in told.items()]

    def order(self, decision: Decision) -> Order:
        """With its end on the boot clock, as the daemon stamps it."""
        until = decision.until or decision.at + MINUTE
        common = (decision.tap or self.tap, self.vm.id, self.vm.addresses, decision.targets, until, until // 3)
        return Order(decision.id, decision.act, decision.scope, *common, "8c7f2b1e-4b8e-4d4f-9e57-1f0c2ab9d44e")

    def release(self, ended: tuple[Decision, ...], at: int) -> Decision:
        """By the clock: it was quiet."""
        last = ended[-1]
        return replace(
            last,
            id=identity("d", *(one.id for one in ended), "release", at),
            at=at,
            act=Act.RELEASE,
            until=None,
            safeties=(),
            reason=f"quiet for {(at - last.at) // SECOND // 60} min: no window of attempts above half of warn",
            releases=tuple(one.id for one in ended),
        )
