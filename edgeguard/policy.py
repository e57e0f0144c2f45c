"""The policy of one VM: its limits and what may be done, from groups and settings of its own. Pure.

The most specific that speaks of a thing decides it: the VM's own setting, a group that names the VM, one that names
its customer, one with the longest prefix that covers an address of it, then the configuration as a whole. "A thing"
is a rule's limits, all of them together, or the mode of one band of a rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from edgeguard.config import BitLimits, Config, Limits
from edgeguard.config.fields import MOST_PACKETS
from edgeguard.config.groups import Group, Setting
from edgeguard.config.limits import UplinkLimits
from edgeguard.model import Band, Network, Vm
from edgeguard.reading import INTO, OUT

WHOLE = "the configuration"
BY_VM, BY_GROUPED_VM, BY_CUSTOMER, BY_PREFIX = range(4)


@dataclass(frozen=True, slots=True)
class Claim:
    """A setting that speaks for a VM. `rank` sorts the most specific first; `by` says in words why it does."""

    setting: Setting
    rank: tuple[int, int]
    by: str

    @property
    def name(self) -> str:
        return f"group {self.setting.name}" if isinstance(self.setting, Group) else self.by


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one VM. A rule without limits is not judged."""

    limits: dict[str, Limits]  # by the names of reading.OUT and reading.INTO
    enforce: frozenset[str]  # 'syn.hard', 'scan.act': each name by itself, no 'all'
    from_: str  # in words: which settings have a part in it
    sources: dict[str, str]  # the same for each rule's limits


def policy(config: Config, vm: Vm | None) -> Policy:
    """What holds for a VM; for None, whatever no group can be asked for. Callers keep it: it changes with both."""
    claimed = claims(config, vm) if vm else ()
    moded = [claim.setting for claim in claimed if claim.setting.enforce]
    base = config.limits.by_rule()
    limits: dict[str, Limits] = {}
    sources: dict[str, str] = {}
    for rule, usual in base.items():
        found, sources[rule] = _limits(rule, usual, claimed)
        judged = _judged(rule, _with_uplink(config, found) if rule == "udp" else found, moded)
        if judged is not None:
            limits[rule] = judged
    said = [claim for claim in claimed if claim.setting.limits.named or claim.setting.enforce]
    words = ", ".join(f"{claim.name} ({claim.by})" if claim.name != claim.by else claim.by for claim in said)
    return Policy(limits, frozenset(_enforced(config, moded, limits)), words or WHOLE, sources)


def claims(config: Config, vm: Vm) -> tuple[Claim, ...]:
    """Every setting that speaks for a VM, the most specific first; equals in the order of the file."""
    found = [] if vm.id not in config.vm else [Claim(config.vm[vm.id], (BY_VM, 0), f"VM {vm.id}")]
    found += [claim for group in config.group if (claim := _claim(group, vm))]
    return tuple(sorted(found, key=lambda claim: claim.rank))


def lowest(config: Config) -> dict[str, Limits]:
    """Below which nothing can be found at any VM, by rule: the least of all limits. Not judged anywhere: missing."""
    every = [config.limits.by_rule(), *(one.limits.named for one in (*config.group, *config.vm.values()))]
    found: dict[str, Limits] = {}
    for rule in (*OUT, *INTO):
        limits = [by_rule[rule] for by_rule in every if rule in by_rule and by_rule[rule].judged]
        if limits:
            least = {band: min(one.of(band) for one in limits) for band in Band}
            found[rule] = Limits(warn=least[Band.WARN], act=least[Band.ACT], hard=least[Band.HARD])
    return found


def _claim(group: Group, vm: Vm) -> Claim | None:
    """The most specific way in which a group claims a VM."""
    if vm.id in group.vms:
        return Claim(group, (BY_GROUPED_VM, 0), f"names VM {vm.id}")
    if vm.customer is not None and vm.customer in group.customers:
        return Claim(group, (BY_CUSTOMER, 0), f"names customer {vm.customer}")
    covering = [prefix for prefix in group.prefixes if any(_covers(prefix, address) for address in vm.addresses)]
    if not covering:
        return None
    longest = max(covering, key=lambda prefix: prefix.prefixlen)
    return Claim(group, (BY_PREFIX, -longest.prefixlen), f"covers it with {longest}")


def _covers(prefix: Network, address: Network) -> bool:
    if isinstance(prefix, IPv4Network):
        return isinstance(address, IPv4Network) and address.subnet_of(prefix)
    return isinstance(address, IPv6Network) and address.subnet_of(prefix)


def _limits(rule: str, usual: Limits, claimed: Sequence[Claim]) -> tuple[Limits, str]:
    """A rule's limits, and who says so."""
    for claim in claimed:
        own = claim.setting.limits.named.get(rule)
        if own is not None:
            return own, claim.name
    return usual, WHOLE


def _with_uplink(config: Config, limits: Limits) -> Limits:
    """With limits in bits that are shares of the uplink, where its speed is known and nothing else is said."""
    if not config.uplink_bits:
        return limits
    own = limits.bits or BitLimits()
    share, half = (int(config.uplink_bits * part) for part in (config.judging.uplink_warn, config.judging.uplink_hard))
    warn = own.warn or min(n for n in (share, own.act, own.hard) if n is not None)
    hard = own.hard or max(n for n in (half, own.act, own.warn) if n is not None)
    kind = BitLimits if own.hard else UplinkLimits
    return limits.model_copy(update={"bits": kind(warn=warn, act=own.act, hard=hard)})


def _judged(rule: str, limits: Limits, moded: Sequence[Setting]) -> Limits | None:
    """The limits without the bands that are off: such a band begins where the next one does."""
    if not limits.judged:
        return None
    off = {band for band in ("warn", "act", "hard") if _mode(rule, band, moded) == "off"}
    if len(off) == 3:
        return None
    if not off:
        return limits
    hard = MOST_PACKETS if "hard" in off else limits.hard
    act = hard if "act" in off else limits.act
    warn = act if "warn" in off else limits.warn
    bits = limits.bits and limits.bits.model_copy(update=dict.fromkeys(off))
    some = bits if bits and bits.judged else None
    return limits.model_copy(update={"warn": warn, "act": act, "hard": hard, "bits": some})


def _mode(rule: str, band: str, moded: Sequence[Setting]) -> str | None:
    """What the most specific says of a band, of those that say anything of modes."""
    return next((mode for setting in moded if (mode := setting.mode(rule, band))), None)


def _enforced(config: Config, moded: Sequence[Setting], limits: dict[str, Limits]) -> Iterator[str]:
    for rule in (*OUT, "scan"):
        for band in ("act", "hard"):
            mode = _mode(rule, band, moded)
            usual = f"{rule}.{band}" in config.enforce or (rule != "scan" and f"all.{band}" in config.enforce)
            if (rule in limits or rule == "scan") and (usual if mode is None else mode == "enforce"):
                yield f"{rule}.{band}"
