"""Look-ups over a fixed set of VMs: dictionaries, so 10,000 VMs cost no more than ten."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import ip_address

from edgeguard.errors import UsageError
from edgeguard.model import Vm
from edgeguard.record import Address, mac_number

_SHOWN = 5  # ids named in a refusal


class Index:
    """An immutable inventory. The caller has made sure that no tap, MAC or prefix occurs twice."""

    def __init__(self, vms: Iterable[Vm] = ()) -> None:
        self._vms = tuple(vms)
        self._ids = {vm.id: vm for vm in self._vms}
        self._taps = {tap: vm for vm in self._vms for tap in vm.taps}
        self._macs: dict[int, Vm] = {}  # a MAC that is used in several VLANs: the first
        self._names: dict[str, list[Vm]] = defaultdict(list)
        self._prefixes: dict[tuple[int, int], dict[int, Vm]] = defaultdict(dict)
        for vm in self._vms:
            for mac in vm.macs:
                self._macs.setdefault(mac_number(mac), vm)
            self._names[vm.name].append(vm)
            for prefix in vm.addresses:
                self._prefixes[prefix.version, prefix.prefixlen][int(prefix.network_address)] = vm
        self._lengths = _longest_first(self._prefixes)

    def by_tap(self, name: str) -> Vm | None:
        return self._taps.get(name)

    def by_mac(self, mac: str) -> Vm | None:
        try:
            return self._macs.get(mac_number(mac))
        except ValueError:
            return None

    def by_address(self, address: Address) -> Vm | None:
        value = int(address)
        for length in self._lengths[address.version]:
            spare = address.max_prefixlen - length
            vm = self._prefixes[address.version, length].get(value >> spare << spare)
            if vm is not None:
                return vm
        return None

    def by_term(self, text: str) -> Vm | None:
        found = self._ids.get(text) or self.by_tap(text) or self.by_mac(text) or self._by_address_text(text)
        return found or self._by_name(text)

    def vms(self) -> tuple[Vm, ...]:
        return self._vms

    @property
    def trouble(self) -> None:
        """A fixed set was checked at the start."""

    def reload_if_changed(self) -> str | None:
        """A fixed set never changes."""
        return None

    def _by_address_text(self, text: str) -> Vm | None:
        try:
            return self.by_address(ip_address(text))
        except ValueError:
            return None

    def _by_name(self, text: str) -> Vm | None:
        named = self._names.get(text, [])
        if len(named) > 1:
            ids = ", ".join(vm.id for vm in named[:_SHOWN]) + (", ..." if len(named) > _SHOWN else "")
            raise UsageError(f"the name {text!r} fits {len(named)} VMs ({ids}); name the VM by its id")
        return named[0] if named else None


def _longest_first(prefixes: Iterable[tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    """Prefix lengths in use by IP version, the longest first."""
    known = set(prefixes)
    return {version: tuple(sorted((n for v, n in known if v == version), reverse=True)) for version in (4, 6)}
