"""The other tables of the file, one class each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from edgeguard.config.fields import (
    Copy,
    Duration,
    KeptPrefix,
    Line,
    Prefix,
    Program,
    Promise,
    Section,
    Server,
    Share,
    Url,
)
from edgeguard.units import duration_text


class Host(Section):
    name: Line
    place: Line


class RulesSettings(Section):
    """Where the rules file is, if any: it is followed while the daemon runs."""

    file: str


class Judging(Section):
    sustain_seconds: Annotated[int, Field(ge=1, le=60)]
    sustain_of: Annotated[int, Field(ge=1, le=60)]
    one_way_ratio: Annotated[int, Field(ge=1, le=10_000)]
    tcp_ratio: Annotated[int, Field(ge=1, le=10_000)]
    completed_share: Share
    target_share: Share
    uplink_warn: Share
    uplink_hard: Share

    @model_validator(mode="after")
    def _possible(self) -> Judging:
        if self.sustain_seconds > self.sustain_of:
            raise ValueError(f"sustain_seconds {self.sustain_seconds} of {self.sustain_of} can never be reached")
        if self.uplink_warn > self.uplink_hard:
            raise ValueError(f"uplink_warn {self.uplink_warn}, uplink_hard {self.uplink_hard} must not fall")
        return self


SHORTEST_PROOF = 1_300_000_000  # a second at the uplink, and what comes before it
HOUR = 3_600_000_000_000
LONGEST = {  # due process is no matter of taste: these may be shorter, never longer
    "lifetime": 4 * HOUR,
    "undecided": 4 * HOUR,
    "hold": 12 * HOUR,
    "second_voice": 24 * HOUR,
    "upheld_quiet": 24 * HOUR,
    "read_again": 14 * 24 * HOUR,
    "appeal": 24 * HOUR,
    "appeal_full": 4 * HOUR,
}


class Clocks(Section):
    quiet: Duration
    lifetime: Duration
    moves: Duration
    verify: Duration
    notice_wait: Duration
    probation: Duration
    quiet_again: Duration
    repeat: Duration
    undecided: Duration
    hold: Duration
    second_voice: Duration
    upheld_quiet: Duration
    read_again: Duration
    appeal: Duration
    appeal_full: Duration

    @model_validator(mode="after")
    def _possible(self) -> Clocks:
        for name, longest in LONGEST.items():
            if getattr(self, name) > longest:
                raise ValueError(f"{name}: {duration_text(longest)} at most; it may be shorter, never longer")
        if self.verify < SHORTEST_PROOF:
            raise ValueError("verify: a proof takes at least 1300ms: a second at the uplink, and what comes before it")
        return self


class CaptureSettings(Section):
    block_bytes: Annotated[int, Field(ge=65_536, le=16_777_216, multiple_of=4096)]
    blocks: Annotated[int, Field(ge=2, le=4096)]
    retire: Duration
    threads: Annotated[int, Field(ge=1, le=8, strict=True)]
    loss: Share
    lag: Duration
    exclude: tuple[str, ...]
    mirror: Annotated[tuple[str, ...], Field(max_length=8)]
    vxlan: Annotated[bool, Field(strict=True)]
    vxlan_port: Annotated[int, Field(ge=1, le=65_535, strict=True)]
    sampling: Annotated[int, Field(ge=1, le=10_000, strict=True)]
    duplicates: Share

    @model_validator(mode="after")
    def _of_a_mirror_port(self) -> CaptureSettings:
        if not self.mirror and (self.vxlan or self.sampling > 1):
            raise ValueError("vxlan and sampling are of mirror ports: name those in `mirror`")
        if self.mirror and self.threads > 1:
            raise ValueError("threads: mirror ports are read by one thread; leave `threads` at 1")
        return self


class CountingSettings(Section):
    """Limits of the flow memory, packets in any one second."""

    remote_syn: Annotated[int, Field(ge=100, le=1_000_000)]
    remote_udp: Annotated[int, Field(ge=100, le=1_000_000)]
    remote_packets: Annotated[int, Field(ge=100, le=1_000_000)]


class Protected(Section):
    subjects: tuple[str, ...]
    targets: tuple[Prefix, ...]


class InventorySettings(Section):
    """The VMs: a file that is followed, or written here (`[[inventory.vm]]`, as `lab write` does)."""

    file: str
    vm: tuple[dict[str, Any], ...] = ()

    @model_validator(mode="after")
    def _one_of_two(self) -> InventorySettings:
        if self.file and self.vm:
            raise ValueError("name a file or write the VMs here, one of the two")
        return self


class Mail(Section):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    server: Server
    sender: Line = Field(alias="from")
    reply_to: Line
    desk: Line
    desk_copy: Copy
    pcap: Annotated[bool, Field(strict=True)]
    tls: Literal["starttls", "tls", "none"]
    user: Line
    password_file: str
    timeout: Duration
    retry: Duration
    read_within: Promise


class NoticeSettings(Section):
    """What an operator says in his own words."""

    texts: str
    ground: Line


LONGEST_HOOK = 300_000_000_000


class HooksSettings(Section):
    """Programs and webhooks that are told of decisions."""

    program: Program
    url: Url
    secret_file: str
    all: Annotated[bool, Field(strict=True)]
    timeout: Duration
    retry: Duration
    age: Duration

    @model_validator(mode="after")
    def _possible(self) -> HooksSettings:
        if self.timeout > LONGEST_HOOK:
            raise ValueError("timeout: 5m at most; what takes longer hands it over to a service of its own")
        if self.secret_file and not self.url:
            raise ValueError("secret_file signs what is posted to `url`, which is empty")
        return self


class PageSettings(Section):
    """What wakes whoever is on duty."""

    program: Program
    timeout: Duration

    @model_validator(mode="after")
    def _possible(self) -> PageSettings:
        if self.timeout > LONGEST_HOOK:
            raise ValueError("timeout: 5m at most")
        return self


class Paths(Section):
    database: str
    socket: str
    evidence: str
    kill: str

    @property
    def bundles(self) -> Path:
        """Where evidence is kept: as named, or beside the database."""
        return Path(self.evidence) if self.evidence else Path(self.database).parent / "evidence"


class EvidenceSettings(Section):
    """How much evidence is kept, and for how long."""

    during: Duration
    bundle_bytes: Annotated[int, Field(ge=131_072, le=1_073_741_824, strict=True)]
    bundles: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    total_bytes: Annotated[int, Field(ge=1_048_576, le=2**50, strict=True)]
    age: Duration

    @model_validator(mode="after")
    def _possible(self) -> EvidenceSettings:
        if self.during > 60_000_000_000:
            raise ValueError("during: frames are added for 60s at most; the bundle is there before that")
        if self.bundle_bytes > self.total_bytes:
            raise ValueError(f"bundle_bytes {self.bundle_bytes} is more than total_bytes {self.total_bytes}")
        return self


class LogSettings(Section):
    format: Literal["text", "json"]


class MetricsSettings(Section):
    """Where Prometheus reads, and how many VMs it is told of by name."""

    listen: Server
    top: Annotated[int, Field(ge=0, le=100, strict=True)]


class EnforcementSettings(Section):
    protocol: Annotated[int, Field(ge=5, le=255)]
    priority: Annotated[int, Field(ge=1, le=900)]
    table: Annotated[int, Field(ge=1000, le=2**31)]
    nft_table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    keep: Annotated[tuple[KeptPrefix, ...], Field(max_length=16)]
    keep_link: bool
