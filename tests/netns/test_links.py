"""The kernel's counters, read through RTM_GETSTATS, against what the kernel prints elsewhere."""

from __future__ import annotations

from capturing import send, udp
from namespaces import Namespace

from edgeguard.native import LinkCounter, link_counters


def _proc_net_dev(host: Namespace) -> dict[int, LinkCounter]:
    """/proc/net/dev: an independent way to the same counters."""
    found = {}
    for line in host.run("cat", "/proc/net/dev").stdout.splitlines()[2:]:
        name, _, numbers = line.partition(":")
        n = [int(word) for word in numbers.split()]
        found[host.index(name.strip())] = LinkCounter(n[1], n[9], n[0], n[8], n[3], n[11])
    return found


def test_counters_equal_what_proc_shows() -> None:
    """Frames, bytes and drops of every link equal those in /proc/net/dev, after real traffic."""
    with Namespace() as host, Namespace() as vm:
        index = host.veth("tap0", vm, "eth0")
        host.tap("tap1")
        sent = send(vm, "eth0", [udp(100)], 1000, 50_000)
        with host.inside():
            ours = link_counters()
        assert ours == _proc_net_dev(host)
        assert (ours[index].rx_frames, ours[index].rx_bytes) == (sent, sent * len(udp(100)))


def test_more_links_than_first_guessed() -> None:
    """A host with several hundred links is listed whole."""
    with Namespace() as host:
        with host.routes() as ip:
            for number in range(140):
                ip.link("add", ifname=f"a{number}", kind="veth", peer={"ifname": f"b{number}"})
        with host.inside():
            assert len(link_counters()) == 281
