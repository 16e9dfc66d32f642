"""Devices, addresses, routes, rules and neighbours of our network namespace, by rtnetlink dumps: no privilege is needed.

Not by /sys/class/net, which lists the namespace that the file system was mounted in.  Twins: iproute2's ip; layouts of
include/uapi/linux/{rtnetlink,if_link,if_addr,neighbour}.h."""
from __future__ import annotations

import socket
import struct

from rxpath.workbench.readings.live.netlink import Netlink, attributes, number, table, text
from rxpath.workbench.readings.records import Address, Link, Neighbour, Route, Source
from rxpath.workbench.readings.settings import PolicyRules

_GETLINK, _GETADDR, _GETROUTE, _GETNEIGH, _GETRULE = 18, 22, 26, 30, 34
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_QDISC, _IFLA_MASTER, _IFLA_LINKINFO = 1, 3, 4, 5, 6, 10, 18
_IFLA_STATS64, _IFLA_PROMISCUITY, _IFLA_LINK_NETNSID, _IFLA_XDP = 23, 30, 37, 43
_FLAGS = {0x1: "UP", 0x2: "BROADCAST", 0x8: "LOOPBACK", 0x10: "POINTOPOINT", 0x80: "NOARP", 0x100: "PROMISC", 0x200: "ALLMULTI",
          0x400: "MASTER", 0x800: "SLAVE", 0x1000: "MULTICAST", 0x10000: "LOWER_UP"}
_STATS64 = ("rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "rx_multicast",
            "tx_collisions", "rx_length_errors", "rx_over_errors", "rx_crc_errors", "rx_frame_errors", "rx_fifo_errors",
            "rx_missed_errors", "tx_aborted_errors", "tx_carrier_errors", "tx_fifo_errors", "tx_heartbeat_errors", "tx_window_errors",
            "rx_compressed", "tx_compressed", "rx_nohandler", "rx_otherhost_dropped")
_TYPES = {1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast", 6: "blackhole", 7: "unreachable", 8: "prohibit",
          9: "throw", 10: "nat", 11: "xresolve"}
_TABLES = {253: "default", 254: "main", 255: "local"}
_STATES = {0x01: "incomplete", 0x02: "reachable", 0x04: "stale", 0x08: "delay", 0x10: "probe", 0x20: "failed", 0x40: "noarp",
           0x80: "permanent"}


def _ip(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(data) == 4 else socket.AF_INET6, data)


def links(route: Netlink) -> list[Link]:
    """Every device with its counters, in the order of its number."""
    source = Source("ip -s -d link")
    heard = [(struct.unpack_from("=iI", answer, 4), table(answer, 16)) for answer in
             route.ask(_GETLINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0), dump=True)]
    names = {index: text(has[_IFLA_IFNAME]) for (index, _), has in heard}
    found = []
    for (index, flags), has in heard:
        info = table(has.get(_IFLA_LINKINFO, b""))
        kind = text(info.get(1, b""))
        details = {}
        if kind == "vlan" and 1 in (vlan := table(info.get(2, b""))):
            details["id"] = str(number(vlan[1]))
        if number(table(has.get(_IFLA_XDP, b"")).get(2, b"")):
            details["xdp"] = "on"
        if number(has.get(_IFLA_PROMISCUITY, b"")):         # counts also what packet sockets asked for
            flags |= 0x100
        lower = number(has.get(_IFLA_LINK, b""))            # a number of another namespace, if there is IFLA_LINK_NETNSID
        counters = has.get(_IFLA_STATS64, b"")
        found.append(Link(
            source=source, device=names[index], index=index, flags=tuple(word for bit, word in _FLAGS.items() if flags & bit),
            mtu=number(has[_IFLA_MTU]), qdisc=text(has.get(_IFLA_QDISC, b"")), master=names.get(number(has.get(_IFLA_MASTER, b"")), ""),
            parent="" if lower == index or _IFLA_LINK_NETNSID in has else names.get(lower, ""), kind=kind,
            address=has.get(_IFLA_ADDRESS, b"").hex(":"), details=details,
            stats=dict(zip(_STATS64, struct.unpack_from(f"={min(len(counters) // 8, len(_STATS64))}Q", counters), strict=False))))
    return found


def addresses(route: Netlink, names: dict[int, str]) -> list[Address]:
    """IPv4 and IPv6; `names` are the devices' by number."""
    source, found = Source("ip address"), []
    for answer in route.ask(_GETADDR, struct.pack("=BBBBI", 0, 0, 0, 0, 0), dump=True):
        family, prefix, _, _, index = struct.unpack_from("=BBBBI", answer)
        has = table(answer, 8)
        own = has.get(2) or has.get(1)                      # IFA_LOCAL; IFA_ADDRESS is the peer of a point-to-point link
        if family in (socket.AF_INET, socket.AF_INET6) and own is not None and index in names:
            found.append(Address(source=source, device=names[index], address=_ip(own), prefix=prefix,
                                 family=4 if family == socket.AF_INET else 6))
    return found


def routes(route: Netlink, names: dict[int, str]) -> list[Route]:
    """IPv4 routes of all tables; of one with several next hops, one for each."""
    source, found = Source("ip route show table all"), []
    for answer in route.ask(_GETROUTE, struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0), dump=True):
        family, prefix, _, _, small, _, _, kind, flags = struct.unpack_from("=BBBBBBBBI", answer)
        has = table(answer, 12)
        if family != socket.AF_INET or flags & 0x200:       # RTM_F_CLONED: a cached result, not a route
            continue
        where = number(has[15]) if 15 in has else small
        hops = [(_ip(has[5]) if 5 in has else "", names.get(number(has.get(4, b"")), ""))]
        if 9 in has:
            hops = _multipath(has[9], names)
        destination = f"{_ip(has[1])}/{prefix}" if 1 in has else f"0.0.0.0/{prefix}" if prefix else "default"
        found += [Route(source=source, device=device, destination=destination, kind=_TYPES.get(kind, str(kind)), gateway=gateway,
                        source_address=_ip(has[7]) if 7 in has else "", metric=number(has.get(6, b"")),
                        table=_TABLES.get(where, str(where))) for gateway, device in hops]
    return found


def _multipath(data: bytes, names: dict[int, str]) -> list[tuple[str, str]]:
    """RTA_MULTIPATH: a struct rtnexthop with attributes for each."""
    hops: list[tuple[str, str]] = []
    at = 0
    while at + 8 <= len(data):
        length, _, _, index = struct.unpack_from("=HBBi", data, at)
        if length < 8:
            break
        has = dict(attributes(data[at + 8: at + length]))
        hops.append((_ip(has[5]) if 5 in has else "", names.get(index, "")))
        at += (length + 3) & ~3
    return hops


def policy_rules(route: Netlink) -> PolicyRules:
    """`ip rule`: 0: local, 32766: main, 32767: default are everybody's."""
    usual = {(0, 255), (32766, 254), (32767, 253)}
    seen = set()
    for answer in route.ask(_GETRULE, struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0), dump=True):
        has = table(answer, 12)
        seen.add((number(has.get(6, b"")), number(has[15]) if 15 in has else answer[4]))
    return PolicyRules(source=Source("ip rule"), extra=len(seen - usual))


def neighbours(route: Netlink, names: dict[int, str]) -> list[Neighbour]:
    """IPv4 neighbours whose hardware address is known."""
    source, found = Source("ip neighbour"), []
    for answer in route.ask(_GETNEIGH, struct.pack("=BxHiHBB", socket.AF_INET, 0, 0, 0, 0, 0), dump=True):
        family, index, state = struct.unpack_from("=BxxxiH", answer)
        has = table(answer, 12)
        if family == socket.AF_INET and len(has.get(1, b"")) == 4 and len(has.get(2, b"")) == 6 and not state & 0x61:   # incomplete, failed
            found.append(Neighbour(source=source, device=names.get(index, ""), address=_ip(has[1]), mac=has[2].hex(":"),
                                   state=_STATES.get(state, str(state))))
    return found
