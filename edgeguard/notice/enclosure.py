"""What is enclosed as JSON: a XARF 4 report, and our decision record under a key of its own.

The report is made with the decision and waits with the notice's values, which our record is written from: what is sent
is what was decided. The evidence, which is written beside that, is named when the mail leaves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeguard import xarf
from edgeguard.model import Act, Decision, Scope, Verdict, Vm
from edgeguard.notice.kinds import AUTOMATION
from edgeguard.xarf import Reporter

KEY = "edgeguard"  # of our record beside the standard's fields: xarf-core allows keys of others
FORMAT = 1
SLOT = "enclosure"  # of a notice's values: its report; no slot of a template
_TIMES = ("seen", "crossed")
_LENGTHS = {"duration": "duration_ns", "window": "window_ns", "mean_over": "mean_over_ns"}


@dataclass(frozen=True, slots=True)
class Proofs:
    """A decision's evidence as it lies on the host's disk."""

    bundle: str
    manifest: str  # SHA-256 of the list of its files, as the case's story has it; frames of later change that list
    files: Mapping[str, str]  # the SHA-256 of each file so far, which nothing changes any more
    frames: bytes | None = None  # headers of frames from before the decision, a savefile (pcap)


def enclosure(reporter: Reporter | None, decision: Decision, verdict: Verdict | None, vm: Vm | None) -> dict[str, Any]:
    """The report; empty where there is none to make: of no flood, or nobody is configured who could report."""
    about_a_flood = decision.act is Act.NULL_ROUTE or decision.scope is Scope.WARN
    return (xarf.report(reporter, decision, verdict, vm) if reporter and about_a_flood else None) or {}


def content(values: Mapping[str, Any], proofs: Proofs | None) -> bytes:
    """The document of a notice with these values, as it is sent, in ASCII."""
    record = _record(values)
    if proofs is not None:
        record["evidence"] = {"bundle": proofs.bundle, "manifest_sha256": proofs.manifest, "sha256": dict(proofs.files)}
    document = {**values[SLOT], KEY: record}
    return json.dumps(document, indent=1).encode() + b"\n"


def _record(slots: Mapping[str, Any]) -> dict[str, Any]:
    flood = slots["flood"]
    return {
        "format": FORMAT,
        "case": slots["case"],
        "decision": slots["decision"],
        "server": {name: slots["server"][name] for name in ("id", "name", "addresses")},
        "host": slots["host"],
        "act": slots["act"],
        "scope": slots["scope"],
        "enforced": slots["enforced"],
        "by": slots["by"] if slots["by"] == AUTOMATION else "person",
        "reason": slots["reason"],
        "decided": _stamp(slots["decided"]),
        "until": _stamp(slots["until"]),
        "dropped_targets": slots["dropped_targets"],
        # How each answered; their reasons are the desk's.
        "safeties": [{"name": one["name"], "answer": one["answer"]} for one in slots["safeties"]],
        "flood": None if flood is None else {_LENGTHS.get(key, key): _plain(key, flood[key]) for key in flood},
    }


def _plain(key: str, value: Any) -> Any:
    return _stamp(value) if key in _TIMES else value


def _stamp(at: int | None) -> str | None:
    """RFC 3339; None stays None, and so does a time that is not known."""
    return xarf.timestamp(at) if at else None
