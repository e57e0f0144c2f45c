"""The slot values of a notice, worked out when the decision is made; JSON-able, no sentences.

    notices = compose(decision, verdict, vm, background)
    store.record(case, verdict, decision, notices, order)

What happened afterwards (acknowledged, verified, ended) is not here: it is letters.Facts, known when
the mail is rendered. Times are ns since 1970, lengths bytes, rates a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from edgeguard import __version__, roster
from edgeguard.clock import SECOND
from edgeguard.config import Config
from edgeguard.grace import Exemption
from edgeguard.letters import Notice
from edgeguard.model import Alternative, CameBack, Decision, Share, Spread, Subject, Target, Verdict, Vm, identity
from edgeguard.notice.enclosure import SLOT, enclosure
from edgeguard.notice.kinds import recipients
from edgeguard.policy import policy
from edgeguard.reading import INTO
from edgeguard.xarf import Reporter, reporter

PEOPLE_DECIDE = 3  # from this null-routed case of a VM on quiet ends nothing by itself
SHOWN_TARGETS = 5
SHOWN_SHARES = 20
WITHOUT_ESTIMATES: dict[str, Any] = {"spread": None, "readings": []}  # what a customer is not shown
LATER_SLOTS: dict[str, Any] = {
    **dict.fromkeys(("baseline", "quiet_bits", "bounced", "probation", "read_by", "undecided", "upheld_quiet")),
    "repeat_within": None,
    "measured": False,
    "people": 1,
    "ground": "",
    "also": [],
    "before": [],
    "exempts": [],
    "conditions": [],
}

# What floods got later than the first rows of an outbox: a row that was written before has these values.
LATER: dict[str, Any] = {  # of the flood
    "kind": "flood",
    "unit": "packets",
    "bytes": None,
    "bits": None,
    "harm": None,
    "forging": False,
}


@dataclass(frozen=True, slots=True)
class Background:
    """What the operator's configuration contributes to every notice."""

    host: str  # name of this hypervisor
    place: str = ""
    quiet: int = 0  # ns without flood that end a null route
    warn: Mapping[str, int] = field(default_factory=dict)  # rule -> packets a second; quiet is below half of it
    config: Config | None = None  # where there is one, a VM's own limits are those of its policy
    repeat: int = 0  # ns within which a null-routed case of a VM counts as one more
    undecided: int = 0  # ns after which a null route that a person has to decide about ends without a decision
    ground: str = ""  # in the operator's words: by which clause a null route is put in place
    reply: bool = False  # somebody reads the answers: a reply address or a desk is configured
    probation: int = 0  # ns for which what a person released is left alone, if it is no worse
    reporter: Reporter | None = None  # who reports floods in XARF; None: nobody is configured who could
    quiet_again: int = 0  # the same for the second null-routed case of a VM; from the third on a person decides


def background(config: Config, host: str) -> Background:
    """What the configuration contributes to every notice."""
    return Background(
        host=host,
        place=config.host.place,
        quiet=config.clocks.quiet,
        probation=config.clocks.probation,
        quiet_again=max(config.clocks.quiet, config.clocks.quiet_again),
        config=config,
        reporter=reporter(config, host),
        repeat=config.clocks.repeat,
        undecided=config.clocks.undecided,
        ground=config.notice.ground,
        reply=bool(config.mail.reply_to or config.mail.desk),
    )


def compose(
    decision: Decision,
    verdict: Verdict | None,
    vm: Vm | None,
    background: Background,
    ended: Sequence[Decision] = (),
    before: Sequence[Decision] = (),
) -> tuple[Notice, ...]:
    """The notices of a decision. ended: the null routes that a release ends; before: earlier ones of the case."""
    slots = {**values(decision, verdict, vm, background, ended), "before": [_ended(other) for other in before]}
    shown = {**slots, **WITHOUT_ESTIMATES}
    told = recipients(decision, vm.contact if vm else None, inbound=is_inbound(verdict), before=before)
    if any(to is not None for _, to in told):
        shown[SLOT] = enclosure(background.reporter, decision, verdict, vm)
    return tuple(
        Notice(
            id=identity("notice", decision.id, kind, to or "desk"),
            case=decision.case,
            decision=decision.id,
            kind=kind,
            to=to,
            values=slots if to is None else shown,
        )
        for kind, to in told
    )


def values(
    decision: Decision,
    verdict: Verdict | None,
    vm: Vm | None,
    background: Background,
    ended: Sequence[Decision] = (),
) -> dict[str, Any]:
    """Every slot of every template. What is unknown is None, never absent."""
    return {
        "case": decision.case,
        "decision": decision.id,
        "server": _server(decision, vm),
        "host": background.host,
        "place": (vm.place if vm else None) or background.place or background.host,
        "act": str(decision.act),
        "scope": str(decision.scope),
        "mechanism": str(decision.tap.kind) if decision.tap else "none",
        "enforced": decision.enforced,
        "by": decision.by,
        "reason": decision.reason,
        "decided": decision.at,
        "until": decision.until,
        "dropped_targets": [plain_target(target) for target in decision.targets],
        "safeties": [{"name": s.name, "answer": s.answer, "reason": s.reason} for s in decision.safeties],
        "flood": _flood(verdict) if verdict else None,
        "spread": _spread(verdict.spread) if verdict else None,
        "readings": [_reading(reading) for reading in verdict.alternatives] if verdict else [],
        "baseline": verdict.baseline if verdict else None,
        "measured": any(one.verdict is not None for one in (decision, *ended)),
        "quiet": background.quiet if decision.repeat <= 1 else background.quiet_again,
        "probation": background.probation,
        **_quiet_below(verdict if decision.repeat < PEOPLE_DECIDE else None, vm, background),
        "reply": background.reply,
        "read_by": _read_by(background, decision.at),
        "ground": background.ground,
        "ended": [_ended(other) for other in ended],
        "before": [],
        "undecided": background.undecided or None,
        "repeat_within": background.repeat if decision.repeat > 1 else None,
        "exempts": [_exempt(one) for one in decision.grace.exempts] if decision.grace else [],
        "conditions": [],
        "also": [],
        "upheld_quiet": None,
        "people": 1,
    }


def _read_by(background: Background, at: int) -> int | None:
    """By when a person reads an answer that is sent at once; None: nobody promises it."""
    config = background.config
    return roster.promised(config.roster, config.mail.read_within, at) if config and background.reply else None


def _quiet_below(verdict: Verdict | None, vm: Vm | None, background: Background) -> dict[str, int | None]:
    """Half of the VM's warn limits: a window below both is quiet. None: no such limit."""
    if verdict is None:
        return {"quiet_below": None, "quiet_bits": None}
    if background.config is None:
        return {"quiet_below": background.warn.get(verdict.rule, 0) // 2, "quiet_bits": None}
    limits = policy(background.config, vm).limits.get(verdict.rule)
    bits = limits.bits.warn if limits and limits.bits else None
    return {"quiet_below": limits.warn // 2 if limits else 0, "quiet_bits": bits // 2 if bits else None}


def _server(decision: Decision, vm: Vm | None) -> dict[str, Any]:
    subject, known = decision.subject, [_plain(network) for network in vm.addresses] if vm else []
    return {
        "id": vm.id if vm else subject.vm,
        "name": (vm.name or vm.id) if vm else _who(subject),
        "customer": vm.customer if vm else subject.customer,
        "contact": vm.contact if vm else None,
        **({"contacts": list(vm.contacts)} if vm and vm.contacts else {}),
        "addresses": known or ([subject.source] if subject.source else []),
        "tap": subject.tap,
    }


def _who(subject: Subject) -> str:
    """What stands for a server's name where none is known, and for several servers."""
    if subject.customer is not None:
        return f"servers of {subject.customer}"
    return subject.vm or subject.source or subject.tap or "unknown server"


def _plain(network: IPv4Network | IPv6Network) -> str:
    """A host as its address, a routed prefix as it is."""
    return str(network.network_address if network.num_addresses == 1 else network)


def is_inbound(verdict: Verdict | None) -> bool:
    """Whether it is about what reaches a VM: nobody but the desk is told, and nothing is held against it."""
    return verdict is not None and verdict.rule in INTO


def plain_target(target: Target) -> dict[str, Any]:
    return {
        "address": target.place,
        "prefix": target.length is not None,
        "version": target.address.version,
        "protocol": target.protocol_name if target.protocol else "any",
        "port": target.port,
        "share": target.share,
    }


def _ended(decision: Decision) -> dict[str, Any]:
    return {
        "decided": decision.at,
        "scope": str(decision.scope),
        "targets": [plain_target(target) for target in decision.targets],
    }


def _exempt(exemption: Exemption) -> dict[str, Any]:
    """What is left alone, as a target, with its ceiling a second and its end."""
    network = exemption.target
    alone = network.num_addresses == 1
    place = Target(
        network.network_address, exemption.protocol, exemption.port, length=None if alone else network.prefixlen
    )
    return {
        **plain_target(place),
        "packets": exemption.ceiling.packets,
        "bits": exemption.ceiling.bits,
        "until": exemption.until,
    }


def _flood(verdict: Verdict) -> dict[str, Any]:
    """The verdict's numbers, rounded here once, so that those in the mail agree with each other."""
    in_packets = verdict.unit == "packets"
    length = _length(verdict) if in_packets else None  # of bits it is not said how many packets they were
    peak = math.ceil(max(verdict.peak, verdict.measured if in_packets else 0) / verdict.window_s)
    mean, over = _mean(verdict, peak)
    listed = sum(target.share for target in verdict.targets)
    others = verdict.targets[SHOWN_TARGETS:]
    return {
        "rule": verdict.rule,
        "kind": str(verdict.kind),
        "unit": verdict.unit,
        "forging": verdict.forging,
        "harm": verdict.harm,
        "version": __version__,
        "band": str(verdict.band),
        "seen": verdict.since,
        "crossed": verdict.crossed,
        "duration": max(0, verdict.at - verdict.since),
        "window": verdict.window_s * SECOND,
        "measured": verdict.measured,
        "at_least": verdict.at_least,
        "limit": verdict.limit,
        "sustain": verdict.sustain,
        "length": length,
        "mean": mean,
        "mean_over": over,
        "mean_bits": None if length is None else round(mean * length * 8),
        "peak": peak,
        "peak_bits": None if length is None else round(peak * length * 8),
        "bytes": verdict.bytes,
        "bits": round(verdict.bytes * 8 / verdict.window_s),
        "targets": [plain_target(target) for target in verdict.targets[:SHOWN_TARGETS]],
        "others": len(verdict.targets) - SHOWN_TARGETS if others else 0,
        "others_share": sum(target.share for target in others),
        "unlisted_share": min(1.0, max(0.0, 1.0 - listed)),
        "target_error": verdict.target_error,
        "came_back": _came_back(verdict.came_back),
        "tap": verdict.subject.tap,
        "source": verdict.subject.source,
        **_shares(verdict),
        "foreign": verdict.foreign,
        "foreign_share": _foreign_share(verdict),
    }


def _length(verdict: Verdict) -> float:
    """Mean length of a packet, bytes of IP."""
    return round(verdict.bytes / verdict.measured, 1) if verdict.measured else 0.0


def _foreign_share(verdict: Verdict) -> float | None:
    """Of the flood's own packets; None where that is not known."""
    if verdict.foreign is None or (verdict.foreign and verdict.unit != "packets"):
        return None
    return min(1.0, verdict.foreign / max(1, verdict.measured))


def _reading(alternative: Alternative) -> dict[str, Any]:
    return {"kind": alternative.kind, "holds": alternative.holds, "why": alternative.why}


def _spread(spread: Spread | None) -> dict[str, int] | None:
    if spread is None:
        return None
    return {"targets": spread.targets, "sources_out": spread.sources_out, "sources_in": spread.sources_in}


def _shares(verdict: Verdict) -> dict[str, Any]:
    """Who sent how much of a customer's sum: the largest by themselves, the others together."""
    counted = [share for share in verdict.shares if share.counted]
    more = counted[SHOWN_SHARES:]
    return {
        "shares": [_share(share) for share in counted[:SHOWN_SHARES]],
        "more_ports": len(more),
        "more_packets": sum(share.packets for share in more),
        "ports": len(counted),
        "apart": [_share(share) for share in verdict.shares if not share.counted][:SHOWN_SHARES],
    }


def _share(share: Share) -> dict[str, Any]:
    return {"id": share.vm, "tap": share.tap, "packets": share.packets}


def _mean(verdict: Verdict, peak: int) -> tuple[int, int]:
    """Packets a second over whole windows begun since the flood was first seen, and their length in ns.

    Dividing by a part of a second would name a mean above the largest second ever counted.
    """
    elapsed = max(0, verdict.at - verdict.since) / SECOND
    begun = max(1, math.ceil(elapsed / verdict.window_s)) * verdict.window_s
    counted = float(verdict.measured) if verdict.unit == "packets" else verdict.mean * verdict.window_s
    packets = verdict.mean * elapsed if elapsed > verdict.window_s else counted
    return min(peak, round(packets / begun)), begun * SECOND


def _came_back(came_back: CameBack) -> dict[str, Any]:
    return {
        "packets": came_back.packets,
        "syn_acks": came_back.syn_acks,
        "resets": came_back.resets,
        "third_acks": came_back.third_acks,
    }
