"""What the published schemas of XARF 4 demand of a connection/ddos report, written down by hand.

Source: github.com/xarf/xarf-spec, schemas/v4/xarf-core.json and schemas/v4/types/connection-ddos.json, commit
17faf2fc: further keys are allowed at the top (`additionalProperties` is true), in contacts and evidence they are not.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from datetime import datetime
from ipaddress import ip_address
from typing import Any

REQUIRED = {"xarf_version", "report_id", "timestamp", "reporter", "sender", "source_identifier", "category", "type"}
REQUIRED |= {"protocol", "first_seen"}
CONTACT = {"org", "contact", "domain"}
INTEGERS = {
    "destination_port": (1, 65_535),
    "peak_pps": (1, None),
    "peak_bps": (1, None),
    "duration_seconds": (1, None),
}
TEXTS = {"attack_vector", "description", "source_identifier"}
TIMES = {"timestamp", "first_seen", "last_seen", "threshold_exceeded"}
TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*:[a-z0-9][a-z0-9_+\-.]*")


def demanded(told: dict[str, Any]) -> None:
    """All that the two schemas demand."""
    assert told.keys() >= REQUIRED
    assert re.fullmatch(r"4\.[0-9]+\.[0-9]+", told["xarf_version"])
    assert uuid.UUID(told["report_id"]).version == 4
    assert (told["category"], told["type"]) == ("connection", "ddos")
    assert told["protocol"] in ("tcp", "udp", "icmp", "sctp")
    sources = ("firewall_logs", "ids_detection", "flow_analysis", "traffic_monitoring", "honeypot")
    assert told["evidence_source"] in sources
    for who in (told["reporter"], told["sender"]):
        assert who.keys() == CONTACT
        assert len(who["org"]) <= 200
        assert re.fullmatch(r"[^@\s]+@[^@\s]+", who["contact"])
        assert re.fullmatch(r"[A-Za-z0-9.-]+", who["domain"])
    for name in TIMES & told.keys():
        assert datetime.fromisoformat(told[name].replace("Z", "+00:00")).utcoffset() is not None
    for name in INTEGERS.keys() & told.keys():
        least, most = INTEGERS[name]
        assert type(told[name]) is int
        assert told[name] >= least
        assert most is None or told[name] <= most
    for name in TEXTS & told.keys():
        assert isinstance(told[name], str)
    assert len(told.get("description", "")) <= 1000
    assert type(told["mitigation_applied"]) is bool
    if "destination_ip" in told:
        ip_address(told["destination_ip"])
    assert len(told.get("tags", [])) <= 20
    assert all(TAG.fullmatch(tag) for tag in told.get("tags", []))
    for item in told.get("evidence", []):
        assert {"content_type", "payload"} <= item.keys() <= {"content_type", "description", "payload", "hash", "size"}
        content = base64.b64decode(item["payload"], validate=True)
        assert item["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert item["size"] == len(content) <= 5_242_880
        assert len(item["description"]) <= 500
