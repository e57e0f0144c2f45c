"""Network namespaces for tests: unnamed, held by a file descriptor, gone when it is closed.

with Namespace() as hypervisor, Namespace() as vm:
    hypervisor.veth("tap0", vm, "eth0")
    hypervisor.address("tap0", "192.0.2.1/24")
    vm.address("eth0", "192.0.2.2/24")
    with vm.inside():                      # this thread only
        sock = socket.socket(...)          # belongs to the namespace for its life
    job = vm.start(function, argument)     # in a thread of its own; job.result()
    vm.run("ping", "-c1", "192.0.2.1")     # a program
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

CLONE_NEWNET = 0x40000000
SIOCETHTOOL = 0x8946
# linux/ethtool.h: commands that set one offload; veth copies a neighbour's checksum as it is
ETHTOOL_SET = {"tx": 0x17, "sg": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}
TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 0x0001, 0x0002, 0x1000, 0x4000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(code: int, tried: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{tried}: {os.strerror(number)}")


def enter(fd: int) -> None:
    """Move the calling thread into the network namespace behind `fd`."""
    _checked(_libc.setns(fd, CLONE_NEWNET), "setns")


def _own_namespace() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _in_thread(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    future: Future[Any] = Future()

    def body() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=body, daemon=True).start()
    return future


def _unshared() -> int:
    _checked(_libc.unshare(CLONE_NEWNET), "unshare")
    return _own_namespace()


def unavailable() -> str | None:
    """Why namespaces cannot be made here, or None."""
    try:
        os.close(_in_thread(_unshared).result())
    except OSError as error:
        return f"network namespaces need root here ({error.strerror})"
    return None


class Namespace:
    """One network namespace and the links in it."""

    def __init__(self, ipv6: bool = False) -> None:
        """`ipv6` False keeps the kernel's own neighbour and router chatter off the links."""
        self.fd: int = _in_thread(_unshared).result()
        self._files: list[int] = []
        self.sysctl("net/ipv6/conf/default/disable_ipv6", "0" if ipv6 else "1")
        self.sysctl("net/ipv6/conf/default/accept_dad", "0")
        self.sysctl("net/ipv6/conf/default/router_solicitations", "0")
        self.up("lo")

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the namespace go; the kernel removes it and its links with the last descriptor."""
        for file in self._files:
            os.close(file)
        self._files.clear()
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is in the namespace; sockets made here stay in it."""
        outside = _own_namespace()
        enter(self.fd)
        try:
            yield
        finally:
            enter(outside)
            os.close(outside)

    def start(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a function in a thread inside the namespace."""

        def body() -> Any:
            enter(self.fd)
            return function(*arguments)

        return _in_thread(body)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside, its output as text."""
        with self.inside():
            return subprocess.run(command, check=check, capture_output=True, text=True, timeout=600)

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; the caller ends it."""
        with self.inside():
            return subprocess.Popen(command, **options)

    @contextlib.contextmanager
    def routes(self) -> Iterator[IPRoute]:
        """An rtnetlink socket of the namespace; all calls on it in this thread."""
        with self.inside(), IPRoute() as ip:
            yield ip

    def sysctl(self, name: str, value: str) -> None:
        """Write /proc/sys/NAME as the namespace has it; a missing one is none to set."""
        with self.inside(), contextlib.suppress(FileNotFoundError):
            Path("/proc/sys", name).write_text(value)

    # ---- links ----------------------------------------------------------------------------

    def index(self, name: str) -> int:
        """The ifindex of a link."""
        with self.inside():
            return socket.if_nametoindex(name)

    def up(self, name: str) -> None:
        with self.routes() as ip:
            ip.link("set", index=socket.if_nametoindex(name), state="up")

    def down(self, name: str) -> None:
        with self.routes() as ip:
            ip.link("set", index=socket.if_nametoindex(name), state="down")

    def remove(self, name: str) -> None:
        with self.routes() as ip:
            ip.link("del", index=socket.if_nametoindex(name))

    def link(self, name: str, kind: str, **settings: Any) -> int:
        """Make a link of a kind ('bridge', 'dummy', 'macvtap' ...), up; its ifindex."""
        with self.routes() as ip:
            ip.link("add", ifname=name, kind=kind, **settings)
        self.up(name)
        return self.index(name)

    def veth(self, name: str, other: Namespace, peer: str) -> int:
        """A veth pair, up at both ends: `name` here, `peer` in the other namespace; our ifindex."""
        with self.routes() as ip:
            far = {"ifname": peer} if other is self else {"ifname": peer, "net_ns_fd": other.fd}
            ip.link("add", ifname=name, kind="veth", peer=far)
        self.up(name)
        other.up(peer)
        return self.index(name)

    def tap(self, name: str, vnet_hdr: bool = False, layer3: bool = False) -> int:
        """A TAP (or TUN) device as QEMU opens it, up; the descriptor: write sends out of the 'VM'.

        Closed, and the device removed, with the namespace.
        """
        with self.inside():
            fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
            flags = (IFF_TUN if layer3 else IFF_TAP) | IFF_NO_PI | (IFF_VNET_HDR if vnet_hdr else 0)
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        self._files.append(fd)
        self.up(name)
        return fd

    def close_tap(self, fd: int) -> None:
        """Close a TAP's descriptor early: its link disappears."""
        self._files.remove(fd)
        os.close(fd)

    def bridge(self, name: str, *ports: str) -> int:
        """A bridge, up, that sends nothing of its own; its ifindex."""
        index = self.link(name, "bridge", br_mcast_snooping=0)
        for port in ports:
            self.master(port, name)
        return index

    def master(self, name: str, master: str | None) -> None:
        """Put a link into a bridge, or (None) take it out."""
        with self.routes() as ip:
            above = socket.if_nametoindex(master) if master else 0
            ip.link("set", index=socket.if_nametoindex(name), master=above)

    def rename(self, name: str, to: str) -> None:
        """Give a link another name; it is down for a moment, as old kernels want it."""
        with self.routes() as ip:
            index = socket.if_nametoindex(name)
            ip.link("set", index=index, state="down")
            ip.link("set", index=index, ifname=to)
            ip.link("set", index=index, state="up")

    def move(self, name: str, to: Namespace) -> None:
        """Move a link into another namespace, up there."""
        with self.routes() as ip:
            ip.link("set", index=socket.if_nametoindex(name), net_ns_fd=to.fd)
        to.up(name)

    def address(self, name: str, address: str) -> None:
        """Give a link an address, '192.0.2.1/24' or '2001:db8::1/64'."""
        host, _, length = address.partition("/")
        with self.routes() as ip:
            ip.addr("add", index=socket.if_nametoindex(name), address=host, prefixlen=int(length))

    def route(self, destination: str, gateway: str | None = None, device: str | None = None) -> None:
        """Add a route; destination '203.0.113.0/24' or '0.0.0.0/0'."""
        with self.routes() as ip:
            how: dict[str, Any] = {"gateway": gateway} if gateway else {}
            if device:
                how["oif"] = socket.if_nametoindex(device)
            ip.route("add", dst=destination, **how)

    def neighbour(self, name: str, address: str, mac: str) -> None:
        """Know an address for good, so that nothing asks for it on the link."""
        with self.routes() as ip:
            ip.neigh("replace", dst=address, lladdr=mac, ifindex=socket.if_nametoindex(name), state="permanent")

    def mac(self, name: str) -> str:
        """A link's hardware address."""
        with self.routes() as ip:
            return str(ip.get_links(socket.if_nametoindex(name))[0].get_attr("IFLA_ADDRESS"))

    def forward(self) -> None:
        """Forward packets between the links of this namespace, both families."""
        self.sysctl("net/ipv4/ip_forward", "1")
        self.sysctl("net/ipv6/conf/all/forwarding", "1")

    def offload(self, name: str, **features: bool) -> None:
        """Switch offloads by ethtool's ioctl: tx, sg, tso, gso, gro."""
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for feature, on in features.items():
                value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_SET[feature], int(on)))
                request = struct.pack("@16sP16x", name.encode(), ctypes.addressof(value))
                fcntl.ioctl(sock.fileno(), SIOCETHTOOL, request)
