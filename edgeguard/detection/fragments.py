"""The fragments rule: later fragments out of a subject to targets that do not answer, packets in a second.

They have no ports and may be of any protocol. A target answers that sends back at least one packet per
`tcp_ratio`: a file server over UDP gets an acknowledgement for each of its large answers.
"""

from __future__ import annotations

from edgeguard.detection.unanswered import Unanswered

NAME = "fragments"
_RULE = Unanswered(
    name=NAME,
    least=20,  # an IPv4 header
    what="later fragments",
    all_="later fragments",
    one_way=lambda reading: reading.one_way_fragments,
)
packets, flows, measure, judge = _RULE.packets, _RULE.flows, _RULE.measure, _RULE.judge
