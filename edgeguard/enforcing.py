"""The enforcing child as a program: it reads configuration and inventory itself, and believes no order.

The capturing process parses what strangers send. Whoever took it over could order anything: cut the
host's own uplink, a bridge, a stranger's addresses. So each null route is measured here against what
the operator's files say, read by this process: the tap is an attachment point of this host, the VM
owns it, the addresses are the VM's, no target is protected. Releases are not asked about.

Started as `python -m edgeguard.enforcing CONFIG FD PLACE`; CONFIG is empty for the shipped defaults.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from edgeguard import config
from edgeguard.capture.taps import Taps
from edgeguard.config import Config
from edgeguard.enforcement import child, links
from edgeguard.enforcement.client import Enforcer
from edgeguard.enforcement.place import Place
from edgeguard.errors import EdgeGuardError
from edgeguard.inventory import configured
from edgeguard.model import Network, Order, Tap, Vm

LOOK_S = 1.0
_Stamp = tuple[int, ...]


def start(settings: Config, path: Path | None) -> Enforcer:
    """The child of a daemon whose configuration is `settings`, read from `path`; None: the shipped defaults."""
    program = ("-m", "edgeguard.enforcing", str(path.absolute()) if path else "")
    return Enforcer.start(place(settings), program)


def place(settings: Config) -> Place:
    """Where null routes live by a configuration."""
    return Place.of(settings.enforcement, settings.uplinks, settings.clocks.verify, settings.paths.kill)


def main(arguments: list[str]) -> int:
    """The child's whole life; its exit code."""
    path, fd, place = arguments
    return child.main(fd, place, partial(_following, Path(path) if path else None))


def _following(path: Path | None) -> child.Refusal:
    bounds = Bounds(path)
    threading.Thread(target=bounds.follow, name="bounds", daemon=True).start()
    return bounds.refusal


class Bounds:
    """What the files allow. A wrong file at start is a ConfigError; later the last good one holds.

    A thread looks at the files once a second, so that no order waits while a long inventory is read;
    they are looked at once more before an order is refused, as the daemon may have been faster.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._stamp = _stamp(path)
        self._take(config.load(path, rules=False))

    def _take(self, settings: Config) -> None:
        inventory = configured(settings.inventory)
        taps = Taps(settings.capture.exclude + settings.capture.mirror, settings.uplinks)
        self._settings, self._inventory, self._taps = settings, inventory, taps

    def follow(self) -> None:
        """Look at the files for ever."""
        pause = threading.Event()
        while not pause.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        """Read again what has changed."""
        with self._reading:
            self._inventory.reload_if_changed()
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp  # taken before reading: a change while we read is seen the next time
            try:
                self._take(config.load(self._path, rules=False))
            except EdgeGuardError:
                return  # the daemon says what is wrong with it

    def refusal(self, order: Order) -> str | None:
        """Why this null route may not be carried out; None: it may."""
        if self._why_not(order) is None:
            return None
        self._look()
        return self._why_not(order)

    def _why_not(self, order: Order) -> str | None:
        try:
            return next(self._findings(order), None)
        except EdgeGuardError as error:
            return f"it cannot be told whether {order.tap.name} is an attachment point: {error}"

    def _findings(self, order: Order) -> Iterator[str]:
        vm = self._inventory.by_tap(order.tap.name)
        yield from _of_the_owner(order, vm)
        yield from _of_the_tap(order.tap, self._taps)
        for target in order.targets:
            if any(_overlap(target.network, held) for held in self._settings.protected.targets):
                yield f"{target.place} is protected"


def _of_the_owner(order: Order, vm: Vm | None) -> Iterator[str]:
    if vm is None:
        yield f"no VM of the inventory has the tap {order.tap.name}"
    elif vm.id != order.vm:
        yield f"the tap {order.tap.name} is not {order.vm!r}'s by the inventory"
    else:
        foreign = [str(p) for p in order.prefixes if not any(_within(p, own) for own in vm.addresses)]
        if foreign:
            yield f"{foreign[0]} is no address of {order.vm!r} by the inventory"


def _of_the_tap(tap: Tap, taps: Taps) -> Iterator[str]:
    """Nothing of a tap that is not there, or not under this name: nothing can be bound to it, as the child says."""
    taps.poll()
    if tap.ifindex not in taps.current() and links.holds(tap):
        yield f"{tap.name} is no attachment point: it is an uplink, a bridge, excluded, or of another kind"


def _within(network: Network, whole: Network) -> bool:
    return network.version == whole.version and network.subnet_of(whole)  # type: ignore[arg-type]


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _stamp(path: Path | None) -> _Stamp:
    """What tells one version of the file from another; nothing where there is none."""
    try:
        status = path.stat() if path else None
    except OSError:
        status = None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size) if status else ()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
