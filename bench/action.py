"""How long does an action take while a flood comes in?

    python bench/action.py [--actions N] [--json] [--save]

Headline: the median from giving an order to the kernel's last acknowledgement, a null route of one IPv4
and one IPv6 target, put and released in turn by the real enforcing child, on a routed tap (rules and
blackholes) and on a bridged one (elements of the tap's chain), while both VMs flood as fast as one core
sends. The worse of the two kinds counts. Limits: median 4 ms, 99th percentile 10 ms. The rival does the
same with the programs `ip` and `nft`, as a script would, in the same namespaces and under the same flood.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a file as with -m

from bench.parts import flood, report
from bench.parts.host import TAPS, Host
from edgeguard import config, enforcing
from edgeguard.enforcement.client import Enforcer
from edgeguard.model import Act, Happened, Order, Scope, Tap, TapKind, Target
from edgeguard.native import Sender

ACTIONS = 300  # of each kind and each contender
MEDIAN_MS, P99_MS = 4.0, 10.0
PATIENCE_S = 30.0
KINDS = {"routed": TapKind.ROUTED, "chain": TapKind.BRIDGED}  # of TAPS, in this order
TARGET4, TARGET6 = "198.51.100.1", "2001:db8:f::1"
BURST = 20_000  # frames between two looks whether the flood is over
CONFIGURATION = """
uplinks = ["lo"]
[[inventory.vm]]
id = "vm-0"
taps = ["tap0"]
addresses = ["192.0.2.10", "2001:db8:1::10"]
[[inventory.vm]]
id = "vm-1"
taps = ["tap1"]
addresses = ["192.0.2.11", "2001:db8:1::11"]
[paths]
database = "{0}/none"
socket = "{0}/none.sock"
kill = "{0}/none.kill"
"""


class NoActionError(Exception):
    """An order was not carried out; why."""


@contextlib.contextmanager
def flooded(host: Host) -> Iterator[list[int]]:
    """Both VMs send as fast as one thread can; how many frames that were is known at the end."""
    stop, sent = threading.Event(), [0]

    def body() -> None:
        with host.vms.namespace.inside():
            senders = [Sender(index) for index in host.senders()]
        while not stop.is_set():
            for number, sender in enumerate(senders):
                sent[0] += sender.run([flood.frame(number)], BURST // 2, 10_000_000, 5)
        for sender in senders:
            sender.close()

    thread = threading.Thread(target=body, name="flood")
    thread.start()
    try:
        yield sent
    finally:
        stop.set()
        thread.join()


def _order(host: Host, number: int, kind: str) -> Order:
    name = TAPS[list(KINDS).index(kind)]
    link = host.hypervisor.ip.link("get", index=host.hypervisor.index(name))[0]
    tap = Tap(host.hypervisor.index(name), name, link.get_attr("IFLA_ADDRESS"), KINDS[kind])
    vm = list(KINDS).index(kind)
    prefixes = (ip_network(f"192.0.2.1{vm}"), ip_network(f"2001:db8:1::1{vm}"))
    targets = (Target(ip_address(TARGET4), 17, None), Target(ip_address(TARGET6), 17, None))
    until = time.time_ns() + 3600 * 10**9
    return Order(f"d-{number}", Act.NULL_ROUTE, Scope.NARROW, tap, f"vm-{vm}", prefixes, targets, until)


def _done(enforcer: Enforcer, decision: str, what: Happened) -> int:
    """When the child says that it happened, ns."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for outcome in enforcer.poll():
            if outcome.decision != decision:
                continue
            if outcome.happened is Happened.FAILED:
                raise NoActionError(outcome.detail)
            if outcome.happened is what:
                return outcome.at
        time.sleep(0.0005)
    raise NoActionError(f"{decision}: nothing was heard of it for {PATIENCE_S:g} s")


def ours(host: Host, enforcer: Enforcer, kind: str, actions: int) -> list[float]:
    """Milliseconds of each null route; its release is waited for, and not counted."""
    took = []
    for number in range(actions):
        order = _order(host, number, kind)
        began = time.time_ns()
        enforcer.order(order)
        took.append((_done(enforcer, order.decision, Happened.ACKNOWLEDGED) - began) / 1e6)
        enforcer.order(replace(order, act=Act.RELEASE))
        _done(enforcer, order.decision, Happened.RELEASED)
    return took


ROUTED = (
    "ip rule add iif tap0 lookup 4711 priority 900",
    "ip -6 rule add iif tap0 lookup 4711 priority 900",
    f"ip route add blackhole {TARGET4} table 4711",
    f"ip -6 route add blackhole {TARGET6} table 4711",
)
ELEMENTS = (
    f"nft add element netdev rival four {{ {TARGET4} timeout 1h }}",
    f"nft add element netdev rival six {{ {TARGET6} timeout 1h }}",
)
TABLE = """
table netdev rival {
    set four { type ipv4_addr; flags timeout; }
    set six { type ipv6_addr; flags timeout; }
    chain in { type filter hook ingress device "tap1" priority 0; ip daddr @four drop; ip6 daddr @six drop; }
}
"""


def rival(host: Host, kind: str, actions: int) -> list[float]:
    """The same by programs, one after the other, as a notify script does it."""
    lines = [line.split(" ", 5) if line.startswith("nft") else line.split() for line in _lines(kind)]
    took = []
    with host.hypervisor.namespace.inside():
        if kind == "chain":
            subprocess.run(["nft", "-f", "-"], input=TABLE, text=True, check=True)
        for _ in range(actions):
            began = time.time_ns()
            for line in lines:
                subprocess.run(line, check=True)
            took.append((time.time_ns() - began) / 1e6)
            for line in lines:
                subprocess.run([{"add": "delete"}.get(word, word) for word in line], check=True)
    return took


def _lines(kind: str) -> Sequence[str]:
    return ROUTED if kind == "routed" else ELEMENTS


def bench(actions: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Both kinds of host, then the programs."""
    with contextlib.ExitStack() as stack:
        host = Host()
        stack.callback(host.close)
        host.hypervisor.ip.link("add", ifname="br0", kind="bridge")
        bridge = host.hypervisor.index("br0")
        host.hypervisor.ip.link("set", index=host.hypervisor.index(TAPS[1]), master=bridge)
        host.hypervisor.ip.link("set", index=bridge, state="up")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = folder / "edgeguard.toml"
        path.write_text(CONFIGURATION.format(folder), encoding="utf-8")
        with host.hypervisor.namespace.inside():
            enforcer = enforcing.start(config.load(path), path)
        stack.callback(enforcer.close, remove=True)
        began = time.monotonic()
        with flooded(host) as sent:
            took = {}
            for kind in KINDS:
                took[f"EdgeGuard, {kind}"] = ours(host, enforcer, kind, actions)
                tell(f"{kind}: {report.spread(took[f'EdgeGuard, {kind}'])}")
            for kind in KINDS:
                took[f"ip and nft, {kind}"] = rival(host, kind, max(1, actions // 10))
        return result(took, sent[0] / (time.monotonic() - began))


def result(took: dict[str, list[float]], rate: float) -> dict[str, Any]:
    """The contract's object: the worse kind is the figure."""
    described = {name: {**report.spread(ms), "p99": report.percentile(ms, 0.99)} for name, ms in took.items()}
    mine = [described[f"EdgeGuard, {kind}"] for kind in KINDS]
    median, p99 = max(one["median"] for one in mine), max(one["p99"] for one in mine)
    slowest = max(mine, key=lambda one: one["median"])
    rivals = min(described[f"ip and nft, {kind}"]["median"] for kind in KINDS)
    return report.document(
        "action",
        median,
        "ms",
        {
            "median/limit": report.neat(median / MEDIAN_MS),
            "p99/limit": report.neat(p99 / P99_MS),
            "ip and nft/edgeguard": report.neat(rivals / median),
        },
        spread={name: slowest[name] for name in ("min", "median", "max")},
        p99=p99,
        milliseconds=described,
        limit_ms={"median": MEDIAN_MS, "p99": P99_MS},
        actions={name: len(ms) for name, ms in took.items()},
        flood_pps=round(rate),
    )


def show(found: dict[str, Any]) -> None:
    columns = ("min", "median", "p99", "max")
    rows = [(name, *(values[c] for c in columns)) for name, values in found["milliseconds"].items()]
    print(report.table((f"milliseconds, under {found['flood_pps']:,} frames a second", *columns), rows))
    print(f"limits: median {MEDIAN_MS:g} ms, p99 {P99_MS:g} ms, the worse kind of host")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as one object, the last line")
    parser.add_argument("--save", action="store_true", help="keep the result in bench/results, for bench.table")
    parser.add_argument("--actions", type=int, default=ACTIONS, help="of each kind (%(default)s)")
    options = parser.parse_args()
    try:
        found = bench(options.actions, lambda text: print(text, file=sys.stderr, flush=True))
    except NoActionError as error:
        raise SystemExit(f"bench/action.py: {error}") from None
    show(found)
    report.deliver(found, options.json, options.save)
    missed = max(found["ratios"]["median/limit"], found["ratios"]["p99/limit"]) > 1
    if missed:
        print("MISSED")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
