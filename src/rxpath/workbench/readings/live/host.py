"""This host's settings, all of one moment, as a Reading: what a snapshot is made of, and what doctor knows beside the counters.

Each part is read by itself: what fails is said in Reading.unread, and the rest goes on.  Nothing is written to the kernel."""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial

from rxpath.abi.sysctls import SYSCTLS
from rxpath.workbench.readings.live import device_files, files, firewall, machine, netdev, processes, rtnetlink, sock_diag, socket_options
from rxpath.workbench.readings.live.ethtool import Cards
from rxpath.workbench.readings.live.netlink import NETLINK_ROUTE, NETLINK_SOCK_DIAG, Generic, Netlink
from rxpath.workbench.readings.records import Link, Reading, Record, Source, Sysctls, TcpSockets, UdpSockets, Unread
from rxpath.workbench.readings.settings import Memberships, Napi, Slot
from rxpath.workbench.readings.sniff import read_text

DEVICES_MAX = 256                                           # hosts of containers have thousands; those with addresses come first
_TEXTS = ("/proc/interrupts", "/proc/stat", "/proc/net/packet", "/proc/net/igmp")


class Host:
    """The reading while it grows."""

    def __init__(self, sockets: bool = True, options: bool = False) -> None:
        self.records: list[Record] = []
        self.unread: list[Unread] = []
        self.links: list[Link] = []
        self.sockets, self.options = sockets, options

    def part(self, what: str, read: Callable[[], Iterable[Record] | Record | None]) -> None:
        """One part; what the kernel refuses is said under that name."""
        try:
            found = read()
        except OSError as error:
            self.unread.append(Unread(what, 0, "", error.strerror or type(error).__name__))
            return
        if isinstance(found, Record):
            self.records.append(found)
        elif found is not None:
            self.records += found

    @property
    def names(self) -> dict[int, str]:
        return {link.index: link.device for link in self.links}

    def read(self) -> Reading:
        begun = time.time()
        self.part("/proc", machine.all_of_it)
        self.unread += machine.for_root()
        self._network()
        self._cards()
        self.part("/proc/sys", lambda: sysctls([link.device for link in self.links]))
        for path in _TEXTS:
            self._text(path, files.content(path))
        self._firewall()
        if self.sockets:
            self._sockets()
        return Reading(tuple(self.records), tuple(self.unread), begun, "this host")

    def _text(self, name: str, content: str | None) -> None:
        if content is None:
            self.unread.append(Unread(name, 0, "", "cannot be read"))
        elif content:
            reading = read_text(content + "\n", name)
            self.records += reading.records
            self.unread += reading.unread

    def _network(self) -> None:
        with Netlink(NETLINK_ROUTE) as route:
            self.links = rtnetlink.links(route)
            self.records += self.links
            names = self.names
            self.part("ip address", lambda: rtnetlink.addresses(route, names))
            self.part("ip route", lambda: rtnetlink.routes(route, names))
            self.part("ip rule", lambda: rtnetlink.policy_rules(route))
            self.part("ip neighbour", lambda: rtnetlink.neighbours(route, names))

    def _cards(self) -> None:
        """ethtool, /sys and NAPIs of each device, and the affinities of its interrupts."""
        with ExitStack() as stack:
            generic: Generic | None = None
            try:
                generic = stack.enter_context(Generic())
            except OSError as error:
                self.unread.append(Unread("generic netlink", 0, "", error.strerror or "refused"))
            cards = Cards(generic)
            stack.callback(cards.close)
            elsewhere = []
            for link in self.links[:DEVICES_MAX]:
                if "LOOPBACK" in link.flags:
                    continue
                self.records += cards.settings(link.device)
                if device_files.is_ours(link):
                    self.records += device_files.of_device(link.device)
                else:
                    elsewhere.append(link.device)
            self.unread += cards.unread
            if len(self.links) > DEVICES_MAX:
                self.unread.append(Unread("ethtool", 0, "", f"asked of {DEVICES_MAX} of {len(self.links)} devices"))
            if elsewhere:
                self.unread.append(Unread("/sys/class/net", 0, "", f"shows another network namespace, not {', '.join(elsewhere[:4])}: "
                                                                   "no RPS, RFS, threads and slots (ip netns exec mounts the right one)"))
            if generic is not None:
                self.part("netdev", lambda: netdev.napis(generic, self.names))
        irqs = {irq for r in self.records if isinstance(r, Slot) for irq in r.irqs}
        irqs |= {r.irq for r in self.records if isinstance(r, Napi) and r.irq}
        self.part("/proc/irq", lambda: machine.affinities(sorted(irqs)))

    def _firewall(self) -> None:
        rules, unread = firewall.saved_rules()
        self._text("iptables-save", rules)
        self.unread += unread
        self.part("nft", firewall.other_tables)

    def _sockets(self) -> None:
        with Netlink(NETLINK_SOCK_DIAG) as diag:
            for what, read, texts in (("ss -u", sock_diag.udp_sockets, ("/proc/net/udp", "/proc/net/udp6")),
                                      ("ss -tl", sock_diag.tcp_listeners, ("/proc/net/tcp", "/proc/net/tcp6"))):
                before = len(self.unread)
                self.part(what, partial(read, diag, self.names))
                if len(self.unread) > before:               # no udp_diag, tcp_diag: without buffers
                    for path in texts:
                        self._text(path, files.content(path))
        inodes = {s.inode for r in self.records if isinstance(r, (UdpSockets, TcpSockets)) for s in r.sockets if s.inode}
        found, unread = processes.processes(inodes)
        self.records.append(found)
        self.unread += unread
        if self.options:
            said, refused = socket_options.options(found.processes, (r for r in self.records if isinstance(r, Memberships)),
                                                   {name: index for index, name in self.names.items()})
            self.records += said
            self.unread += refused
        if found.hidden:
            self.unread.append(Unread("/proc/PID/fd", 0, "", f"{found.hidden} processes of other users are hidden (root sees them)"))


def read_host(*, sockets: bool = True, options: bool = False) -> Reading:
    """What this host is set to.  Takes some tens of milliseconds; sockets=False leaves out sockets and processes, which take most;
    options=True asks other processes' sockets for their options (root)."""
    return Host(sockets, options).read()


def sysctls(devices: list[str]) -> Sysctls:
    """Those that the path reads.  denied: there, but not for us, or not in this network namespace."""
    values, denied = {}, []
    for row in SYSCTLS:
        for scope in ("all", "default", *devices) if row.combine else ("",):
            path = "/proc/sys/" + row.name.replace(".", "/").replace("*", scope)
            text = files.content(path)
            name = row.name.replace("*", scope.replace(".", "/"))
            if text is None:
                denied.append(name)
            else:
                values[name] = " ".join(text.split())
    return Sysctls(source=Source("/proc/sys"), values=values, denied=tuple(denied))

