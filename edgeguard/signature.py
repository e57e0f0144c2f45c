"""The signature of what a case is about, and the exemptions that it may become: never wider, always with an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgeguard import units
from edgeguard.decision.reach import within
from edgeguard.errors import UsageError
from edgeguard.grace import HEADROOM, LONGEST, Exemption, Rate
from edgeguard.model import Network, Target, Verdict, identity


@dataclass(frozen=True, slots=True)
class Signature:
    """What a VM sent: to which targets, and how much of it a second at the most."""

    vm: str
    case: str
    targets: tuple[Target, ...]
    rate: Rate


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. Empty or 0: as the signature has it."""

    by: str
    why: str
    at: int
    for_ns: int = 0
    ceiling: int = 0  # packets a second
    consent: str = ""


def rate(verdicts: Iterable[Verdict], peak: int = 0) -> Rate:
    """The most that was measured, a second. `peak`: packets of the loudest second since, as attempts count, too."""
    found = list(verdicts)
    packets = [max(v.measured, v.peak) // v.window_s for v in found if v.unit == "packets"]
    bits = [v.measured if v.unit == "bits" else v.bytes * 8 // v.window_s for v in found]
    measured = Rate(max(packets, default=None), max(bits, default=None))
    if not measured.packets or peak <= measured.packets:
        return measured
    return Rate(peak, measured.times(peak / measured.packets).bits)


def exemptions(signature: Signature, wish: Wish, own: Sequence[Network]) -> tuple[Exemption, ...]:
    """One for each target. `own`: addresses of the same customer, for which nobody else has to agree."""
    if not signature.targets:
        raise UsageError(f"{signature.case}: it names no target, so nothing of it can be exempted; choose another --as")
    if signature.rate.packets is None and signature.rate.bits is None:
        raise UsageError(f"{signature.case}: nothing was measured, so there is no rate to exempt; choose another --as")
    if wish.for_ns > LONGEST:
        raise UsageError("an exemption of more than 30 days takes two: add it for 30d, then somebody else extends it")
    return tuple(_exemption(signature, target, wish, own) for target in signature.targets)


def _exemption(signature: Signature, target: Target, wish: Wish, own: Sequence[Network]) -> Exemption:
    if not target.protocol:
        raise UsageError(f"{target.place}: exempting every protocol is wider than anything measured")
    if not wish.consent.strip() and not any(within(target.network, one) for one in own):
        raise UsageError(f"{target.place} is not the customer's own: --consent TEXT says how its owner agreed")
    return Exemption(
        id=identity("x", signature.vm, *target.key(), wish.at),
        vm=signature.vm,
        protocol=target.protocol,
        target=target.network,
        port=target.port,
        ceiling=_ceiling(signature, target, wish),
        since=wish.at,
        until=wish.at + (wish.for_ns or LONGEST),
        by=wish.by,
        why=wish.why,
        consent=wish.consent.strip() or None,
        case=signature.case,
    )


def _ceiling(signature: Signature, target: Target, wish: Wish) -> Rate:
    """1.5 times what this target got of the rate, or less where a person says so."""
    widest = signature.rate.times(HEADROOM * (target.share or 1 / len(signature.targets)))
    if not wish.ceiling:
        return widest
    most = widest.packets or 0
    if wish.ceiling > most:
        told = f"{units.count(wish.ceiling)} packets a second"
        raise UsageError(
            f"{target.place}: {told} are more than 1.5 times what was measured: {units.count(most)} at most"
        )
    return Rate(wish.ceiling, None if widest.bits is None else widest.bits * wish.ceiling // most)
