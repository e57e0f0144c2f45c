"""The frozen values that stages hand to each other. Imports nothing of ours but words.

records (numpy) -> Window -> Verdict -> Decision -> Order -> Outcome -> Case, Notice (letters.py)

Times are integers of nanoseconds since 1970 (clock.py); addresses are ipaddress objects.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from edgeguard.grace import Grace

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PROTOCOL_NAMES = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6"}


class Band(StrEnum):
    """How far over its limits a rule found a subject."""

    WARN = "warn"
    ACT = "act"
    HARD = "hard"


class Scope(StrEnum):
    """How wide a decision reaches: from watching only to the whole VM."""

    OBSERVE = "observe"
    WARN = "warn"
    NARROW = "narrow"
    OWN_ONLY = "own-only"  # the forged packets, whatever their target
    FULL = "full"


class Kind(StrEnum):
    """What a rule takes the packets for. The last two are no floods: they are told, never dropped."""

    FLOOD = "flood"  # few targets
    CARPET = "carpet"  # one prefix, no address of it by itself
    SPRAY = "spray"  # many targets, many packets: not a scan, nothing narrow to drop
    REFLECTION = "reflection"  # answers of a service to requests that somebody else forged
    CONNECTIONS = "connection flood"  # handshakes that complete; a load test looks alike
    FORGED = "forged"  # sources that are not the VM's, at no target that stands out
    SCAN = "scan"  # many targets, few packets each
    BUSY = "busy client"  # connections that complete


class TapKind(StrEnum):
    """How the frames of a tap leave the host, which decides how it can be null-routed."""

    ROUTED = "routed"  # no master: an iif rule and a private table
    BRIDGED = "bridged"  # in a bridge: an nftables netdev chain on the tap
    NONE = "none"  # cannot be enforced (macvtap, Open vSwitch port, unknown)


@dataclass(frozen=True, slots=True)
class Tap:
    """An attachment point: the only sender that cannot be forged."""

    ifindex: int
    name: str
    mac: str  # of the tap itself, as the kernel tells it
    kind: TapKind
    kind_detail: str = ""  # 'routed-bridge br0', 'why it cannot be enforced', for people


@dataclass(frozen=True, slots=True)
class Vm:
    """What the inventory knows of one virtual machine."""

    id: str
    name: str
    customer: str | None
    contact: str | None  # mail address
    taps: tuple[str, ...] = ()
    macs: tuple[str, ...] = ()
    addresses: tuple[Network, ...] = ()  # hosts as /32 and /128; routed prefixes as they are
    place: str | None = None
    contacts: tuple[str, ...] = ()  # further mail addresses, tried in this order where a mail does not arrive
    vlan: int | None = None  # that its frames carry on a mirror port; None: whatever they carry


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a verdict is about; null where it is not known. `customer`: the sum over all its VMs, and none of them."""

    vm: str | None
    tap: str | None
    source: str | None
    customer: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """An address, or a carpet's prefix, under flood. port None: any port of the protocol.

    protocol 0: whatever goes there. `length`: bits of the prefix that `address` begins; None: the address alone.
    """

    address: Address
    protocol: int
    port: int | None
    share: float = 0.0  # of the window's packets, from the exact lower bound
    packets: int = 0  # exact lower bound in the window
    length: int | None = None

    def key(self) -> tuple[str, int, int | None]:
        """What a null route distinguishes; share and count change all the time."""
        return self.place, self.protocol, self.port

    @property
    def place(self) -> str:
        """As people write it: an address, or a prefix with its length."""
        return str(self.address) if self.length is None else f"{self.address}/{self.length}"

    @property
    def network(self) -> Network:
        """The address as a network of one, or the prefix."""
        return ip_network((self.address, self.address.max_prefixlen if self.length is None else self.length))

    @property
    def protocol_name(self) -> str:
        return PROTOCOL_NAMES.get(self.protocol, str(self.protocol))


@dataclass(frozen=True, slots=True)
class Spread:
    """About how many different addresses a rule's packets had, in a window. Estimates (docs/counting.md):
    operators are shown them, customers never."""

    targets: int  # of the rule's own packets
    sources_out: int  # of all that left the VM, its own left out; where those are unknown all of SYN and UDP
    sources_in: int  # of SYN and UDP into it


@dataclass(frozen=True, slots=True)
class Share:
    """What one attachment point sent of its customer's sum: packets of the rule in the window."""

    vm: str | None
    tap: str | None
    packets: int
    counted: bool = True  # False: no part of the sum, because its VM has an act or hard verdict of its own


@dataclass(frozen=True, slots=True)
class CameBack:
    """What the same targets sent back in the same window; None: not visible."""

    packets: int | None
    syn_acks: int | None = None
    resets: int | None = None
    third_acks: int | None = None  # handshakes that the subject completed
    unreachable: int | None = None  # ICMP unreachable, from anywhere


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to read a window, whether it holds, and the arithmetic why, in a sentence for people."""

    kind: str  # of Kind, or what else it might be: 'victim', 'mismatch'
    holds: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's finding, with its arithmetic."""

    id: str
    at: int
    rule: str  # 'syn', 'udp'
    band: Band
    subject: Subject
    point: int  # attachment point or source index in the window it came from
    window_s: int
    measured: int  # packets of the rule's class in the window
    at_least: int  # exact lower bound; what an action rests on
    limit: int
    since: int  # first seen above half of warn in this episode
    crossed: int  # timestamp of the packet that completed the limit
    targets: tuple[Target, ...]
    target_error: int  # packets that may be missing from each target's count
    came_back: CameBack
    bytes: int  # IP bytes of those packets in the window
    peak: int  # largest window of the episode so far, packets
    mean: float  # packets a second since `since`
    foreign: int | None  # packets of the window whose source is not the VM's; None: addresses unknown
    sustain: str  # in words: 'at once' or '5 of the last 60 seconds'
    longer: tuple[tuple[int, int], ...] = ()  # (seconds, packets of the class, answered or not) until `at`
    shares: tuple[Share, ...] = ()  # of a customer's sum, largest first
    spread: Spread | None = None  # of the window; None: not counted for this subject
    kind: Kind = Kind.FLOOD
    unit: str = "packets"  # of `measured`, `at_least`, `limit`: 'packets' or 'bits' a second
    forging: bool = False  # the forging rule holds for these packets: own-only would stop them
    alternatives: tuple[Alternative, ...] = ()  # every reading that was tried, the one that holds among them
    harm: str | None = None  # how others suffered, where that made the band
    baseline: str | None = None  # how this compares with what the VM is used to, in words


@dataclass(frozen=True, slots=True)
class SafetyAnswer:
    """One safety's answer: pass, refuse or unknown, and why."""

    name: str
    answer: str
    reason: str


# Why a person is woken (a cause pages at most once an hour and host); everything else is the desk's.
PAGES = (
    "not stopped",  # a hard flood goes on: its null route does not hold, or a safety keeps one from it
    "breaker",  # too many customers at once
    "disagreement",  # ledger and kernel do not agree, and could not be made to
    "unreachable",  # a full null route whose customer has no contact
    "a clock",  # a person's time to decide or to read is nearly over while a customer is null-routed
    "against a release",  # automation null-routed what a person released within 72 hours
    "counted prior",  # a full null route of a customer with a settled case within 30 days: a person looks soon
)


class Act(StrEnum):
    """What a decision does to the routes. A release is a decision too."""

    NULL_ROUTE = "null-route"
    RELEASE = "release"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Decision:
    """What shall happen, why, and until when."""

    id: str
    case: str
    verdict: str | None  # None: a person's, or the clock's
    at: int
    act: Act
    scope: Scope
    subject: Subject
    tap: Tap | None
    targets: tuple[Target, ...]
    until: int | None  # every null route has one
    enforced: bool
    safeties: tuple[SafetyAnswer, ...]
    reason: str
    by: str = "automation"
    releases: tuple[str, ...] = ()  # ids of the decisions this one ends
    silent: bool = False  # recorded, but nobody is written to: what it would do stands already
    page: str | None = None  # the cause for which a person is woken, one of PAGES; None: nobody is
    grace: Grace | None = None  # of a person's release: what they found. None is refused by the database
    against: tuple[str, ...] = ()  # ids of the people's releases that this null route goes against
    repeat: int = 1  # the how-manieth null-routed case of its VM within clocks.repeat: how long quiet has to last
    beside: str | None = None  # at another tap of its VM: the full null route that this one belongs to, and ends with


@dataclass(frozen=True, slots=True)
class Order:
    """What the enforcing child is told: typed and bounded."""

    decision: str
    act: Act
    scope: Scope
    tap: Tap
    vm: str
    prefixes: tuple[Network, ...]  # of the VM; full drops the way in by them
    targets: tuple[Target, ...]
    until: int
    ends: int = 0  # the same end on CLOCK_BOOTTIME, ns, which no step of the wall clock moves; 0: not stamped
    boot: str = ""  # the boot that `ends` counts in (boot_id of /proc/sys/kernel/random)


class Happened(StrEnum):
    """What an outcome reports."""

    ACKNOWLEDGED = "acknowledged"  # the kernel acknowledged the last netlink message
    VERIFIED = "verified"
    NO_ATTEMPTS = "no attempts"  # nothing came during the second of proof
    NOT_STOPPED = "not stopped"
    RELEASED = "released"
    FAILED = "failed"
    LINK_GONE = "link gone"
    RECONCILED = "reconciled"  # put back, or removed, at start


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to an order."""

    decision: str
    at: int
    happened: Happened
    detail: str
    proofs: tuple[str, ...] = ()
    dropped: int | None = None  # frames the null route has counted, where it counts
    leaving: int | None = None  # packets that a proof saw leave although they should not; None: not counted


def identity(prefix: str, *parts: object) -> str:
    """An id derived from content: the same content has the same id in every run."""
    text = "\x1f".join(map(str, parts)).encode("utf-8", "backslashreplace")  # names come from files and kernels
    return f"{prefix}-{hashlib.blake2b(text, digest_size=6).hexdigest()}"
