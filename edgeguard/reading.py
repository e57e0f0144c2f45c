"""What counting and capture tell: one subject's window, what each of its targets got of it, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeguard.model import Address, Share, Spread, Subject

OUT = ("syn", "udp", "icmp", "fragments", "tcp", "total")  # rules over what leaves a subject
INTO = tuple(f"{rule}-in" for rule in OUT)  # and over what reaches it: observed, never acted on


@dataclass(frozen=True, slots=True)
class Flow:
    """What one target got of a rule's packets in the window; counts are exact lower bounds."""

    address: Address
    protocol: int
    port: int | None  # the destination port that leads
    packets: int
    port_packets: int  # of them to that port
    back: int  # that came back: SYN-ACKs (syn), TCP but resets (tcp), packets of the protocol (others)
    rule: str = ""  # 'syn', 'udp', 'icmp', 'fragments', 'tcp': whose packets these are; "": by the protocol
    length: int | None = None  # bits of the prefix (24 or 48) that `address` begins; None: one address
    third_acks: int = 0  # syn: handshakes with it that were completed
    resets: int = 0  # syn: that came back
    others: int = 0  # icmp: packets of other protocols that came from it
    bytes: int = 0  # udp: IP bytes of `packets`
    back_bytes: int = 0  # udp: IP bytes of `back`


@dataclass(frozen=True, slots=True)
class Reading:
    """One subject's counts in the window (the last second) that ends at `at`. [packets] unless said.

    By rule: out of it 'syn', 'udp', 'icmp', 'fragments', 'tcp' (neither SYN nor SYN-ACK), 'total'; into it the
    same with '-in' behind. A later fragment is of 'fragments' and of 'total' only.
    """

    point: int
    subject: Subject
    at: int
    packets: dict[str, int]  # by rule
    bytes: dict[str, int]  # IP bytes of those packets
    foreign: dict[str, int] | None  # of those, with a source that is not the VM's; None: addresses unknown
    crossed: dict[str, int]  # timestamp of the packet that reached the armed level; 0: none
    longer: dict[str, tuple[tuple[int, int], ...]]  # by rule: (seconds, packets) of the longer windows
    flows: Sequence[Flow]  # the largest of each rule, largest first; prefixes too, while it is loud
    missing: int  # packets that may be missing from any one flow (Misra-Gries)
    syn_acks: int  # came back from targets of the window's SYNs
    resets: int
    one_way: int  # UDP to targets that answer less than once per `one_way_ratio` packets
    one_way_back: int  # UDP that came back from those
    shares: tuple[Share, ...] = ()  # of a customer's sum, largest first
    spread: dict[str, Spread] | None = None  # by rule; None: not counted for this subject
    third_acks: int = 0  # handshakes that the subject completed, with whatever target
    half_open: int = 0  # SYNs to targets with which fewer than `completed_share` of the handshakes were completed
    half_open_acks: int = 0  # third ACKs to those
    one_way_tcp: int = 0  # TCP but SYN and SYN-ACK, to targets that answer less than once per `tcp_ratio` packets
    one_way_fragments: int = 0  # later fragments to targets that answer less than once per `tcp_ratio`
    unreachable: int = 0  # ICMP unreachable that came in
    icmp_answers: int = 0  # ICMP out that answers what came in: echo replies, errors, neighbour discovery
    answers: int = 0  # SYN-ACKs and resets out
    service: int = 0  # UDP out from the ports of services that are used for reflection (record.REFLECTORS)
    sizes: tuple[int, ...] = ()  # UDP out by length [IP bytes]: to 128, to 512, to 1024, above


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a judgement needs to know of the host, beside the window.

    `harm`: in words how others suffer now (uplink drops, conntrack fills); None: not. `in_doubt`: why what came
    back is not known (only one direction is visible, the host's other VMs stopped completing connections);
    None: it is known.
    """

    harm: str | None = None
    in_doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How far a window can be trusted."""

    received: int = 0  # frames handed over by the kernel, running total
    lost: int = 0  # frames the ring had no room for, running total
    lag_ns: int = 0  # age of the youngest record when it was read
    stepped: bool = False  # the wall clock jumped
    looked: int = 0  # frames of a mirror port looked at for having come twice, running total
    twice: int = 0  # of them, copies of one that had come just before
