"""Groups and settings of single VMs: who is in them, which of them overlap, and what they name that nobody knows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from edgeguard.check.finding import Finding, ok, warning
from edgeguard.config import Config, Group
from edgeguard.model import Vm
from edgeguard.policy import Claim, claims, policy

NAMED = 3  # VMs or ids, in one finding
MEMBERS = {"vms": "VM", "customers": "customer", "prefixes": "prefix"}


def groups(config: Config, vms: Sequence[Vm]) -> Iterator[Finding]:
    """Each group, then what overlaps, then names that the inventory does not hold. Nothing where nothing is set."""
    claimed = {vm.id: claims(config, vm) for vm in vms} if config.group or config.vm else {}
    for group in config.group:
        yield _group(group, [id for id, found in claimed.items() if any(claim.setting is group for claim in found)])
    yield from _overlaps(config, claimed)
    yield from _nested(claimed)
    if vms:
        yield from _unknown(config, vms)


def enforcing(config: Config, vms: Iterable[Vm]) -> bool:
    """Whether anything may be null-routed, by the configuration as a whole or by what is said of some VMs."""
    if not config.group and not config.vm:
        return bool(config.enforce)
    return any(policy(config, vm).enforce for vm in vms) or bool(policy(config, None).enforce)


def _group(group: Group, ids: Sequence[str]) -> Finding:
    what = f"group {group.name}"
    if not any(getattr(group, members) for members in MEMBERS):
        return warning("groups", what, "empty: it names no vms, no customers and no prefixes")
    if not group.limits.named and not group.enforce:
        return warning("groups", what, "says nothing: it has neither limits nor enforce")
    if not ids:
        return warning("groups", what, "empty: no VM of the inventory is in it")
    return ok("groups", what, _some(ids, "VM"))


def _overlaps(config: Config, claimed: dict[str, tuple[Claim, ...]]) -> Iterator[Finding]:
    """Pairs of groups that are equally specific for a VM, and members that two groups write alike."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for id, settings in claimed.items():
        for first, second in combinations(settings, 2):
            if first.rank == second.rank and isinstance(first.setting, Group) and isinstance(second.setting, Group):
                found[first.setting.name, second.setting.name].append((id, f"{first.by}, {second.by}"))
    for (first_name, second_name), vms in found.items():
        ids, why = [id for id, _ in vms], vms[0][1].split(", ")
        alike = f"both {_plural(why[0])}" if why[0] == why[1] else f"the first {why[0]}, the second {why[1]}"
        text = f"equally specific for {_some(ids, 'VM')}: {alike}"
        yield warning("groups", f"groups {first_name} and {second_name}", f"{text}; {_wins(first_name)}")
    for first_group, second_group in combinations(config.group, 2):
        if (first_group.name, second_group.name) in found:
            continue
        for members, noun in MEMBERS.items():
            shared = [str(one) for one in getattr(first_group, members) if one in getattr(second_group, members)]
            if shared:
                what = f"groups {first_group.name} and {second_group.name}"
                yield warning("groups", what, f"both name {_some(shared, noun)}; {_wins(first_group.name)}")


def _nested(claimed: dict[str, tuple[Claim, ...]]) -> Iterator[Finding]:
    """Pairs of groups that share VMs, where one is more specific: in order, and said."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for id, settings in claimed.items():
        for first, second in combinations(settings, 2):
            if first.rank != second.rank and isinstance(first.setting, Group) and isinstance(second.setting, Group):
                found[first.setting.name, second.setting.name].append((id, first.by))
    for (winner, other), vms in found.items():
        shared = _some([id for id, _ in vms], "VM")
        text = f"both claim {shared}; {winner} wins where both speak, being the more specific: it {vms[0][1]}"
        yield ok("groups", f"groups {winner} and {other}", text)


def _plural(by: str) -> str:
    """'names customer C-1' of two groups."""
    return by.replace("names", "name", 1).replace("covers", "cover", 1)


def _wins(name: str) -> str:
    return f"{name} wins, as it stands first in the file; name the VM in one of them, or in [vm], to say otherwise"


def _unknown(config: Config, vms: Sequence[Vm]) -> Iterator[Finding]:
    ids, customers = {vm.id for vm in vms}, {vm.customer for vm in vms}
    for group in config.group:
        for noun, named, known in (("VM", group.vms, ids), ("customer", group.customers, customers)):
            missing = [one for one in named if one not in known]
            if missing:
                text = f"names {_some(missing, noun)} that the inventory does not hold"
                yield warning("groups", f"group {group.name}", text)
    for id in config.vm:
        if id not in ids:
            yield warning("groups", f"vm {id}", "has settings of its own, and the inventory does not hold it")


def _some(names: Sequence[str], noun: str) -> str:
    """'1 VM (vm-1)', '4 VMs (vm-1, vm-2, vm-3, ...)'."""
    plural = {"prefix": "prefixes"}.get(noun, f"{noun}s")
    more = ", ..." if len(names) > NAMED else ""
    return f"{len(names):,} {noun if len(names) == 1 else plural} ({', '.join(names[:NAMED])}{more})"
