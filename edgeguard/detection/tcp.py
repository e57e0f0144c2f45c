"""The TCP rule: ACK, RST and other TCP out of a subject to targets that do not answer, packets in a second.

SYNs have a rule of their own and SYN-ACKs are answers. A target answers that sends back at least one TCP
packet per `tcp_ratio`. A victim's resets answer the SYNs that come in from the same addresses.
"""

from __future__ import annotations

from edgeguard.detection.unanswered import Unanswered

NAME = "tcp"
_RULE = Unanswered(
    name=NAME,
    least=40,  # IPv4 and TCP headers
    what="one-way TCP packets",
    all_="TCP packets (SYNs apart)",
    one_way=lambda reading: reading.one_way_tcp,
)
packets, flows, measure, judge = _RULE.packets, _RULE.flows, _RULE.measure, _RULE.judge
