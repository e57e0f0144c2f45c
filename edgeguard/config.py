"""The configuration: defaults.toml, overlaid by one TOML file; every finding reported together."""

from __future__ import annotations

import functools
import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from edgeguard import units
from edgeguard.errors import ConfigError
from edgeguard.model import Network

DEFAULTS = Path(__file__).with_name("defaults.toml")
RULES = ("syn", "udp")
BANDS = ("warn", "act", "hard")


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration: write it with its unit, like '15m'")
    ns = units.duration(value)
    if ns <= 0:
        raise ValueError(f"{value!r} is no time at all: a duration is longer than zero")
    return ns


def _enforceable(name: str) -> str:
    known = {f"{rule}.{band}" for rule in (*RULES, "all") for band in ("act", "hard")}
    if name not in known:
        raise ValueError(f"{name!r} is nothing that can be enforced: one of {', '.join(sorted(known))}")
    return name


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or prefix: {error}") from None


def _server(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if value and (not colon or not host or not port.isdigit() or not 0 < int(port) < 65536):
        raise ValueError(f"{value!r} is not host:port, like 'mail.example.net:587'")
    return value


Duration = Annotated[int, BeforeValidator(_duration)]
Prefix = Annotated[Any, BeforeValidator(_network)]
Count = Annotated[int, Field(gt=0, le=2**31 - 1, strict=True)]
Share = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A table of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Host(Section):
    name: str
    place: str


class Limits(Section):
    """One rule's three limits, packets in a one-second window."""

    warn: Count
    act: Count
    hard: Count

    @model_validator(mode="after")
    def _rising(self) -> Limits:
        if not self.warn <= self.act <= self.hard:
            raise ValueError(f"warn {self.warn}, act {self.act}, hard {self.hard} must not fall")
        return self


class SumLimits(Section):
    """Limits of the sum over all VMs of one customer. Both 0: it is counted and shown, never judged."""

    warn: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]
    hard: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)]

    @model_validator(mode="after")
    def _rising(self) -> SumLimits:
        if bool(self.warn) != bool(self.hard):
            raise ValueError(f"warn {self.warn}, hard {self.hard}: both 0, so that no sum is judged, or both above it")
        if self.warn > self.hard:
            raise ValueError(f"warn {self.warn}, hard {self.hard} must not fall")
        return self

    def limits(self) -> Limits | None:
        """As a rule judges by them: a sum has no act, as nothing is ever done about it by itself."""
        return Limits(warn=self.warn, act=self.hard, hard=self.hard) if self.warn else None


class CustomerLimits(Section):
    syn: SumLimits
    udp: SumLimits


class AllLimits(Section):
    syn: Limits
    udp: Limits
    customer: CustomerLimits


class Judging(Section):
    sustain_seconds: Annotated[int, Field(ge=1, le=60)]
    sustain_of: Annotated[int, Field(ge=1, le=60)]
    one_way_ratio: Annotated[int, Field(ge=1, le=10_000)]
    target_share: Share

    @model_validator(mode="after")
    def _possible(self) -> Judging:
        if self.sustain_seconds > self.sustain_of:
            raise ValueError(f"sustain_seconds {self.sustain_seconds} of {self.sustain_of} can never be reached")
        return self


SHORTEST_PROOF = 1_300_000_000  # a second at the uplink, and what comes before it
LONGEST_LIFETIME = 365 * 24 * 3_600_000_000_000


class Clocks(Section):
    quiet: Duration
    lifetime: Duration
    moves: Duration
    verify: Duration
    notice_wait: Duration

    @model_validator(mode="after")
    def _possible(self) -> Clocks:
        if self.verify < SHORTEST_PROOF:
            raise ValueError("verify: a proof takes at least 1300ms: a second at the uplink, and what comes before it")
        if self.lifetime > LONGEST_LIFETIME:
            raise ValueError("lifetime: a null route stands for 365d at most; it can be decided anew")
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

    server: Annotated[str, AfterValidator(_server)]
    sender: str = Field(alias="from")
    reply_to: str
    desk: str
    tls: Literal["starttls", "tls", "none"]
    user: str
    password_file: str
    timeout: Duration
    retry: Duration


class Paths(Section):
    database: str
    socket: str


class EnforcementSettings(Section):
    protocol: Annotated[int, Field(ge=5, le=255)]
    priority: Annotated[int, Field(ge=1, le=900)]
    table: Annotated[int, Field(ge=1000, le=2**31)]
    nft_table: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Config(Section):
    """The whole configuration. `load` builds it; tests use `default(overrides)`."""

    enforce: tuple[Annotated[str, AfterValidator(_enforceable)], ...]
    uplinks: tuple[str, ...]
    host: Host
    limits: AllLimits
    judging: Judging
    clocks: Clocks
    capture: CaptureSettings
    counting: CountingSettings
    protected: Protected
    inventory: InventorySettings
    mail: Mail
    paths: Paths
    enforcement: EnforcementSettings


@functools.cache
def _defaults() -> str:
    return DEFAULTS.read_text(encoding="utf-8")


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid on `base`, table by table; lists and values replace."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both_tables = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _overlay(below, value) if both_tables else value  # type: ignore[arg-type]
    return merged


WRONG_TYPES = {
    "tuple_type": 'must be a list, like ["one", "two"]',
    "model_type": "must be a table of keys",
    "string_type": "must be text in quotes",
    "missing": "is missing",
}


def _sentence(finding: Any, source: str) -> str:
    *section, key = [f"item {part + 1}" if isinstance(part, int) else str(part) for part in finding["loc"]] or ["file"]
    if key.startswith("item ") and section:
        *section, name = section
        key = f"{name}, {key}"
    where = f"[{'.'.join(section)}] {key}" if section else key
    if finding["type"] == "extra_forbidden":
        return f"{source}: {where}: unknown key; see docs/configuration.md for the known ones"
    message = WRONG_TYPES.get(finding["type"], finding["msg"].removeprefix("Value error, "))
    given = finding.get("input")
    told = "" if isinstance(given, (dict, list)) or repr(given) in message else f" (given: {given!r})"
    return f"{source}: {where}: {message}{told}"


def build(values: dict[str, Any], source: str = "configuration") -> Config:
    """The configuration of `values` over the defaults. ConfigError holds every finding."""
    try:
        return Config.model_validate(_overlay(tomllib.loads(_defaults()), values))
    except ValidationError as error:
        raise ConfigError([_sentence(finding, source) for finding in error.errors()]) from None


def load(path: Path | None) -> Config:
    """The configuration in a file, or the defaults alone. ConfigError holds every finding."""
    if path is None:
        return build({})
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; check the path given to -c"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from None
    return build(values, str(path))
