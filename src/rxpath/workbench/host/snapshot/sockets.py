"""Sockets of a Reading as [[socket]]: what IPv4 reaches, with the buffer that each has.

A socket that is bound to [::] takes IPv4, too, unless it is IPV6_V6ONLY."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv6Address

from rxpath.workbench.host.model.programs import SOCKETS_MAX
from rxpath.workbench.host.snapshot.devices import Devices
from rxpath.workbench.host.snapshot.draft import Draft, Table
from rxpath.workbench.readings.records import Reading, TcpSockets, UdpSocket, UdpSockets
from rxpath.workbench.readings.settings import Processes, SocketOptions
from rxpath.workbench.words import units

OPENER = "systemd"                                          # opens sockets for others, and keeps them


@dataclass
class Opened:
    """A socket that is written: its name there, its record, the IPv4 addresses."""

    name: str
    proto: str
    socket: UdpSocket
    address: str
    peer: str = ""
    holders: set[str] = field(default_factory=set)
    reuse: str = ""
    note: str = ""

    @property
    def holder(self) -> str:
        """The program that it is called after; "" if none is known."""
        return min(self.holders - {OPENER} or self.holders, default="")


def plain_name(text: str) -> str:
    """Letters, digits, - and _ of a program's name."""
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "-_"))[:40]


class Names:
    """Each once: dns, dns-2, dns-3."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def free(self, wanted: str) -> str:
        self._count[wanted] = self._count.get(wanted, 0) + 1
        if self._count[wanted] == 1:
            return wanted
        return self.free(f"{wanted}-{self._count[wanted]}")


def udp(reading: Reading) -> list[UdpSocket]:
    """Those of every text, each once: what one text does not say of a socket, another may (/proc/net/udp, ss)."""
    return _merged(record.sockets for record in reading.of(UdpSockets, ""))


def tcp_listeners(reading: Reading) -> list[UdpSocket]:
    return [s for s in _merged(record.sockets for record in reading.of(TcpSockets, "")) if s.state.upper() == "LISTEN"]


def _merged(texts: Iterable[Iterable[UdpSocket]]) -> list[UdpSocket]:
    found: dict[tuple[object, ...], list[UdpSocket]] = {}
    for sockets in texts:
        met: dict[tuple[object, ...], int] = {}
        for sock in sockets:
            key = (sock.family, sock.address, sock.port, sock.peer, sock.peer_port)
            at = met[key] = met.get(key, -1) + 1
            same = found.setdefault(key, [])
            if at < len(same):
                have = same[at]
                same[at] = replace(
                    have, skmem=have.skmem or sock.skmem, inode=have.inode or sock.inode, programs=have.programs or sock.programs,
                    uid=have.uid if have.uid is not None else sock.uid, bound_device=have.bound_device or sock.bound_device,
                    v6only=have.v6only if have.v6only is not None else sock.v6only)
            else:
                same.append(sock)
    return [sock for same in found.values() for sock in same]


def _as_ipv4(sock: UdpSocket, address: str) -> str:
    """The IPv4 address that a socket's address is for IPv4 packets; "" if none reach it."""
    if sock.family == 4:
        return "0.0.0.0" if address in ("*", "") else address
    if address in ("::", "*", ""):
        return "" if sock.v6only else "0.0.0.0"
    try:
        mapped = IPv6Address(address.partition("%")[0]).ipv4_mapped
    except AddressValueError:
        return ""
    return str(mapped) if mapped is not None else ""


def choose(reading: Reading, devices: Devices, draft: Draft) -> list[Opened]:
    """The sockets that are written, with their names; what is left out becomes a remark."""
    cards = {card.name for card in devices.cards} | {"lo"}
    owners: dict[int, set[str]] = {}
    for record in reading.of(Processes):
        for process in record.processes:
            for _, inode in process.sockets:
                owners.setdefault(inode, set()).add(process.name)
    found: list[Opened] = []
    names, left = Names(), dict.fromkeys(("bound to no port", "of IPv6 only", "of devices that are no card here",
                                          "of the kernel itself (a tunnel's)"), 0)
    for proto, sockets in (("udp", udp(reading)), ("tcp", tcp_listeners(reading))):
        plain = {s.port for s in sockets if s.family == 4 and s.address in ("0.0.0.0", "*") and not s.peer_port}
        for sock in sockets:
            address, peer = _as_ipv4(sock, sock.address), _as_ipv4(sock, sock.peer) if sock.peer_port else ""
            twin = sock.family == 6 and sock.v6only is None and address == "0.0.0.0" and sock.port in plain
            if not sock.port:
                left["bound to no port"] += 1
            elif not address or twin or (sock.peer_port and not peer):
                left["of IPv6 only"] += 1
            elif sock.bound_device and sock.bound_device not in cards:
                left["of devices that are no card here"] += 1
            elif sock.inode == 0 and proto == "udp" and reading.first(Processes) is not None:
                left["of the kernel itself (a tunnel's)"] += 1
            else:
                found.append(Opened("", proto, sock, address, peer, owners.get(sock.inode or -1, set()) or {p.name for p in sock.programs}))
                found[-1].name = names.free(f"{plain_name(found[-1].holder) or proto}-{sock.port}")
                if sock.family == 6 and sock.v6only is None:
                    found[-1].note = "bound to [::]; whether it is IPV6_V6ONLY is not known (ss -e)"
    for why, count in left.items():
        if count:
            draft.remarks.append(f"{count} socket{'s' if count > 1 else ''} left out: {why}")
    if len(found) > SOCKETS_MAX:
        draft.remarks.append(f"{len(found) - SOCKETS_MAX} sockets left out: there is room for {SOCKETS_MAX}")
    _reuse(found)
    return found[:SOCKETS_MAX]


def _reuse(found: list[Opened]) -> None:
    """Sockets that share a port must have been bound with SO_REUSEPORT or SO_REUSEADDR, which nothing shows.  SO_REUSEPORT is of one user;
    two listeners need it."""
    ports: dict[tuple[str, int], list[Opened]] = {}
    for item in found:
        ports.setdefault((item.proto, item.socket.port), []).append(item)
    for (proto, _), items in ports.items():
        sharing = _sharing(items)
        alike = len({(o.socket.uid, o.address, frozenset(o.holders)) for o in sharing}) == 1
        group = any(o.address.split(".")[0] in _GROUPS for o in sharing)
        for one in sharing:
            one.reuse = "reuseport" if proto == "tcp" or (alike and not group) else "reuseaddr"


_GROUPS = {str(n) for n in range(224, 240)}


def _sharing(items: list[Opened]) -> list[Opened]:
    """Those of a port that would not have been bound beside another: the same address, or any, on a device that may be the same."""
    places: dict[tuple[str, str], int] = {}
    for item in items:
        place = item.address, item.socket.bound_device
        places[place] = places.get(place, 0) + 1

    def met(item: Opened) -> bool:
        address, device = item.address, item.socket.bound_device
        return sum(count for (other, where), count in places.items() if (other == address or "0.0.0.0" in (other, address))
                   and (where == device or not where or not device)) > 1

    shared = {place: met(item) for item in items if (place := (item.address, item.socket.bound_device))}
    return [item for item in items if shared[item.address, item.socket.bound_device]]


def write(found: list[Opened], reading: Reading, draft: Draft, default: int | None, largest: int | None) -> None:
    """[[socket]] of each.  default, largest: rmem_default and rmem_max as the host has them, None if unknown."""
    known = any(True for kind in (UdpSockets, TcpSockets) for _ in reading.of(kind, ""))
    if not known:
        draft.remarks.append("sockets and programs: not known (ss -uamnpe, ss -tlmnpe); a replay opens what the capture's traffic goes to")
    elif not found:
        draft.top.set("listen", "listed", "no socket that IPv4 reaches is open on the host")
    options = {record.inode: record for record in reading.of(SocketOptions)}
    for item in found:
        table = draft.add("socket")
        table.set("name", item.name)
        if item.proto != "udp":
            table.set("proto", item.proto)
        table.set("bind", f"{item.address}:{item.socket.port}", item.note)
        if item.peer and item.proto == "udp":
            table.set("connect", f"{item.peer}:{item.socket.peer_port}")
        if item.proto == "udp":
            _buffer(item.socket, table, default, largest)
        if item.socket.bound_device:
            table.set("bindtodevice", item.socket.bound_device)
        asked = options.get(item.socket.inode or -1)
        if asked is not None:
            _asked(asked, item, table)
            continue
        if item.reuse:
            table.set(item.reuse, True, "the port is shared: SO_REUSEPORT or SO_REUSEADDR, which of them no file shows")
        if item.address.split(".")[0] in _GROUPS:
            table.set("join", [item.address], "it is bound to the group; which others it has joined no file shows")


def _asked(options: SocketOptions, item: Opened, table: Table) -> None:
    """What the socket itself said."""
    for name in ("reuseaddr", "reuseport") if item.proto == "udp" else ("reuseport",):     # a listener's SO_REUSEADDR lets nobody in
        if options.values.get(name):
            table.set(name, True)
    if item.proto != "udp":
        return
    if options.groups:
        table.set("join", list(options.groups))
    if options.values.get("multicast_all") == 0:
        table.set("multicast_all", False)
    if options.values.get("udp_gro"):
        table.set("udp_gro", True)
    for name, unit in (("timeout", 1), ("busy_poll", 1000)):
        if options.values.get(name):
            table.set(name, units.duration_text(options.values[name] * unit))


def _buffer(sock: UdpSocket, table: Table, default: int | None, largest: int | None) -> None:
    """sk_rcvbuf is what was asked for, doubled; SO_RCVBUFFORCE goes beyond rmem_max."""
    if sock.skmem is None:
        table.note(f"rcvbuf: not known (ss -uamn 'sport = :{sock.port}'); rmem_default is assumed")
        return
    has = sock.skmem.rb
    if has == default:
        return
    if default is None:
        table.set("rcvbuf", units.size_text(has // 2), f"sk_rcvbuf is {has}; rmem_default is not known")
    elif largest is not None and has // 2 > largest:
        table.set("rcvbufforce", units.size_text(has // 2), f"sk_rcvbuf is {has}, beyond rmem_max")
    else:
        capped = " (rmem_max: perhaps more was asked for)" if has // 2 == largest else ""
        table.set("rcvbuf", units.size_text(has // 2), f"sk_rcvbuf is {has}{capped}")
