"""A mail before it is one: any kind, with what is known of a case, or of the invented flood.

What a kind says beside the measurement (an exemption's bounds, who upheld it) is invented where the case has none.
"""

from __future__ import annotations

from typing import Any

from edgeguard.model import Decision, Verdict, Vm
from edgeguard.notice import sample
from edgeguard.notice.kinds import Kind
from edgeguard.notice.values import Background, plain_target, values

# What is the case's own; all else has the shape of the kind.
_OF_THE_CASE = (
    *("case", "decision", "server", "host", "place", "mechanism", "reason", "decided", "safeties"),
    *("flood", "spread", "readings", "baseline", "measured", "quiet", "probation", "quiet_below", "quiet_bits"),
    *("reply", "ground", "undecided"),
)
_TIMES = ("until", "received", "read_by", "refused_at")


def preview(
    kind: Kind, decision: Decision, verdict: Verdict | None, vm: Vm | None, background: Background
) -> dict[str, Any]:
    """The values of a notice of that kind about a decision, whatever the decision was."""
    shape, real = sample.slots(kind), values(decision, verdict, vm, background)
    later = decision.at - sample.AT
    targets = decision.targets or (verdict.targets[:1] if verdict else ())
    return {
        **shape,
        **{name: real[name] for name in _OF_THE_CASE},
        **{name: shape[name] + later for name in _TIMES if shape.get(name)},
        "dropped_targets": [plain_target(target) for target in targets],
        "exempts": [{**one, "until": one["until"] + later} for one in shape.get("exempts", ())],
        "before": [{**one, "decided": one["decided"] + later} for one in shape.get("before", ())],
        "ended": [{**one, "decided": decision.at} for one in shape.get("ended", ())],
    }
