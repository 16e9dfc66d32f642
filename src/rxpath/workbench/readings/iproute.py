"""ip link, addr, route, neigh: text and JSON.

The columns of `ip -s link` are read by their names, because column 5 of the first row was `overrun` up to iproute2 5.9 and is `missed`
since 5.10 (the other one stands in the second row of -s -s)."""
from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import replace

from .lines import Block, Line, number
from .records import Address, Link, Neighbour, Record, Route

LINK = re.compile(r"\s*(\d{1,9}): ([^\s@]+?)(?:@(\S+?))?: <([A-Z_0-9,-]*)>(.*)$")
COLUMNS = {"overrun": "over_errors", "missed": "missed_errors", "mcast": "multicast", "length": "length_errors", "crc": "crc_errors",
           "frame": "frame_errors", "fifo": "fifo_errors", "carrier": "carrier_errors", "collsns": "collisions",
           "aborted": "aborted_errors", "window": "window_errors", "heartbt": "heartbeat_errors", "transns": "carrier_changes",
           "otherhost": "otherhost_dropped"}
STATS_HEAD = re.compile(r"\s*(RX|TX)(?: errors)?:\s+([a-z]+(?:\s+[a-z]+)*)\s*$")
KINDS = tuple("vlan bond bridge veth vxlan tun macvlan ipvlan dummy ifb vrf gre gretap ipip sit macvtap wireguard geneve team vti ip6tnl "
              "macsec vcan openvswitch netkit bareudp".split())
SLAVES = re.compile(r"\s*(?:bond|bridge|openvswitch|team|vrf|macsec)_slave\b")
QUIET = re.compile(r"\s*(?:valid_lft|altname|alias|vf \d+|prog/xdp|RSS query|spoof checking|numtxqueues|parentbus|\S+_slave)\b")


def _words(text: str) -> dict[str, str]:
    """mtu 1500 qdisc mq state UP: names and what follows each."""
    words = text.split()
    return {words[i]: words[i + 1] for i in range(len(words) - 1)}


class _Link:
    """A link while its lines come."""

    def __init__(self, match: re.Match[str], line: Line) -> None:
        words = _words(match[5])
        self.lines = [line]
        self.fields: dict[str, object] = {
            "device": match[2], "index": int(match[1]), "parent": match[3] or "", "flags": tuple(filter(None, match[4].split(","))),
            "mtu": number(words.get("mtu", "")), "state": words.get("state", ""), "qdisc": words.get("qdisc", ""),
            "qlen": number(words.get("qlen", "")), "master": words.get("master", "")}
        self.details: dict[str, str] = {}
        self.stats: dict[str, int] = {}
        self.columns: list[str] = []
        self.of_vf = False

    def made(self, block: Block) -> Link:
        return Link(**self.fields, details=self.details, stats=self.stats, source=block.source_of(self.lines))       # type: ignore[arg-type]

    def take(self, line: Line) -> bool:
        """A line that is its own."""
        text = line.text.strip()
        first = text.split(None, 1)[0]
        if match := STATS_HEAD.match(text):
            self.columns = [f"{match[1].lower()}_{COLUMNS.get(n, n)}" for n in match[2].split()]
        elif self.columns and (values := text.split()) and all(number(w) is not None for w in values):
            if len(values) != len(self.columns):
                return False
            if not self.of_vf:
                self.stats.update((n, int(v)) for n, v in zip(self.columns, values, strict=True))
            self.columns = []
        elif first.startswith("link/"):
            words = text.split()
            self.fields["address"] = words[1] if len(words) > 1 else ""
            self.details |= {n: v for n, v in _words(text).items() if n in ("promiscuity", "allmulti", "numtxqueues", "numrxqueues",
                                                                           "minmtu", "maxmtu", "gro_max_size")}
        elif first in KINDS:
            self.fields["kind"] = first
            self.details |= {n: v for n, v in _words(text).items() if n in ("id", "protocol", "mode", "type")}
            self.details |= {n: v for n, v in _words(text).items() if n in ("numtxqueues", "numrxqueues")}
        elif re.match(r"vf \d", text):
            self.of_vf = True
        elif QUIET.match(text) or SLAVES.match(text):
            self.details |= {n: v for n, v in _words(text).items() if n in ("numtxqueues", "numrxqueues")}
        else:
            return False
        return True


INET = re.compile(r"\s*inet(6?) ([0-9a-fA-F.:]+)(?: peer ([0-9a-fA-F.:]+))?(?:/(\d{1,3}))?\s(.*)$")


def links(block: Block) -> list[Record]:
    """ip -s -s -d link and ip addr."""
    result: list[Record] = []
    now: _Link | None = None
    for line in block:
        if match := LINK.match(line.text):
            if now is not None:
                result.append(now.made(block))
            now = _Link(match, line)
        elif now is None:
            block.odd(line, "the line of its device is missing")
        elif (match := INET.match(f"{line.text} ")) and _is_address(match[2]):
            family = 6 if match[1] else 4
            scope = _words(match[5]).get("scope", "")
            result.append(Address(device=str(now.fields["device"]), address=match[2], scope=scope, family=family,
                                  prefix=int(match[4] or (128 if match[1] else 32)), source=block.source_of([line])))
            now.lines.append(line)
        elif now.take(line):
            now.lines.append(line)
        else:
            block.odd(line)
    if now is not None:
        result.append(now.made(block))
    return result


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


# ---------------------------------------------------------------- routes and neighbours
ROUTE_KINDS = ("unicast", "local", "broadcast", "multicast", "anycast", "unreachable", "throw", "blackhole", "prohibit", "nat")
NUD = ("PERMANENT", "NOARP", "REACHABLE", "STALE", "NONE", "INCOMPLETE", "DELAY", "PROBE", "FAILED")


def routes(block: Block) -> list[Record]:
    """ip route, with `table all` too; of one with several next hops, whose lines follow it, one for each."""
    result: list[Record] = []
    several: tuple[Line, Route] | None = None               # a route whose next hops are still to come
    for line in block:
        words = line.text.split()
        if words[0] == "nexthop" and result and several is not None:
            said = _words(" ".join(words[1:]))
            hop = replace(several[1], device=said.get("dev", ""), gateway=_gateway(said, words), source=block.source_of([line]))
            result[-1:] = [hop] if result[-1] is several[1] else [result[-1], hop]
            continue
        _without_hops(block, several, result)
        several = None
        kind = words.pop(0) if words[0] in ROUTE_KINDS else "unicast"
        if words[:1] == ["cache"]:                      # what IPv6 and `ip route get` put below a route
            continue
        if not words or (words[0] != "default" and not _is_address(words[0])):
            block.odd(line, "a next hop without its route" if words[:1] == ["nexthop"] else "not recognised")
            continue
        said = _words(" ".join(words[1:]))
        gateway = _gateway(said, words)
        made = Route(device=said.get("dev", ""), destination=words[0], kind=kind, gateway=gateway,
                     source_address=said.get("src", ""), metric=number(said.get("metric", "")) or 0, table=said.get("table", "main"),
                     scope=said.get("scope", ""), family=6 if ":" in words[0] or ":" in gateway else 4,
                     source=block.source_of([line]))
        result.append(made)
        if kind == "unicast" and "dev" not in said and "via" not in said:
            several = line, made
    _without_hops(block, several, result)
    return result


def _gateway(said: Mapping[str, str], words: list[str]) -> str:
    gateway = said.get("via", "")
    return _words(" ".join(words)).get(gateway, "") if gateway in ("inet", "inet6") else gateway


def _without_hops(block: Block, several: tuple[Line, Route] | None, result: list[Record]) -> None:
    """A route whose next hops never came leads nowhere: it is taken back, and said."""
    if several is not None and result and result[-1] is several[1]:
        result.pop()
        block.odd(several[0], "neither a device nor a gateway")


def neighbours(block: Block) -> list[Record]:
    """192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE"""
    result: list[Record] = []
    for line in block:
        words = line.text.split()
        said = _words(line.text)
        if len(words) < 4 or words[1] != "dev" or words[-1] not in (*NUD, "proxy") or not _is_address(words[0]):
            block.odd(line)
            continue
        result.append(Neighbour(device=words[2], address=words[0], mac=said.get("lladdr", ""), state=words[-1],
                                source=block.source_of([line])))
    return result


def proc_route(block: Block) -> list[Record]:
    """/proc/net/route, the main table of IPv4: addresses in hexadecimal, little-endian; flag 2: through a gateway."""
    result: list[Record] = []
    for line in block:
        words = line.text.split()
        if words[:2] == ["Iface", "Destination"]:
            continue
        numbers = [words[i] for i in (1, 2, 7)] if len(words) == 11 else []
        if not numbers or not all(re.fullmatch(r"[0-9A-F]{8}", w) for w in numbers) or number(words[6]) is None:
            block.odd(line)
            continue
        destination, gateway, mask = (ipaddress.IPv4Address(bytes.fromhex(w)[::-1]) for w in numbers)
        prefix = int(mask).bit_count()
        result.append(Route(device=words[0], destination=f"{destination}/{prefix}" if int(mask) else "default",
                            gateway=str(gateway) if int(gateway) else "", metric=int(words[6]), source=block.source_of([line])))
    return result


# ---------------------------------------------------------------- JSON
def from_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    """One object of `ip -j`: a link (with addresses), a route, a neighbour; empty: nothing of these."""
    if "ifname" in entry and isinstance(entry.get("flags"), list):
        return _link_json(entry, block)
    if "dst" in entry and "lladdr" not in entry and not isinstance(entry.get("state"), list):
        destination, gateway = str(entry["dst"]), str(entry.get("gateway", ""))
        route = Route(device=str(entry.get("dev", "")), destination=destination, kind=str(entry.get("type", "unicast")), gateway=gateway,
                      source_address=str(entry.get("prefsrc", "")), metric=_int(entry.get("metric")) or 0,
                      table=str(entry.get("table", "main")), scope=str(entry.get("scope", "")),
                      family=6 if ":" in destination or ":" in gateway else 4, source=block.source)
        hops = entry.get("nexthops")
        several = [hop for hop in hops if isinstance(hop, dict)] if isinstance(hops, list) else []
        return [replace(route, device=str(hop.get("dev", "")), gateway=str(hop.get("gateway", ""))) for hop in several] or [route]
    if "dst" in entry and "dev" in entry:
        state = entry.get("state")
        return [Neighbour(device=str(entry["dev"]), address=str(entry["dst"]), mac=str(entry.get("lladdr", "")),
                          state=str(state[0]) if isinstance(state, list) and state else "", source=block.source)]
    return []


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _link_json(entry: Mapping[str, object], block: Block) -> list[Record]:
    counts = entry.get("stats64", entry.get("stats"))
    stats: dict[str, int] = {}
    for side in ("rx", "tx"):
        part = counts.get(side) if isinstance(counts, dict) else None
        for name, value in part.items() if isinstance(part, dict) else ():
            if (whole := _int(value)) is not None:
                stats[f"{side}_{COLUMNS.get(name, name)}"] = whole
    info = entry.get("linkinfo")
    flags = entry["flags"]
    names = {"num_rx_queues": "numrxqueues", "num_tx_queues": "numtxqueues", "promiscuity": "promiscuity"}
    details = {ours: str(entry[theirs]) for theirs, ours in names.items() if theirs in entry}
    data = info.get("info_data") if isinstance(info, dict) else None
    details |= {n: str(data[n]) for n in ("id", "protocol", "mode") if n in data} if isinstance(data, dict) else {}
    device = str(entry["ifname"])
    result: list[Record] = [Link(
        device=device, index=_int(entry.get("ifindex")) or 0, flags=tuple(map(str, flags)) if isinstance(flags, list) else (),
        mtu=_int(entry.get("mtu")), state=str(entry.get("operstate", "")), qdisc=str(entry.get("qdisc", "")),
        qlen=_int(entry.get("txqlen")), master=str(entry.get("master", "")), parent=str(entry.get("link", "")),
        kind=str(info.get("info_kind", "")) if isinstance(info, dict) else "", address=str(entry.get("address", "")),
        details=details, stats=stats, source=block.source)]
    addresses = entry.get("addr_info")
    for one in addresses if isinstance(addresses, list) else ():
        if isinstance(one, dict) and isinstance(one.get("local"), str):
            result.append(Address(device=device, address=one["local"], prefix=_int(one.get("prefixlen")) or 0,
                                  scope=str(one.get("scope", "")), family=6 if one.get("family") == "inet6" else 4, source=block.source))
    return result
