"""The kernel's links as they are, and their counters, read through RTM_GETSTATS, against what it prints elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from capturing import send, udp
from namespaces import Namespace
from pyroute2 import IPRoute

from edgeguard.capture import links
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


def test_a_link_that_a_list_missed_is_kept_while_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump cut short by other links' changes (NLM_F_DUMP_INTR) must not take a tap away; its removal must."""

    @contextmanager
    def short() -> Iterator[SimpleNamespace]:
        with IPRoute() as ip:
            listed = [message for message in ip.get_links() if message["index"] != index]
            yield SimpleNamespace(get_links=lambda: listed, get_addr=ip.get_addr)

    with Namespace() as host:
        index = host.link("tap1", "bridge")
        with host.inside():
            followed = links.Links()
            monkeypatch.setattr(links, "IPRoute", short)
            followed._list()
            assert followed.by_index[index].name == "tap1"
            host.remove("tap1")
            host.link("tap1", "bridge")  # the next owner's, of the same name and another index
            followed._list()
            assert index not in followed.by_index
            followed.close()
