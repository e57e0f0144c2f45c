"""The named scenarios: what is sent, and the verdict and actions it must get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from edgeguard.lab import addresses as plan
from edgeguard.lab.addresses import NEIGHBOUR, VM

RATE = 150_000  # flood frames a second offered to the tap
SUPER_RATE = 300_000  # wire packets a second where the flood is super-frames


@dataclass(frozen=True, slots=True)
class Finding:
    """What the daemon found and did; `expected` and `got` are compared as a whole.

    rule and band are of the highest verdict above warn; null where there is none. scopes are those
    of the null routes in order, targets the addresses they name, tap the attachment point touched,
    actions their number.
    """

    rule: str | None = None
    band: str | None = None
    scopes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tap: str | None = None
    actions: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Flood:
    """What the VM sends, and at whom in turn: it moves on when a target is null-routed."""

    rule: str  # 'syn' or 'udp'
    targets: tuple[str, ...]  # addresses, or prefixes under a carpet; none: random ones
    forged: bool = False  # with the neighbour's address as its source; to random targets, with random ones
    super_frames: bool = False

    @property
    def random(self) -> bool:
        return not self.targets

    @property
    def aims(self) -> tuple[str, ...]:
        """What it is sent at, in turn, for people."""
        return self.targets or ("random addresses with random senders",)

    @property
    def answering(self) -> tuple[str, ...]:
        """Whom the VM must reach again after it."""
        if self.random:
            return plan.TARGETS[:1]
        return tuple(plan.CARPET_HOST if target == plan.CARPET else target for target in self.targets)

    @property
    def rate(self) -> int:
        return SUPER_RATE if self.super_frames else RATE

    def source(self, target: str) -> str:
        sender = NEIGHBOUR if self.forged else VM
        return sender.address6 if ":" in target else sender.address


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story and how it must end. `flood` None: nothing may happen."""

    name: str
    sentence: str
    flood: Flood | None
    expected: Finding
    mirror: bool = False  # the daemon sees copies of the taps on one port, not the taps

    @property
    def moves(self) -> bool:
        return self.flood is not None and len(self.flood.targets) > 1


def _narrow(rule: str) -> Finding:
    return Finding(rule, "hard", ("narrow",), plan.TARGETS[:1], VM.tap, 1)


MOVING = (plan.TARGETS[0], plan.TARGET6, plan.TARGETS[2])  # both families on the way

_ALL = (
    Scenario(
        "syn-flood",
        "the VM floods one target with SYNs",
        Flood("syn", plan.TARGETS[:1]),
        _narrow("syn"),
    ),
    Scenario(
        "udp-flood",
        "the VM floods one target with UDP that is never answered",
        Flood("udp", plan.TARGETS[:1]),
        _narrow("udp"),
    ),
    Scenario(
        "moving-flood",
        "the flood moves to another target whenever one is null-routed",
        Flood("syn", MOVING),
        Finding("syn", "hard", ("narrow", "narrow", "full"), MOVING, VM.tap, 3),
    ),
    Scenario(
        "forged-source",
        "the VM floods with its neighbour's address as the source",
        Flood("syn", plan.TARGETS[:1], forged=True),
        _narrow("syn"),
    ),
    Scenario(
        "forged-random",
        "the VM floods random targets with random senders, IPv4 and IPv6: only what is forged may be dropped",
        Flood("syn", (), forged=True),
        Finding("syn", "hard", ("own-only",), (), VM.tap, 1),
    ),
    Scenario(
        "carpet",
        "the VM floods all addresses of a /24, none of them much",
        Flood("syn", (plan.CARPET,)),
        Finding("syn", "hard", ("narrow",), (plan.CARPET,), VM.tap, 1),
    ),
    Scenario(
        "gso-flood",
        "the VM floods with segmentation-offload super-frames of 64 packets",
        Flood("udp", plan.TARGETS[:1], super_frames=True),
        _narrow("udp"),
    ),
    Scenario(
        "mirror",
        "the taps are copied to one mirror port, and the VM floods with its neighbour's address",
        Flood("syn", plan.TARGETS[:1], forged=True),
        _narrow("syn"),
        mirror=True,
    ),
    Scenario(
        "benign-mix",
        "a busy, healthy VM, itself under an inbound SYN flood: nothing may happen",
        None,
        Finding(),
    ),
)
SCENARIOS = {scenario.name: scenario for scenario in _ALL}


def names(keep: Callable[[Scenario], bool] = lambda _: True) -> tuple[str, ...]:
    """The scenarios' names, in the order they are told."""
    return tuple(scenario.name for scenario in _ALL if keep(scenario))
